"""Answers and what the server says to them: results, and errors that are deserved.

An answer that was due in time and is refused as too late is no violation: the server's
clock decides, and a slow server is slow. It is counted; it is a violation only if the
server then closes the question at its time and not before.
"""

from libc.stdint cimport int32_t, int64_t, uint64_t

from bench.load._answering cimport (
    LATE,
    NO_SUCH_OPTION,
    NO_SUCH_QUESTION,
    NO_SUCH_TYPE,
    NONE,
    NOT_JSON,
    RIGHT,
    UNKNOWN,
    Deal,
    Player,
    Window,
)
from bench.load._basics cimport wall_ns
from bench.load._core cimport Client
from bench.load._scan cimport (
    Cursor,
    Slice,
    enter,
    equals,
    find,
    hashed,
    is_true,
    next_member,
    whole,
)

cdef enum:
    CLOCKS_DIFFER_MS = 5            # ours and the server's, at most

cdef int64_t NS_PER_MS = 1_000_000


cdef class Acknowledged(Answering):
    """Players who hold results and errors against what they sent.

    Arguments as of :class:`Answering`.
    """

    cdef Deal* deal_of(self, Client* client, Slice payload) noexcept nogil:
        """Return the deal with the question that *payload* names, NULL for none."""
        cdef Player* player = &self.players[client.index]
        cdef Slice id
        cdef int32_t index
        if not find(payload, b"questionId", &id):
            return NULL
        index = self.questions.find(id)
        if index >= 0 and player.now.question == index:
            return &player.now
        if index >= 0 and player.before.question == index:
            return &player.before
        return NULL

    cdef void take_result(
        self, Client* client, Slice payload, int64_t now_ns
    ) noexcept nogil:
        cdef Deal* deal = self.deal_of(client, payload)
        cdef Slice accepted
        if deal == NULL:
            self.fault_text(client, b"a result of no answer: %.*s", payload)
            return
        deal.results += 1
        self.game.results += 1
        if not find(payload, b"accepted", &accepted) or not is_true(accepted):
            self.fault_text(client, b"a result that does not accept: %.*s", payload)
        elif deal.plan == LATE:
            self.fault(client, b"question %lld took a late answer", deal.question, 0)
        elif deal.results + deal.refused > deal.sent:
            self.fault(
                client, b"question %lld: %lld results too many", deal.question,
                deal.results + deal.refused - deal.sent,
            )
        elif deal.results == 1:
            self._first_result(client, deal, payload, now_ns)
        elif deal.mark != mark_of(payload):
            self.fault(
                client, b"question %lld: the second result differs", deal.question, 0
            )

    cdef void _first_result(
        self, Client* client, Deal* deal, Slice payload, int64_t now_ns
    ) noexcept nogil:
        cdef Player* player = &self.players[client.index]
        cdef Window* window = &self.windows[deal.question]
        cdef Slice score
        self.acks.record(now_ns - deal.due_ns)
        window.results += 1
        window.last_result_ns = now_ns
        if window.first_result_ns == 0:
            window.first_result_ns = now_ns
        deal.mark = mark_of(payload)
        self.hold_verdict(client, deal, payload)
        if deal.points == NONE or deal.closed or not find(payload, b"score", &score):
            return
        if whole(score) != player.score + deal.points:
            self.fault(
                client, b"a result tells score %lld, not %lld", whole(score),
                player.score + deal.points,
            )

    cdef void hold_verdict(
        self, Client* client, Deal* deal, Slice told
    ) noexcept nogil:
        """Hold ``correct`` against the key and ``points`` against it; keep points."""
        cdef Slice correct, points
        if not (
            find(told, b"correct", &correct) and find(told, b"points", &points)
        ):
            return
        deal.points = whole(points)
        if deal.right != UNKNOWN and is_true(correct) != (deal.right == RIGHT):
            self.fault(
                client, b"question %lld: the verdict is wrong", deal.question, 0
            )
        elif (deal.points != 0) != (
            is_true(correct) and self.questions.table[deal.question].pays
        ):
            self.fault(
                client, b"question %lld: %lld points don't fit the verdict",
                deal.question, deal.points,
            )

    cdef void take_error(self, Client* client, Slice payload) noexcept nogil:
        cdef Slice reason, details
        if find(payload, b"reason", &reason):
            if equals(reason, b'"too_late"') and (
                find(payload, b"details", &details)
                and self._refused_late(client, details)
            ):
                return
            if self._was_awaited(client, reason):
                return
        self.fault_text(client, b"unexpected error: %.*s", payload)

    cdef bint _refused_late(self, Client* client, Slice details) noexcept nogil:
        """Enter a refusal as too late; False: there is no answer that it can be to."""
        cdef Deal* deal = self.deal_of(client, details)
        if deal == NULL or deal.results + deal.refused >= deal.sent:
            return False
        deal.refused += 1
        if deal.plan == LATE:
            self.game.late_refused += 1
            return True
        self.game.refused_late += 1
        deal.suspect = not deal.closed and is_before_end(self.questions.table[
            deal.question
        ].end_ms)
        return True

    cdef bint _was_awaited(self, Client* client, Slice reason) noexcept nogil:
        """Take the error off those that our wrong messages deserve."""
        cdef Player* player = &self.players[client.index]
        cdef int kind = NO_SUCH_OPTION
        if equals(reason, b'"invalid_message"'):
            kind = NOT_JSON
        elif equals(reason, b'"unknown_type"'):
            kind = NO_SUCH_TYPE
        elif equals(reason, b'"unknown_question"'):
            kind = NO_SUCH_QUESTION
        elif not (
            equals(reason, b'"invalid_option"')
            or equals(reason, b'"too_late"')        # on its way when that came true
            or equals(reason, b'"already_answered"')
        ):
            return False
        if player.awaited[kind] == 0:
            return False
        player.awaited[kind] -= 1
        self.game.nonsense_answered += 1
        return True

    cdef void settle_deal(self, Client* client, Deal* deal) noexcept nogil:
        """Hold the answers against their results; the deal is over."""
        if deal.question != NONE and deal.results + deal.refused < deal.sent:
            self.fault(
                client, b"question %lld: %lld answers without a result",
                deal.question, deal.sent - deal.results - deal.refused,
            )
        deal.question = NONE


cdef bint is_before_end(int64_t end_ms) noexcept nogil:
    return wall_ns() // NS_PER_MS < end_ms - CLOCKS_DIFFER_MS


cdef uint64_t mark_of(Slice payload) noexcept nogil:
    """Return a hash of all members but the rank, which others change."""
    cdef Cursor cursor
    cdef Slice key, value
    cdef uint64_t mark = 0
    if not enter(payload, c"{", &cursor):
        return 0
    while next_member(&cursor, &key, &value):
        if not equals(key, b"rank"):
            mark = hashed(hashed(mark, key), value)
    return mark
