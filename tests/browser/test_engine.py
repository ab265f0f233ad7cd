"""Whether pages can be tried in a browser here."""

import subprocess

import pytest

from tests.browser import engine


def test_there_is_a_browser() -> None:
    """It is the system's; without it, this one line stands for all of the folder."""
    if engine.MISSING:
        pytest.skip(f"no {' and no '.join(engine.MISSING)}: pages are not tried")
    command = [engine.CHROMIUM, "--version"]
    version = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    assert "Chromium" in version.stdout
