"""The command ``quizd``: what can be typed, and nothing of how it is done.

Commands import what they need when they run, so that ``quizd --help`` is quick.
"""

import platform
from collections.abc import Mapping
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from quizd import __version__
from quizd.config import CONFIG_FILE_VARIABLE, ConfigError, Settings, load, to_toml

app = typer.Typer(
    name="quizd",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        envvar=CONFIG_FILE_VARIABLE,
        help="Configuration file (TOML); config/quizd.toml explains every key.",
    ),
]


def read_settings(
    config_file: Path | None,
    overrides: Mapping[str, Mapping[str, object]] | None = None,
) -> Settings:
    """Return the settings, or print every problem and exit with 1."""
    try:
        return load(config_file, overrides)
    except ConfigError as error:
        fail(*error.problems)


def fail(*lines: str) -> NoReturn:
    """Print *lines* on standard error and exit with 1."""
    for line in lines:
        typer.echo(line, err=True)
    raise typer.Exit(1)


@app.callback()
def quizd() -> None:
    """Run live quizzes: one port for players, hosts and their programs."""


@app.command("check-config")
def check_config(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="File to check.")],
) -> None:
    """Check a configuration file, together with the environment."""
    read_settings(file)
    typer.echo("ok")


@app.command("print-config")
def print_config(config: ConfigFile = None) -> None:
    """Print the configuration in force, from all its sources, as TOML."""
    typer.echo(to_toml(read_settings(config)), nl=False)


@app.command()
def doctor(config: ConfigFile = None) -> None:
    """Check this machine against the configuration; exit with 1 if it falls short."""
    from quizd.doctor import examine, report

    checks = examine(read_settings(config))
    report(checks)
    if not all(check.ok for check in checks):
        raise typer.Exit(1)


@app.command()
def version() -> None:
    """Print the versions that a report of a fault should name."""
    typer.echo(f"quizd {__version__}")
    typer.echo(f"Python {platform.python_version()}")
    for library in ("uvloop", "picows"):
        typer.echo(f"{library} {version_of(library)}")


def main() -> None:
    """Run the command line; the entry point of the installed command."""
    app()
