"""A quiz in a terminal: questions with numbered options, a countdown, the own rank."""

import asyncio
import os
import threading
from collections.abc import Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import replace

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from quizd.client.faults import AnswerLost, AnswerRefused
from quizd.client.messages import Given, Message, Question
from quizd.client.player import Habits, QuizClient, ignore
from quizd.client.retry import Progress

SAVE, RESTORE = "\x1b7", "\x1b8"
"""DEC save and restore cursor: the countdown leaves alone what is being typed."""

SHOWN_LINES = 10
_HOW = {
    "multiple_choice": "all right numbers",
    "ordering": "all numbers in the right order",
    "numeric": "a number",
    "text": "your answer",
}


def read_lines(fd: int, loop: asyncio.AbstractEventLoop) -> asyncio.Queue[str]:
    """Return a queue that fills with the lines of *fd*.

    A daemon thread reads the descriptor itself: an event loop can't watch a file, and
    a thread inside ``sys.stdin`` would hold its lock when the program wants to exit.
    """
    lines: asyncio.Queue[str] = asyncio.Queue()

    def read() -> None:
        rest = b""
        while chunk := os.read(fd, 4096):
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                text = line.decode(errors="replace")
                loop.call_soon_threadsafe(lines.put_nowait, text)

    def read_until_nobody_listens() -> None:
        with suppress(OSError, RuntimeError):
            read()

    threading.Thread(target=read_until_nobody_listens, daemon=True).start()
    return lines


def parse(question: Question, line: str) -> Given:
    """Return the answer that *line* means: option numbers from 1, a number or a text.

    Raises ``ValueError`` with what is wrong.
    """
    if question.question_type == "text":
        return line.strip()
    if question.question_type == "numeric":
        return float(line)
    chosen = [_option(question, word) for word in line.replace(",", " ").split()]
    if question.question_type in {"multiple_choice", "ordering"}:
        return chosen
    if len(chosen) != 1:
        msg = "one number, please"
        raise ValueError(msg)
    return chosen[0]


def _option(question: Question, word: str) -> str:
    number = int(word)
    if not 1 <= number <= len(question.options):
        msg = f"a number from 1 to {len(question.options)}, please"
        raise ValueError(msg)
    return question.options[number - 1]


