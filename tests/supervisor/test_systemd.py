"""The units: systemd accepts them, and their numbers fit those of quizd."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from quizd.settings import Limits, Server, Timeouts
from quizd.sockets import RESERVE_FILES
from quizd.supervisor.supervisor import LEAVE_MARGIN_S

UNITS = Path(__file__).parents[2] / "systemd"
NAMES = ("quizd.service", "quizd@1.service", "quizd@1.socket", "quizd.target")
SERVICES = ("quizd.service", "quizd@.service")
EXPOSURE_MAX = "13"  # tenths; what is left is mostly the network

ANALYZE = shutil.which("systemd-analyze") or ""
needs_systemd = pytest.mark.skipif(
    not ANALYZE, reason="systemd-analyze is not installed"
)


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """A folder with the units, their program being one that exists."""
    for unit in UNITS.iterdir():
        text = unit.read_text().replace("/usr/bin/quizd", sys.executable)
        (tmp_path / unit.name).write_text(text)
    return tmp_path


def analyze(units: Path, *words: str) -> tuple[int, str]:
    """Run systemd-analyze; return its exit code and all it prints."""
    done = subprocess.run(  # noqa: S603 - a tool, on our own files
        [ANALYZE, *words],
        env={"SYSTEMD_UNIT_PATH": f"{units}:"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


@needs_systemd
@pytest.mark.parametrize("name", NAMES)
def test_verified(units: Path, name: str) -> None:
    """Nothing about a unit is unknown, misplaced or missing."""
    assert analyze(units, "verify", "--man=no", name) == (0, "")


@needs_systemd
def test_verify_finds_mistakes(units: Path) -> None:
    """The same check finds a key that doesn't exist."""
    unit = units / "quizd.service"
    unit.write_text(unit.read_text().replace("KillMode=", "KilMode="))
    assert "KilMode" in analyze(units, "verify", "--man=no", unit.name)[1]


@needs_systemd
@pytest.mark.parametrize("name", SERVICES)
def test_sandboxed(units: Path, name: str) -> None:
    """A service can do little beside its work."""
    path = str(units / name.replace("@", "@1"))
    if "@" in name:
        (units / name).rename(path)
    threshold = f"--threshold={EXPOSURE_MAX}"
    code, said = analyze(units, "security", "--offline=true", threshold, path)
    assert code == 0, said


def value(name: str, key: str) -> str:
    """Return what a unit sets *key* to."""
    found = re.findall(rf"(?m)^{key}=(.*)$", (UNITS / name).read_text())
    assert len(found) == 1, (name, key)
    return str(found[0])


@pytest.mark.parametrize("name", SERVICES)
def test_time_to_leave(name: str) -> None:
    """Systemd waits longer than quizd may take."""
    longest_s = Timeouts().drain_s + LEAVE_MARGIN_S
    assert int(value(name, "TimeoutStopSec")) > longest_s


def test_tried_for_ever() -> None:
    """A shard that fails at once is tried again after a moment, however often."""
    assert value("quizd@.service", "StartLimitIntervalSec") == "0"
    assert int(value("quizd@.service", "RestartSec")) >= 1


@pytest.mark.parametrize("name", SERVICES)
def test_open_files(name: str) -> None:
    """There are files for all connections of a shard."""
    assert int(value(name, "LimitNOFILE")) >= Limits().connections + RESERVE_FILES


def test_address() -> None:
    """The sockets are where quizd listens unless it is told."""
    server = Server()
    assert value("quizd@.socket", "ListenStream") == f"{server.host}:{server.port}"


def test_same_sandbox() -> None:
    """Both forms may do the same."""
    boxes = []
    for name in SERVICES:
        text = (UNITS / name).read_text()
        box = text[text.index("DynamicUser=") : text.index("[Install]")]
        boxes.append(box)
    assert boxes[0] == boxes[1]
