"""The browser that tests start: Debian's Chromium, or none."""

import importlib.util
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
)
SPEAKING = re.compile(r"DevTools listening on (ws://\S+)")
STOP_S = 20

MISSING = [
    what
    for what, there in (
        ("playwright", importlib.util.find_spec("playwright")),
        (CHROMIUM, shutil.which(CHROMIUM)),
    )
    if not there
]
"""What is not installed, of what these tests need; nothing of it is ever fetched."""


@contextmanager
def chromium(profile: Path) -> Iterator[str]:
    """Run Chromium with its files in *profile*; give the address of its DevTools."""
    command = [CHROMIUM, *ARGUMENTS, f"--user-data-dir={profile}", "about:blank"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603
        assert process.stderr is not None
        lines = (SPEAKING.match(line) for line in process.stderr)
        where = next((found[1] for found in lines if found), None)
        assert where is not None, "chromium does not start"
        drain = threading.Thread(target=process.stderr.read, daemon=True)
        drain.start()
        try:
            yield where
        finally:
            process.terminate()
            process.wait(STOP_S)
            drain.join()
