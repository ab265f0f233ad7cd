"""One process per file: an advisory lock that ends with its holder."""

import fcntl
import os
from pathlib import Path

from quizd.journal.base import JournalUnavailable


class LockFile:
    """An exclusive ``flock`` on ``<path>.lock``, which holds the process id.

    The kernel releases it however the process ends. The lock file itself stays:
    taking it away would let two processes lock two files of the same name.
    """

    def __init__(self, path: Path) -> None:
        """Lock *path*. Raises `JournalUnavailable`, naming the holder; `OSError`."""
        self._fd = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)
        except BlockingIOError:
            holder = os.pread(self._fd, 32, 0).decode(errors="replace").strip()
            os.close(self._fd)
            raise JournalUnavailable(
                f"{path} is in use by process {holder or '(unknown)'}: stop it "
                "first, or choose another data directory"
            ) from None
        except OSError:
            os.close(self._fd)
            raise

    def release(self) -> None:
        """Give the lock up."""
        os.close(self._fd)
