from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

from bench.load._core cimport Client
from bench.load._counts cimport Counts
from bench.load._questions cimport Question, Questions
from bench.load._timers cimport Timers
from bench.load._websocket cimport Swarm

# What a player does with a question.
cdef enum Plan:
    SILENT = 0                      # nothing
    PLAIN = 1
    DOUBLED = 2                     # the same answer twice
    LATE = 3                        # after its end

cdef enum Verdict:
    WRONG = 0
    RIGHT = 1
    UNKNOWN = 2                     # nobody told us the key

# The wrong messages there are, and how many.
cdef enum Nonsense:
    NOT_JSON = 0
    NO_SUCH_TYPE = 1
    NO_SUCH_QUESTION = 2
    NO_SUCH_OPTION = 3
    NONSENSES = 4

cdef enum:
    BEFORE_ALL = -1                 # the question of who has seen none yet
    SOMEWHERE = -2                  # of who came in between two
    NONE = -1                       # no question, no points

# A player's dealings with one question.
cdef struct Deal:
    int32_t question                # NONE: there were none
    uint8_t plan
    uint8_t right                   # a Verdict
    uint8_t sent
    uint8_t results
    uint8_t refused
    uint8_t suspect                 # refused as too late before the end, as we see it
    uint8_t closed
    uint32_t options                # bits of those chosen
    int64_t due_ns
    int64_t points                  # as answer_result told; NONE: it did not
    uint64_t mark                   # hash of the first result

cdef struct Player:
    int64_t seq                     # of the latest broadcast
    int64_t score                   # as the latest picture or close told
    int64_t rank                    # as the latest close told, 0 before
    int32_t question                # the latest that was shown
    bint welcomed
    bint ended
    bint boarded                    # has had the board after the first answer of all
    uint8_t[NONSENSES] awaited      # errors that are due to come
    Deal now
    Deal before

cdef struct GameTally:
    int64_t welcomed, ended, questions, closes, boards, crowds, after_start, silent
    int64_t answers_sent, results, refused_late, late_sent, late_refused
    int64_t nonsense_sent, nonsense_answered

# Of the answers to one question that were meant to be in time.
cdef struct Window:
    int64_t sent, results
    int64_t first_due_ns, first_result_ns, last_result_ns

# How players behave; shares are of 1, times nanoseconds.
cdef struct Habits:
    double silent, late, doubled, malformed, wrong
    double low_ns, high_ns
    bint exponential                # mean low_ns, cut off at high_ns; else uniform
    bint from_start                 # of the question, else from its receipt

cdef class Answering(Swarm):
    cdef:
        readonly Counts acks, lags
        Player* players
        Questions questions
        Timers timers
        Habits habits
        GameTally game
        Window* windows
        int64_t scored_ns       # when the first answer was due; below 0: it was wrong

    cdef void begin_deal(
        self, Client* client, uint32_t index, int64_t now_ns
    ) noexcept nogil

    cdef void _plan(
        self, Client* client, Deal* deal, const Question* question, int64_t now_ns
    ) noexcept nogil
    cdef void _set_plan(
        self, Client* client, Deal* deal, double mood, double later, int64_t end_ns
    ) noexcept nogil
    cdef void _put(
        self, Client* client, Deal* deal, int64_t due_ns, int deed
    ) noexcept nogil
    cdef double _thinking_ns(self, uint64_t* random) noexcept nogil
    cdef void _choose(
        self, Client* client, Deal* deal, const Question* question
    ) noexcept nogil
    cdef void _do(self, Client* client, int deed, uint32_t index) noexcept nogil
    cdef void _answer(self, Client* client, Deal* deal, bint again) noexcept nogil
    cdef void _count_answer(self, Deal* deal, bint again) noexcept nogil
    cdef void _talk_nonsense(self, Client* client, Deal* deal) noexcept nogil
    cdef bint _say_no_option(
        self, Client* client, const Question* question
    ) noexcept nogil
