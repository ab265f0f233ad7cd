"""Commands that serve, and the one that ends it."""

import gc
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from quizd.cli.common import (
    ConfigFile,
    DataDir,
    Port,
    fail,
    or_fail,
    overrides,
    read_settings,
)
from quizd.config import Settings


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

    settings = read_settings(config, overrides(port, data_dir))
    log.configure(settings.log.level, settings.log.format)
    if shard_index is not None:
        or_fail(lambda: _serve_shard(settings, shard_index))
    else:
        flags = {"--config": config, "--data-dir": data_dir}
        or_fail(lambda: _serve_all(settings, shards, flags))


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
    wrong = supervise(settings, count, [word for pair in given for word in pair])
    if wrong:
        raise ValueError(wrong)


def _serve_shard(settings: Settings, index: int | None) -> None:
    gc.disable()  # imports take a tenth less; what they leave, Shard.start collects
    from structlog.contextvars import bind_contextvars

    from quizd.app import run
    from quizd.supervisor.control import control_path
    from quizd.supervisor.shard import attended, with_room

    gc.enable()
    if index is not None:
        bind_contextvars(shard=index)
    control = control_path(settings.data.dir, index)
    run(with_room(settings), attended(control), index)


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

    folder = read_settings(config, overrides(data_dir=data_dir)).data.dir
    try:
        answer = request(folder, shard, "restart" if restart else "drain")
    except OSError as error:
        fail(f"quizd: {error}")
    verdict, _, words = answer.partition(", ")
    if verdict != OK:
        fail(f"quizd: {words}")
    typer.echo(words)


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

    settings = read_settings(config, overrides(port, data_dir))
    log.configure("warning", settings.log.format)
    or_fail(lambda: run(settings, bots))
