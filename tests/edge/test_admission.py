"""Who comes in: origins, ceilings, tokens, and what a request says of itself."""

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import urlencode

import pytest

from quizd.accounts.tokens import Grant, Role, Tokens
from quizd.clock import ManualClock
from quizd.codes import Close, Reason, Refused
from quizd.edge.admission import UPGRADE, Gate, Turned, subprotocol
from quizd.edge.connection import Visit
from quizd.metrics import REGISTRY
from quizd.owner.runner import Runner
from quizd.owner.sessions import Sessions
from quizd.session.state import State
from tests.support.wires import session

HOUR_S = 3600
CEILING = 5
TOKENS = Tokens(b"0123456789abcdef0123456789abcdef", HOUR_S)


def known(_: int) -> Future[None]:
    """Know who is in, as an owner does."""
    done: Future[None] = Future()
    done.set_result(None)
    return done


RUNNER = cast("Runner", SimpleNamespace(state=session(2).state, expect=known))
STATE = RUNNER.state


class OneSession:
    """One session, owned here unless told otherwise."""

    def __init__(self, handle: Runner = RUNNER) -> None:
        self._handle = handle

    def known(self, session_id: str) -> Runner | None:
        """Return it by its id."""
        return self._handle if session_id == STATE.session_id else None

    def find_here(self, address: str) -> Runner | None:
        """Return it by its quiz or pin."""
        return RUNNER if address in (STATE.quiz_id, STATE.pin) else None


def gate(
    *, origins: tuple[str, ...] = (), tokenless: bool = False, connections: int = 0
) -> Gate:
    """Return a gate in front of one session with players p0 and p1."""
    return Gate(
        sessions=cast("Sessions", OneSession()),
        tokens=TOKENS,
        clock=ManualClock(),
        origins=origins,
        tokenless=tokenless,
        connections=lambda: connections,
        connections_max=CEILING,
    )


def token(
    participant: int = 0,
    role: Role = Role.PARTICIPANT,
    session_id: str = STATE.session_id,
    age_s: int = 0,
    whose: str = "",
) -> str:
    """Return a token that was issued *age_s* seconds ago."""
    grant = Grant(role, session_id, participant, whose)
    return TOKENS.issue(grant, ManualClock().now_ms() - age_s * 1000)


def target(**query: object) -> str:
    """Return a request's target."""
    return f"/ws?{urlencode(query)}"


def turned(
    query: Mapping[str, object],
    headers: Mapping[str, str] | None = None,
    **settings: Any,  # noqa: ANN401 - as of gate()
) -> Turned:
    """Return how the gate turns the request away."""
    with pytest.raises(Turned) as caught:
        gate(**settings).admit(target(**query), headers or {})
    return caught.value


# -- tokens ------------------------------------------------------------------------


@pytest.mark.parametrize("quiz", [STATE.quiz_id, STATE.pin, None])
def test_player_with_a_token_is_let_in(quiz: str | None) -> None:
    """The quiz may be named by its id, by the pin, or only by the token."""
    query = {"token": token(1)} | ({} if quiz is None else {"quizId": quiz})
    admitted = gate().admit(target(**query), {})
    assert admitted.runner is RUNNER
    assert admitted.visit == Visit(1, "p1")


@pytest.mark.parametrize("whose", ["p1", ""])
def test_token_opens_the_place_of_whose_it_is(whose: str) -> None:
    """As does one that does not say whose it is."""
    query = {"token": token(1, whose=whose), "participantId": "p1"}
    assert gate().admit(target(**query), {}).visit == Visit(1, "p1")


@pytest.mark.parametrize("query", [{}, {"participantId": "p9"}])
def test_who_was_lost_gets_nobodys_place(query: dict[str, object]) -> None:
    """A lost joining's index is somebody else's: 4001, so that one joins again."""
    away = turned({"token": token(1, whose="p9"), **query})
    assert (away.code, away.why) == (Close.UNAUTHORIZED, "participant is unknown")


def test_host_with_a_token_is_let_in() -> None:
    """A host is no participant, whatever the request says."""
    query = {"token": token(role=Role.HOST), "role": "host", "participantId": "p1"}
    assert gate().admit(target(**query), {}).visit == Visit(None)


