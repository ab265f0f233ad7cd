"""Secrets in files: whole from the first moment on, and nobody else's to read."""

import os
import threading
from pathlib import Path

import pytest

from quizd.accounts.tokens import private_file

MAKERS = 16


def test_it_is_made_once(tmp_path: Path) -> None:
    """With its folder, for the owner alone; later contents are not taken."""
    path = tmp_path / "data" / "key"
    assert private_file(path, b"first") == b"first"
    assert private_file(path, b"second") == b"first"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert [each.name for each in path.parent.iterdir()] == ["key"]


def test_all_who_make_it_at_once_have_the_same(tmp_path: Path) -> None:
    """Nobody ever reads a part of it."""
    path = tmp_path / "key"
    gate = threading.Barrier(MAKERS)
    seen: list[bytes] = []

    def make(number: int) -> None:
        gate.wait()
        seen.append(private_file(path, bytes([number]) * 10_000))

    makers = [threading.Thread(target=make, args=(n,)) for n in range(MAKERS)]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    assert len(seen) == MAKERS
    assert {len(content) for content in seen} == {10_000}
    assert len(set(seen)) == 1


def test_who_comes_second_reads_a_whole_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when the first one is slow: the file is there once it has its content."""
    path = tmp_path / "key"
    there: list[bool] = []
    sync = os.fsync

    def slow(number: int) -> None:
        sync(number)
        there.append(path.exists())

    monkeypatch.setattr("quizd.accounts.tokens.os.fsync", slow)
    private_file(path, b"content")
    assert there == [False]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_what_others_can_read_is_no_secret(tmp_path: Path, mode: int) -> None:
    """It is refused, with what to do."""
    path = tmp_path / "key"
    path.write_bytes(b"open")
    path.chmod(mode)
    with pytest.raises(ValueError, match=f"chmod 600 {path}"):
        private_file(path, b"new")
    assert path.read_bytes() == b"open"
