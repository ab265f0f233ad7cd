"""One tick: deciding what waits, and holding what it causes until that is durable.

Nothing in here waits: the runner commits the records between deciding and letting out.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from quizd._fast.inbox import Inbox
from quizd._fast.scoring import Verdicts
from quizd.codes import Reason, Refused
from quizd.owner.outage import Outage
from quizd.owner.presence import Presence
from quizd.owner.subscriber import Subscriber
from quizd.session import effects as fx
from quizd.session import events as ev
from quizd.session import records as rec
from quizd.session.live import LiveSession


@dataclass(slots=True)
class Waiting:
    """An event in the queue and who waits for what it comes to."""

    event: ev.Event
    reply: asyncio.Future[Any] | None


class Tick:
    """What one tick has decided, until it is let out.

    ``records`` are to be committed meanwhile. ``outage`` is the latest one, by which
    answers count.
    """

    def __init__(self, session: LiveSession, outage: Outage, now_ms: int) -> None:
        self.records: list[rec.Record] = []
        self.outage = outage
        self._session = session
        self._now_ms = now_ms
        self._effects: list[fx.Effect] = []
        self._after: list[Callable[[Subscriber], None]] = []

    def decide_all(
        self,
        inbox: Inbox,
        waiting: deque[Waiting],
        due: Callable[[int], ev.Event | None],
    ) -> None:
        """Decide the end of an outage, then answers, the queue, what time brings.

        All is taken out of *inbox* and *waiting*; *due* is asked last.
        """
        while waiting and isinstance(waiting[0].event, ev.OutageNoticed):
            self._decide_outage(waiting.popleft().event, inbox)
        if inbox.size:
            self._decide_inbox(inbox)
        for _ in range(len(waiting)):
            self._decide_waiting(waiting.popleft())
        event = due(self._now_ms)
        if event is not None:
            self._enter(self._session.decide(event, self._now_ms))

    @property
    def reveals(self) -> bool:
        """Whether a question was closed."""
        return any(isinstance(effect, fx.RevealQuestion) for effect in self._effects)

    def release(self, subscriber: Subscriber, presence: Presence) -> None:
        """Let out what is now durable."""
        for effect in self._effects:
            if isinstance(effect, fx.RemoveParticipant):
                presence.forget(effect.participant)
        subscriber.release(self._effects)
        for say in self._after:
            say(subscriber)

    def give_up(self, subscriber: Subscriber) -> None:
        """Have those whose answers another owner never got send them again."""
        for effect in self._effects:
            if isinstance(effect, fx.SendResults):
                question = self._session.state.quiz.question(effect.index)
                for participant in effect.participants:
                    again = Refused(Reason.SHARD_UNAVAILABLE, questionId=question.id)
                    subscriber.refuse(participant, again)

    def _enter(self, records: list[rec.Record]) -> None:
        for record in records:
            self._effects.extend(self._session.apply(record))
        self.records += records

    def _decide_outage(self, event: ev.Event, inbox: Inbox) -> None:
        try:
            records = self._session.decide(event, self._now_ms)
        except Refused:
            return  # it has ended
        self._enter(records)
        for record in records:
            if isinstance(record, rec.OutageEnded):
                self.outage = Outage(self._now_ms, record.outage_ms)
                self.outage.move_on(inbox)

    # -- answers -------------------------------------------------------------------

    def _decide_inbox(self, inbox: Inbox) -> None:
        verdicts = self._session.judge(inbox)
        inbox.clear()
        if verdicts.record is not None:
            self._enter([rec.AnswersAccepted(self._now_ms, verdicts.record)])
        self._answer_rest(verdicts)

    def _answer_rest(self, verdicts: Verdicts) -> None:
        index = self._session.state.current
        for participant in verdicts.repeated:
            self._repeat(participant, index)
        question = self._session.state.question
        for participant, reason in verdicts.refused:
            details = {} if question is None else {"questionId": question.id}
            self._refuse(participant, Refused(Reason(reason), **details))
        for participant, received_ms, *texts in verdicts.general:
            names = ("questionId", "selectedOption", "answeredAt")
            payload = dict(zip(names, (text.decode() for text in texts), strict=True))
            self._decide_waiting(
                Waiting(ev.AnswerSubmitted(participant, received_ms, payload), None)
            )

    def _repeat(self, participant: int, index: int) -> None:
        self._after.append(lambda to: to.repeat(participant, index))

    def _refuse(self, participant: int, refused: Refused) -> None:
        self._after.append(lambda to: to.refuse(participant, refused))

    # -- the queue -----------------------------------------------------------------

    def _decide_waiting(self, waiting: Waiting) -> None:
        event, reply = waiting.event, waiting.reply
        try:
            result = self._decide_event(event)
        except Refused as refused:
            if reply is not None:
                self._after.append(_failing(reply, refused))
            elif isinstance(event, ev.AnswerSubmitted):
                self._refuse(event.participant, refused)
        else:
            if reply is not None:
                self._after.append(_resolving(reply, result))

    def _decide_event(self, event: ev.Event) -> int | None:
        if isinstance(event, ev.AnswerSubmitted):
            return self._decide_answer(event)
        self._enter(self._session.decide(event, self._now_ms))
        if isinstance(event, ev.ParticipantJoined):
            return self._session.joined_before(event)
        return None

    def _decide_answer(self, event: ev.AnswerSubmitted) -> int | None:
        counted_ms = self.outage.counted_ms(event.received_ms)
        event = replace(event, received_ms=counted_ms)
        index = self._session.repeated(event)
        if index is not None:
            self._repeat(event.participant, index)
            return index
        self._enter(self._session.decide(event, self._now_ms))
        return self._session.state.current


def _failing(
    reply: asyncio.Future[Any], error: Refused
) -> Callable[[Subscriber], None]:
    def fail(_: Subscriber) -> None:
        if not reply.done():
            reply.set_exception(error)

    return fail


def _resolving(
    reply: asyncio.Future[Any], result: int | None
) -> Callable[[Subscriber], None]:
    def resolve(_: Subscriber) -> None:
        if not reply.done():
            reply.set_result(result)

    return resolve
