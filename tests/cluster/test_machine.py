"""Which machine this is: of a boot and a network, wherever that is read."""

from pathlib import Path

import pytest

from quizd.cluster import machine
from quizd.cluster.machine import this_machine

UNITS = Path(__file__).parents[2] / "systemd"


@pytest.fixture(autouse=True)
def boot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A kernel's word about its boot."""
    file = tmp_path / "boot_id"
    file.write_text("2fc6cd93-3d28-4a5c-9d1e-0123456789ab\n")
    monkeypatch.setattr(machine, "_BOOT", file)
    monkeypatch.delenv("BOOT_ID", raising=False)
    return file


def test_systemd_says_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """A unit and a shell on one machine are on one machine."""
    known = this_machine()
    monkeypatch.setenv("BOOT_ID", "2fc6cd933d284a5c9d1e0123456789ab")
    assert this_machine() == known


def test_other_boots_and_networks_are_others(
    boot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of both is enough."""
    known = this_machine()
    monkeypatch.setattr(machine, "_NETWORK", boot)
    another = this_machine()
    boot.write_text("00000000-3d28-4a5c-9d1e-0123456789ab\n")
    assert len({known, another, this_machine()}) == 3


def test_unknown(boot: Path) -> None:
    """Where the system does not say, nothing is made up."""
    boot.unlink()
    assert this_machine() == ""


@pytest.mark.parametrize("unit", ["quizd.service", "quizd@.service"])
def test_units_tell(unit: str) -> None:
    """The units hide what the kernel says, and say it themselves."""
    lines = (UNITS / unit).read_text().splitlines()
    assert "ProcSubset=pid" in lines
    assert "Environment=BOOT_ID=%b" in lines
