"""``quizd session``: what was played, from the stored log."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from quizd.cli.common import ConfigFile, DataDir, or_fail, overrides, read_settings

if TYPE_CHECKING:
    from quizd.reports.console import Job

session = typer.Typer(
    no_args_is_help=True, help="Sessions: list, replay, verify and export them."
)

SessionId = Annotated[
    str, typer.Argument(metavar="SESSION", help="A session's id; list shows it.")
]


@session.command("list")
def list_all(
    quiz: Annotated[
        str | None, typer.Option(metavar="QUIZ", help="Only sessions of this quiz.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="So many at most.")] = 50,
    config: ConfigFile = None,
    data_dir: DataDir = None,
) -> None:
    """List the stored sessions, the latest first."""
    from quizd.reports import console

    job = partial(console.list_sessions, say=typer.echo, limit=limit, quiz_id=quiz)
    _run(job, config, data_dir)


@session.command()
def verify(
    session_id: SessionId, config: ConfigFile = None, data_dir: DataDir = None
) -> None:
    """Prove that a stored log is complete and unaltered; else exit with 1.

    What is wrong is printed on standard error. A session that is being played is
    being written: what is half written may look wrong.
    """
    from quizd.reports import console

    told = partial(console.verify, say=typer.echo, complain=_complain)
    _run(partial(told, session_id=session_id), config, data_dir)


@session.command()
def replay(
    session_id: SessionId,
    until: Annotated[
        str | None,
        typer.Option(
            metavar="MOMENT",
            help="Show it behind a batch (17), or at 2026-01-31T09:30:00.000Z.",
        ),
    ] = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
) -> None:
    """Play a stored log again, and compare scores and ranks with those stored.

    They are compared at the end, whatever moment is shown; exits with 1 where they
    differ.
    """
    from quizd.reports import console

    told = partial(console.replay, say=typer.echo, complain=_complain)
    _run(partial(told, session_id=session_id, until=until), config, data_dir)


@session.command()
def export(
    session_id: SessionId,
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="Without it: standard output."),
    ] = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
) -> None:
    """Write a stored log as JSON lines; the last says whether it is whole.

    Exits with 1 where it is not. Records name participants by their ids only.
    """
    from quizd.reports import console

    job = partial(console.export, complain=_complain, session_id=session_id, file=file)
    _run(job, config, data_dir)


def _complain(line: str) -> None:
    typer.echo(line, err=True)


def _run(job: "Job", config: Path | None, data_dir: Path | None) -> None:
    """Do *job* on the database; exit with 1 where it says so, or can't be done."""
    from quizd.reports.console import run

    settings = read_settings(config, overrides(data_dir=data_dir))
    if not or_fail(lambda: run(settings, job)):
        raise typer.Exit(1)
