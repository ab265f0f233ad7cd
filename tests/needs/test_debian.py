"""The script that installs what tests need: quick, careful, and never in the way."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("debian.sh")

# What the script itself runs; everything else is missing unless it is put there.
TOOLS = ("chmod", "ls", "mktemp", "rm", "tail")
PROGRAMS = {
    "redis-server": "redis-server",
    "redis-sentinel": "redis-sentinel",
    "postgres": "postgresql",
    "chromium": "chromium",
    "nginx": "nginx",
    "haproxy": "haproxy",
    "ss": "iproute2",
    "valgrind": "valgrind",
    "systemd-analyze": "systemd",
}

APT = """#!/bin/sh
echo "$@" >>"$HERE/asked"
[ "$1" = -q ] && [ "$2" = update ] && exit 0
cat "$POLICY_FILE" >"$HERE/policy-then"
[ -e "$HERE/offline" ] && { echo "E: nothing can be fetched"; exit 100; }
for program in $PROGRAMS; do ln -sf /bin/true "$HERE/$program"; done
"""


class Machine:
    """A machine with few programs, on which apt-get installs all of them."""

    def __init__(self, folder: Path, user: int) -> None:
        self.folder = folder
        self.policy = folder / "policy-rc.d"
        for tool in (*TOOLS, "sh", "cat", "ln"):
            found = shutil.which(tool)
            assert found is not None
            (folder / tool).symlink_to(found)
        self.program("id", f"#!/bin/sh\necho {user}\n")

    def program(self, name: str, text: str = "#!/bin/sh\n") -> None:
        """Put a program there."""
        (self.folder / name).write_text(text)
        (self.folder / name).chmod(0o755)

    def run(self) -> str:
        """Run the script, which never fails; return what it says."""
        done = subprocess.run(  # noqa: S603 - our own script
            ["/bin/sh", str(SCRIPT)],
            env={
                "PATH": str(self.folder),
                "HERE": str(self.folder),
                "POLICY_FILE": str(self.policy),
                "PROGRAMS": " ".join(PROGRAMS),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    @property
    def asked(self) -> list[str]:
        """What apt-get was asked for."""
        file = self.folder / "asked"
        return file.read_text().splitlines() if file.exists() else []


def test_installs(tmp_path: Path) -> None:
    """What is missing is installed, its services forbidden to start meanwhile."""
    machine = Machine(tmp_path, user=0)
    machine.program("apt-get", APT)
    assert machine.run().startswith("installing what tests need: redis-server ")
    update, install = machine.asked
    assert update == "-q update"
    assert {"redis-server", "redis-sentinel", "chromium", "valgrind"} < {
        *install.split(" install ")[1].split()
    }
    assert (tmp_path / "policy-then").read_text() == "#!/bin/sh\nexit 101\n"
    assert not machine.policy.exists()
    assert machine.run() == ""
    assert len(machine.asked) == 2


def test_policy_that_is_there(tmp_path: Path) -> None:
    """A machine's own policy on starting services is left as it is."""
    machine = Machine(tmp_path, user=0)
    machine.program("apt-get", APT)
    machine.policy.write_text("mine")
    machine.run()
    assert machine.policy.read_text() == "mine"


@pytest.mark.parametrize("user", [0, 1000])
def test_offline(tmp_path: Path, user: int) -> None:
    """Without packages to be had, or the right to have them, a line says what is."""
    machine = Machine(tmp_path, user)
    machine.program("apt-get", APT)
    (tmp_path / "offline").touch()
    *before, last = machine.run().splitlines()
    assert last.startswith("not installed, so tests that need them are skipped: redis-")
    assert bool(before) == (user == 0)
    assert bool(machine.asked) == (user == 0)
    assert not machine.policy.exists()


def test_no_debian(tmp_path: Path) -> None:
    """Where there is no apt-get, it is one line."""
    assert len(Machine(tmp_path, user=0).run().splitlines()) == 1


def test_nothing_missing(tmp_path: Path) -> None:
    """Where all is there, it says and does nothing."""
    machine = Machine(tmp_path, user=0)
    machine.program("apt-get", APT)
    for program in PROGRAMS:
        machine.program(program)
    assert machine.run() == ""
    assert machine.asked == []


def test_names_no_host() -> None:
    """It uses the machine's own package sources, whatever they are."""
    assert "://" not in SCRIPT.read_text()
    assert os.access(SCRIPT, os.X_OK)
