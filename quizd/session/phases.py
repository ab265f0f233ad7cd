"""The phases of a live session, and which event may come when: the rules as data."""

from enum import StrEnum

from quizd.session import events as e


class Phase(StrEnum):
    """Where a session stands; ``paused`` lies beside the others."""

    LOBBY = "lobby"
    STARTING = "starting"
    QUESTION = "question"
    REVEAL = "reveal"
    PAUSED = "paused"
    ENDED = "ended"


ANYTIME: frozenset[type[e.Event]] = frozenset(
    {
        e.ParticipantJoined,
        e.HostLocked,
        e.HostKicked,
        e.HostEnded,
        e.OutageNoticed,
        e.HistoryLost,
    }
)

LEGAL: dict[Phase, frozenset[type[e.Event]]] = {
    Phase.LOBBY: ANYTIME | {e.HostStarted},
    Phase.STARTING: ANYTIME | {e.DeadlinePassed, e.HostAdvanced, e.HostPaused},
    Phase.QUESTION: ANYTIME
    | {
        e.AnswerSubmitted,
        e.EverybodyAnswered,
        e.DeadlinePassed,
        e.HostAdvanced,
        e.HostSkipped,
        e.HostPaused,
    },
    Phase.REVEAL: ANYTIME
    | {e.DeadlinePassed, e.HostAdvanced, e.HostSkipped, e.HostPaused},
    Phase.PAUSED: ANYTIME | {e.HostResumed},
    Phase.ENDED: frozenset(),
}
