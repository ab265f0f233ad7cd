"""Naming, linking and compressing the pages' files."""

import gzip
import re
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from pathlib import PurePosixPath

import pytest

from quizd.codes import CLOSE_ADVICE
from quizd.protocol.catalogue import QUESTION_TYPES
from quizd.web.assets import FOLDER, BrokenWebError, Web, bare, read, shipped

LANGUAGES = ("en", "de", "es")
KEY = re.compile(r'^ {2}(?:"([^"]+)"|(\w+)):', re.MULTILINE)
CODE = re.compile(r"^ {2}(\d{4}): \{ reconnect: (true|false),", re.MULTILINE)
PLACE = re.compile(r"\{(\w+)\}")


def _web(**files: str) -> Web:
    return Web({name.replace("__", "."): text for name, text in files.items()})


# -- links -------------------------------------------------------------------------


def test_an_address_changes_with_the_content() -> None:
    """And with nothing else."""
    one, same, other = (_web(a__js=text).asset("a.js") for text in "112")
    assert one.url == same.url != other.url
    assert re.fullmatch(r"/assets/a\.[0-9a-f]{12}\.js", one.url)


def test_an_address_changes_with_what_is_imported() -> None:
    """A module of one version never gets another version's module."""
    before, after = (
        _web(a__js='import "./b.js";', b__js='import { c } from "./c.js";', c__js=text)
        for text in ("1", "2")
    )
    for name in ("a.js", "b.js", "c.js"):
        assert before.asset(name).url != after.asset(name).url


def test_what_a_page_wants_first_is_put_into_it() -> None:
    """As it would have been sent, and named by its hash."""
    web = Web(
        {
            "page.html": '<script src="./a.js"></script><script src="./b.js" defer>',
            "a.js": '// First.\nimport("./b.js");\n',
            "b.js": "1",
        }
    )
    page, url = web.asset("page.html"), web.asset("b.js").url
    script = f'import("{url}");\n'
    digest = b64encode(sha256(script.encode()).digest()).decode()
    after = f'<script src="{url}" defer>'
    assert page.body.decode() == f"<script>{script}</script>{after}"
    assert page.inline == (f"'sha256-{digest}'",)
    assert web.asset("a.js").inline == ()


def test_all_kinds_of_references_are_rewritten() -> None:
    """Imports of either kind, style sheets' pictures, pages' links; relative ones."""
    web = Web(
        {
            "page.html": '<link href="./sub/a.css"><img src="./b.svg">',
            "sub/a.css": 'a { background: url("../b.svg"); }',
            "sub/a.js": 'import b from "../b.js";\nconst c = import("./c.js");',
            "sub/c.js": 'export * from "../b.js";',
            "b.js": 'const text = "./no-reference.js";',
            "b.svg": "<svg/>",
        }
    )
    url = {asset.name: asset.url for asset in web}
    page = f'<link href="{url["sub/a.css"]}"><img src="{url["b.svg"]}">'
    assert web.asset("page.html").body.decode() == page
    assert url["b.svg"] in web.asset("sub/a.css").body.decode()
    script = web.asset("sub/a.js")
    assert url["b.js"] in script.body.decode()
    assert url["sub/c.js"] in script.body.decode()
    assert script.imports == ("b.js",)
    assert web.asset("b.js").body == b'const text = "./no-reference.js";'


def test_a_style_sheet_is_put_together() -> None:
    """What it imports stands in its place, so that it is one request."""
    web = Web(
        {
            "a.css": '/* a */\n@import "./parts/b.css";\na { b: c }\n',
            "parts/b.css": '/* b */\n@import "./c.css";\nb { c: d }\n',
            "parts/c.css": "c { d: e }\n",
        }
    )
    assert web.asset("a.css").body == b"c { d: e }\nb { c: d }\na { b: c }\n"
    with pytest.raises(BrokenWebError, match=re.escape("parts/b.css: a.css")):
        Web({"a.css": '@import "./parts/b.css";\n'})


def test_a_preload_stands_for_all_that_a_module_needs() -> None:
    """Each once, however many need it; what is imported later is left out."""
    preload = '<link rel="modulepreload" href="./{}.js"{}>'
    web = _web(
        page__html=f"{preload.format('a', '')}\n{preload.format('d', ' x')}",
        a__js='import "./b.js"; import "./c.js"; import("./e.js");',
        b__js='import "./c.js";',
        c__js="",
        d__js='import "./c.js"; import "./e.js";',
        e__js="",
    )
    lines = web.asset("page.html").body.decode().splitlines()
    urls = [web.asset(f"{name}.js").url for name in "abcde"]
    assert [re.search('href="([^"]+)"', line)[1] for line in lines] == urls  # type: ignore[index]
    assert [line.endswith(" x>") for line in lines] == [False] * 3 + [True] * 2


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"a.js": 'import "./b.js";'}, "b.js: a.js"),
        ({"a.js": 'import "./b.js";', "b.js": 'import("./a.js")'}, "a.js > b.js"),
        ({"a.css": 'url("./a.css")'}, "a.css refers to itself"),
    ],
)
def test_what_does_not_fit_together_is_told(files: dict[str, str], told: str) -> None:
    """A reference that leads nowhere, or in a circle, stops the start."""
    with pytest.raises(BrokenWebError, match=re.escape(told)):
        Web(files)


