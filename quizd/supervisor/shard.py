"""What a shard does beside serving, to be started and stopped well."""

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from quizd.log import get_logger
from quizd.settings import Settings
from quizd.sockets import RESERVE_FILES, make_room
from quizd.supervisor.control import LEAVING, NO, controlled
from quizd.supervisor.notify import READY, STOPPING, WATCHDOG, notify, watchdog_s

log = get_logger(__name__)


def attended(control: Path) -> Callable[[object], Coroutine[Any, Any, None]]:
    """Return what to run beside a shard: it says how it is, and listens on *control*.

    Signs of life come from the event loop, so a shard that hangs falls silent.
    """

    async def attend(_: object) -> None:
        async with controlled(control, _handle):
            notify(READY)
            try:
                await _live(watchdog_s())
            finally:
                notify(STOPPING)

    return attend


async def _live(every_s: float | None) -> None:
    while every_s is not None:
        notify(WATCHDOG)
        await asyncio.sleep(every_s)
    await asyncio.Event().wait()


async def _handle(words: list[str]) -> str:
    if words == ["drain"]:
        os.kill(os.getpid(), signal.SIGTERM)
        return LEAVING
    return f"{NO}, this is no supervisor: who started the process can start it again"


def with_room(settings: Settings) -> Settings:
    """Return *settings* with as many connections as open files allow.

    The limit is raised where that is possible. Where it is not, quizd says what to do
    and serves fewer: a full server answers 503, one without files drops connections.
    """
    wanted = settings.limits.connections
    fitting = make_room(wanted)
    if fitting == wanted:
        return settings
    log.warning(
        "fewer_connections",
        wanted=wanted,
        serving=fitting,
        advice=f"allow {wanted + RESERVE_FILES} open files (systemd: LimitNOFILE=, "
        f"shell: ulimit -Hn, container: --ulimit nofile=), or set "
        f"limits.connections to {fitting} or less",
    )
    limits = settings.limits.model_copy(update={"connections": fitting})
    return settings.model_copy(update={"limits": limits})
