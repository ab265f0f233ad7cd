"""Keys in files that settings name: shared by several servers, or told to be wrong."""

import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.support.quizzes import quick_quiz
from tests.support.server import Server

PATIENCE_S = 30

WRONG = {
    "QUIZD_AUTH__SECRET_FILE": "secret",
    "QUIZD_AUTH__AUTHOR_TOKEN_FILE": "author token",
    "QUIZD_DATABASE__AUDIT_KEY_FILE": "audit key",
}


async def test_one_author_token_opens_all_servers(tmp_path: Path) -> None:
    """Each has a data folder of its own; the file, made by hand, is the same."""
    file = tmp_path / "token"
    file.touch(0o600)
    file.write_text("for-authors-everywhere\n")
    options = {"auth.author_token_file": file}
    async with (
        Server(tmp_path / "one", options) as one,
        Server(tmp_path / "two", options) as two,
    ):
        for server in (one, two):
            async with server.api("for-authors-everywhere") as api:
                answer = await api.post("/quizzes", json=quick_quiz(1, {}))
            assert answer.status_code == httpx.codes.CREATED
            assert not (server.data_dir / "author.token").exists()


@pytest.mark.parametrize("variable", WRONG)
def test_a_short_key_stops_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """The line names the file and what is wrong with it."""
    file = tmp_path / "key"
    file.touch(0o600)
    file.write_bytes(b"abc")
    monkeypatch.setenv(variable, str(file))
    folder = str(tmp_path / "data")
    command = [sys.executable, "-m", "quizd", "serve", "--port", "0"]
    result = subprocess.run(  # noqa: S603
        [*command, "--data-dir", folder],
        capture_output=True,
        check=False,
        text=True,
        timeout=PATIENCE_S,
    )
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1] == (
        f"quizd: {file}: the {WRONG[variable]} has 3 bytes, 16 at least are needed"
    )
