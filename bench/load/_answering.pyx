"""What players do about questions: answer once, twice, late or not at all, or wrongly.

Decisions come from each player's own random generator, a fixed number of draws for
each question, so that they don't depend on how fast the server is. An answer is due at
an instant, and its acknowledgement is measured from there, however late it was sent.

Start and end of a question are taken by this machine's clock: server and players are to
run on the same one.
"""

from libc.math cimport log
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, strlen

from bench.load._basics cimport monotonic_ns, next_random, share, wall_ns
from bench.load._core cimport Client
from bench.load._counts cimport Counts
from bench.load._questions cimport Question, Questions, answer_room, put_answer
from bench.load._timers cimport Timer, Timers

cdef enum:
    DEEDS_A_TURN = 256              # then the lines are read again
    DO_ANSWER = 0                   # a timer is for a question, and one of these
    DO_AGAIN = 1
    DO_NONSENSE = 2
    DEED_BITS = 2
    DEED_MASK = 3
    NONSENSE_ROOM = 512

cdef int64_t NS_PER_MS = 1_000_000
cdef int64_t NEVER_NS = -1
cdef int64_t LATE_BY_NS = 50 * NS_PER_MS        # at least, and up to as much again
cdef int64_t AGAIN_WITHIN_NS = 100 * NS_PER_MS
cdef int64_t IN_TIME_NS = 50 * NS_PER_MS        # before the end, at least


