"""The command ``quizd``: what can be typed, and nothing of how it is done.

Commands import what they need when they run, so that ``quizd --help`` is quick.
"""

import platform
from collections.abc import Callable, Mapping
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

Port = Annotated[
    int | None, typer.Option("--port", help="TCP port to listen on; 0: any free one.")
]
DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", metavar="DIR", help="Folder of database and secrets."),
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


quiz = typer.Typer(no_args_is_help=True, help="Quizzes: import and list them.")
app.add_typer(quiz, name="quiz")


@quiz.command("import")
def quiz_import(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE...", help="Quiz files (JSON), or shipped names."),
    ],
    config: ConfigFile = None,
    data_dir: DataDir = None,
) -> None:
    """Check quiz files and store them; with one that is wrong none is stored.

    A name that is no file is looked for among the quizzes that quizd ships.
    """
    from quizd.shelf import import_quizzes

    settings = read_settings(config, _overrides(None, data_dir))
    _or_fail(lambda: import_quizzes(settings, files, typer.echo))


@quiz.command("list")
def quiz_list(
    config: ConfigFile = None,
    data_dir: DataDir = None,
    shipped: Annotated[
        bool, typer.Option("--shipped", help="List what quizd ships instead.")
    ] = False,
) -> None:
    """List the stored quizzes, or those that quizd ships."""
    from quizd.shelf import list_quizzes, list_shipped

    settings = read_settings(config, _overrides(None, data_dir))
    if shipped:
        list_shipped(typer.echo)
    else:
        _or_fail(lambda: list_quizzes(settings, typer.echo))


@app.callback()
def quizd() -> None:
    """Run live quizzes: one port for players, hosts and their programs."""


@app.command()
def serve(
    config: ConfigFile = None,
    port: Port = None,
    data_dir: DataDir = None,
    shards: Annotated[
        int | None,
        typer.Option(
            min=0, help="Supervise so many shards; 0: as cluster.shards says."
        ),
    ] = None,
    shard_index: Annotated[
        int | None,
        typer.Option(min=0, help="Be this one of several shards (quizd@.service)."),
    ] = None,
) -> None:
    """Serve until SIGTERM or Ctrl-C; open sessions go on at the next start.

    Several shards need Redis. SIGHUP to their supervisor restarts them one by one.
    """
    from quizd import log

    settings = read_settings(config, _overrides(port, data_dir))
    log.configure(settings.log.level, settings.log.format)
    if shard_index is not None:
        _or_fail(lambda: _serve_shard(settings, shard_index))
    else:
        flags = {"--config": config, "--data-dir": data_dir}
        _or_fail(lambda: _serve_all(settings, shards, flags))


def _serve_all(
    settings: Settings, shards: int | None, flags: Mapping[str, Path | None]
) -> None:
    """Serve with a supervisor where *shards* is given or there are several."""
    from quizd.supervisor.supervisor import shard_count, supervise

    count = shard_count(shards, settings.cluster.shards, settings.redis.url)
    if shards is None and count == 1:
        _serve_shard(settings, None)
        return
    given = [(flag, str(path)) for flag, path in flags.items() if path is not None]
    if not supervise(settings, count, [word for pair in given for word in pair]):
        raise ValueError("no shard comes up: their last lines say why")


def _serve_shard(settings: Settings, index: int | None) -> None:
    from structlog.contextvars import bind_contextvars

    from quizd.app import run
    from quizd.supervisor.control import control_path
    from quizd.supervisor.shard import attended, with_room

    if index is not None:
        bind_contextvars(shard=index)
    control = control_path(settings.data.dir, index)
    run(with_room(settings), attended(control), index)


@app.command()
def drain(
    config: ConfigFile = None,
    data_dir: DataDir = None,
    shard: Annotated[
        int | None,
        typer.Option(min=0, help="Only this shard; its supervisor lets it stay away."),
    ] = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="Start it again; all: one by one.")
    ] = False,
) -> None:
    """Have the quizd of this data folder leave in peace; wait until it has.

    Its players are asked to reconnect, and go on where they were. A drained
    shard stays away until its supervisor is asked with --restart. Exits with 1
    where nothing serves this folder, or what was asked can't be done.
    """
    from quizd.supervisor.control import OK, request

    folder = read_settings(config, _overrides(None, data_dir)).data.dir
    try:
        answer = request(folder, shard, "restart" if restart else "drain")
    except OSError as error:
        fail(f"quizd: {error}")
    verdict, _, words = answer.partition(", ")
    if verdict != OK:
        fail(f"quizd: {words}")
    typer.echo(words)


@app.command()
def demo(
    config: ConfigFile = None,
    port: Port = None,
    data_dir: DataDir = None,
    bots: Annotated[
        int, typer.Option(min=0, max=1000, help="Simulated players that play along.")
    ] = 0,
) -> None:
    """Serve, with a quiz that is always open, and print how to join it."""
    from quizd import log
    from quizd.demo import run

    settings = read_settings(config, _overrides(port, data_dir))
    log.configure("warning", settings.log.format)
    _or_fail(lambda: run(settings, bots))


def _overrides(port: int | None, data_dir: Path | None) -> dict[str, dict[str, object]]:
    return {"server": {"port": port}, "data": {"dir": data_dir}}


def _or_fail(job: Callable[[], None]) -> None:
    """Do *job*; print what keeps it from being done, and exit with 1."""
    from quizd.cluster.base import ClusterUnavailable
    from quizd.journal.base import JournalUnavailable
    from quizd.redis_client import RedisUnusable

    away = (ClusterUnavailable, JournalUnavailable, RedisUnusable)
    try:
        job()
    except (OSError, ValueError, *away) as error:
        fail(f"quizd: {error}")


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
