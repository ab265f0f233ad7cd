"""Controlled processes: what goes wrong in them is told, and nothing is left behind."""

import sys
from pathlib import Path

import pytest

from bench.floors.child import Child, ChildFailed, Unavailable
from bench.floors.redis_server import RedisServer
from bench.peers import base


def python(code: str) -> list[str]:
    """Return the command that runs *code*."""
    return [sys.executable, "-c", code]


def test_what_a_process_says_at_its_end_is_told() -> None:
    """Who dies before being ready has the reason in the error."""
    with pytest.raises(ChildFailed, match="no luck today"):
        Child(python("raise SystemExit('no luck today')"))


def test_a_silent_process_is_given_up() -> None:
    """It is not waited for longer than told."""
    with pytest.raises(ChildFailed, match="does not answer"):
        Child(python("input()"), start_s=0.05)


def test_a_process_may_say_that_it_cannot_run_here() -> None:
    """That is no failure: the line says why."""
    with pytest.raises(Unavailable, match="no such thing"):
        Child(python("""print('{"skipped": "no such thing"}')"""))


@pytest.mark.parametrize(
    ("name", "argument"),
    [("nonsense", True), ("broadcast", {}), ("broadcast", {"bytes": 3})],
)
def test_a_wrong_command_is_an_error_and_no_end(name: str, argument: object) -> None:
    """The process goes on serving after it."""
    with Child.module("bench.floors.picows_echo") as child:
        if name == "broadcast":
            child.ask("stat")
        with pytest.raises(ChildFailed):
            child.ask(name, argument)
        assert child.ask("stat")["connections"] == 0


def test_nothing_is_left_after_the_end() -> None:
    """Process and folder of a Redis server are gone."""
    try:
        server = RedisServer(appends=True)
    except Unavailable as reason:
        pytest.skip(str(reason))
    with server:
        client = server.client()
        folder = Path(str(client.config_get("dir")["dir"]))
        client.close()
        assert folder.exists()
    assert not folder.exists()
    assert not Path(f"/proc/{server.pid}").exists()


def test_what_is_missing_is_named_with_its_remedy() -> None:
    """One line says what to install."""
    assert "apt-get install no-package" in base.lacks_program("no-such", "no-package")
    assert "pip install" in base.lacks_module("no_such_module", "no-such")
    assert base.lacks_program("sh", "dash") == base.lacks_module("orjson", "") == ""
