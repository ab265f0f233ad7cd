"""nginx and HAProxy in front of quizd, with the configurations that we ship."""

import asyncio
import re
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.supervisor.crew import PATIENCE_S, until
from tests.support.ports import free_port
from tests.support.quizzes import quick_quiz
from tests.support.server import Server
from tests.support.socket_player import Player

CONFIG = Path(__file__).parents[2] / "config"
PATH = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"
SHIPPED_PORT, ONE, TWO = 8000, 8080, 8081
COUNT = "quizd_api_request_seconds_count"
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


@dataclass(frozen=True, slots=True)
class Front:
    """A proxy that runs on *port*."""

    port: int

    @property
    def api(self) -> httpx.AsyncClient:
        """Return a client of the REST interface behind it."""
        base = f"http://127.0.0.1:{self.port}/api/v1"
        return httpx.AsyncClient(base_url=base, timeout=PATIENCE_S)


@asynccontextmanager
async def front(kind: str, folder: Path, one: int, two: int) -> AsyncIterator[Front]:
    """Run *kind* before two ports, with as little changed as can be."""
    program = shutil.which(kind, path=PATH)
    if program is None:
        pytest.skip(f"{kind} is not installed")
    port = free_port()
    ports = {SHIPPED_PORT: port, ONE: one, TWO: two}
    command = (nginx if kind == "nginx" else haproxy)(program, folder, ports)
    with (folder / "said").open("wb") as said:
        process = await asyncio.create_subprocess_exec(*command, stderr=said)
    try:
        await until(lambda: process.returncode is not None or connects(port))
        assert process.returncode is None, (folder / "said").read_text()
        yield Front(port)
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


def nginx(program: str, folder: Path, ports: dict[int, int]) -> list[str]:
    """Return the command for nginx, its files all in *folder*."""
    text = on_ports((CONFIG / "nginx.conf").read_text(), ports)
    text = re.sub(r"/(run|var/log/nginx)/", f"{folder}/", text)
    paths = [f"{name}_temp_path {folder}/{name};" for name in TEMPORARY]
    text = text.replace("http {", "\n".join(["http {", *paths]))
    config = folder / "nginx.conf"
    config.write_text(text)
    errors = str(folder / "nginx.errors")
    return [program, "-e", errors, "-c", str(config), "-g", "daemon off;"]


def haproxy(program: str, folder: Path, ports: dict[int, int]) -> list[str]:
    """Return the command for HAProxy, in the foreground."""
    config = folder / "haproxy.cfg"
    text = on_ports((CONFIG / "haproxy.cfg").read_text(), ports)
    # Tests may run where open files are few.
    config.write_text(text.replace("maxconn 32000", "maxconn 400"))
    return [program, "-db", "-f", str(config)]


def on_ports(text: str, ports: dict[int, int]) -> str:
    """Return a configuration with other ports; each shipped one is in it once."""
    for shipped, port in ports.items():
        text, count = re.subn(rf"127\.0\.0\.1:{shipped}\b", f"127.0.0.1:{port}", text)
        assert count == 1
    return text


def connects(port: int) -> bool:
    """Tell whether somebody listens there."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


class Asking:
    """Requests one after the other through a front; ``statuses`` has the answers.

    ``cut`` counts answers that had begun and were not finished.
    """

    def __init__(self, through: Front) -> None:
        self.statuses: list[int] = []
        self.cut = 0
        self._task = asyncio.create_task(self._go(through))

    async def _go(self, through: Front) -> None:
        async with httpx.AsyncClient(timeout=PATIENCE_S) as client:
            while True:
                try:
                    answer = await client.get(f"http://127.0.0.1:{through.port}/livez")
                except httpx.RemoteProtocolError:
                    self.cut += 1
                else:
                    self.statuses.append(answer.status_code)

    async def more(self, count: int) -> None:
        """Wait for so many more answers."""
        wanted = len(self.statuses) + count
        await until(lambda: self._task.done() or len(self.statuses) >= wanted)

    async def end(self) -> None:
        """Ask no more; raise what went wrong."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task


