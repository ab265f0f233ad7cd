"""Who hears of a session's effects. The edge implements it; the owner only calls."""

from collections.abc import Iterable
from typing import Protocol

from quizd.codes import Close, Refused
from quizd.session.effects import Effect


class Subscriber(Protocol):
    """The way from an owner to the connections of one session."""

    def release(self, effects: Iterable[Effect]) -> None:
        """Do *effects*: what caused them is durable."""
        ...

    def repeat(self, participant: int, index: int) -> None:
        """Tell *participant* again what the answer to question *index* came to."""
        ...

    def refuse(self, participant: int, refused: Refused) -> None:
        """Tell *participant* why an input did not count."""
        ...

    def replace(self, participant: int, place: str) -> None:
        """Close the line of *participant* at *place*: there is a newer one."""
        ...

    def close_all(self, code: Close) -> None:
        """Close every connection of the session."""
        ...

    def show_anew(self) -> None:
        """Give every connection the picture: what it knew is no longer so."""
        ...

    @property
    def in_flight(self) -> int:
        """How many deliveries are still to be made."""
        ...

    def fan_out_ms(self) -> float:
        """Return how long the last fan-out of a question took, in milliseconds."""
        ...
