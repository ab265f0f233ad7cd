"""How pages are served: caching, compression, policy, and what is not there."""

import gzip
import re

import httpx
import pytest

from quizd.web.assets import shipped
from tests.api.stage import API, Stage

BROWSER = {
    "Accept": "text/html,application/xhtml+xml,*/*;q=0.8",
    "Accept-Encoding": "gzip, deflate, br, zstd",
}
PATHS = ["/", "/play/123456", "/play/eu-quiz123"]


async def _get(
    stage: Stage, path: str, method: str = "GET", **headers: str
) -> httpx.Response:
    async with stage.client() as client:
        client.event_hooks = {}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await client.request(method, path, headers={**BROWSER, **named})


def _linked(page: httpx.Response) -> list[str]:
    return re.findall(r'(?:href|src)="(/assets/[^"]+)"', page.text)


# -- pages -------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS)
async def test_a_page_is_looked_up_anew(stage: Stage, path: str) -> None:
    """By its entity tag, which costs no more than the question."""
    page = await _get(stage, path)
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "max-age=0" in page.headers["cache-control"]
    again = await _get(stage, path, If_None_Match=page.headers["etag"])
    assert (again.status_code, again.content) == (304, b"")
    for name in ("etag", "cache-control", "vary", "content-security-policy"):
        assert again.headers[name] == page.headers[name]


@pytest.mark.parametrize("known", ["W/{}", '"other", {}', '"other",W/{}'])
async def test_tags_may_come_in_a_list(stage: Stage, known: str) -> None:
    """Weak ones too, as proxies make them so."""
    tag = (await _get(stage, "/")).headers["etag"]
    assert (await _get(stage, "/", If_None_Match=known.format(tag))).status_code == 304
    assert (await _get(stage, "/", If_None_Match='"other"')).status_code == 200


async def test_everything_that_a_page_links_is_there_for_ever(stage: Stage) -> None:
    """With the hash in its address and no reason to ask for it again."""
    page = await _get(stage, "/")
    links = _linked(page)
    assert len(links) > 10
    for link in links:
        answer = await _get(stage, link)
        assert answer.status_code == 200, link
        policy = answer.headers["cache-control"]
        assert policy == "public, max-age=31536000, immutable"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.text == shipped().by_url[link].body.decode()


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip", "gzip"),
        ("br, gzip;q=0.5", "gzip"),
        ("*", "gzip"),
        ("gzip; q=0", None),
        ("gzip;q=0.000, br", None),
        ("identity", None),
        ("", None),
    ],
)
@pytest.mark.parametrize("path", ["/", "script", "/quizd.js"])
async def test_what_is_compressed_is_agreed_on(
    stage: Stage, path: str, accepted: str, encoding: str | None
) -> None:
    """Each form has its own tag, and proxies are told what the choice depends on."""
    if path == "script":
        path = shipped().asset("play.js").url
    async with stage.client() as client:
        client.event_hooks = {}
        request = client.build_request(
            "GET", path, headers={"Accept-Encoding": accepted}
        )
        answer = await client.send(request, stream=True)
        raw = b"".join([part async for part in answer.aiter_raw()])
    assert answer.headers.get("content-encoding") == encoding
    assert "Accept-Encoding" in answer.headers["vary"]
    assert int(answer.headers["content-length"]) == len(raw)
    assert ("gzip" in answer.headers["etag"]) == (encoding == "gzip")
    text = gzip.decompress(raw) if encoding else raw
    assert text.startswith((b"<!doctype html>", b"import "))


@pytest.mark.parametrize("path", ["/", "/quizd.js"])
async def test_a_head_is_a_get_without_a_body(stage: Stage, path: str) -> None:
    """The same headers, its length included."""
    get, head = await _get(stage, path), await _get(stage, path, "HEAD")
    assert head.status_code == 200
    assert head.headers == get.headers


async def test_a_page_may_do_no_more_than_it_needs(stage: Stage) -> None:
    """Scripts, styles and calls are ours; sockets go to the host that was asked."""
    headers = (await _get(stage, "/", Host="quiz.example.org")).headers
    policy = dict(
        part.split(" ", 1) for part in headers["content-security-policy"].split("; ")
    )
    assert policy["default-src"] == "'none'"
    assert policy["style-src"] == "'self'"
    (script,) = shipped().asset("play.html").inline
    assert policy["script-src"] == f"'self' {script}"
    sockets = "ws://quiz.example.org wss://quiz.example.org"
    assert policy["connect-src"] == f"'self' {sockets}"
    for directive in ("base-uri", "form-action", "frame-ancestors"):
        assert policy[directive] == "'none'"
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-content-type-options"] == "nosniff"
    assert "camera=()" in headers["permissions-policy"]


async def test_a_host_that_is_none_gets_into_no_policy(stage: Stage) -> None:
    """What a request says of its host is not trusted to be one."""
    headers = (await _get(stage, "/", Host="x; script-src *")).headers
    assert "script-src *" not in headers["content-security-policy"]


async def test_the_public_address_is_the_sockets() -> None:
    """Where the server knows its name, pages connect there."""
    settings = {"server": {"public_url": "https://quiz.example.org"}}
    async with Stage(settings) as stage:
        policy = (await _get(stage, "/")).headers["content-security-policy"]
    assert "wss://quiz.example.org" in policy


async def test_the_client_is_for_other_pages_too(stage: Stage) -> None:
    """Its address stays, and pages of any origin may import it and its parts."""
    client = await _get(stage, "/quizd.js")
    assert client.headers["content-type"] == "text/javascript; charset=utf-8"
    assert client.headers["access-control-allow-origin"] == "*"
    assert "max-age=0" in client.headers["cache-control"]
    parts = re.findall(r'"(/assets/[^"]+)"', client.text)
    assert len(parts) > 3
    for part in parts:
        answer = await _get(stage, part)
        assert answer.headers["access-control-allow-origin"] == "*"


# -- what is not there -------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/nothing", "/assets/play.000000000000.js", "/assets/", "/play/1/2"]
)
async def test_a_browser_is_shown_a_page_where_nothing_is(
    stage: Stage, path: str
) -> None:
    """A small one that leads to the start; nobody keeps it."""
    page = await _get(stage, path)
    assert page.status_code == 404
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["cache-control"] == "no-store"
    assert "Accept" in page.headers["vary"]
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert 'href="/"' in page.text


async def test_a_program_is_told_a_problem_where_nothing_is(stage: Stage) -> None:
    """As everywhere in the API, of which no call answers by a page."""
    for path, accept in (("/nothing", "*/*"), (f"{API}/nothing", BROWSER["Accept"])):
        answer = await _get(stage, path, Accept=accept)
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"] == "not_found"


async def test_a_page_takes_no_orders(stage: Stage) -> None:
    """405, with what is allowed."""
    answer = await _get(stage, "/", "POST")
    assert answer.status_code == 405
    assert answer.headers["allow"] in {"GET, HEAD", "HEAD, GET"}
