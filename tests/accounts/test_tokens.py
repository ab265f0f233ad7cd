"""Tokens: whose they are, and what they say."""

import pytest

from quizd.accounts.tokens import WHOSE_CHARS, Grant, Role, Tokens
from quizd.api.entering import new_id
from quizd.codes import Reason, Refused

TOKENS = Tokens(b"0123456789abcdef0123456789abcdef", 3600)
NOW_MS = 1_767_225_600_000


@pytest.mark.parametrize(
    "grant",
    [
        Grant(Role.PARTICIPANT, "0123456789abcdef", 7, "89abcdef"),
        Grant(Role.PARTICIPANT, "0123456789abcdef", 7),
        Grant(Role.HOST, "0123456789abcdef", 0),
    ],
)
def test_a_token_says_what_was_granted(grant: Grant) -> None:
    """Also where it does not say whose it is, as a host's or one from before."""
    assert TOKENS.check(TOKENS.issue(grant, NOW_MS), NOW_MS) == grant


def test_a_token_is_of_the_one_it_names() -> None:
    """By the beginning of an id, all of it; one that names nobody is anybody's."""
    mine, other = new_id(), new_id()
    grant = Grant(Role.PARTICIPANT, "s1", 0, mine[:WHOSE_CHARS])
    assert grant.is_of(mine)
    assert not grant.is_of(other)
    assert not grant._replace(whose=mine[:4]).is_of(mine)
    assert grant._replace(whose="").is_of(other)


def test_a_token_that_has_expired_says_nothing() -> None:
    """It holds for its time and no longer."""
    token = TOKENS.issue(Grant(Role.PARTICIPANT, "s1", 0, "89abcdef"), NOW_MS)
    with pytest.raises(Refused) as caught:
        TOKENS.check(token, NOW_MS + 3_600_000)
    assert caught.value.reason is Reason.UNAUTHORIZED
