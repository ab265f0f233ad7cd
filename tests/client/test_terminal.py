"""Playing in a terminal: what is typed, what is shown, how it ends."""

import asyncio
import io
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from rich.console import Console

from quizd.client import Dismissed, Given, Question
from quizd.client.__main__ import main
from quizd.client.terminal import RESTORE, SAVE, Terminal, parse, read_lines
from tests.client.fake import FakeServer, Line, Watch, close_after_welcome, ended
from tests.support import samples
from tests.support.samples import QUESTION, T1, message, welcome

ROOT = Path(__file__).parents[2]


def asked(kind: str) -> Question:
    """Return a question of the type."""
    return Question.from_payload({**QUESTION, "questionType": kind})


@pytest.mark.parametrize(
    ("kind", "line", "given"),
    [
        ("single_choice", "1", "run"),
        ("true_false", " 2 ", "green"),
        ("multiple_choice", "1,2", ["run", "green"]),
        ("multiple_choice", "2", ["green"]),
        ("ordering", "2 1", ["green", "run"]),
        ("numeric", "3.5", 3.5),
        ("text", " a verb ", "a verb"),
    ],
)
def test_lines_become_answers(kind: str, line: str, given: Given) -> None:
    """Options are chosen by their numbers, from 1."""
    assert parse(asked(kind), line) == given


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("single_choice", "0"),
        ("single_choice", "3"),
        ("single_choice", "-1"),
        ("single_choice", "run"),
        ("single_choice", "1 2"),
        ("multiple_choice", "1 3"),
        ("numeric", "many"),
    ],
)
def test_other_lines_are_refused(kind: str, line: str) -> None:
    """Nothing is sent that can't be meant."""
    with pytest.raises(ValueError, match=r"please|invalid|could not"):
        parse(asked(kind), line)


class Tape(io.StringIO):
    """Keeps what is written, and lets a test wait for it."""

    def __init__(self) -> None:
        super().__init__()
        self._written = asyncio.Event()

    def write(self, text: str) -> int:
        """Keep *text* and wake who waits."""
        self._written.set()
        return super().write(text)

    async def shows(self, text: str) -> None:
        """Wait until *text* has been written."""
        while text not in self.getvalue():
            self._written.clear()
            await self._written.wait()


class Screen:
    """A terminal whose lines come from the test and whose output is kept."""

    def __init__(self, *, is_terminal: bool = False) -> None:
        self.output = Tape()
        self.watch = Watch()
        self.lines: asyncio.Queue[str] = asyncio.Queue()
        console = Console(
            file=self.output,
            width=100,
            force_terminal=is_terminal,
            no_color=True,
            highlight=False,
        )
        self.terminal = Terminal(console, self.lines, self.watch.habits())

    async def play(self, server: FakeServer) -> str:
        """Play to the end and return what was shown."""
        self.terminal.client.ticket = server.ticket()
        await self.terminal.run()
        return self.output.getvalue()


async def test_a_whole_quiz_is_shown() -> None:
    """Question, verdict, what was right and why, the own place, the board."""
    screen = Screen()

    async def scene(line: Line) -> None:
        await line.say(welcome(pin="123456"), samples.SERVER["quiz_starting"])
        await line.say(samples.SERVER["new_question"])
        await screen.output.shows("Enter")
        screen.lines.put_nowait("7")
        screen.lines.put_nowait("1")
        assert (await line.hear("answer_submission"))["selectedOption"] == "run"
        await line.say(samples.SERVER["answer_result"])
        await line.say(samples.SERVER["question_closed"])
        await line.say({**samples.SERVER["quiz_ended"], "seq": 4})
        await line.gone()

    async with FakeServer(scene) as server:
        shown = await screen.play(server)
    expected = [
        "You are in (pin 123456): 2 playing",
        "Starting in 5 s",
        "1/3 Which word is a verb?",
        "  1 run",
        "  2 green",
        "Type one number and Enter; you have 20 s.",
        "a number from 1 to 2, please",
        "Right! 900 points",
        "Right was: run",
        "One runs.",
        "1200 points, rank 2 of 2",
        "The end",
        "Ben",
    ]
    at = [shown.index(text) for text in expected]
    assert at == sorted(at), shown


async def test_what_others_wrote_is_not_markup() -> None:
    """Texts are shown as they are."""
    screen = Screen()
    tricky = {**QUESTION, "text": "[red]a[/red] [b", "options": ["[/]", "[bold]x"]}

    async def scene(line: Line) -> None:
        await line.say(welcome(), message("new_question", tricky, seq=1), ended(2))
        await line.gone()

    async with FakeServer(scene) as server:
        shown = await screen.play(server)
    assert "[red]a[/red] [b" in shown
    assert "1 [/]" in shown
    assert "2 [bold]x" in shown


