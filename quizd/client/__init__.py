"""The Python client of a quizd server; ``python -m quizd.client`` plays in a terminal.

``QuizClient`` joins and plays: iterating over ``play()`` gives every message,
``answer`` sends one, ``picture`` is what is known. ``Habits`` holds the settings.
"""

from quizd.client.faults import (
    AnswerLost,
    AnswerRefused,
    ClientFault,
    Dismissed,
    Gap,
    Garbled,
    GaveUp,
    JoinRefused,
    NotConnected,
    Unreachable,
)
from quizd.client.join import Ticket
from quizd.client.messages import Given, Message, Question
from quizd.client.picture import Picture, Standing
from quizd.client.player import Habits, QuizClient
from quizd.client.retry import Backoff, Progress

__all__ = [
    "AnswerLost",
    "AnswerRefused",
    "Backoff",
    "ClientFault",
    "Dismissed",
    "Gap",
    "Garbled",
    "GaveUp",
    "Given",
    "Habits",
    "JoinRefused",
    "Message",
    "NotConnected",
    "Picture",
    "Progress",
    "Question",
    "QuizClient",
    "Standing",
    "Ticket",
    "Unreachable",
]