class Terminal:
    """Shows what its client hears on *console* and answers with *lines*."""

    def __init__(
        self,
        console: Console,
        lines: asyncio.Queue[str],
        habits: Habits | None = None,
    ) -> None:
        habits = replace(habits or Habits(), on_progress=self.progress)
        self.client = QuizClient(habits)
        self._sleep = habits.sleep
        self._console = console
        self._lines = lines
        self._asked = ""
        self._answered = ""
        self._prompting = False
        self._show: dict[str, Callable[[Message], None]] = {
            "welcome": self._welcome,
            "quiz_starting": self._starting,
            "new_question": self._new_question,
            "question_closed": self._closed,
            "quiz_paused": lambda _: self._say("Paused."),
            "quiz_resumed": lambda _: self._say("It goes on."),
            "removed": lambda _: self._say("The host has removed you."),
            "quiz_ended": self._ended,
        }

    async def run(self) -> None:
        """Play until the quiz is over; raises as :meth:`QuizClient.play` does."""
        helpers = [
            asyncio.create_task(self._read()),
            asyncio.create_task(self._count_down()),
        ]
        try:
            async with aclosing(self.client.play()) as messages:
                async for message in messages:
                    self._show.get(message.type, ignore)(message)
        finally:
            for helper in helpers:
                helper.cancel()

    def progress(self, progress: Progress) -> None:
        """Say that something is tried again, and why; a first try needs no words."""
        if progress.error is not None:
            self._say(
                f"[yellow]{progress.kind}: try {progress.attempt} of {progress.of} "
                f"in {progress.delay_s:.1f} s[/] [dim]{escape(str(progress.error))}[/]"
            )

    async def _read(self) -> None:
        while True:
            line = await self._lines.get()
            self._prompting = False
            question = self.client.picture.question
            if question is None:
                self._say("[dim]No question is open.[/]")
            elif line.strip():
                await self._answer(question, line)

    async def _answer(self, question: Question, line: str) -> None:
        try:
            given = parse(question, line)
        except ValueError as error:
            self._say(f"[yellow]{escape(str(error))}[/]")
            return
        self._answered = question.question_id
        try:
            result = await self.client.answer(question, given)
        except (AnswerRefused, AnswerLost) as refusal:
            self._say(f"[red]Not taken: {escape(str(refusal))}[/]")
        else:
            self._say(_verdict(result.payload))

    def _welcome(self, message: Message) -> None:
        """Read the message alone: the picture may be ahead of it."""
        payload = message.payload
        where = f" (pin {escape(payload['pin'])})" if "pin" in payload else ""
        self._say(f"[bold]You are in[/]{where}: {payload['participants']} playing")
        question = payload.get("question")
        if question and not question["answered"]:
            self._ask(Question.from_payload(question))

    def _starting(self, message: Message) -> None:
        self._say(f"Starting in {message.payload['inSeconds']:g} s")

    def _new_question(self, message: Message) -> None:
        self._ask(Question.from_payload(message.payload))

    def _ask(self, question: Question) -> None:
        if question.question_id == self._asked:
            return
        self._asked = question.question_id
        place = f"{question.index + 1}/{question.total}"
        self._say(f"\n[bold cyan]{place}[/] [bold]{escape(question.text)}[/]")
        for number, option in enumerate(question.options, 1):
            self._say(f"  [cyan]{number}[/] {escape(option)}")
        how = _HOW.get(question.question_type, "one number")
        seconds = (question.end_ms - question.start_ms) / 1000
        self._say(f"[dim]Type {how} and Enter; you have {seconds:g} s.[/]")

    async def _count_down(self) -> None:
        """Show the seconds left where the answer is typed, if this is a terminal."""
        while self._console.is_terminal:
            question = self.client.picture.question
            left_ms = 0
            if question and question.question_id == self._asked != self._answered:
                left_ms = question.end_ms - self.client.server_now_ms()
            if left_ms > 0:
                self._prompt(f"{-(-left_ms // 1000):4d} s > ")
            await self._sleep(0.2)

    def _prompt(self, text: str) -> None:
        """Put *text* at the start of the line and leave what is typed behind it."""
        again = f"{SAVE}\r{text}{RESTORE}"
        self._console.file.write(again if self._prompting else text)
        self._console.file.flush()
        self._prompting = True

    def _say(self, what: str | Table) -> None:
        """Print on a line of its own."""
        if self._prompting:
            self._console.print()
        self._prompting = False
        self._console.print(what)

    def _closed(self, message: Message) -> None:
        right = ", ".join(message.payload["correctOptions"])
        self._say(f"Right was: [green]{escape(right)}[/]")
        explanation = message.payload.get("explanation")
        if explanation:
            self._say(f"[dim]{escape(explanation)}[/]")
        self._own_place()

    def _own_place(self) -> None:
        picture = self.client.picture
        if picture.rank is not None:
            of = f" of {picture.of}" if picture.of else ""
            self._say(f"{picture.score} points, rank {picture.rank}{of}")

    def _ended(self, _message: Message) -> None:
        table = Table("rank", "name", "score", title="The end")
        for line in self.client.picture.leaderboard[:SHOWN_LINES]:
            table.add_row(str(line.rank), escape(line.name), str(line.score))
        self._say(table)
        self._own_place()


def _verdict(result: Mapping[str, object]) -> str:
    if "correct" not in result:
        return "Your answer is in."
    verdict = "[green]Right![/]" if result["correct"] else "[red]Wrong.[/]"
    return f"{verdict} {result.get('points', 0)} points"
