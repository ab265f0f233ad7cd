"""The API on a real owner, with a clock that tests move."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self

import httpx
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from quizd.accounts.tokens import Grant, Role, Tokens
from quizd.api.app import create_app
from quizd.api.services import Services
from quizd.clock import ManualClock
from quizd.codes import Close, Refused
from quizd.journal.memory import MemoryJournal
from quizd.owner.owner import Owner, OwnerSettings
from quizd.owner.runner import Limits, Runner
from quizd.session.effects import Effect
from quizd.session.quiz import Quiz
from quizd.settings import Settings
from quizd.store.engine import sqlite_engine
from quizd.store.quizzes import StoredQuizzes
from tests.api.conformance import Conformance

AUTHOR = "author-token-of-these-tests"
SECRET = b"secret-of-these-tests"
API = "/api/v1"
LEAD_MS = 300

Json = dict[str, Any]


class Recorder:
    """A way to connections of which there are none; keeps what it was told."""

    def __init__(self) -> None:
        self.effects: list[Effect] = []
        self.closed: list[Close] = []

    def release(self, effects: Iterable[Effect]) -> None:
        """Keep *effects*."""
        self.effects.extend(effects)

    def repeat(self, participant: int, index: int) -> None:
        """Nobody is connected."""

    def refuse(self, participant: int, refused: Refused) -> None:
        """Nobody is connected."""

    def replace(self, participant: int, place: str) -> None:
        """Nobody is connected."""

    def show_anew(self) -> None:
        """Nobody is connected."""

    @property
    def in_flight(self) -> int:
        """Nothing is on its way."""
        return 0

    def close_all(self, code: Close) -> None:
        """Keep *code*."""
        self.closed.append(code)

    def fan_out_ms(self) -> float:
        """Nobody is connected, so it takes no time."""
        return 0.0


def quiz(questions: int = 2, **settings: object) -> Json:
    """Return a quiz of *questions* whose right answer is always "yes"."""
    return {
        "title": "Yes or no",
        "level": "A1",
        "settings": {"start": "host", "advance": "host", "countdown_s": 5, **settings},
        "questions": [
            {
                "id": f"question-{number}",
                "type": "single_choice",
                "text": f"Number {number}?",
                "options": ["yes", "no"],
                "correct": ["yes"],
                "time_s": 20,
                "explanation": "Yes it is.",
            }
            for number in range(1, questions + 1)
        ],
    }


def bearer(token: str) -> dict[str, str]:
    """Return the header that carries *token*."""
    return {"Authorization": f"Bearer {token}"}


AS_AUTHOR = bearer(AUTHOR)


@dataclass(frozen=True)
class Opened:
    """A session that was opened over the API."""

    quiz_id: str
    session_id: str
    pin: str
    host: dict[str, str]


_documents: list[Json] = []


def _document(app: FastAPI) -> Json:
    """Return the document of *app*, which is that of every other; it takes a while."""
    if not _documents:
        _documents.append(app.openapi())
    return _documents[0]


class Stage:
    """Everything that a test of the API needs; ``api`` checks every answer."""

    def __init__(self, settings: Mapping[str, object] | None = None) -> None:
        self.settings = Settings.model_validate(settings or {})
        self.clock = ManualClock()
        self.journal = MemoryJournal()
        self.quizzes = StoredQuizzes(sqlite_engine(None))
        self.tokens = Tokens(SECRET, self.settings.auth.token_ttl_h * 3600)
        self.owner = Owner(
            self.journal,
            self.clock,
            OwnerSettings(
                sessions=self.settings.limits.sessions,
                capacity=self.settings.limits.participants_per_session,
                runner=Limits(self.settings.limits.inbox, LEAD_MS),
            ),
            lambda _: Recorder(),
        )
        self.services = Services(
            sessions=self.owner,
            quizzes=self.quizzes,
            tokens=self.tokens,
            clock=self.clock,
            settings=self.settings,
            author_token=AUTHOR,
            version="1.2.3",
            registry=CollectorRegistry(),
            durability=lambda: self.journal.durability,
        )
        self.rebuild()

    def rebuild(self, **changed: object) -> None:
        """Make the application again, with services *changed*."""
        self.services = replace(self.services, **changed)  # type: ignore[arg-type]
        self.app: FastAPI = create_app(self.services)
        self.conformance = Conformance(_document(self.app))
        self.api = self.client()

    def client(self, address: str = "127.0.0.1", **options: Any) -> httpx.AsyncClient:  # noqa: ANN401
        """Return a client that calls from *address*."""
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app, client=(address, 50_000)),
            base_url="http://quiz.test",
            event_hooks={"response": [self.conformance]},
            **options,
        )

    async def __aenter__(self) -> Self:
        """Start what runs."""
        await self.journal.start()
        await self.quizzes.start()
        await self.owner.recover()
        self.owner.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop it again."""
        await self.owner.stop()
        await self.quizzes.stop()
        await self.journal.stop()

    # -- steps -------------------------------------------------------------------

    async def store(self, quiz_id: str = "words", **settings: object) -> str:
        """Keep a quiz with *settings*; return its id."""
        definition = Quiz.model_validate(quiz(**settings))  # type: ignore[arg-type]
        stored = await self.quizzes.put(quiz_id, definition, self.clock.now_ms())
        return stored.quiz_id

    async def open(self, quiz_id: str = "words", **settings: object) -> Opened:
        """Keep a quiz with *settings* and open a session of it."""
        await self.store(quiz_id, **settings)
        answer = await self.api.post(f"{API}/quizzes/{quiz_id}/open", headers=AS_AUTHOR)
        assert answer.status_code == httpx.codes.CREATED, answer.text
        body = answer.json()
        host = bearer(body["hostToken"])
        return Opened(quiz_id, body["sessionId"], body["pin"], host)

    async def ask_to_join(
        self, name: object = "Ann", address: str = "words", **headers: str
    ) -> httpx.Response:
        """Ask to join and return the answer, whatever it is."""
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        return await self.api.post(
            f"{API}/quizzes/{address}/join",
            json={"participantName": name},
            headers=named,
        )

    async def join(self, name: str = "Ann", address: str = "words") -> Json:
        """Join and return the answer's body."""
        answer = await self.ask_to_join(name, address)
        assert answer.status_code == httpx.codes.OK, answer.text
        body: Json = answer.json()
        return body

    async def lead(
        self, session: Opened, command: str, body: Json | None = None
    ) -> httpx.Response:
        """Give a host's *command*."""
        return await self.api.post(
            f"{API}/quizzes/{session.quiz_id}/{command}",
            headers=session.host,
            json=body,
        )

    async def ask_first_question(self, session: Opened) -> None:
        """Start the quiz and go on to where its first question takes answers."""
        await self.lead(session, "start")
        await self.lead(session, "next")
        self.clock.advance(LEAD_MS)

    async def answer(
        self, ticket: Json, option: str, number: int = 1
    ) -> httpx.Response:
        """Answer question *number* with *option*."""
        return await self.api.post(
            f"{API}/quizzes/{ticket['quizId']}/answers",
            headers=bearer(ticket["token"]),
            json={"questionId": f"question-{number}", "selectedOption": option},
        )

    def runner(self, session: Opened) -> Runner:
        """Return what runs *session*."""
        runner = self.owner.known(session.session_id)
        assert runner is not None
        return runner

    def token(self, role: Role, session_id: str, participant: int = 0) -> str:
        """Return a token that was never given out."""
        grant = Grant(role, session_id, participant)
        return self.tokens.issue(grant, self.clock.now_ms())
