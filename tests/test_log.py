"""Logs: their form, and that no secret gets into them."""

import json
import logging
import sys
from collections.abc import Generator
from typing import Any

import pytest
import structlog

from quizd import log

SECRET = "s3cr3t-value"

HIDDEN = {
    "url": f"GET /ws?quizId=q1&token={SECRET}&participantId=p1",
    "url end": f"/ws?token={SECRET}",
    "subprotocol": f"quizd.v1, bearer.{SECRET}",
    "header": f"Authorization: Bearer {SECRET}",
    "basic": f"authorization: Basic {SECRET}",
    "json": json.dumps({"hostToken": SECRET, "a": 1}),
    "json in json": json.dumps(json.dumps({"password": SECRET})),
    "repr": repr({"token": SECRET}),
    "bytes": repr(f"token={SECRET}".encode()),
    "form": f"name=ann&password={SECRET}",
}


class Written:
    """What a test wrote to standard error."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def text(self) -> str:
        """Return what was written since the last call."""
        return self._capsys.readouterr().err

    def lines(self) -> list[dict[str, Any]]:
        """Return it as one JSON object a line."""
        return [json.loads(line) for line in self.text().splitlines()]


@pytest.fixture
def written(capsys: pytest.CaptureFixture[str]) -> Generator[Written]:
    """What is written to standard error; afterwards logging is as it was."""
    root = logging.getLogger()
    before = (root.level, list(root.handlers))
    yield Written(capsys)
    root.level, root.handlers = before
    structlog.reset_defaults()


class TestForm:
    """One event a line, with time, level and name of the event."""

    def test_json(self, written: Written) -> None:
        """A line is one JSON object that begins with time, level and event."""
        log.configure("info", "json")
        log.get_logger("quizd.edge").info("connection_opened", connections=3)
        (line,) = written.lines()
        assert list(line)[:3] == ["time", "level", "event"]
        assert line["time"].endswith("Z")
        assert line | {"time": ""} == {
            "time": "",
            "level": "info",
            "event": "connection_opened",
            "logger": "quizd.edge",
            "connections": 3,
        }

    def test_text(self, written: Written) -> None:
        """Text is for people and has no colour where there is no terminal."""
        log.configure("info", "text")
        log.get_logger("quizd").info("started", port=8080)
        text = written.text()
        assert "started" in text
        assert "port=8080" in text
        assert "\x1b" not in text

    @pytest.mark.parametrize(("terminal", "is_json"), [(True, False), (False, True)])
    def test_auto(
        self,
        written: Written,
        terminal: bool,
        is_json: bool,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Left to itself, it writes text on a terminal and JSON elsewhere."""
        monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
        log.configure()
        log.get_logger("quizd").info("started")
        assert written.text().startswith("{") is is_json

    @pytest.mark.parametrize("name", ["uvicorn.error", "asyncio", "picows.x"])
    def test_libraries(self, name: str, written: Written) -> None:
        """Events of libraries come in the same form, once."""
        logging.getLogger("uvicorn").addHandler(logging.StreamHandler())
        log.configure("info", "json")
        logging.getLogger(name).warning("took %d ms", 5)
        (line,) = written.lines()
        assert (line["event"], line["level"]) == ("took 5 ms", "warning")
        assert line["logger"] == name

    def test_level(self, written: Written) -> None:
        """Nothing below the level is written, whoever says it."""
        log.configure("warning", "json")
        log.get_logger("quizd").info("hidden")
        logging.getLogger("uvicorn").info("hidden")
        log.get_logger("quizd").warning("shown")
        assert [line["event"] for line in written.lines()] == ["shown"]

    def test_logger_from_before(self, written: Written) -> None:
        """A logger that was made first obeys a configuration that comes later."""
        logger = log.get_logger("quizd")
        for level, expected in (("error", 0), ("info", 1)):
            log.configure(level, "json")
            logger.info("started")
            assert len(written.lines()) == expected

    def test_exception(self, written: Written) -> None:
        """A traceback is a field of its line, not lines of its own."""
        log.configure("info", "json")
        try:
            _ = 1 // 0
        except ZeroDivisionError:
            log.get_logger("quizd").exception("tick_failed")
        (line,) = written.lines()
        assert "ZeroDivisionError" in line["exception"]

    def test_what_json_does_not_know(self, written: Written) -> None:
        """Values of any type can be logged, and lone surrogates too."""
        log.configure("info", "json")
        odd = {"a": {1, 2}, 5: object, "b": b"\xff", "c": "\ud800", "d": float("nan")}
        log.get_logger("quizd").info("odd", value=odd)
        (line,) = written.lines()
        assert line["value"]["a"] == [1, 2]


class TestSecrets:
    """No token or password is ever written."""

    @pytest.mark.parametrize("fmt", ["json", "text"])
    @pytest.mark.parametrize(
        "key",
        [
            "token",
            "hostToken",
            "host_token",
            "access_token",
            "refreshToken",
            "Authorization",
            "secret",
            "password",
            "Cookie",
            "set-cookie",
        ],
    )
    def test_by_key(self, key: str, fmt: str, written: Written) -> None:
        """A value under the name of a secret is blotted out at any depth."""
        log.configure("info", fmt)
        log.get_logger("quizd").info("joined", **{key: SECRET}, sent=[{key: SECRET}])
        text = written.text()
        assert SECRET not in text
        assert text.count(log.BLOT) == 2

    @pytest.mark.parametrize("fmt", ["json", "text"])
    @pytest.mark.parametrize("text", HIDDEN.values(), ids=HIDDEN)
    def test_inside_text(self, text: str, fmt: str, written: Written) -> None:
        """A secret in a URL, header, JSON or repr is blotted out wherever it is said.

        That is as the event, as a value, in a list, in an exception, or by a library.
        """
        log.configure("info", fmt)
        logger = log.get_logger("quizd")
        logger.info(text)
        logger.info("request", line=text, sent=[text], raw=text.encode())
        logger.error("failed", exc_info=ValueError(text))
        logging.getLogger("uvicorn.access").info('%s "%s"', "127.0.0.1", text)
        shown = written.text()
        assert "ValueError" in shown
        assert SECRET not in shown

    def test_other_listeners(
        self, written: Written, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Other handlers of the standard library get our events without secrets."""
        log.configure("info", "json")
        log.get_logger("quizd").info("joined", token=SECRET)
        assert "joined" in caplog.text
        assert SECRET not in caplog.text + written.text()

    def test_the_rest_stays(self, written: Written) -> None:
        """What stands around a secret can still be read, and other words are kept."""
        log.configure("info", "json")
        log.get_logger("quizd").info(HIDDEN["url"], tokens=3)
        (line,) = written.lines()
        assert line["event"] == "GET /ws?quizId=q1&token=***&participantId=p1"
        assert line["tokens"] == 3
