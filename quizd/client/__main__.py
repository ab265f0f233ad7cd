"""``python -m quizd.client URL QUIZ-OR-PIN --name Ann``: play in a terminal."""

import argparse
import asyncio
import sys
from collections.abc import Sequence

import httpx
from rich.console import Console

from quizd.client.faults import ClientFault
from quizd.client.terminal import Terminal, read_lines

INTERRUPTED = 130
"""The exit status of a program ended by Ctrl-C: 128 + SIGINT, as shells have it."""


def main(argv: Sequence[str] | None = None) -> int:
    """Play and return the exit status: 0, 1 after a failure, 130 after Ctrl-C."""
    arguments = _parser().parse_args(argv)
    console = Console(highlight=False)
    try:
        asyncio.run(_play(arguments, console))
    except (ClientFault, httpx.InvalidURL, httpx.UnsupportedProtocol) as fault:
        console.print(str(fault), style="red", markup=False)
        return 1
    except KeyboardInterrupt:
        console.print("\nYou left.")
        return INTERRUPTED
    return 0


async def _play(arguments: argparse.Namespace, console: Console) -> None:
    lines = read_lines(sys.stdin.fileno(), asyncio.get_running_loop())
    terminal = Terminal(console, lines)
    await terminal.client.join(arguments.url, arguments.quiz, arguments.name)
    await terminal.run()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m quizd.client", description=__doc__)
    parser.add_argument("url", help="the server, such as http://localhost:8080")
    parser.add_argument("quiz", help="the quiz's id or its pin")
    parser.add_argument("--name", required=True, help="what the others see")
    return parser


if __name__ == "__main__":
    sys.exit(main())
