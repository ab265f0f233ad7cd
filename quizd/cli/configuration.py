"""Commands on the configuration and the machine, and what runs here."""

import platform
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Annotated

import typer

from quizd import __version__
from quizd.cli.common import ConfigFile, or_fail, read_settings
from quizd.config import to_toml


def check_config(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="File to check.")],
) -> None:
    """Check a configuration file, together with the environment."""
    from quizd.store.place import place_of

    settings = read_settings(file)
    or_fail(lambda: place_of(settings))
    typer.echo("ok")


def print_config(config: ConfigFile = None) -> None:
    """Print the configuration in force, from all its sources, as TOML."""
    typer.echo(to_toml(read_settings(config)), nl=False)


def doctor(config: ConfigFile = None) -> None:
    """Check this machine against the configuration; exit with 1 if it falls short."""
    from quizd.doctor import examine, report

    checks = examine(read_settings(config))
    report(checks)
    if not all(check.ok for check in checks):
        raise typer.Exit(1)


def version() -> None:
    """Print the versions that a report of a fault should name."""
    typer.echo(f"quizd {__version__}")
    typer.echo(f"Python {platform.python_version()}")
    for library in ("uvloop", "picows"):
        typer.echo(f"{library} {version_of(library)}")