# -- what travels ------------------------------------------------------------------


def test_comments_and_margins_stay_here() -> None:
    """Only whole lines of them: what stands behind code may be part of a text."""
    text = """// head

/**
 * About a.
 */
export const a = "// no comment"; // stays
  // goes
  export const b = 1;
"""
    left = 'export const a = "// no comment"; // stays\nexport const b = 1;\n'
    assert bare(text, ".js") == left
    assert bare("/* all\n of it */\na {\n  b: c;\n}\n", ".css") == "a {\nb: c;\n}\n"
    assert bare("<p>\n  a</p>", ".html") == "<p>\n  a</p>"


def test_no_text_of_a_module_spans_lines() -> None:
    """So that a line which looks like a comment is one."""
    for name, text in read(FOLDER).items():
        if name.endswith(".js"):
            for line in bare(text, ".js").splitlines():
                assert line.count("`") % 2 == 0, (name, line)


def test_what_is_compressed_is_the_same_everywhere() -> None:
    """No time of making is in it, so that shards agree on it."""
    one, same = _web(a__js="x" * 100).asset("a.js"), _web(a__js="x" * 100).asset("a.js")
    assert one.gzipped == same.gzipped
    assert gzip.decompress(one.gzipped) == one.body


# -- what is shipped ---------------------------------------------------------------


def test_pages_need_nobody_else() -> None:
    """No address of another host is in any file, but for names of XML's."""
    for asset in shipped():
        found = re.findall(rb'["(](?:https?:)?//[^"\s)]+', asset.body)
        assert [url for url in found if b"www.w3.org" not in url] == [], asset.name


def test_no_page_has_a_style_or_more_than_one_script_inside() -> None:
    """The policy would not let it run."""
    for asset in shipped():
        if asset.name.endswith(".html"):
            text = asset.body.decode()
            assert "<style" not in text
            assert " style=" not in text
            scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
            assert scripts == [shipped().asset("early.js").body.decode()]
            assert not re.search(r"\son\w+=", text)


def _tables() -> list[str]:
    """Return the tables of texts there are, by what stands before the language."""
    names = (path.name for path in (FOLDER / "messages").glob("*en.js"))
    return sorted(name.removesuffix("en.js") for name in names)


def _entries(table: str, language: str) -> dict[str, str]:
    text = (FOLDER / "messages" / f"{table}{language}.js").read_text("utf-8")
    starts = [(found.start(), found[1] or found[2]) for found in KEY.finditer(text)]
    ends = [start for start, _ in starts[1:]] + [len(text)]
    return {
        key: text[start:end] for (start, key), end in zip(starts, ends, strict=True)
    }


@pytest.mark.parametrize("table", _tables())
@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_languages_say_the_same_things(table: str, language: str) -> None:
    """The same texts, with the same places in them."""
    english, other = _entries(table, "en"), _entries(table, language)
    assert english.keys() == other.keys()
    for key, text in english.items():
        assert set(PLACE.findall(text)) == set(PLACE.findall(other[key])), key


def _used() -> Iterator[tuple[str, str]]:
    """Give every text that a module asks for by its key, with the module's name."""
    for name, text in read(FOLDER).items():
        if name.endswith(".js") and PurePosixPath(name).parts[0] != "messages":
            for key in re.findall(r'\bt\(\s*"([^"]+)"', text):
                yield name, key


def test_every_text_that_is_asked_for_is_there() -> None:
    """In English, and therefore in all languages, the page's own tables included."""
    known = {key for table in _tables() for key in _entries(table, "en")}
    assert {(name, key) for name, key in _used() if key not in known} == set()


def test_close_codes_are_the_servers() -> None:
    """The client's table of close codes says the same as ours."""
    text = (FOLDER / "client" / "rules.js").read_text("utf-8")
    assert {int(code): advice == "true" for code, advice in CODE.findall(text)} == {
        int(code): advice.reconnect for code, advice in CLOSE_ADVICE.items()
    }


@pytest.mark.parametrize(
    ("file", "name"),
    [("answers/index.js", "ELEMENTS"), ("client/answering.js", "FIELD")],
)
def test_every_type_of_question_is_known(file: str, name: str) -> None:
    """The page has an element, and the client a field, for each type there is."""
    text = (FOLDER / file).read_text("utf-8")
    found = re.search(rf"const {name} = \{{(.*?)\}};", text, re.DOTALL)
    assert found
    assert set(re.findall(r"^ {2}(\w+)", found[1], re.MULTILINE)) == set(QUESTION_TYPES)
