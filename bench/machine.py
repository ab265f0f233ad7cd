"""What a figure depends on: the machine, its kernel, the versions, the commit."""

import os
import platform
import re
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LIBRARIES = ("quizd", "picows", "uvloop", "websockets", "fastapi", "orjson", "cython")
GIB = 1 << 30


def facts() -> dict[str, Any]:
    """Return the machine's facts for a results file."""
    pages, page_bytes = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return {
        "cpu": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(pages * page_bytes / GIB, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "libraries": {name: known for name in LIBRARIES if (known := installed(name))},
        "redis": said(["redis-server", "--version"]),
        "load_average": list(os.getloadavg()),
    }


def processor() -> str:
    """Return the processor's name (proc(5), cpuinfo), or its architecture."""
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    found = re.search(r"^model name\s*: (.+)$", text, re.MULTILINE)
    return found[1].strip() if found else platform.machine()


def installed(library: str) -> str:
    """Return a library's version, empty where it isn't installed."""
    try:
        return version(library)
    except PackageNotFoundError:
        return ""


def commit() -> str:
    """Return the commit that was measured, with ``+`` where files differ from it."""
    name = said(["git", "rev-parse", "HEAD"])
    changed = said(["git", "status", "--porcelain", "--untracked-files=no"])
    return name + ("+" if changed else "")


def said(command: list[str]) -> str:
    """Return what *command* says, empty where it can't be run."""
    try:
        done = subprocess.run(  # noqa: S603 - the commands above
            command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
