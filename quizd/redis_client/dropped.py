"""Keeps nodes that redis-py drops out of the log of errors.

The client of a Cluster lets go of a node that fails: in tasks that nobody awaits, which
fail where the node had hung up before, or with connections that are still open. It
tells the loop of both. Who had asked that node has got an error already, and there is
nothing that anybody could do.
"""

import asyncio
from typing import Any

import structlog
from redis.asyncio.cluster import ClusterNode

_log = structlog.get_logger("quizd.redis_client")


def overlook_dropped(loop: asyncio.AbstractEventLoop) -> None:
    """Have *loop* report what it is told but for nodes that redis-py has dropped."""
    loop.set_exception_handler(_report)


def _report(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    if _is_of_a_node(context):
        _log.debug("redis_node_dropped", error=repr(context.get("exception")))
    else:
        loop.default_exception_handler(context)


def _is_of_a_node(context: dict[str, Any]) -> bool:
    """Tell whether it is about a node left open, or a task that was to close one."""
    task = context.get("future")
    if isinstance(task, asyncio.Task):
        name = getattr(task.get_coro(), "__qualname__", "")
        return name.startswith(f"{ClusterNode.__name__}.disconnect")
    return isinstance(context.get("client"), ClusterNode)
