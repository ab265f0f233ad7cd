"""How many have each score: counts in a tree over the score's base-64 digits.

A node stands for one digit, the root for the highest. It counts, for each value of the
digit, who is below that branch. Entering and leaving walk down once; "how many have
more" walks down once and adds up what stands to the right. The scores of an ordinary
quiz have three digits, whatever the number of players.

Compared with a flat Fenwick tree over the scores, which is as fast, the size follows
the players and not the best score: a branch that nobody is in is given back, so there
are at most six nodes for each who is counted, and few of those are not shared. Two
friends with 30,000 points need 3 KiB here and 128 KiB there.

A zeroed Tally is empty and ready. `tally_free` gives back what the others take, by
``PyMem_Raw*``. Scores are 0 to 2**31 - 1; nothing here checks that.
"""

from cpython.mem cimport PyMem_RawCalloc, PyMem_RawFree
from libc.stdint cimport uint32_t, uint64_t


cdef enum:
    DIGIT_BITS = 6
    FANOUT = 64             # 1 << DIGIT_BITS


# A node of the lowest digit is allocated without `kids`.
cdef struct Node:
    uint32_t counts[FANOUT]
    Node* kids[FANOUT]


cdef struct Tally:
    Node* root
    int height              # digits of the greatest score that fits
    uint32_t total          # how many are counted


cdef inline Node* new_node(bint lowest) except NULL nogil:
    cdef size_t counts_bytes = FANOUT * sizeof(uint32_t)
    cdef Node* node
    node = <Node*>PyMem_RawCalloc(1, counts_bytes if lowest else sizeof(Node))
    if node == NULL:
        with gil:
            raise MemoryError
    return node


cdef inline void free_branch(Node* node, int level) noexcept nogil:
    cdef int digit
    if node == NULL:
        return
    if level:
        for digit in range(FANOUT):
            free_branch(node.kids[digit], level - 1)
    PyMem_RawFree(node)


cdef inline void tally_free(Tally* tally) noexcept nogil:
    free_branch(tally.root, tally.height - 1)


cdef inline uint32_t digit_of(uint32_t score, int level) noexcept nogil:
    return (score >> (DIGIT_BITS * level)) & (FANOUT - 1)


cdef inline uint32_t sum_after(const uint32_t* counts, uint32_t digit) noexcept nogil:
    cdef uint32_t total = 0, higher
    for higher in range(digit + 1, <uint32_t>FANOUT):
        total += counts[higher]
    return total


cdef inline int raise_root(Tally* tally) except -1 nogil:
    """Give the tree one more digit; everybody has 0 there."""
    cdef Node* root = new_node(tally.height == 0)
    if tally.height:
        root.counts[0] = tally.total
        root.kids[0] = tally.root
    tally.root = root
    tally.height += 1
    return 0


cdef inline int open_path(Tally* tally, uint32_t score) except -1 nogil:
    """Make the nodes that *score* needs: all that can fail, and changes no count.

    Nodes left behind by a failure are empty, do no harm and serve the next try.
    """
    cdef Node* node
    cdef uint32_t digit
    cdef int level
    while tally.height == 0 or <uint64_t>score >> (DIGIT_BITS * tally.height):
        raise_root(tally)
    node = tally.root
    for level in range(tally.height - 1, 0, -1):
        digit = digit_of(score, level)
        if node.kids[digit] == NULL:
            node.kids[digit] = new_node(level == 1)
        node = node.kids[digit]
    return 0


cdef inline int tally_enter(Tally* tally, uint32_t score) except -1 nogil:
    """Count one more with *score*; raises MemoryError, then nothing is counted."""
    cdef Node* node
    cdef int level
    open_path(tally, score)
    node = tally.root
    for level in range(tally.height - 1, 0, -1):
        node.counts[digit_of(score, level)] += 1
        node = node.kids[digit_of(score, level)]
    node.counts[digit_of(score, 0)] += 1
    tally.total += 1
    return 0


cdef inline void tally_leave(Tally* tally, uint32_t score) noexcept nogil:
    """Count one less with *score*, and give back the branch if that was the last."""
    cdef Node* node = tally.root
    cdef uint32_t digit
    cdef int level
    tally.total -= 1
    for level in range(tally.height - 1, 0, -1):
        digit = digit_of(score, level)
        node.counts[digit] -= 1
        if node.counts[digit] == 0:
            free_branch(node.kids[digit], level - 1)
            node.kids[digit] = NULL
            return
        node = node.kids[digit]
    node.counts[digit_of(score, 0)] -= 1


cdef inline uint32_t tally_above(const Tally* tally, uint32_t score) noexcept nogil:
    """Return how many have more than *score*, which somebody has."""
    cdef const Node* node = tally.root
    cdef uint32_t total = 0
    cdef int level
    for level in range(tally.height - 1, 0, -1):
        total += sum_after(node.counts, digit_of(score, level))
        node = node.kids[digit_of(score, level)]
    return total + sum_after(node.counts, digit_of(score, 0))


cdef inline uint32_t tally_score_at(const Tally* tally, uint32_t place) noexcept nogil:
    """Return the score that is in 1-based *place*, best first; the place exists."""
    cdef const Node* node = tally.root
    cdef uint32_t score = 0, digit
    cdef int level
    for level in range(tally.height - 1, -1, -1):
        digit = FANOUT - 1
        while place > node.counts[digit]:
            place -= node.counts[digit]
            digit -= 1
        score = score << DIGIT_BITS | digit
        if level:
            node = node.kids[digit]
    return score
