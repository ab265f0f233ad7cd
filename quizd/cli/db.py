"""``quizd db``: the tables of the database."""

import asyncio

import typer

from quizd.cli.common import ConfigFile, DataDir, or_fail, overrides, read_settings

db = typer.Typer(no_args_is_help=True, help="The database: bring its tables to date.")


@db.command("upgrade")
def upgrade(config: ConfigFile = None, data_dir: DataDir = None) -> None:
    """Bring the tables to this version of quizd; safe while others do the same.

    The SQLite file needs no upgrade by hand: serving does it.
    """
    from quizd.store.by_hand import upgrade_database
    from quizd.store.place import lasting_place

    settings = read_settings(config, overrides(data_dir=data_dir))
    or_fail(
        lambda: asyncio.run(upgrade_database(lasting_place(settings), typer.echo)),
    )


@db.command("current")
def current(config: ConfigFile = None, data_dir: DataDir = None) -> None:
    """Tell the tables' revision; exit with 1 where serving would refuse it."""
    from quizd.store.by_hand import tell_revision
    from quizd.store.place import lasting_place

    settings = read_settings(config, overrides(data_dir=data_dir))
    if not or_fail(
        lambda: asyncio.run(tell_revision(lasting_place(settings), typer.echo))
    ):
        raise typer.Exit(1)
