"""What the API is given to work with, and what it keeps for itself."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import cast

from prometheus_client import REGISTRY, CollectorRegistry
from starlette.requests import Request

from quizd.accounts.tokens import Tokens
from quizd.api.join_rate import JoinRate
from quizd.api.joinable import Joinable
from quizd.clock import Clock
from quizd.owner.sessions import Sessions
from quizd.reports import Reports
from quizd.settings import Settings
from quizd.store.base import Quizzes

CONTEXT = "quizd.context"
"""Where a request's scope has the context; the gate puts it there."""


def _ready() -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Services:
    """The parts that the API speaks to; it owns none of them.

    ``author_token`` opens what authors do; an empty one opens nothing.
    ``not_ready`` says why nobody should be sent here now, ``""`` where all is well.
    ``durability`` is the journal's sentence on what it survives, ``state`` what else
    an operator should see when looking. Without ``reports`` those on what was played
    are refused.
    """

    sessions: Sessions
    quizzes: Quizzes
    tokens: Tokens
    clock: Clock
    settings: Settings
    author_token: str
    version: str
    registry: CollectorRegistry = REGISTRY
    not_ready: Callable[[], str] = _ready
    durability: Callable[[], str] = _ready
    state: Callable[[], Mapping[str, str]] = dict
    reports: Reports | None = None


@dataclass(frozen=True, slots=True)
class Context:
    """The services, and the API's own state."""

    services: Services
    join_rate: JoinRate
    joinable: Joinable = field(init=False)

    def __post_init__(self) -> None:
        services = self.services
        joinable = Joinable(services.sessions, services.quizzes, services.clock)
        object.__setattr__(self, "joinable", joinable)


def context_of(request: Request) -> Context:
    """Return the context that *request* is served with."""
    return cast("Context", request.scope[CONTEXT])


def services_of(request: Request) -> Services:
    """Return the services that *request* is served with."""
    return context_of(request).services
