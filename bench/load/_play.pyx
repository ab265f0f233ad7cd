"""Players of quizd: they answer, and check all that they see.

Each player is held to these rules, and whatever breaks one is a violation:

- ``welcome`` comes first and once; then every numbered broadcast comes once, in order,
  from the welcome's ``seq`` on without a gap.
- Every question comes once, in the quiz's order, in the same words for everybody.
- An answer has one ``answer_result``, one sent twice has two that agree (but for the
  rank, which is of the moment); an answer after the end is refused as ``too_late``.
- What a result says is true: right or wrong as the key has it, the score a sum of
  points. ``question_closed`` repeats the result and adds up, ``quiz_ended`` repeats the
  last close.
- A wrong message costs one ``error`` of the reason that fits; nothing else brings one.
- The line stays until the quiz has ended.

What one player can't know, whether ranks are right, is left to whoever has all
players' scores: :meth:`Players.column` gives them by question.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int32_t, int64_t, uint32_t
from libc.stdlib cimport calloc, free

from bench.load._acknowledged cimport Acknowledged, is_before_end
from bench.load._answering cimport NONE, NONSENSES, SOMEWHERE, Deal, Player
from bench.load._basics cimport wall_ns
from bench.load._core cimport OPEN, Client
from bench.load._counts cimport Counts
from bench.load._scan cimport (
    Cursor,
    Slice,
    enter,
    equals,
    find,
    is_true,
    next_member,
    whole,
)

cdef enum:
    NORMAL = 1000

cdef int64_t NS_PER_MS = 1_000_000


cdef int64_t* table_of(size_t rows, size_t columns) except NULL:
    cdef int64_t* table = <int64_t*>calloc(rows * columns + 1, sizeof(int64_t))
    if table == NULL:
        raise MemoryError
    return table


cdef class Players(Acknowledged):
    """One player per request head.

    *lenient*: a server that welcomes nobody, numbers nothing and tells nobody the own
    rank, as the published contract allows, is none the worse for it. Others as of
    :class:`Acknowledged`. ``welcomes`` counts from when a player was to connect,
    ``boards`` from when the first answer of all was due, if it was right, to the next
    board, once at each player: nothing has been merged with that one.
    """

    def __init__(
        self, str host not None, port, list heads not None, *, list key not None,
        bint lenient=False, **options
    ):
        super().__init__(host, port, heads, key=key, **options)
        cdef size_t rows = len(key) + 1
        self.welcomes, self.boards = Counts(), Counts()
        self.lenient = lenient
        self._opened = table_of(rows, self.count)
        self._closed = table_of(rows, self.count)
        self._scores = table_of(rows, self.count)
        self._ranks = table_of(rows, self.count)
        self._ofs = table_of(rows, self.count)

    def __dealloc__(self):
        free(self._opened)
        free(self._closed)
        free(self._scores)
        free(self._ranks)
        free(self._ofs)

    # -- for Python --------------------------------------------------------------

    def column(self, str name not None, uint32_t question):
        """Return what each player was told of *question*: packed int64, 0 for nothing.

        *name*: ``opened`` and ``closed``, when the messages came, in nanoseconds;
        ``scores``, ``ranks`` and ``ofs``, the player's own. *question*: its index; the
        number of questions stands for the end of the quiz, which is ``closed`` when
        ``quiz_ended`` comes.
        """
        cdef int64_t* table = self._table(name)
        if question > self.questions.count:
            raise IndexError(question)
        return PyBytes_FromStringAndSize(
            <char*>(table + question * self.count), self.count * sizeof(int64_t)
        )

    cdef int64_t* _table(self, str name) except NULL:
        if name == "opened":
            return self._opened
        if name == "closed":
            return self._closed
        if name == "scores":
            return self._scores
        if name == "ranks":
            return self._ranks
        if name == "ofs":
            return self._ofs
        raise ValueError(name)

    def final(self):
        """Return the payload of ``quiz_ended`` as the first player got it, or None."""
        return self._final

    def settle(self, bint to_the_end):
        """Look for what never came; *to_the_end*: and for who never saw the end.

        To be called once, before the lines are closed.
        """
        cdef uint32_t i
        with nogil:
            for i in range(self.count):
                self._settle_player(&self.clients[i], to_the_end)

    # -- messages ----------------------------------------------------------------

    cdef void message(
        self, Client* client, const char* at, size_t size, int64_t now_ns
    ) noexcept nogil:
        cdef Message message
        if self._read(Slice(at, size), &message):
            self._dispatch(client, &message, now_ns)
        else:
            self.fault_text(client, b"not a message: %.*s", Slice(at, size))

    cdef bint _read(self, Slice text, Message* message) noexcept nogil:
        """Find type, seq and payload; stop early at what is of no interest."""
        cdef Cursor cursor
        cdef Slice key, value
        message.kind.size = message.payload.size = 0
        message.has_seq = False
        if not enter(text, c"{", &cursor):
            return False
        while next_member(&cursor, &key, &value):
            if equals(key, b"type"):
                message.kind = value
                if self._is_passing(value):
                    return True
            elif equals(key, b"seq"):
                message.seq = whole(value)
                message.has_seq = True
            elif equals(key, b"payload"):
                message.payload = value
        return message.kind.size != 0 and message.payload.size != 0

    cdef bint _is_passing(self, Slice kind) noexcept nogil:
        """Count a latest value; nobody checks those, and most messages are such."""
        if equals(kind, b'"leaderboard_changed"'):
            self.game.boards += 1
            return True
        if equals(kind, b'"participants_changed"'):
            self.game.crowds += 1
            return True
        return equals(kind, b'"leaderboard_data"') or equals(kind, b'"heartbeat"')

    cdef void _dispatch(
        self, Client* client, Message* message, int64_t now_ns
    ) noexcept nogil:
        cdef Slice kind = message.kind
        if message.payload.size == 0:
            self._note_board(client, kind, now_ns)
            return                  # it is passing
        if message.has_seq and not self._numbered(client, message.seq):
            return
        if equals(kind, b'"answer_result"'):
            self.take_result(client, message.payload, now_ns)
        elif equals(kind, b'"error"'):
            self.take_error(client, message.payload)
        elif equals(kind, b'"welcome"'):
            self._welcome(client, message.payload, now_ns)
        elif not message.has_seq and not self.lenient:
            self.fault_text(client, b"unexpected %.*s", kind)
        elif equals(kind, b'"new_question"'):
            self._question(client, message.payload, now_ns)
        elif equals(kind, b'"question_closed"'):
            self._close_question(client, message.payload, now_ns)
        elif equals(kind, b'"quiz_ended"'):
            self._end(client, message.payload, now_ns)

    cdef void _note_board(
        self, Client* client, Slice kind, int64_t now_ns
    ) noexcept nogil:
        cdef Player* player = &self.players[client.index]
        if player.boarded or self.scored_ns <= 0:
            return
        if equals(kind, b'"leaderboard_changed"'):
            player.boarded = True
            self.boards.record(now_ns - self.scored_ns)

    cdef bint _numbered(self, Client* client, int64_t seq) noexcept nogil:
        """Hold a broadcast's number against the one before; False: pass it over."""
        cdef Player* player = &self.players[client.index]
        if not player.welcomed:
            if not self.lenient:
                self.fault(client, b"broadcast %lld came before the welcome", seq, 0)
                return False
            player.welcomed = True
            player.seq = seq - 1
        if seq <= player.seq:
            self.fault(
                client,
                b"broadcast %lld came after %lld: doubled or out of order",
                seq,
                player.seq,
            )
            return False
        if seq != player.seq + 1:
            self.fault(
                client,
                b"broadcast %lld came after %lld: lost one, or out of order",
                seq,
                player.seq,
            )
        player.seq = seq
        return True

    cdef void _welcome(
        self, Client* client, Slice payload, int64_t now_ns
    ) noexcept nogil:
        cdef Player* player = &self.players[client.index]
        cdef Slice found, you
        if player.welcomed:
            self.fault(client, b"a second welcome came", 0, 0)
            return
        if not find(payload, b"seq", &found):
            self.fault(client, b"the welcome has no seq", 0, 0)
            return
        player.seq = whole(found)
        player.welcomed = True
        if find(payload, b"you", &you) and find(you, b"score", &found):
            player.score = whole(found)
        if find(payload, b"phase", &found) and not (
            equals(found, b'"lobby"') or equals(found, b'"starting"')
        ):
            player.question = SOMEWHERE
        self.game.welcomed += 1
        self.welcomes.record(now_ns - client.due_ns)
        if find(payload, b"question", &found):
            self._join_question(client, found, now_ns)

    # -- questions ---------------------------------------------------------------

    cdef void _join_question(
        self, Client* client, Slice payload, int64_t now_ns
    ) noexcept nogil:
        """Play the question that was open when the player came."""
        cdef int32_t index = self._index(client, payload)
        cdef Slice answered
        if index < 0:
            return
        self.players[client.index].question = index
        if not self.questions.table[index].known:
            self.questions.learn(index, payload, False)
        if not (find(payload, b"answered", &answered) and is_true(answered)):
            self._show(client, index, now_ns)

    cdef void _question(
        self, Client* client, Slice payload, int64_t now_ns
    ) noexcept nogil:
        cdef int32_t index = self._index(client, payload)
        if index < 0 or not self._in_turn(client, index):
            return
        self.players[client.index].question = index
        if not self._as_known(client, index, payload):
            return
        self.game.questions += 1
        self.game.after_start += (
            wall_ns() // NS_PER_MS > self.questions.table[index].start_ms
        )
        self._opened[index * self.count + client.index] = now_ns
        self._show(client, index, now_ns)

    cdef bint _in_turn(self, Client* client, int32_t index) noexcept nogil:
        """Hold the question against the one before; False: pass it over."""
        cdef int32_t before = self.players[client.index].question
        if index <= before:
            self.fault(client, b"question %lld came after %lld", index, before)
            return False
        if index != before + 1 and before != SOMEWHERE:
            self.fault(
                client, b"question %lld came after %lld: lost one", index, before
            )
        return True

    cdef bint _as_known(
        self, Client* client, int32_t index, Slice payload
    ) noexcept nogil:
        """Hold the words against the others', the first ones against the quiz."""
        if self.questions.table[index].known:
            if self.questions.agrees(index, payload):
                return True
            self.fault(client, b"question %lld is not what others got", index, 0)
            return False
        if self.questions.learn(index, payload, True):
            return True
        self.fault(client, b"question %lld is not the quiz's", index, 0)
        return False

    cdef int32_t _index(self, Client* client, Slice payload) noexcept nogil:
        """Return the question's place in the quiz; -1, and a violation, for none."""
        cdef Slice found
        cdef int64_t index = -1
        if find(payload, b"index", &found):
            index = whole(found)
        elif find(payload, b"questionId", &found):
            index = self.questions.find(found)
            if index < 0:
                index = self.players[client.index].question + 1
        if 0 <= index < self.questions.count:
            return <int32_t>index
        self.fault(client, b"the quiz has no question %lld", index, 0)
        return -1

    cdef void _show(
        self, Client* client, int32_t index, int64_t now_ns
    ) noexcept nogil:
        self.settle_deal(client, &self.players[client.index].before)
        self.begin_deal(client, <uint32_t>index, now_ns)

    # -- closes and the end ------------------------------------------------------

    cdef void _close_question(
        self, Client* client, Slice payload, int64_t now_ns
    ) noexcept nogil:
        cdef Player* player = &self.players[client.index]
        cdef Deal* deal = self.deal_of(client, payload)
        cdef Slice you
        cdef uint32_t row
        if deal == NULL or deal != &player.now or deal.closed:
            self.fault(
                client, b"a close of another question than %lld", player.question, 0
            )
            return
        row = <uint32_t>deal.question
        deal.closed = True
        self.game.closes += 1
        self._closed[row * self.count + client.index] = now_ns
        if deal.suspect and not is_before_end(self.questions.table[row].end_ms):
            self.fault(client, b"question %lld refused in time", deal.question, 0)
        if find(payload, b"you", &you):
            self._keep_place(client, row, you)
            self._hold_close(client, deal, you)
        elif self.lenient:
            player.score += max(deal.points, 0)
        else:
            self.fault(client, b"the close of %lld has no you", deal.question, 0)

    cdef void _hold_close(
        self, Client* client, Deal* deal, Slice you
    ) noexcept nogil:
        """Hold the own result and score against what was told before."""
        cdef Player* player = &self.players[client.index]
        cdef int64_t before = deal.points
        cdef int64_t score = player.score
        cdef Slice found
        if find(you, b"score", &found):
            player.score = whole(found)
        if find(you, b"rank", &found):
            player.rank = whole(found)
        if not find(you, b"points", &found):
            return
        if deal.results:
            self.hold_verdict(client, deal, you)
            if before != NONE and before != deal.points:
                self.fault(
                    client, b"the close tells %lld points, the result %lld",
                    deal.points, before,
                )
        elif whole(found) != 0:
            self.fault(
                client, b"the close tells %lld points, there was no result",
                whole(found), 0,
            )
        if player.score != score + whole(found):
            self.fault(
                client, b"the close tells score %lld, not %lld", player.score,
                score + whole(found),
            )

    cdef void _keep_place(
        self, Client* client, uint32_t row, Slice you
    ) noexcept nogil:
        """Keep score, rank and of for whoever knows everybody's."""
        cdef size_t at = row * self.count + client.index
        cdef Slice found
        if find(you, b"score", &found):
            self._scores[at] = whole(found)
        if find(you, b"rank", &found):
            self._ranks[at] = whole(found)
        if find(you, b"of", &found):
            self._ofs[at] = whole(found)

    cdef void _end(
        self, Client* client, Slice payload, int64_t now_ns
    ) noexcept nogil:
        cdef Player* player = &self.players[client.index]
        cdef uint32_t row = self.questions.count
        cdef size_t at = row * self.count + client.index
        cdef Slice you
        if player.ended:
            self.fault(client, b"the quiz ended twice", 0, 0)
            return
        player.ended = True
        self.game.ended += 1
        self._closed[at] = now_ns
        if client.index == 0:
            self._keep_final(payload)
        if not find(payload, b"you", &you):
            if not self.lenient:
                self.fault(client, b"the end has no you", 0, 0)
            return
        self._keep_place(client, row, you)
        if player.rank and (
            self._scores[at] != player.score or self._ranks[at] != player.rank
        ):
            self.fault(
                client, b"the end tells rank %lld, the last close %lld",
                self._ranks[at], player.rank,
            )

    cdef void _keep_final(self, Slice payload) noexcept with gil:
        self._final = payload.at[:payload.size]

    cdef void left(self, Client* client, int64_t now_ns) noexcept nogil:
        cdef bint over = self.players[client.index].ended
        if not (over and client.close_code == NORMAL):
            self.fault(
                client, b"the line ended with close code %lld", client.close_code, 0
            )

    # -- what never came ---------------------------------------------------------

    cdef void _settle_player(self, Client* client, bint to_the_end) noexcept nogil:
        cdef Player* player = &self.players[client.index]
        cdef uint32_t kind
        if client.stage != OPEN:
            return                  # which has been reported
        self.settle_deal(client, &player.before)
        self.settle_deal(client, &player.now)
        for kind in range(NONSENSES):
            if player.awaited[kind]:
                self.fault(client, b"a wrong message (%lld) got no error", kind, 0)
        if not player.welcomed and not self.lenient:
            self.fault(client, b"no welcome came", 0, 0)
        elif to_the_end and not player.ended:
            self.fault(client, b"no end came after question %lld", player.question, 0)
        elif to_the_end and player.question + 1 != <int64_t>self.questions.count:
            self.fault(client, b"the end came after question %lld", player.question, 0)
