"""Names of participants: what boards can show, on one line, to everybody."""

import unicodedata

from quizd.api.problems import invalid

FIELD = "participantName"

# Embeddings, overrides and isolates (UAX #9) would turn the rest of a board around.
# The marks U+200E and U+200F turn nothing around and belong to names.
_BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

# Controls, halves of surrogate pairs, private use, unassigned.
_REFUSED = frozenset({"Cc", "Cs", "Co", "Cn"})

# No character comes apart into more (U+1F82 is one of four).
_PARTS_MOST = 4

# What alone can't be seen: formats, marks and blanks.
_UNSEEN = frozenset({"Cf", "Mn", "Me", "Zs"})


def clean_name(value: object, most_chars: int) -> str:
    """Return *value* as a name: trimmed, inner white space as single blanks, NFC.

    Raises ``invalid_message`` naming the field unless it then has 1 to *most_chars*
    characters, one to be seen among them, no controls, nothing that turns text around.
    """
    if not isinstance(value, str):
        raise invalid(FIELD, "not a string")
    name = " ".join(value.split())
    # Marks are put in order in the square of their number. What has more characters
    # than a whole name comes apart into is too long, however it is written.
    if len(name) <= _PARTS_MOST * most_chars:
        name = unicodedata.normalize("NFC", name)
    if not 1 <= len(name) <= most_chars:
        raise invalid(FIELD, f"not 1 to {most_chars} characters")
    if name.isascii() and name.isprintable():
        return name
    kinds = {unicodedata.category(char) for char in name}
    if not kinds.isdisjoint(_REFUSED) or not _BIDI.isdisjoint(name):
        raise invalid(FIELD, "has characters that a name may not have")
    if kinds <= _UNSEEN:
        raise invalid(FIELD, "has no visible character")
    return name
