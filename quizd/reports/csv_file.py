"""Results as a CSV file (RFC 4180) that a spreadsheet may open.

UTF-8 without a byte order mark, lines end in CRLF, the first line names the columns.
Names are made by players, and a cell that begins like a formula would be run as one, so
an apostrophe goes before it, and every text is quoted
(https://owasp.org/www-community/attacks/CSV_Injection).
"""

import asyncio
from collections.abc import AsyncIterator, Sequence

from quizd.reports.results import NO_RANK, Result

COLUMNS = ("rank", "score", "participantId", "participantName")
HEADER = ",".join(COLUMNS).encode() + b"\r\n"

_FORMULAS = tuple("=+-@\t\r\n\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}")
_FORMULAS += tuple("\N{FULLWIDTH HYPHEN-MINUS}\N{FULLWIDTH COMMERCIAL AT}")


async def parts(pages: AsyncIterator[Sequence[Result]]) -> AsyncIterator[bytes]:
    """Yield the file of these *pages*, a part for each; others have turns between."""
    header = HEADER
    async for page in pages:
        yield header + "".join(map(_line, page)).encode()
        header = b""
        await asyncio.sleep(0)


def text_cell(text: str | None) -> str:
    """Return *text* as a quoted cell that no spreadsheet takes for a formula."""
    if text is None:
        return ""
    harmless = f"'{text}" if text.lstrip(" ").startswith(_FORMULAS) else text
    return '"' + harmless.replace('"', '""') + '"'


def _line(result: Result) -> str:
    rank = "" if result.rank == NO_RANK else result.rank
    who = text_cell(result.participant_id)
    return f"{rank},{result.score},{who},{text_cell(result.name)}\r\n"
