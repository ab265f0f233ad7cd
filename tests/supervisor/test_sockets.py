"""Listening sockets: groups, steering, inheriting; and limits on open files."""

import asyncio
import os
import random
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from quizd import sockets
from quizd.sockets import RESERVE_FILES

UNLIMITED = resource.RLIM_INFINITY


@contextmanager
def grouped(count: int, host: str = "127.0.0.1") -> Iterator[list[socket.socket]]:
    """Make a group on a free port, and close it."""
    group = sockets.bind_group(host, 0, count, backlog=64)
    try:
        yield group
    finally:
        for sock in group:
            sock.close()


def spread(group: Sequence[socket.socket], count: int) -> list[int]:
    """Connect *count* times; return how many connections each socket got."""
    address = group[0].getsockname()
    clients = [socket.create_connection(address) for _ in range(count)]
    got = [sockets.drop_queued(sock) for sock in group]
    for client in clients:
        client.close()
    return got


class TestGroup:
    """Several sockets on one port."""

    def test_one_port(self) -> None:
        """All have the port that the first one got, and all get connections."""
        with grouped(3) as group:
            assert len({sock.getsockname() for sock in group}) == 1
            got = spread(group, 60)
            assert sum(got) == 60
            assert all(got)

    @pytest.mark.parametrize("shared", [False, True])
    def test_taken(self, *, shared: bool) -> None:
        """A taken port is refused, even where another group of ours has it."""
        with socket.create_server(("127.0.0.1", 0), reuse_port=shared) as taken:
            port = taken.getsockname()[1]
            with pytest.raises(OSError, match="in use"):
                sockets.bind_group("127.0.0.1", port, 2, backlog=1)

    def test_both_families(self) -> None:
        """The host "::" is IPv4 as well."""
        with grouped(2, "::") as group:
            port = group[0].getsockname()[1]
            for host in ("127.0.0.1", "::1"):
                socket.create_connection((host, port)).close()
            assert sum(map(sockets.drop_queued, group)) == 2


class TestSteering:
    """New connections go to the chosen sockets only."""

    @pytest.mark.parametrize("chosen", [[0], [2], [0, 2], [3, 1], [0, 1, 2, 3]])
    def test_chosen(self, chosen: list[int]) -> None:
        """Exactly the chosen ones get connections, and each of them does."""
        with grouped(4) as group:
            sockets.steer(group, chosen)
            got = spread(group, 60)
            assert {index for index, count in enumerate(got) if count} == {*chosen}

    def test_again(self) -> None:
        """The last word counts."""
        with grouped(2) as group:
            for chosen in (0, 1, 0):
                sockets.steer(group, [chosen])
                assert spread(group, 5)[chosen] == 5

    def test_program(self) -> None:
        """For every random number, the program returns what its remainder says."""
        seed = random.randrange(2**32)
        print(f"seed {seed}")
        rng = random.Random(seed)
        for _ in range(200):
            chosen = rng.sample(range(64), rng.randint(1, 64))
            number = rng.randrange(2**32)
            expected = chosen[number % len(chosen)]
            assert run_filter(sockets.chooser(chosen), number) == expected

    def test_no_group(self) -> None:
        """A socket that shares its port with nobody can't be steered."""
        with (
            socket.create_server(("127.0.0.1", 0)) as alone,
            pytest.raises(OSError, match="Invalid argument"),
        ):
            sockets.steer([alone], [0])


def run_filter(steps: Sequence[sockets.Step], number: int) -> int:
    """Run a classic BPF program as bpf(4) of BSD defines it; return its verdict."""
    at = accumulator = 0
    while True:
        code, if_true, if_false, k = steps[at]
        at += 1
        match code:
            case 0x20:
                assert k == (-0x1000 + 56) % 2**32
                accumulator = number
            case 0x94:
                accumulator %= k
            case 0x15:
                at += if_true if accumulator == k else if_false
            case 0x06:
                return k
            case _:
                raise AssertionError(code)


