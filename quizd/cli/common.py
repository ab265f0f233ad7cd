"""What commands have in common: their options, reading settings, and failing."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, NoReturn, TypeVar

import typer

from quizd.config import CONFIG_FILE_VARIABLE, ConfigError, Settings, load

T = TypeVar("T")

ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        envvar=CONFIG_FILE_VARIABLE,
        help="Configuration file (TOML); config/quizd.toml explains every key.",
    ),
]

Port = Annotated[
    int | None, typer.Option("--port", help="TCP port to listen on; 0: any free one.")
]
DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", metavar="DIR", help="Folder of database and secrets."),
]


def overrides(
    port: int | None = None, data_dir: Path | None = None
) -> dict[str, dict[str, object]]:
    """Return flags by section and key; ``None`` where one was not given."""
    return {"server": {"port": port}, "data": {"dir": data_dir}}


def read_settings(
    config_file: Path | None,
    flags: Mapping[str, Mapping[str, object]] | None = None,
) -> Settings:
    """Return the settings, or print every problem and exit with 1."""
    try:
        return load(config_file, flags)
    except ConfigError as error:
        fail(*error.problems)


def fail(*lines: str) -> NoReturn:
    """Print *lines* on standard error and exit with 1."""
    for line in lines:
        typer.echo(line, err=True)
    raise typer.Exit(1)


def or_fail(job: Callable[[], T]) -> T:
    """Do *job*; print what keeps it from being done, and exit with 1."""
    from quizd.cluster.base import ClusterUnavailable
    from quizd.journal.base import JournalUnavailable
    from quizd.redis_client import RedisUnusable
    from quizd.store.base import StoreUnavailable

    away = (ClusterUnavailable, JournalUnavailable, RedisUnusable, StoreUnavailable)
    try:
        return job()
    except (OSError, ValueError, *away) as error:
        fail(f"quizd: {error}")