@pytest.mark.parametrize(
    "offered",
    [
        "quizd.v1, bearer.{}",
        "bearer.{},quizd.v1",
        "chat,  quizd.v1 ,  bearer.{}",
        "bearer.{}",
    ],
)
def test_token_may_travel_as_a_subprotocol(offered: str) -> None:
    """In any place of the list, so that it stays out of addresses."""
    headers = {"sec-websocket-protocol": offered.format(token(1))}
    assert gate().admit("/ws", headers).visit.participant_id == "p1"


REFUSED_TOKENS: dict[str, tuple[dict[str, object], Close]] = {
    "missing": ({"quizId": "stage", "participantId": "p0"}, Close.UNAUTHORIZED),
    "empty": ({"quizId": "stage", "token": ""}, Close.UNAUTHORIZED),
    "garbage": ({"token": "no-token"}, Close.UNAUTHORIZED),
    "not-ascii": ({"token": "tökén" * 20}, Close.UNAUTHORIZED),
    "too-long": ({"token": "A" * 5000}, Close.UNAUTHORIZED),
    "truncated": ({"token": token()[:-4]}, Close.UNAUTHORIZED),
    "expired": ({"token": token(age_s=HOUR_S)}, Close.UNAUTHORIZED),
    "unknown-participant": ({"token": token(2)}, Close.UNAUTHORIZED),
    "unknown-session": ({"token": token(session_id="s2")}, Close.SESSION_NOT_FOUND),
    "another-quiz": ({"token": token(), "quizId": "other"}, Close.FORBIDDEN),
    "somebody-elses": ({"token": token(), "participantId": "p1"}, Close.FORBIDDEN),
    "hosts-of-another-quiz": (
        {"token": token(role=Role.HOST), "quizId": "other"},
        Close.FORBIDDEN,
    ),
}


@pytest.mark.parametrize(
    ("query", "code"), REFUSED_TOKENS.values(), ids=REFUSED_TOKENS.keys()
)
def test_wrong_token_is_told_by_a_close_code(
    query: dict[str, object], code: Close
) -> None:
    """After the upgrade, as pages don't see a status; with the reason in words."""
    away = turned(query)
    assert (away.status, away.code) == (UPGRADE, code)
    assert away.why


def test_who_may_be_in_is_asked_to_come_back() -> None:
    """A shard that follows may not have heard yet; an owner would have."""
    asked: list[int] = []

    def expect(participant: int) -> Future[None]:
        asked.append(participant)
        return Future()

    follows = SimpleNamespace(state=STATE, expect=expect)
    own = replace(
        gate(), sessions=cast("Sessions", OneSession(cast("Runner", follows)))
    )
    with pytest.raises(Turned) as caught:
        own.admit(target(token=token(2)), {})
    assert (caught.value.status, caught.value.code) == (UPGRADE, Close.TRY_AGAIN_LATER)
    assert asked == [2]


def test_session_without_a_state_yet_is_no_error() -> None:
    """Whoever asks for it is to come back."""

    class Following:
        @property
        def state(self) -> State:
            raise Refused(Reason.SHARD_UNAVAILABLE)

    own = replace(
        gate(), sessions=cast("Sessions", OneSession(cast("Runner", Following())))
    )
    with pytest.raises(Turned) as caught:
        own.admit(target(token=token(1)), {})
    assert caught.value.code is Close.TRY_AGAIN_LATER


def test_any_flipped_bit_spoils_a_token() -> None:
    """No single bit of a token may change, that of a character's unused rest apart."""
    good = token(1)
    for place in range(len(good) - 1):
        for bit in range(7):
            char = chr(ord(good[place]) ^ 1 << bit)
            bad = good[:place] + char + good[place + 1 :]
            assert turned({"token": bad}).code is Close.UNAUTHORIZED, (place, bit)


def test_token_holds_until_it_expires() -> None:
    """A second before its end it is as good as new."""
    query = {"token": token(age_s=HOUR_S - 1)}
    assert gate().admit(target(**query), {}).visit.participant == 0


# -- without a token ---------------------------------------------------------------