SHOW = """
from quizd.sockets import inherited
import os
sock = inherited()
print(sock and sock.getsockname()[1], os.get_inheritable(3) if sock else None,
      sorted(name for name in os.environ if name.startswith("LISTEN_")), inherited())
"""


def started_with(sock: socket.socket, **variables: str) -> str:
    """Return what a process says that gets *sock* as descriptor 3."""
    give = (
        "import os, sys; os.dup2(int(sys.argv[1]), 3);"
        "os.environ.setdefault('LISTEN_PID', str(os.getpid()));"
        "os.execv(sys.executable, [sys.executable, '-c', sys.argv[2]])"
    )
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", give, str(sock.fileno()), SHOW],
        env={**os.environ, **variables},
        pass_fds=[sock.fileno()],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or done.stderr.strip().splitlines()[-1]


class TestInherited:
    """A socket that was there before the process."""

    def test_taken_over(self) -> None:
        """It is used once, its children don't get it, and the variables are gone."""
        with socket.create_server(("127.0.0.1", 0)) as sock:
            port = sock.getsockname()[1]
            assert started_with(sock, LISTEN_FDS="1") == f"{port} False [] None"

    def test_for_somebody_else(self) -> None:
        """Variables meant for another process are left alone."""
        with socket.create_server(("127.0.0.1", 0)) as sock:
            said = started_with(sock, LISTEN_FDS="1", LISTEN_PID="1")
            assert said == "None None ['LISTEN_FDS', 'LISTEN_PID'] None"

    def test_several(self) -> None:
        """More than one socket is an error that says so."""
        with socket.create_server(("127.0.0.1", 0)) as sock:
            said = started_with(sock, LISTEN_FDS="2")
            assert said == "OSError: one listening socket is wanted, not 2"

    def test_not_listening(self) -> None:
        """So is a socket that doesn't listen."""
        with socket.socket() as sock:
            assert "does not listen" in started_with(sock, LISTEN_FDS="1")


class TestPlace:
    """Where the port is to be opened."""

    @pytest.mark.parametrize("share", [False, True])
    async def test_address(self, *, share: bool) -> None:
        """Others get the port as well if they may, and only then."""
        loop = asyncio.get_running_loop()
        first = await loop.create_server(
            asyncio.Protocol, **sockets.place("127.0.0.1", 0, share=share)
        )
        again = sockets.place(*first.sockets[0].getsockname(), share=share)
        async with first:
            if share:
                async with await loop.create_server(asyncio.Protocol, **again):
                    return
            with pytest.raises(OSError, match="in use"):
                await loop.create_server(asyncio.Protocol, **again)

    @pytest.mark.parametrize("share", [False, True])
    def test_both_families(self, *, share: bool) -> None:
        """For "::" it is a socket of both families."""
        with sockets.place("::", 0, share=share)["sock"] as sock:
            assert not sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT) == share


class TestRoom:
    """The limit on open files, and the connections that fit under it."""

    @pytest.mark.parametrize(
        ("soft", "hard", "raised", "fitting"),
        [
            (UNLIMITED, UNLIMITED, None, 18_000),
            (18_000 + RESERVE_FILES, UNLIMITED, None, 18_000),
            (1024, 1_048_576, 18_000 + RESERVE_FILES, 18_000),
            (1024, UNLIMITED, 18_000 + RESERVE_FILES, 18_000),
            (1024, 10_000, 10_000, 10_000 - RESERVE_FILES),
            (1024, 2000, 2000, 1000),
            (1024, 1024, 1024, 512),
            (256, 256, 256, 128),
        ],
    )
    def test_raised(
        self,
        soft: int,
        hard: int,
        raised: int | None,
        fitting: int,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """It is raised as far as is needed and allowed; the rest is for others."""
        asked: list[tuple[int, int]] = []
        monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
        monkeypatch.setattr(resource, "setrlimit", lambda _, pair: asked.append(pair))
        assert sockets.make_room(18_000) == fitting
        assert asked == ([] if raised is None else [(raised, hard)])
