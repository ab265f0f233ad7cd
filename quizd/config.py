"""Reading the configuration, and saying what is wrong with it.

A value comes from the first of these that has it: a command-line flag, an environment
variable ``QUIZD_SECTION__KEY``, the TOML file given with ``--config``, the default in
``settings.py``. Whatever names no key, or lies outside a key's bounds, stops the start;
all problems are told at once, one line each, by the name that the reader has to change.
"""

import json
import os
import re
import stat
import tomllib
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from quizd.settings import Section, Settings

__all__ = [
    "CONFIG_FILE_VARIABLE",
    "ConfigError",
    "Settings",
    "load",
    "password_in",
    "to_toml",
]

# Names the configuration file itself, so it is a flag's variable and not a key's.
CONFIG_FILE_VARIABLE = "QUIZD_CONFIG"

_PREFIX = "QUIZD_"
_TEST_PREFIX = "QUIZD_TEST_"  # for the test suite, seeds for instance

# Kubernetes gives every pod such variables for a Service that is called "quizd".
_SERVICE_LINK = re.compile(r"QUIZD_(SERVICE_(HOST|PORT(_\w+)?)|PORT(_\d+_\w+)?)")

_SHOWN_CHARS = 60

_WANTED = {
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "finite_number": "must be a finite number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "greater_than": "must be greater than {gt:.10g}",
    "greater_than_equal": "must be at least {ge:.10g}",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "ip_any_network": 'must be a network like "10.0.0.0/8"',
    "less_than_equal": "must be at most {le:.10g}",
    "literal_error": "must be {expected}",
    "model_type": "must be a section",
    "path_type": "must be a path",
    "string_too_short": "must not be empty",
    "string_type": "must be text",
    "tuple_type": "must be a list",
    "value_error": "{error}",
}

Tree = dict[str, object]


class ConfigError(ValueError):
    """The configuration can't be used; ``problems`` has one line for each reason."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def load(
    config_file: Path | None = None,
    overrides: Mapping[str, Mapping[str, object]] | None = None,
) -> Settings:
    """Return the settings from flags, environment, *config_file* and defaults.

    *overrides* are the flags by section and key; ``None`` as a value means that the
    flag was not given. Raises :class:`ConfigError` with every problem found.
    """
    tree = _read(config_file) if config_file else {}
    variables, problems = _environment(os.environ)
    _overlay(tree, variables)
    _overlay(tree, overrides or {})
    try:
        settings = Settings.model_validate(tree)
    except ValidationError as error:
        problems += [_problem(details, variables) for details in error.errors()]
        raise ConfigError(problems) from error
    if problems:
        raise ConfigError(problems)
    return settings


def password_in(key: str, file: str) -> str:
    """Return the password in *file*, ``""`` where none is named.

    Raises :class:`ConfigError`, naming the setting *key*, where the file can't be read,
    is readable by others than its owner, or empty.
    """
    if not file:
        return ""
    try:
        with Path(file).open(encoding="utf-8") as opened:
            mode = stat.S_IMODE(os.fstat(opened.fileno()).st_mode)
            password = opened.read().strip("\r\n")
    except OSError as error:
        raise ConfigError([f"{key}: {file}: {error.strerror}"]) from None
    except UnicodeDecodeError:
        raise ConfigError([f"{key}: {file} is not UTF-8"]) from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError([f"{key}: {file} has mode {mode:04o}, it must be 0600"])
    if not password:
        raise ConfigError([f"{key}: {file} is empty"])
    return password


def to_toml(settings: Settings) -> str:
    """Return *settings* as a TOML file with every key, which :func:`load` accepts."""
    return "\n".join(
        f"[{name}]\n"
        + "".join(f"{key} = {_toml(value)}\n" for key, value in table.items())
        for name, table in settings.model_dump(mode="json").items()
    )


def _read(config_file: Path) -> Tree:
    try:
        return tomllib.loads(config_file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError([f"{config_file}: {error.strerror}"]) from error
    except ValueError as error:  # not TOML, or not UTF-8
        raise ConfigError([f"{config_file}: {error}"]) from error


def _environment(environ: Mapping[str, str]) -> tuple[dict[str, Tree], list[str]]:
    """Return what variables set, and a problem for each that names no key."""
    places = {_variable(*place): place for place in _places()}
    found: dict[str, Tree] = {}
    problems = []
    for name in sorted(name for name in environ if _is_ours(name, environ)):
        if place := places.get(name):
            section, key = place
            found.setdefault(section, {})[key] = environ[name]
        else:
            problems.append(f"{name}: unknown variable{_hint(name, places)}")
    return found, problems


def _is_ours(name: str, environ: Mapping[str, str]) -> bool:
    if name == CONFIG_FILE_VARIABLE or name.startswith(_TEST_PREFIX):
        return False
    linked = "KUBERNETES_SERVICE_HOST" in environ and _SERVICE_LINK.fullmatch(name)
    return name.startswith(_PREFIX) and not linked


def _overlay(tree: Tree, upper: Mapping[str, Mapping[str, object]]) -> None:
    """Put *upper* over *tree*; a section that is no table stays, to be reported."""
    for section, values in upper.items():
        below = tree.setdefault(section, {})
        if isinstance(below, dict):
            below.update({k: v for k, v in values.items() if v is not None})


def _places() -> list[tuple[str, str]]:
    """Return (section, key) of every key there is."""
    return [
        (section, key)
        for section, field in Settings.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
        for key in field.annotation.model_fields
    ]


def _variable(section: str, key: str) -> str:
    return f"{_PREFIX}{section}__{key}".upper()


def _problem(details: ErrorDetails, variables: Mapping[str, Tree]) -> str:
    """Return one line on one of pydantic's errors."""
    path = [str(part) for part in details["loc"]]
    name, value = ".".join(path), details["input"]
    if details["type"] == "extra_forbidden":
        return _unknown(name, value)
    wanted = _wanted(details)
    if isinstance(value, dict):
        return f"{name}: {wanted}"  # about several keys of a section
    section, key = (*path, "")[:2]
    told = variables.get(section, {}).get(key) == value
    return (
        f"{name}: {wanted}"
        + ("" if _is_secret(section, key) else f", is {_shown(value)}")
        + (f" ({_variable(section, key)})" if told else "")
    )


def _is_secret(section: str, key: str) -> bool:
    """Tell whether a value may hold a password: it is left out of reprs, too."""
    field = Settings.model_fields.get(section)
    keys = getattr(field.annotation, "model_fields", {}) if field else {}
    return key in keys and not keys[key].repr


def _wanted(details: ErrorDetails) -> str:
    if template := _WANTED.get(details["type"]):
        return template.format(**details.get("ctx", {}))
    return details["msg"]


def _unknown(name: str, value: object) -> str:
    if isinstance(value, dict):
        return f"{name}: unknown section{_hint(name, Settings.model_fields)}"
    names = [".".join(place) for place in _places()]
    key = name.rpartition(".")[2]
    elsewhere = [known for known in names if known.endswith(f".{key}")]
    if elsewhere:
        return f"{name}: unknown key (did you mean {elsewhere[0]}?)"
    return f"{name}: unknown key{_hint(name, names)}"


def _hint(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, list(known), n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def _shown(value: object) -> str:
    text = _toml(value) if isinstance(value, bool | int | float | str) else repr(value)
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"


def _toml(value: object) -> str:
    """Return a TOML value; its strings and numbers are JSON's, but for DEL."""
    if isinstance(value, float):
        return repr(value)
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