async def test_a_refused_answer_is_said() -> None:
    """With its reason; a line without a question is answered too."""
    screen = Screen()
    screen.lines.put_nowait("1")

    async def scene(line: Line) -> None:
        await line.say(welcome(), samples.SERVER["quiz_starting"])
        await screen.output.shows("No question is open.")
        await line.say(samples.SERVER["new_question"])
        await screen.output.shows("Enter")
        screen.lines.put_nowait("2")
        await line.hear("answer_submission")
        await line.say(samples.SERVER["error"], ended(3))
        await line.gone()

    async with FakeServer(scene) as server:
        shown = await screen.play(server)
    assert shown.index("No question is open.") < shown.index("Which word")
    assert "Not taken: too_late" in shown


async def test_breaks_and_pauses_are_said() -> None:
    """The user sees that and why something is tried again; questions come once."""
    screen = Screen()
    open_question = {**QUESTION, "remainingMs": 9000, "answered": False}

    async def second(line: Line) -> None:
        await line.say(welcome(phase="question", question=open_question))
        await line.say(message("quiz_paused", {"at": T1}, seq=1))
        await line.say(message("quiz_resumed", {"at": T1, "endTime": T1}, seq=2))
        await line.say(ended(3))
        await line.gone()

    first = close_after_welcome(1012, phase="question", question=open_question)
    async with FakeServer(first, second) as server:
        shown = await screen.play(server)
    assert "connect: try 1 of 5 in 0.2 s" in shown
    assert shown.index("Paused.") < shown.index("It goes on.")
    assert shown.count("Which word") == 1


async def test_being_removed_is_said() -> None:
    """And ends the play with the reason."""
    screen = Screen()

    async def scene(line: Line) -> None:
        await line.say(welcome(), message("removed", {"reason": "kicked"}))
        await line.close(4010)

    async with FakeServer(scene) as server:
        with pytest.raises(Dismissed, match="removed by the host"):
            await screen.play(server)
    assert "The host has removed you." in screen.output.getvalue()


async def test_a_countdown_leaves_what_is_typed_alone() -> None:
    """It starts on a line of its own and is then rewritten in place."""
    screen = Screen(is_terminal=True)

    async def scene(line: Line) -> None:
        start = {**QUESTION, "endTime": "2026-01-31T09:30:01.500Z"}
        await line.say(welcome(), message("new_question", start, seq=1))
        await screen.output.shows("   1 s > ")
        await line.say(ended(2))
        await line.gone()

    async with FakeServer(scene) as server:
        shown = await screen.play(server)
    first, again = "\n   2 s > ", f"{SAVE}\r   1 s > {RESTORE}"
    assert shown.index(first) < shown.index(again)


async def test_lines_come_from_a_pipe() -> None:
    """Whole lines, however they are cut; the rest is not a line."""
    reader, writer = os.pipe()
    lines = read_lines(reader, asyncio.get_running_loop())
    for piece in (b"on", b"e\ntwo\nth", b"r\xc3", b"\xa9e\nrest"):
        os.write(writer, piece)
    os.close(writer)
    assert [await lines.get() for _ in range(3)] == ["one", "two", "thrée"]
    assert lines.empty()


@asynccontextmanager
async def spawn(server: FakeServer) -> AsyncGenerator[asyncio.subprocess.Process]:
    """Run the program against *server*; it does not outlive the test."""
    program = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "quizd.client",
        server.base_url,
        "demo",
        "--name",
        "Ann",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=ROOT,
    )
    try:
        yield program
    finally:
        if program.returncode is None:
            program.kill()
        await program.communicate()


async def test_the_program_plays() -> None:
    """From the command line to the last board, with exit status 0."""

    async def scene(line: Line) -> None:
        await line.say(welcome(), message("new_question", QUESTION, seq=1))
        assert (await line.hear("answer_submission"))["selectedOption"] == "run"
        await line.say(samples.SERVER["answer_result"], ended(2))
        await line.gone()

    async with FakeServer(scene) as server, spawn(server) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        output = await program.stdout.readuntil(b"Enter")
        program.stdin.write(b"1\n")
        output += await program.stdout.read()
        assert await program.wait() == 0, output
    assert b"The end" in output
    assert b"Traceback" not in output
    assert server.joins == [{"participantName": "Ann"}]


async def test_ctrl_c_leaves_cleanly() -> None:
    """Also while nothing is typed: goodbye to the server, no traceback, status 130."""
    goodbyes: list[int | None] = []

    async def scene(line: Line) -> None:
        await line.say(welcome())
        await line.hear_heartbeat()
        program.send_signal(signal.SIGINT)
        goodbyes.append(await line.gone())

    async with FakeServer(scene) as server, spawn(server) as program:
        assert program.stdout is not None
        output = await program.stdout.read()
        assert await program.wait() == 130, output
    assert b"You left." in output
    assert b"Traceback" not in output
    assert goodbyes == [1000]


@pytest.mark.parametrize(
    ("address", "said"),
    [("localhost:8080", "missing an 'http://'"), ("http://a:port", "Invalid port")],
)
def test_an_address_that_is_none_is_a_failure(
    address: str,
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Said in words and not tried again; the exit status is 1."""
    with Path(os.devnull).open() as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        assert main([address, "demo", "--name", "Ann"]) == 1
    assert said in capsys.readouterr().out
