"""``quizd queue``: batches that the database has refused."""

import asyncio
from typing import Annotated

import typer

from quizd.cli.common import (
    ConfigFile,
    DataDir,
    fail,
    or_fail,
    overrides,
    read_settings,
)

queue = typer.Typer(
    no_args_is_help=True,
    help="What the database refused: list, show, retry and drop it.",
)

Batch = Annotated[int, typer.Argument(metavar="ID", help="As queue list tells it.")]


@queue.command("list")
def list_all(config: ConfigFile = None, data_dir: DataDir = None) -> None:
    """List the batches that were refused, the eldest first."""
    from quizd.store.by_hand import list_rejected
    from quizd.store.place import lasting_place

    settings = read_settings(config, overrides(data_dir=data_dir))
    or_fail(lambda: asyncio.run(list_rejected(lasting_place(settings), typer.echo)))


@queue.command("show")
def show(batch: Batch, config: ConfigFile = None, data_dir: DataDir = None) -> None:
    """Show what is in one batch, a record a line. It may hold names."""
    from quizd.store.by_hand import show_rejected
    from quizd.store.place import lasting_place

    settings = read_settings(config, overrides(data_dir=data_dir))
    if not or_fail(
        lambda: asyncio.run(show_rejected(lasting_place(settings), batch, typer.echo))
    ):
        fail(f"quizd: there is no rejected batch {batch}")


@queue.command("retry")
def retry(
    session: Annotated[str, typer.Argument(metavar="SESSION", help="Its id.")],
    config: ConfigFile = None,
    data_dir: DataDir = None,
) -> None:
    """Try all refused batches of a session again, in their order.

    Exits with 1 where one is refused again.
    """
    from quizd.store.by_hand import retry_rejected
    from quizd.store.place import lasting_place

    settings = read_settings(config, overrides(data_dir=data_dir))
    if not or_fail(
        lambda: asyncio.run(
            retry_rejected(lasting_place(settings), session, typer.echo)
        )
    ):
        raise typer.Exit(1)


@queue.command("drop")
def drop(
    batch: Batch,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Give one batch up: its rows are never written. The log keeps it."""
    from quizd.store.by_hand import drop_rejected
    from quizd.store.place import lasting_place

    settings = read_settings(config, overrides(data_dir=data_dir))
    if not yes:
        typer.confirm(f"Give batch {batch} up for good?", abort=True)
    if not or_fail(lambda: asyncio.run(drop_rejected(lasting_place(settings), batch))):
        fail(f"quizd: there is no rejected batch {batch}")
