"""The command ``quizd``: what can be typed, and nothing of how it is done.

Commands import what they need when they run, so that ``quizd --help`` is quick.
"""

import typer

from quizd.cli import configuration, serving
from quizd.cli.db import db
from quizd.cli.queue import queue
from quizd.cli.quiz import quiz
from quizd.cli.session import session

app = typer.Typer(
    name="quizd",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def quizd() -> None:
    """Run live quizzes: one port for players, hosts and their programs."""


app.command()(serving.serve)
app.command()(serving.drain)
app.command()(serving.demo)
app.command("check-config")(configuration.check_config)
app.command("print-config")(configuration.print_config)
app.command()(configuration.doctor)
app.command()(configuration.version)
app.add_typer(quiz, name="quiz")
app.add_typer(session, name="session")
app.add_typer(queue, name="queue")
app.add_typer(db, name="db")


def main() -> None:
    """Run the command line; the entry point of the installed command."""
    app()
