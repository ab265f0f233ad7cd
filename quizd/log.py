"""Logs: one event a line on standard error, with secrets blotted out.

Our own events and those of libraries (uvicorn, asyncio, picows) take the same way: the
standard library's root logger, with one handler whose formatter is structlog's.
"""

import logging
import re
import sys
from collections.abc import Mapping
from typing import Any

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

BLOT = "***"

# Compared in lower case and without "_" and "-", so hostToken and host_token are one.
_SECRET_KEYS = frozenset(
    {
        "accesstoken",
        "apikey",
        "authorization",
        "cookie",
        "hosttoken",
        "password",
        "refreshtoken",
        "secret",
        "setcookie",
        "token",
    }
)

# Inside a text: the name, what stands between in a URL, a header, JSON or a repr, and
# then the value, up to where any of these would end it.
_SECRET_TEXT = re.compile(
    r"""(\bbearer[.\s]\s*
      | (?:token|password|secret)[\\"']*\s*[:=]\s*[\\"']*
      | authorization[\\"']*\s*[:=]\s*[\\"']*(?:\w+\s+)?)
    [^\s&,;"'<>\\]+""",
    re.IGNORECASE | re.VERBOSE,
)

_FIRST_KEYS = ("time", "level", "event")

# uvicorn attaches handlers of its own where it isn't told otherwise.
_WITH_HANDLERS = ("uvicorn", "uvicorn.access", "uvicorn.error")


def configure(level: str = "info", fmt: str = "auto") -> None:
    """Send every log event of *level* and above to standard error.

    *level* is a name of the logging module in any case. *fmt* is ``json``, ``text``
    or ``auto``, which is text on a terminal. May be called again to change both.
    """
    threshold = logging.getLevelNamesMapping()[level.upper()]
    _take_over_root(threshold, _formatter(_renderer(fmt)))
    for name in _WITH_HANDLERS:
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True
    structlog.configure(
        processors=[
            *_common(),
            redact,  # here too, for whatever else listens to the standard library
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.stdlib.LoggerFactory(),
    )


def get_logger(name: str) -> FilteringBoundLogger:
    """Return the logger *name*; it may be made before :func:`configure` is called."""
    logger: FilteringBoundLogger = structlog.get_logger(name)
    return logger


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Blot out secrets in *event*, by key and inside texts, at any depth."""
    return {key: _blotted(key, value) for key, value in event.items()}


def _blotted(key: object, value: object) -> Any:  # noqa: ANN401 - as JSON allows
    if str(key).lower().replace("_", "").replace("-", "") in _SECRET_KEYS:
        return BLOT
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return _SECRET_TEXT.sub(rf"\1{BLOT}", value)
        case Mapping():
            return {str(k): _blotted(k, v) for k, v in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_blotted("", item) for item in value]
    return _SECRET_TEXT.sub(rf"\1{BLOT}", str(value))


def _take_over_root(threshold: int, formatter: logging.Formatter) -> None:
    root = logging.getLogger()
    for earlier in [known for known in root.handlers if known.name == __name__]:
        root.removeHandler(earlier)
    handler = logging.StreamHandler(sys.stderr)
    handler.name = __name__
    handler.setFormatter(formatter)
    root.addHandler(handler)
    root.setLevel(threshold)


def _in_order(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return {**{key: event[key] for key in _FIRST_KEYS if key in event}, **event}


def _common() -> list[Processor]:
    """Return what is done to our own events and to those of libraries."""
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        structlog.processors.format_exc_info,
    ]


def _formatter(renderer: Processor) -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_common(),
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            redact,
            _in_order,
            renderer,
        ],
    )


def _renderer(fmt: str) -> Processor:
    if fmt == "json" or (fmt == "auto" and not sys.stderr.isatty()):
        return structlog.processors.JSONRenderer()
    return structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(),
        timestamp_key="time",
        exception_formatter=structlog.dev.plain_traceback,
    )
