"""The host's page as it is served: its texts, its code for cameras, its link."""

import re
from xml.etree import ElementTree as ET

import pytest

from quizd.api.qr import drawn
from quizd.demo import host_link
from quizd.web.assets import FOLDER, shipped
from tests.api.stage import Stage

KEY = re.compile(r'^ {2}(?:"([^"]+)"|(\w+)):', re.MULTILINE)
PLACE = re.compile(r"\{(\w+)\}")
HOST_BYTES_MAX = 60_000


def _entries(language: str) -> dict[str, set[str]]:
    """Return the host's texts: the places in each, by its key."""
    text = (FOLDER / "messages" / f"host.{language}.js").read_text("utf-8")
    starts = [(found.start(), found[1] or found[2]) for found in KEY.finditer(text)]
    ends = [start for start, _ in starts[1:]] + [len(text)]
    return {
        key: set(PLACE.findall(text[start:end]))
        for (start, key), end in zip(starts, ends, strict=True)
    }


@pytest.mark.parametrize("language", ["de", "es"])
def test_hosts_are_told_the_same_in_every_language(language: str) -> None:
    """The same texts, with the same places in them."""
    assert _entries(language) == _entries("en")
    assert len(_entries("en")) > 100


def test_the_page_is_light() -> None:
    """All that it needs before it runs, and its texts and styles, compressed."""
    web = shipped()
    names = [*web.closure("host.js"), "host.html", "theme.css", "host.css"]
    names += ["messages/en.js", "messages/host.en.js"]
    assert sum(len(web.asset(name).gzipped) for name in names) < HOST_BYTES_MAX


async def test_the_page_is_at_every_quiz(stage: Stage) -> None:
    """Whatever follows ``/host/`` is for the page to look at."""
    async with stage.client() as client:
        client.event_hooks = {}
        page = await client.get("/host/eu-quiz123")
    assert page.status_code == 200
    assert shipped().asset("host.js").url in page.text
    assert "noindex" in page.text


def test_the_demo_tells_a_link_that_keeps_the_token_to_the_browser() -> None:
    """Browsers send no fragment, so it gets into no log."""
    link = host_link("http://127.0.0.1:8080", "demo", "a-token")
    assert link == "http://127.0.0.1:8080/host/demo#token=a-token"


# -- the code ----------------------------------------------------------------------


def _modules(svg: bytes) -> tuple[int, set[tuple[int, int]]]:
    """Return the size of a code in modules, and which of them are dark."""
    root = ET.fromstring(svg)  # noqa: S314 - our own
    size = int(root.attrib["viewBox"].split()[-1])
    ns = "{http://www.w3.org/2000/svg}"
    (line,) = (path for path in root.iter(f"{ns}path") if path.get("stroke"))
    dark, x, y = set(), 0.0, 0.0
    for order, numbers in re.findall(r"([Mmh])([-\d. ]+)", line.attrib["d"]):
        values = [float(value) for value in numbers.split()]
        if order == "h":
            dark |= {(int(x) + step, int(y)) for step in range(int(values[0]))}
            x += values[0]
        else:
            new = order == "M"
            x, y = (values[0], values[1]) if new else (x + values[0], y + values[1])
    return size, dark


def test_a_code_has_its_finders_and_its_quiet_zone() -> None:
    """Three corners with their squares, and four light modules all around."""
    size, dark = _modules(drawn("https://quiz.example.org/play/123456"))
    assert {x for x, _ in dark} <= set(range(4, size - 4))
    finder = {(x, y) for x in range(7) for y in range(7) if {x, y} & {0, 6}}
    for left, top in ((4, 4), (size - 11, 4), (4, size - 11)):
        assert {(left + x, top + y) for x, y in finder} <= dark
        assert (left + 1, top + 1) not in dark
    assert _modules(drawn("https://quiz.example.org/play/654321"))[1] != dark


async def test_a_code_leads_to_where_players_join(stage: Stage) -> None:
    """By the name that was asked for, or the public one; it may be kept for a while."""
    async with stage.client() as client:
        client.event_hooks = {}
        host = {"Host": "quiz.example.org"}
        code = await client.get("/play/123456/qr.svg", headers=host)
        other = await client.get("/play/123456/qr.svg", headers={"Host": "else.org"})
    assert code.status_code == 200
    assert code.headers["content-type"] == "image/svg+xml"
    assert code.headers["cache-control"] == "public, max-age=3600"
    assert code.content == drawn("http://quiz.example.org/play/123456")
    assert other.content != code.content
    settings = {"server": {"public_url": "https://quiz.example.org"}}
    async with Stage(settings) as public, public.client() as client:
        client.event_hooks = {}
        code = await client.get("/play/123456/qr.svg")
    assert code.content == drawn("https://quiz.example.org/play/123456")


@pytest.mark.parametrize("address", ["unit.1", "a_b-c", "a" * 64])
async def test_there_is_a_code_of_every_quiz(stage: Stage, address: str) -> None:
    """Whatever may be in a quiz's id; the longest host makes it no heavy picture."""
    async with stage.client() as client:
        client.event_hooks = {}
        code = await client.get(f"/play/{address}/qr.svg", headers={"Host": "h" * 2300})
    assert code.status_code == 200
    assert code.content == drawn(f"http://127.0.0.1:8080/play/{address}")


@pytest.mark.parametrize("address", ["a" * 65, "a%20b", "%3Cscript%3E"])
async def test_there_is_no_code_of_what_is_no_address(
    stage: Stage, address: str
) -> None:
    """404, as for any other page that is not there."""
    async with stage.client() as client:
        client.event_hooks = {}
        assert (await client.get(f"/play/{address}/qr.svg")).status_code == 404
