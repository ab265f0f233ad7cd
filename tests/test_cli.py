"""The command line: what is printed where, and how it exits."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

import quizd
from quizd import doctor
from quizd.cli import app
from quizd.config import Settings, load
from quizd.doctor import Check

RUNNER = CliRunner()


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """A configuration file with two problems."""
    file = tmp_path / "broken.toml"
    file.write_text("[server]\nprot = 1\n[timeouts]\nhandshake_s = -5\n")
    return file


class TestCheckConfig:
    """check-config says ok, or every problem."""

    def test_ok(self, tmp_path: Path) -> None:
        """A file without problems is ok."""
        file = tmp_path / "quizd.toml"
        file.write_text("[server]\nport = 9000\n")
        result = RUNNER.invoke(app, ["check-config", str(file)])
        assert (result.exit_code, result.stdout) == (0, "ok\n")

    def test_problems(self, broken: Path) -> None:
        """Every problem is a line on standard error, and nothing else is printed."""
        result = RUNNER.invoke(app, ["check-config", str(broken)])
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.splitlines() == [
            "server.prot: unknown key (did you mean server.port?)",
            "timeouts.handshake_s: must be greater than 0, is -5",
        ]

    def test_no_file(self, tmp_path: Path) -> None:
        """A file that is missing is a problem like others."""
        result = RUNNER.invoke(app, ["check-config", str(tmp_path / "none")])
        assert result.exit_code == 1
        assert "No such file" in result.stderr

    def test_password_file(self, tmp_path: Path) -> None:
        """Files that settings name are looked at, too."""
        file = tmp_path / "quizd.toml"
        file.write_text(
            f"[database]\nurl = 'postgresql://db/quizd'\n"
            f"password_file = '{tmp_path}/none'\n"
        )
        result = RUNNER.invoke(app, ["check-config", str(file)])
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith("quizd: database.password_file: ")


class TestPrintConfig:
    """print-config shows what is in force."""

    def test_defaults(self, tmp_path: Path) -> None:
        """What it prints is a file that means the same."""
        result = RUNNER.invoke(app, ["print-config"])
        file = tmp_path / "printed.toml"
        file.write_text(result.stdout)
        assert load(file) == Settings()

    @pytest.mark.parametrize("way", ["flag", "variable"])
    def test_sources(
        self, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """File and environment are in it; the file may be named by a variable."""
        file = tmp_path / "quizd.toml"
        file.write_text("[server]\nport = 9000\n[log]\nlevel = 'debug'\n")
        monkeypatch.setenv("QUIZD_LOG__LEVEL", "error")
        if way == "variable":
            monkeypatch.setenv("QUIZD_CONFIG", str(file))
        arguments = ["--config", str(file)] if way == "flag" else []
        result = RUNNER.invoke(app, ["print-config", *arguments])
        printed = tomllib.loads(result.stdout)
        assert printed["server"]["port"] == 9000
        assert printed["log"]["level"] == "error"


class TestDoctor:
    """The doctor's verdict is the exit code."""

    @pytest.mark.parametrize(("advice", "exit_code"), [("", 0), ("do this", 1)])
    def test_exit_code(
        self, advice: str, exit_code: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """One failing check is enough to exit with 1, and its advice is shown."""
        checks = [Check("clock", "fine"), Check("port", "so", advice)]
        monkeypatch.setattr(doctor, "examine", lambda _settings: checks)
        result = RUNNER.invoke(app, ["doctor"])
        assert result.exit_code == exit_code
        assert "clock" in result.stdout
        assert advice in result.stdout

    def test_looks_at_the_configuration(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It examines what --config says."""
        file = tmp_path / "quizd.toml"
        file.write_text("[server]\nport = 9000\n")
        seen: list[Settings] = []

        def examine(settings: Settings) -> list[Check]:
            seen.append(settings)
            return []

        monkeypatch.setattr(doctor, "examine", examine)
        RUNNER.invoke(app, ["doctor", "--config", str(file)])
        assert [settings.server.port for settings in seen] == [9000]


@pytest.mark.parametrize("command", ["print-config", "doctor"])
def test_bad_configuration(command: str, broken: Path) -> None:
    """Every command that reads the configuration refuses a bad one, by its problems."""
    result = RUNNER.invoke(app, [command, "--config", str(broken)])
    assert (result.exit_code, result.stdout) == (1, "")
    assert len(result.stderr.splitlines()) == 2


def test_version() -> None:
    """The versions that matter are told, one a line."""
    lines = RUNNER.invoke(app, ["version"]).stdout.splitlines()
    assert [line.split()[0] for line in lines] == [
        "quizd",
        "Python",
        "uvloop",
        "picows",
    ]
    assert lines[0] == f"quizd {quizd.__version__}"


def test_module() -> None:
    """``python -m quizd`` is the same program; it fails without a traceback."""
    result = subprocess.run(
        [sys.executable, "-m", "quizd", "check-config", "/nonexistent"],
        capture_output=True,
        check=False,
        text=True,
    )
    assert result.returncode == 1
    assert result.stderr == "/nonexistent: No such file or directory\n"


def test_help_is_quick() -> None:
    """Typing a command wrongly does not cost the time of loading a server."""
    heavy = {"sqlalchemy", "fastapi", "redis", "asyncpg", "picows", "prometheus_client"}
    program = f"import sys, quizd.cli; print(sorted({heavy} & set(sys.modules)))"
    result = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-c", program], capture_output=True, check=True, text=True
    )
    assert result.stdout == "[]\n"