cdef class Answering(Swarm):
    """Players of the quiz whose *key* is as of :class:`Questions`, all questions in it.

    *habits*: the fields of the struct of that name. Others as of :class:`Swarm`.
    ``acks`` counts from when an answer was due to its result, ``lags`` to when it was
    sent.
    """

    def __init__(
        self, str host not None, port, list heads not None, *, list key not None,
        dict habits not None, **options
    ):
        cdef uint32_t i
        super().__init__(host, port, heads, **options)
        self.questions = Questions(key)
        self.timers = Timers()
        self.acks, self.lags = Counts(), Counts()
        self.habits = habits
        self.players = <Player*>calloc(self.count + 1, sizeof(Player))
        self.windows = <Window*>calloc(len(key) + 1, sizeof(Window))
        if self.players == NULL or self.windows == NULL:
            raise MemoryError
        for i in range(self.count):
            self.players[i].question = BEFORE_ALL
            self.players[i].now.question = NONE
            self.players[i].before.question = NONE

    def __dealloc__(self):
        free(self.players)
        free(self.windows)

    def counters(self):
        """Return what has happened so far, by name."""
        return super().counters() | self.game

    def window(self, uint32_t question):
        """Return how many answers to *question* there were, and when: ns, 0 for never.

        Only those that were meant to be in time count.
        """
        if question >= self.questions.count:
            raise IndexError(question)
        return self.windows[question]

    # -- deciding ----------------------------------------------------------------

    cdef void begin_deal(
        self, Client* client, uint32_t index, int64_t now_ns
    ) noexcept nogil:
        """A question is shown; the deal before the last one must be settled."""
        cdef Player* player = &self.players[client.index]
        player.before = player.now
        player.now.question = <int32_t>index
        player.now.plan = SILENT
        player.now.right = UNKNOWN
        player.now.sent = player.now.results = player.now.refused = 0
        player.now.suspect = player.now.closed = False
        player.now.options = 0
        player.now.due_ns = 0
        player.now.points = NONE
        player.now.mark = 0
        self._plan(client, &player.now, &self.questions.table[index], now_ns)

    cdef void _plan(
        self, Client* client, Deal* deal, const Question* question, int64_t now_ns
    ) noexcept nogil:
        cdef uint64_t* random = &client.random
        cdef double mood = share(random)
        cdef double thinking_ns = self._thinking_ns(random)
        cdef double later = share(random)
        cdef bint talks_nonsense = share(random) < self.habits.malformed
        cdef int64_t to_monotonic_ns = monotonic_ns() - wall_ns()
        cdef int64_t start_ns = question.start_ms * NS_PER_MS + to_monotonic_ns
        cdef int64_t end_ns = question.end_ms * NS_PER_MS + to_monotonic_ns
        self._choose(client, deal, question)
        # Nobody answers before having read, and who answers in time leaves some.
        deal.due_ns = <int64_t>thinking_ns + (
            max(start_ns, now_ns) if self.habits.from_start else now_ns
        )
        deal.due_ns = max(min(deal.due_ns, end_ns - IN_TIME_NS), now_ns)
        if talks_nonsense:
            # Just before the answer, or else it would be about a question that is done.
            self._put(client, deal, deal.due_ns - 1, DO_NONSENSE)
        self._set_plan(client, deal, mood, later, end_ns)

    cdef void _set_plan(
        self, Client* client, Deal* deal, double mood, double later, int64_t end_ns
    ) noexcept nogil:
        """Choose what to do by *mood*; *later* says by how much, where it matters."""
        cdef Habits* habits = &self.habits
        if mood < habits.silent:
            self.game.silent += 1
            return
        mood -= habits.silent
        if mood < habits.late:
            deal.plan = LATE
            deal.due_ns = end_ns + LATE_BY_NS + <int64_t>(later * LATE_BY_NS)
        elif mood - habits.late < habits.doubled:
            deal.plan = DOUBLED
        else:
            deal.plan = PLAIN
        self._put(client, deal, deal.due_ns, DO_ANSWER)
        if deal.plan == DOUBLED:
            self._put(
                client,
                deal,
                deal.due_ns + 1 + <int64_t>(later * AGAIN_WITHIN_NS),
                DO_AGAIN,
            )

    cdef void _put(
        self, Client* client, Deal* deal, int64_t due_ns, int deed
    ) noexcept nogil:
        self.timers.put(
            due_ns, client.index, (<uint32_t>deal.question << DEED_BITS) | deed
        )

    cdef double _thinking_ns(self, uint64_t* random) noexcept nogil:
        cdef Habits* habits = &self.habits
        cdef double drawn = share(random)
        if habits.exponential:
            return min(-log(1 - drawn) * habits.low_ns, habits.high_ns)
        return habits.low_ns + drawn * (habits.high_ns - habits.low_ns)

    cdef void _choose(
        self, Client* client, Deal* deal, const Question* question
    ) noexcept nogil:
        """Choose options; always two draws."""
        cdef bint wrong = share(&client.random) < self.habits.wrong
        cdef uint64_t drawn = next_random(&client.random)
        cdef uint32_t correct = question.correct
        cdef uint32_t others = (
            (<uint32_t>1 << question.option_count) - 1
        ) & ~correct
        if correct and (not wrong or not others):
            deal.options = correct
            deal.right = RIGHT
        else:
            deal.options = nth_bit(others, drawn)
            deal.right = WRONG if correct else UNKNOWN

    # -- doing -------------------------------------------------------------------

    cdef int64_t on_time(self, int64_t now_ns) noexcept nogil:
        cdef Timer timer
        cdef int _
        for _ in range(DEEDS_A_TURN):
            if self.timers.next_ns() > now_ns:
                return self.timers.next_ns()
            timer = self.timers.take()
            self._do(
                &self.clients[timer.who],
                timer.what & DEED_MASK,
                timer.what >> DEED_BITS,
            )
        return now_ns

    cdef void _do(self, Client* client, int deed, uint32_t index) noexcept nogil:
        cdef Player* player = &self.players[client.index]
        cdef Deal* deal = &player.now
        if deal.question != <int32_t>index:
            deal = &player.before
        if client.fd < 0 or deal.question != <int32_t>index:
            return
        if deed == DO_NONSENSE:
            self._talk_nonsense(client, deal)
        else:
            self._answer(client, deal, deed == DO_AGAIN)

    cdef void _answer(self, Client* client, Deal* deal, bint again) noexcept nogil:
        cdef const Question* question = &self.questions.table[deal.question]
        cdef char* room
        # Closed before its time, or never answered a first time because of that.
        if deal.sent == 0 and (again or (deal.closed and deal.plan != LATE)):
            return
        room = <char*>malloc(answer_room(question))
        if room == NULL:
            return
        self._count_answer(deal, again)
        self.say(
            client,
            room,
            put_answer(room, question, deal.options, wall_ns() // NS_PER_MS),
        )
        free(room)

    cdef void _count_answer(self, Deal* deal, bint again) noexcept nogil:
        cdef Window* window = &self.windows[deal.question]
        deal.sent += 1
        if not again:
            self.lags.record(monotonic_ns() - deal.due_ns)
        if deal.plan == LATE:
            self.game.late_sent += 1
            return
        self.game.answers_sent += 1
        if again:
            return
        if self.scored_ns == 0:
            self.scored_ns = deal.due_ns if deal.right == RIGHT else NEVER_NS
        window.sent += 1
        if window.first_due_ns == 0 or deal.due_ns < window.first_due_ns:
            window.first_due_ns = deal.due_ns

    cdef void _talk_nonsense(self, Client* client, Deal* deal) noexcept nogil:
        """Send one of the wrong messages; its error will be awaited."""
        cdef int kind = next_random(&self.random) % NONSENSES
        cdef const char* text = b'{"type":"answer_submission","payload":{"questi'
        if deal.closed:
            return
        if kind == NO_SUCH_TYPE:
            text = b'{"type":"no_such_type","payload":{}}'
        elif kind == NO_SUCH_QUESTION:
            text = (
                b'{"type":"answer_submission","payload":'
                b'{"questionId":"no such question","selectedOption":"none"}}'
            )
        if kind != NO_SUCH_OPTION:
            self.say(client, text, strlen(text))
        elif not self._say_no_option(client, &self.questions.table[deal.question]):
            return
        self.players[client.index].awaited[kind] += 1
        self.game.nonsense_sent += 1

    cdef bint _say_no_option(
        self, Client* client, const Question* question
    ) noexcept nogil:
        """Choose an option that isn't one; False: the question's id is too long."""
        cdef char[NONSENSE_ROOM] room
        cdef const char* front = b'{"type":"answer_submission","payload":{"questionId":'
        cdef const char* back = b',"selectedOption":"no such option"}}'
        cdef size_t size = strlen(front)
        if size + question.id.size + strlen(back) > NONSENSE_ROOM:
            return False
        memcpy(room, front, size)
        memcpy(room + size, question.id.at, question.id.size)
        size += question.id.size
        memcpy(room + size, back, strlen(back))
        self.say(client, room, size + strlen(back))
        return True


cdef uint32_t nth_bit(uint32_t bits, uint64_t drawn) noexcept nogil:
    """Return one of the *bits* that are set, which one says *drawn*; 0 of none."""
    cdef uint32_t left = bits, count = 0
    while left:
        left &= left - 1
        count += 1
    if count == 0:
        return 0
    left = <uint32_t>(drawn % count)
    while left:
        bits &= bits - 1
        left -= 1
    return bits & (~bits + 1)