both = pytest.mark.parametrize("kind", ["nginx", "haproxy"])


@both
async def test_game(kind: str, tmp_path: Path) -> None:
    """Through a front one joins, connects, answers and sees the end."""
    quiz = quick_quiz(1, {"min_participants": 2})
    async with (
        Server(tmp_path / "data") as server,
        front(kind, tmp_path, server.port, server.port) as through,
        through.api as api,
    ):
        opened = await server.open_quiz(quiz)
        tickets = [await server.join(opened["pin"], name, api) for name in "AB"]
        assert tickets[0]["wsUrl"].startswith(f"ws://127.0.0.1:{through.port}/ws?")
        async with Player.of(tickets[0]) as ann, Player.of(tickets[1]) as bob:
            question = await ann.next("new_question")
            await bob.next("new_question")
            for player in (ann, bob):
                await player.answer(question["questionId"], "north")
            for player in (ann, bob):
                assert (await player.next("answer_result"))["accepted"]
                assert (await player.next("quiz_ended"))["you"]["rank"] == 1


@both
async def test_headers(kind: str, tmp_path: Path) -> None:
    """What a client claims about itself is not believed, and metrics are not shown."""
    async with (
        Server(tmp_path / "data", {"limits.joins_per_s_per_address": 1}) as server,
        front(kind, tmp_path, server.port, server.port) as through,
        through.api as api,
    ):
        opened = await server.open_quiz(quick_quiz(1, {"start": "host"}))
        path = f"/quizzes/{opened['pin']}/join"
        answers = [
            await api.post(
                path,
                json={"participantName": f"P{number}"},
                headers={
                    "X-Forwarded-For": f"192.0.2.{number}",
                    "X-Forwarded-Proto": "https",
                },
            )
            for number in range(5)
        ]
        assert answers[0].json()["wsUrl"].startswith("ws://")
        assert httpx.codes.TOO_MANY_REQUESTS in {each.status_code for each in answers}
        metrics = await api.get(f"http://127.0.0.1:{through.port}/metrics")
        assert metrics.status_code == httpx.codes.NOT_FOUND


@both
@pytest.mark.parametrize("way", ["stop", "kill"])
async def test_one_of_two_is_gone(kind: str, way: str, tmp_path: Path) -> None:
    """Requests go on without a failure, and players play on the host that is left.

    Only the one answer that a killed host was writing may be cut.
    """
    async with (
        Server(tmp_path / "one") as one,
        Server(tmp_path / "two") as two,
        front(kind, tmp_path, one.port, two.port) as through,
        through.api as api,
    ):
        opened = await two.open_quiz(quick_quiz(1, {"start": "host"}))
        asking = Asking(through)
        await asking.more(20)
        await (one.stop() if way == "stop" else one.kill())
        await asking.more(20)
        for number in range(6):
            ticket = await two.join(opened["pin"], f"P{number}", api)
            async with Player.of(ticket) as player:
                await player.next("welcome")
        await asking.end()
        assert {*asking.statuses} == {httpx.codes.OK}
        assert asking.cut <= (way == "kill")


@both
async def test_spread(kind: str, tmp_path: Path) -> None:
    """Both hosts get their share."""
    async with (
        Server(tmp_path / "one") as one,
        Server(tmp_path / "two") as two,
        front(kind, tmp_path, one.port, two.port) as through,
        through.api as api,
    ):
        for _ in range(20):
            await api.get("/quizzes", params={"joinable": True})
        shares = [await requests_to(server) for server in (one, two)]
        assert min(shares) >= 5


async def requests_to(server: Server) -> float:
    """Return how many requests to REST a server has answered, by its metrics."""
    async with httpx.AsyncClient() as client:
        page = (await client.get(f"{server.url}/metrics")).text
    lines = [line.split() for line in page.splitlines()]
    counts = [float(line[-1]) for line in lines if line[0].startswith(COUNT)]
    return sum(counts)
