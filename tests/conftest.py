"""What holds for every test: defaults as configuration, and a loop left in order."""

import gc
import logging
import os
from collections.abc import Callable, Generator
from functools import partial

import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

# Two browsers are in each other's way, and one gives up all that it does where network
# devices come and go.
ONE_BY_ONE = ("tests/browser/", "tests/fault/test_hosts.py")

LONG = ("tests/browser/", "tests/fault/", "tests/storing/", "tests/supervisor/")
"""Where files take long. They come first, so that at the end all processes are busy."""

MEASURED = "measured"
"""The property under which reports carry it, also from other processes."""


class LoopErrors(logging.Handler):
    """Collects what event loops report, as nobody else would hear of it.

    asyncio hands an exception that no one awaited to the loop's exception handler,
    which logs it as ``asyncio``.
    """

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.reports: list[str] = []
        self._formatter = logging.Formatter()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the record as text; its traceback would keep the task alive."""
        self.reports.append(self._formatter.format(record))


_LOOP_ERRORS = LoopErrors()


def pytest_configure() -> None:
    """Listen to event loops, and forget the configuration of whoever runs the tests."""
    logging.getLogger("asyncio").addHandler(_LOOP_ERRORS)
    for name in list(os.environ):
        if name.startswith("QUIZD_") and not name.startswith("QUIZD_TEST_"):
            del os.environ[name]


class ByFile(LoadScopeScheduling):  # type: ignore[misc]
    """Gives a process whole files, as what one needs is started once.

    Those that must not meet all go to the same one.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return ONE_BY_ONE[0] if file.startswith(ONE_BY_ONE) else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(
    config: pytest.Config, log: object
) -> LoadScopeScheduling:
    """Deal out the tests where several processes run them."""
    return ByFile(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long, and leave all else in its order."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONG))


def pytest_collection_finish() -> None:
    """Keep what is there now out of every later collection, which is one a test."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(
    item: pytest.Item, nextitem: pytest.Item | None
) -> Generator[None]:
    """Fail a test whose loop was left with an exception, after its fixtures ended."""
    yield
    if item.get_closest_marker("asyncio"):
        gc.collect()  # a task in a reference cycle reports only when it is collected
    if nextitem is not None and nextitem.path != item.path:
        gc.collect()
        gc.freeze()  # what a file has brought in stays, such as modules
    reports, _LOOP_ERRORS.reports = _LOOP_ERRORS.reports, []
    if reports:
        pytest.fail("left in the event loop:\n" + "\n".join(reports), pytrace=False)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what tests have measured, whether they passed or not."""
    outcomes = ("passed", "failed")
    for report in (r for name in outcomes for r in terminalreporter.getreports(name)):
        for name, value in report.user_properties:
            if name == MEASURED:
                terminalreporter.section(report.nodeid)
                terminalreporter.line(str(value))


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """What takes a text to show at the end of the run."""
    return partial(record_property, MEASURED)


@pytest.fixture
def loop_errors() -> list[str]:
    """What the loop reported so far; a test that provokes reports clears it."""
    return _LOOP_ERRORS.reports
