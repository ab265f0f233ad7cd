"""The pages' files as they are sent: named by their content, linked, compressed.

Every file but the HTML gets an address with a hash of its content, so that it may be
kept for ever. What a file refers to is rewritten to such addresses first; the hash of
a module therefore covers everything it imports, and a page of one version never gets
a module of another. Modules stay modules: there is no bundle and no build.

Comments and indentation stay here: they would be a fifth of what travels. They are
told apart by lines, so a text in a module must not span lines.

Style sheets that a style sheet imports by ``@import "…"`` are put in its place: they
are parts for the sake of readers.

A script that a page wants before all else is put into the page, where it costs no
round trip; the page's policy names it by its hash, ``Asset.inline``.

What counts as a reference: a relative path in ``from "…"``, ``import "…"`` and
``import("…")`` of a module, in ``url("…")`` of a style sheet, and in ``href`` and
``src`` of a page.
"""

import gzip
import re
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path, PurePosixPath
from posixpath import normpath

FOLDER = Path(__file__).parent
BASE = "/assets/"
HASH_CHARS = 12

MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

_IMPORT = re.compile(r'(\bfrom\s*|\bimport\s*|\bimport\(\s*)"(\.{1,2}/[^"]+)"')
_URL = re.compile(r'(\burl\()"(\.{1,2}/[^"]+)"')
_PART = re.compile(r'@import "(\./[^"]+)";\n')
_INLINE = re.compile(r'<script src="\./([^"]+)"></script>')
_LINK = re.compile(r'(\b(?:href|src)=)"(\.{1,2}/[^"]+)"')
_COMMENTS = {
    ".js": re.compile(r"^[ \t]*(//.*|/\*\*(.|\n)*?\*/[ \t]*)\n", re.MULTILINE),
    ".css": re.compile(r"/\*(.|\n)*?\*/\n?"),
}
_MARGIN = re.compile(r"^[ \t]+|\n(?=\n)", re.MULTILINE)
_REFERENCES = {".js": _IMPORT, ".css": _URL, ".html": _LINK}
_PRELOAD = re.compile(r'<link rel="modulepreload" href="\./([^"]+)"([^>]*)>')


class BrokenWebError(ValueError):
    """The files do not fit together: a reference leads nowhere, or in a circle."""


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is sent. ``gzipped`` is ``body`` compressed.

    ``imports`` are the names of the modules that it needs before it can run, itself
    not included; what it imports later is not among them. ``inline`` are the scripts
    in a page as its policy names them (CSP 3, section 2.3.1: ``'sha256-…'``).
    """

    name: str
    url: str
    media_type: str
    body: bytes
    gzipped: bytes
    digest: str
    imports: tuple[str, ...]
    inline: tuple[str, ...]


class Web:
    """All files of a folder, by name; ``by_url`` has those with an address."""

    def __init__(self, files: Mapping[str, str]) -> None:
        """*files*: texts by their names in the folder, such as ``lib/dom.js``.

        Raises :class:`BrokenWebError`.
        """
        self._files = files
        self._assets: dict[str, Asset] = {}
        self._under_way: list[str] = []
        for name in sorted(files):
            self.asset(name)
        self.by_url = {asset.url: asset for asset in self._assets.values()}

    def __iter__(self) -> Iterator[Asset]:
        """Go through all files, those first that others refer to."""
        return iter(self._assets.values())

    def asset(self, name: str) -> Asset:
        """Return the file *name*; raise :class:`BrokenWebError` where there is none."""
        if name not in self._files:
            raise BrokenWebError(f"there is no {name}: {self._trail()}")
        if name in self._under_way:
            raise BrokenWebError(f"{name} refers to itself: {self._trail()}")
        if name not in self._assets:
            self._under_way.append(name)
            self._assets[name] = self._made(name)
            self._under_way.pop()
        return self._assets[name]

    def closure(self, name: str) -> list[str]:
        """Return *name* and all modules that it needs to run, each once."""
        found = {name: None}
        for needed in self.asset(name).imports:
            found.update(dict.fromkeys(self.closure(needed)))
        return list(found)

    def _trail(self) -> str:
        return " > ".join(self._under_way) or "asked for"

    def _made(self, name: str) -> Asset:
        path = PurePosixPath(name)
        imports: dict[str, None] = {}
        inline: list[str] = []

        def linked(found: re.Match[str]) -> str:
            target = normpath(str(path.parent / found[2]))
            asset = self.asset(target)
            if path.suffix == ".js" and not found[1].endswith("("):
                imports[target] = None
            return f'{found[1]}"{asset.url}"'

        def placed(found: re.Match[str]) -> str:
            script = self.asset(normpath(str(path.parent / found[1]))).body
            inline.append(f"'sha256-{b64encode(sha256(script).digest()).decode()}'")
            return f"<script>{script.decode()}</script>"

        text = bare(self._whole(name), path.suffix)
        if path.suffix == ".html":
            text = _PRELOAD.sub(self._preloads(), _INLINE.sub(placed, text))
        pattern = _REFERENCES.get(path.suffix)
        body = (pattern.sub(linked, text) if pattern else text).encode()
        digest = sha256(body).hexdigest()[:HASH_CHARS]
        return Asset(
            name=name,
            url=f"{BASE}{path.with_suffix('')}.{digest}{path.suffix}",
            media_type=MEDIA_TYPES[path.suffix],
            body=body,
            gzipped=gzip.compress(body, 9, mtime=0),
            digest=digest,
            imports=tuple(imports),
            inline=tuple(inline),
        )

    def _whole(self, name: str) -> str:
        """Return the text of *name*, with the style sheets that are its parts."""

        def part(found: re.Match[str]) -> str:
            inner = normpath(str(PurePosixPath(name).parent / found[1]))
            if inner not in self._files:
                raise BrokenWebError(f"there is no {inner}: {name}")
            return self._whole(inner)

        text = self._files[name]
        return _PART.sub(part, text) if name.endswith(".css") else text

    def _preloads(self) -> Callable[[re.Match[str]], str]:
        """Have a page's preload of a module stand for all that the module needs.

        The browser would find them only one import after the other, each a round trip.
        """
        written: set[str] = set()

        def lines(found: re.Match[str]) -> str:
            new = [name for name in self.closure(found[1]) if name not in written]
            written.update(new)
            return "\n".join(
                f'<link rel="modulepreload" href="./{name}"{found[2]}>' for name in new
            )

        return lines


def bare(text: str, suffix: str) -> str:
    """Return a module or style sheet without comments, margins and empty lines."""
    comments = _COMMENTS.get(suffix)
    if comments is None:
        return text
    return _MARGIN.sub("", comments.sub("", text)).lstrip("\n")


def read(folder: Path) -> dict[str, str]:
    """Return the texts of all files in *folder* that browsers are to get, by name."""
    return {
        path.relative_to(folder).as_posix(): path.read_text("utf-8")
        for path in sorted(folder.rglob("*"))
        if path.suffix in MEDIA_TYPES
    }


@cache
def shipped() -> Web:
    """Return the files that come with the program; they are read once."""
    return Web(read(FOLDER))
