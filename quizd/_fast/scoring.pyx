"""Answers to one question: what they are worth, and who gave which.

Two steps, as everywhere in a session. *Judging* reads a tick's answers and makes one
packed record of those that count; it changes nothing but a mark that it takes back.
*Applying* reads such a record, and only that, so that a replay does what the game did.

The packed record, little-endian and without padding:

    question u16, count u32, then per answer
    participant u32, received_ms i64, elapsed_ms i32, points i32, credit u16,
    response size u16, answeredAt size u8, response, answeredAt

``received_ms`` is session time at the server, ``elapsed_ms`` what the scoring rule
saw, ``points`` the outcome with any bonus, ``credit`` the share of full marks in
thousandths. ``answeredAt`` is the player's own claim, kept for the audit only.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcmp, memcpy, memset

from quizd._fast.answers cimport Slice
from quizd._fast.inbox cimport Inbox, Pending
from quizd._fast.ranking cimport Board


cdef enum:
    FULL_CREDIT = 1000
    GRACE_MS = 500          # answers this fast get all points
    BONUS_STEP = 100
    BONUS_MAX = 500
    NO_OPTION = -1
    BUCKETS = 256
    PARTICIPANTS_MAX = 1 << 24


cdef int32_t speed_points(
    int64_t points, int64_t elapsed_ms, int64_t time_ms
) noexcept nogil:
    """``round(P * (1 - (t / T) / 2))``, halves up; P within the first 500 ms."""
    if elapsed_ms <= GRACE_MS:
        return <int32_t>points
    elapsed_ms = min(elapsed_ms, time_ms)
    return <int32_t>((points * (2 * time_ms - elapsed_ms) + time_ms) // (2 * time_ms))


cdef uint32_t digest_of(const char* text, size_t size) noexcept nogil:
    """FNV-1a, 32 bits (http://www.isthe.com/chongo/tech/comp/fnv/)."""
    cdef uint32_t digest = 2166136261
    cdef size_t i
    for i in range(size):
        digest = (digest ^ <uint8_t>text[i]) * <uint32_t>16777619
    return digest


cdef class Sheet:
    """The answers to one question, by participant index.

    *points* is the question's P and *time_ms* its T; *previous* is the sheet of the
    graded question before, whose streaks go on here. *buckets_of* turns a response
    into its buckets of the distribution; ``None``: its bytes are the buckets. A
    question that is not *graded* leaves streaks as they were.

    Raises ``ValueError`` where *time_ms* is not positive, and so does every method
    for a participant's index of 2**24 or more.
    """

    def __cinit__(
        self,
        *,
        int32_t points,
        int32_t time_ms,
        bint speed,
        bint streak_bonus,
        bint graded,
        int64_t start_ms,
        int64_t end_ms,
        Sheet previous=None,
        object buckets_of=None,
    ):
        if time_ms <= 0:
            raise ValueError(f"time_ms must be positive, is {time_ms}")
        self.points = points
        self.time_ms = time_ms
        self.speed = speed
        self.streak_bonus = streak_bonus
        self.graded = graded
        self.start_ms = start_ms
        self.end_ms = end_ms
        self.previous = previous
        self.buckets_of = buckets_of

    def __dealloc__(self):
        free(self.entries)

    cdef Entry* entry(self, uint32_t participant) noexcept nogil:
        """Assumes that the participant has room here."""
        return &self.entries[participant]

    cdef Entry standing(self, uint32_t participant) noexcept nogil:
        """A copy of the entry; zeros where the participant has no room yet."""
        cdef Entry nothing
        if participant < self.capacity:
            return self.entries[participant]
        memset(&nothing, 0, sizeof(nothing))
        return nothing

    cdef bint has_answered(self, uint32_t participant) noexcept nogil:
        return (
            participant < self.capacity
            and (self.entries[participant].flags & ANSWERED) != 0
        )

    cdef uint16_t streak_before(self, uint32_t participant) noexcept:
        cdef Sheet sheet = self.previous
        if sheet is None or participant >= sheet.capacity:
            return 0
        return sheet.entries[participant].streak

    cdef int reserve(self, uint32_t participant) except -1:
        cdef uint32_t capacity
        cdef void* block
        if participant < self.capacity:
            return 0
        if participant >= PARTICIPANTS_MAX:
            raise ValueError(f"participant {participant} is beyond all there can be")
        capacity = max(2 * self.capacity, participant + 1, <uint32_t>64)
        block = realloc(self.entries, capacity * sizeof(Entry))
        if block == NULL:
            raise MemoryError
        self.entries = <Entry*>block
        memset(
            &self.entries[self.capacity],
            0,
            (capacity - self.capacity) * sizeof(Entry),
        )
        self.capacity = capacity
        return 0

    cdef int32_t worth(
        self, uint32_t participant, int32_t elapsed_ms, int credit
    ) noexcept:
        cdef int64_t points = self.points
        cdef int32_t bonus = 0
        if credit == 0:
            return 0
        if self.speed:
            points = speed_points(points, elapsed_ms, self.time_ms)
        if self.streak_bonus and self.points and self.graded:
            bonus = min(BONUS_STEP * self.streak_before(participant), BONUS_MAX)
        return <int32_t>((points * credit + FULL_CREDIT // 2) // FULL_CREDIT) + bonus

    cdef Outcome outcome(
        self, uint32_t participant, int64_t received_ms, uint32_t digest
    ) noexcept nogil:
        """What becomes of an answer to this question while it is open."""
        cdef Entry* entry = self.entry(participant)
        if entry.flags & (ANSWERED | CLAIMED):
            return REPEATED if entry.digest == digest else ALREADY_ANSWERED
        return TOO_LATE if received_ms > self.end_ms else ACCEPTED

    def __contains__(self, uint32_t participant):
        return self.has_answered(participant)

    def same_response(self, uint32_t participant, bytes response not None):
        """Tell whether *participant* has answered, and with this very response."""
        return self.has_answered(participant) and (
            self.entries[participant].digest == digest_of(response, len(response))
        )

    def result(self, uint32_t participant):
        """Return ``(received_ms, points, correct, streak)`` of *participant*.

        Zeros where the participant has not answered; streaks of a question that is
        not graded are those before it.
        """
        if participant >= self.capacity:
            return 0, 0, False, 0
        cdef Entry* entry = self.entry(participant)
        return (
            entry.received_ms,
            entry.points,
            (entry.flags & CORRECT) != 0,
            entry.streak,
        )

    def streak(self, uint32_t participant, bint still_open):
        """Return the correct answers in a row of *participant*.

        While the question is *still_open*, not having answered ends no streak.
        """
        if self.has_answered(participant):
            return self.entries[participant].streak
        if still_open:
            return self.streak_before(participant)
        return self.entries[participant].streak if participant < self.capacity else 0

    def distribution(self, size_t buckets):
        """Return how many answers fell in each of the first *buckets* buckets.

        Raises ``ValueError`` for more than 256.
        """
        if buckets > BUCKETS:
            raise ValueError(f"a distribution has {BUCKETS} buckets, not {buckets}")
        return [self.counts[i] for i in range(buckets)]

    def delay(self, int64_t ms):
        """Move start and end by *ms*: the clock stood still that long."""
        self.start_ms += ms
        self.end_ms += ms

    def close(self, uint32_t participants):
        """Let the streaks of an ungraded question go on; call once, at its close."""
        cdef uint32_t i
        if self.graded or participants == 0:
            return
        self.reserve(participants - 1)
        for i in range(participants):
            self.entries[i].streak = self.streak_before(i)

    def settle(self, Board board not None):
        """Add all points to *board*, in the order of the participants' index."""
        cdef uint32_t i
        for i in range(self.capacity):
            if self.entries[i].points:
                board.add_points(i, self.entries[i].points)


cdef class Key:
    """What an open single-choice question is judged by, without calling back.

    *question_id* and *options* are UTF-8; *correct* is the right one's position.
    Raises ``TypeError`` for options that are not bytes.
    """

    def __cinit__(
        self, bytes question_id not None, tuple options not None, int correct
    ):
        for option in options:
            if not isinstance(option, bytes):
                raise TypeError(f"an option is bytes, not {type(option).__name__}")
        self.question_id = question_id
        self.options = options
        self.correct = correct

    cdef int position(self, Slice option) noexcept:
        """The position of *option*, or NO_OPTION."""
        cdef int i
        cdef bytes text
        for i in range(len(self.options)):
            text = <bytes>self.options[i]
            if <size_t>len(text) == <size_t>option.size and (
                memcmp(<const char*>text, option.ptr, option.size) == 0
            ):
                return i
        return NO_OPTION


cdef class Verdicts:
    """What judging a tick's answers came to.

    ``record``: the packed record of those that count, ``None`` where none does.
    ``repeated``: participants who sent the same answer again.
    ``refused``: ``(participant, reason)`` with the reason as in ``codes.Reason``.
    ``general``: ``(participant, received_ms, question_id, option, answered_at)`` of
    answers that are not to this open question or not by an option's text.
    """

    cdef:
        readonly bytes record
        readonly list repeated
        readonly list refused
        readonly list general
        bytearray items
        uint32_t count

    def __cinit__(self):
        self.repeated = []
        self.refused = []
        self.general = []
        self.items = bytearray()

    cdef int accept(
        self, Sheet sheet, uint32_t participant, int64_t received_ms, int credit,
        Slice response, Slice answered_at,
    ) except -1:
        cdef RecordItem item
        cdef Entry* entry = sheet.entry(participant)
        item.participant = participant
        item.received_ms = received_ms
        item.elapsed_ms = <int32_t>max(received_ms - sheet.start_ms, 0)
        item.points = sheet.worth(participant, item.elapsed_ms, credit)
        item.credit = <uint16_t>credit
        item.response_size = <uint16_t>response.size
        item.answered_at_size = <uint8_t>answered_at.size
        self.items += (<char*>&item)[:sizeof(item)]
        self.items += response.ptr[:response.size]
        if answered_at.size:
            self.items += answered_at.ptr[:answered_at.size]
        entry.flags |= CLAIMED
        entry.digest = digest_of(response.ptr, response.size)
        self.count += 1
        return 0

    cdef int finish(self, Sheet sheet, uint16_t question) except -1:
        """Make the record and take the marks back."""
        cdef RecordHead head
        cdef RecordItem item
        cdef const char* at = self.items
        cdef Entry* entry
        for _ in range(self.count):
            memcpy(&item, at, sizeof(item))
            at += sizeof(item) + item.response_size + item.answered_at_size
            entry = sheet.entry(item.participant)
            entry.flags &= <uint8_t>~CLAIMED
            entry.digest = 0
        if self.count:
            head.question = question
            head.count = self.count
            self.record = (<char*>&head)[:sizeof(head)] + bytes(self.items)
        return 0


def judge(
    Inbox inbox not None, Sheet sheet, Key key, uint16_t question, set removed
):
    """Judge all of *inbox* by *key*; return :class:`Verdicts`; change nothing.

    Without a *key* (no single-choice question is open) every answer is general.
    *question* is the index that goes into the record. Raises ``ValueError`` for a
    *key* without a *sheet*.
    """
    cdef Verdicts verdicts = Verdicts()
    cdef Pending* item
    cdef size_t i
    if key is not None and sheet is None:
        raise ValueError("an open question has a sheet")
    for i in range(inbox.size):
        item = &inbox.items[i]
        if removed and item.participant in removed:
            verdicts.refused.append((item.participant, "forbidden"))
        elif key is None or not is_for(inbox, item, key):
            verdicts.general.append(unpacked(inbox, item))
        else:
            judge_option(inbox, item, sheet, key, verdicts)
    if sheet is not None:
        verdicts.finish(sheet, question)
    return verdicts


cdef bint is_for(Inbox inbox, Pending* item, Key key) noexcept:
    cdef Slice question_id = inbox.question_id(item)
    return <size_t>question_id.size == <size_t>len(key.question_id) and (
        memcmp(question_id.ptr, <const char*>key.question_id, question_id.size) == 0
    )


cdef tuple unpacked(Inbox inbox, Pending* item):
    cdef Slice question_id = inbox.question_id(item)
    cdef Slice option = inbox.option(item)
    cdef Slice answered_at = inbox.answered_at(item)
    return (
        item.participant,
        item.received_ms,
        question_id.ptr[:question_id.size],
        option.ptr[:option.size],
        answered_at.ptr[:answered_at.size],
    )


cdef int judge_option(
    Inbox inbox, Pending* item, Sheet sheet, Key key, Verdicts verdicts
) except -1:
    cdef int position = key.position(inbox.option(item))
    cdef char response = <char>position
    cdef Outcome outcome
    if position == NO_OPTION:
        verdicts.refused.append((item.participant, "invalid_option"))
        return 0
    sheet.reserve(item.participant)
    outcome = sheet.outcome(
        item.participant, item.received_ms, digest_of(&response, 1)
    )
    if outcome == ACCEPTED:
        verdicts.accept(
            sheet, item.participant, item.received_ms,
            FULL_CREDIT if position == key.correct else 0,
            Slice(&response, 1), inbox.answered_at(item),
        )
    elif outcome == REPEATED:
        verdicts.repeated.append(item.participant)
    else:
        verdicts.refused.append((item.participant, REASONS[<int>outcome]))
    return 0


REASONS = {
    <int>ALREADY_ANSWERED: "already_answered",
    <int>TOO_LATE: "too_late",
}


def judge_one(
    Sheet sheet not None,
    uint16_t question,
    uint32_t participant,
    int64_t received_ms,
    bytes response not None,
    int credit,
    bytes answered_at not None,
):
    """Judge one answer whose *response* the question type has made.

    Return ``(record, reason)``: the packed record of it, ``None`` where it does not
    count; then *reason* says why, ``None`` for the same answer as before.
    Raises ``ValueError`` where a text is too long for the record.
    """
    cdef Verdicts verdicts = Verdicts()
    cdef Outcome outcome
    if len(response) > 65_535 or len(answered_at) > 255:
        raise ValueError("a text of the answer is too long")
    sheet.reserve(participant)
    outcome = sheet.outcome(
        participant, received_ms, digest_of(response, len(response))
    )
    if outcome != ACCEPTED:
        return None, REASONS.get(<int>outcome)
    verdicts.accept(
        sheet, participant, received_ms, credit,
        Slice(<const char*>response, len(response)),
        Slice(<const char*>answered_at, len(answered_at)),
    )
    verdicts.finish(sheet, question)
    return verdicts.record, None


def merge(list records not None):
    """Return one packed record of answers in place of several to the same question.

    The order stays. What players claimed as the time of their answer is left out: no
    score depends on it. Raises ``ValueError`` where a record is cut short or belongs
    to another question.
    """
    cdef bytearray merged = bytearray(sizeof(RecordHead))
    cdef RecordHead head, each
    cdef bytes record
    head.count = 0
    for record in records:
        each = head_of(record)
        if head.count and each.question != head.question:
            raise ValueError("answers to several questions")
        head.question = each.question
        head.count += each.count
        _without_claims(record, each.count, merged)
    return (<char*>&head)[:sizeof(head)] + bytes(merged[sizeof(head):])


cdef int _without_claims(bytes record, uint32_t count, bytearray merged) except -1:
    cdef const char* at = <const char*>record + sizeof(RecordHead)
    cdef const char* end = <const char*>record + len(record)
    cdef RecordItem item
    cdef Py_ssize_t texts
    for _ in range(count):
        if end - at < <Py_ssize_t>sizeof(item):
            raise ValueError("record of answers is cut short")
        memcpy(&item, at, sizeof(item))
        at += sizeof(item)
        texts = item.response_size + item.answered_at_size
        if end - at < texts:
            raise ValueError("record of answers is cut short")
        item.answered_at_size = 0
        merged += (<char*>&item)[:sizeof(item)]
        merged += at[:item.response_size]
        at += texts
    return 0


def question_of(bytes record not None):
    """Return the question index of a packed record.

    Raises ``ValueError`` where the record is cut short.
    """
    return head_of(record).question


cdef RecordHead head_of(bytes record):
    cdef RecordHead head
    if <size_t>len(record) < sizeof(head):
        raise ValueError("record of answers is cut short")
    memcpy(&head, <const char*>record, sizeof(head))
    return head


def apply(bytes record not None, Sheet sheet not None, Board board):
    """Enter a packed record into *sheet*; return the participants in its order.

    With a *board* the points go there at once; ``None`` leaves that to
    :meth:`Sheet.settle`. Raises ``ValueError`` where the record is cut short.
    """
    cdef list participants = []
    cdef const char* at = record
    cdef const char* end = at + len(record)
    cdef RecordHead head = head_of(record)
    cdef RecordItem item
    at += sizeof(head)
    for _ in range(head.count):
        if end - at < <Py_ssize_t>sizeof(item):
            raise ValueError("record of answers is cut short")
        memcpy(&item, at, sizeof(item))
        at += sizeof(item)
        if end - at < item.response_size + item.answered_at_size:
            raise ValueError("record of answers is cut short")
        enter(sheet, &item, at, board)
        at += item.response_size + item.answered_at_size
        participants.append(item.participant)
    return participants


cdef int enter(
    Sheet sheet, const RecordItem* item, const char* response, Board board
) except -1:
    cdef Entry* entry
    sheet.reserve(item.participant)
    entry = sheet.entry(item.participant)
    entry.received_ms = item.received_ms
    entry.elapsed_ms = item.elapsed_ms
    entry.points = item.points
    entry.digest = digest_of(response, item.response_size)
    entry.flags = ANSWERED
    entry.streak = 0
    if item.credit:
        entry.flags |= CORRECT
        entry.streak = sheet.streak_before(item.participant) + 1
        sheet.correct += 1
    sheet.answered += 1
    count(sheet, response, item.response_size)
    if board is not None and item.points:
        board.add_points(item.participant, item.points)
    return 0


cdef int count(Sheet sheet, const char* response, size_t size) except -1:
    cdef bytes buckets
    cdef size_t i
    if sheet.buckets_of is not None:
        buckets = sheet.buckets_of(response[:size])
        response = buckets
        size = len(buckets)
    for i in range(size):
        sheet.counts[<uint8_t>response[i]] += 1
    return 0


def points_for(int32_t points, int32_t elapsed_ms, int32_t time_ms):
    """Return ``round(P * (1 - (t / T) / 2))``, halves up, of ``scoring: speed``.

    *points* is P, *elapsed_ms* t from the question's start, *time_ms* T; an answer
    within 500 ms gets P. Raises ``ValueError`` where *time_ms* is not positive.
    """
    if time_ms <= 0:
        raise ValueError(f"time_ms must be positive, is {time_ms}")
    return speed_points(points, elapsed_ms, time_ms)


def answers_in(bytes record not None):
    """Unpack a record for readers: a list of dicts, one per answer.

    Keys: ``participant``, ``received_ms``, ``elapsed_ms``, ``points``, ``credit``,
    ``response`` (bytes) and ``answered_at`` (str). Raises ``ValueError`` where the
    record is cut short.
    """
    cdef list answers = []
    cdef RecordHead head = head_of(record)
    cdef RecordItem item
    cdef size_t at = sizeof(head)
    cdef const char* text = record
    for _ in range(head.count):
        if <size_t>len(record) < at + sizeof(item):
            raise ValueError("record of answers is cut short")
        memcpy(&item, text + at, sizeof(item))
        at += sizeof(item)
        if <size_t>len(record) < at + item.response_size + item.answered_at_size:
            raise ValueError("record of answers is cut short")
        response = record[at:at + item.response_size]
        at += item.response_size
        answered_at = record[at:at + item.answered_at_size]
        at += item.answered_at_size
        answers.append({
            "participant": item.participant,
            "received_ms": item.received_ms,
            "elapsed_ms": item.elapsed_ms,
            "points": item.points,
            "credit": item.credit,
            "response": response,
            "answered_at": answered_at.decode(errors="replace"),
        })
    return answers
