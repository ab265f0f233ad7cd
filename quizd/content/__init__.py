"""The quizzes that come with the program, in the native format."""

from importlib.resources import files

from quizd.quizfile.json_format import parse
from quizd.session.quiz import Quiz

_SUFFIX = ".json"


def names() -> list[str]:
    """Return the names of all shipped quizzes, sorted."""
    return sorted(
        entry.name.removesuffix(_SUFFIX)
        for entry in files(__name__).iterdir()
        if entry.name.endswith(_SUFFIX)
    )


def load(name: str) -> Quiz:
    """Return the shipped quiz *name*; raise ``LookupError`` where there is none."""
    if name not in names():
        raise LookupError(f"no quiz {name!r} is shipped; there are {names()}")
    file = files(__name__) / f"{name}{_SUFFIX}"
    return parse(file.read_bytes(), file.name)