def test_old_clients_are_let_in_where_that_is_asked_for() -> None:
    """With compat.tokenless the id alone opens the session, by quiz or by pin."""
    for quiz in ("stage", "123456"):
        query = {"quizId": quiz, "participantId": "p1"}
        admitted = gate(tokenless=True).admit(target(**query), {})
        assert admitted.visit == Visit(1, "p1")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"quizId": "other", "participantId": "p1"}, Close.SESSION_NOT_FOUND),
        ({"quizId": "stage", "participantId": "p9"}, Close.UNAUTHORIZED),
        ({"quizId": "stage"}, Close.UNAUTHORIZED),
        ({"participantId": "p1"}, Close.SESSION_NOT_FOUND),
        ({"quizId": "stage", "token": "no-token"}, Close.UNAUTHORIZED),
    ],
    ids=["other-quiz", "unknown", "no-participant", "no-quiz", "wrong-token"],
)
def test_tokenless_takes_no_nonsense(query: dict[str, object], code: Close) -> None:
    """An unknown quiz or participant is refused, and a token that is there counts."""
    assert turned(query, tokenless=True).code is code


# -- what the client has -----------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "epoch", "after"),
    [
        ({"epoch": "1", "after": "17"}, 1, 17),
        ({"after": "0"}, None, 0),
        ({"epoch": "-1", "after": "+5"}, None, None),
        ({"epoch": "1.0", "after": "x"}, None, None),
        ({"epoch": "9" * 16, "after": "9" * 15}, None, 10**15 - 1),
        ({"epoch": "", "after": " 1"}, None, None),
    ],
)
def test_epoch_and_after_are_counts_or_nothing(
    query: dict[str, object], epoch: int | None, after: int | None
) -> None:
    """Anything that is no count is as good as not said; it is no reason to refuse."""
    visit = gate().admit(target(token=token(), **query), {}).visit
    assert (visit.epoch, visit.after) == (epoch, after)


# -- origins -----------------------------------------------------------------------

HOST = "quiz.example.org:8080"
LISTED = ("https://school.example.org", "http://localhost:5173")


@pytest.mark.parametrize(
    ("origin", "origins"),
    [
        (None, ()),
        ("http://quiz.example.org:8080", ()),
        ("https://QUIZ.example.org:8080", ()),
        ("https://school.example.org", LISTED),
        ("HTTPS://School.Example.ORG", LISTED),
        ("http://quiz.example.org:8080", LISTED),
        ("https://anything.example", ("*",)),
        ("null", ("*",)),
    ],
)
def test_own_and_listed_origins_are_let_in(
    origin: str | None, origins: tuple[str, ...]
) -> None:
    """Programs send none; pages are ours, or on the list."""
    headers = {"host": HOST} | ({} if origin is None else {"origin": origin})
    gate(origins=origins).admit(target(token=token()), headers)


@pytest.mark.parametrize(
    ("origin", "origins"),
    [
        ("https://evil.example", ()),
        ("https://evil.example", LISTED),
        ("http://quiz.example.org", ()),
        ("http://quiz.example.org:8081", ()),
        ("http://quiz.example.org:8080.evil.example", ()),
        ("http://localhost:5173.evil.example", LISTED),
        ("http://school.example.org", LISTED),
        ("null", ()),
        ("null", LISTED),
        ("", ()),
        ("http://[", ()),
        ("http://[::1", LISTED),
        ("quiz.example.org:8080", ()),
    ],
)
def test_other_origins_get_403(origin: str, origins: tuple[str, ...]) -> None:
    """A page of another site cannot play in the name of who looks at it."""
    headers = {"host": HOST, "origin": origin}
    assert turned({"token": token()}, headers, origins=origins).status == 403


# -- room --------------------------------------------------------------------------


def refused_for_room() -> float:
    """Return how many were refused, as it is measured."""
    labels = {"ceiling": "connections"}
    return REGISTRY.get_sample_value("quizd_edge_refused_total", labels) or 0.0


def test_full_server_says_so_by_a_status() -> None:
    """503 at the ceiling, whoever asks; one below it there is room."""
    assert turned({"token": token()}, connections=CEILING).status == 503
    before = refused_for_room()
    assert turned({"token": "no-token"}, connections=CEILING).status == 503
    assert refused_for_room() == before + 1
    gate(connections=CEILING - 1).admit(target(token=token()), {})


# -- subprotocol -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ("quizd.v1", "quizd.v1"),
        ("quizd.v1, bearer.abc", "quizd.v1"),
        ("bearer.abc , quizd.v1", "quizd.v1"),
        ("bearer.abc", None),
        ("quizd.v2", None),
        ("", None),
    ],
)
def test_only_an_offered_subprotocol_is_chosen(
    offered: str, chosen: str | None
) -> None:
    """Ours where it is among those offered; the token is never sent back."""
    assert subprotocol({"sec-websocket-protocol": offered}) == chosen
    assert subprotocol({}) is None
