"""Handles of the peers that only send one message to everybody."""

import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, ClassVar

import httpx

from bench.floors import control
from bench.floors.child import Child, ChildFailed
from bench.floors.processes import children
from bench.floors.redis_server import free_port
from bench.peers import base

START_S = 10.0
STOP_S = 10.0
POLL_S = 0.02
MODULE = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")
NGINX_PATH = "/usr/local/sbin:/usr/sbin:/usr/local/bin:/usr/bin"


class Websockets(base.ChildPeer):
    """The websockets library's ``broadcast()``, on uvloop."""

    name: ClassVar[str] = "websockets"

    def available(self) -> str:
        """Tell whether the library is missing."""
        return base.lacks_module("websockets", "websockets>=14")

    def _launch(self) -> Child:
        return Child.module("bench.peers.websockets_server")


class Socketify(base.ChildPeer):
    """uWebSockets' ``publish``, called from Python."""

    name: ClassVar[str] = "socketify"

    def available(self) -> str:
        """Tell whether the library is missing."""
        return base.lacks_module("socketify", "socketify>=0.0.31")

    def _launch(self) -> Child:
        return Child.module("bench.peers.socketify_server")


class Ws(base.ChildPeer):
    """Node's ws, one frame made for all."""

    name: ClassVar[str] = "ws"

    def available(self) -> str:
        """Tell whether Node or its packages are missing."""
        return base.lacks_node("ws")

    def _launch(self) -> Child:
        return Child(["node", str(base.HERE / "ws" / "server.js")])


class Nchan(base.Peer):
    """nginx with the nchan module: one worker, one channel."""

    name: ClassVar[str] = "nchan"

    def __init__(self) -> None:
        self._port = 0
        self._seq = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def available(self) -> str:
        """Tell whether nginx or its module is missing."""
        lacks = base.lacks_program("nginx", "nginx", NGINX_PATH)
        if lacks or MODULE.exists():
            return lacks
        return "nchan is not installed (Debian: apt-get install libnginx-mod-nchan)"

    def start(self) -> None:
        """Start nginx and wait until it takes messages."""
        self._port = free_port()
        self._folder = tempfile.TemporaryDirectory(prefix="bench-nchan-")
        folder = Path(self._folder.name)
        folder.chmod(0o755)  # the worker may be another user
        configuration = folder / "nginx.conf"
        configuration.write_text(configured(folder, self._port), "utf-8")
        command = [shutil.which("nginx", path=NGINX_PATH) or "nginx"]
        command += ["-p", str(folder), "-e", "errors", "-c", str(configuration)]
        self._process = subprocess.Popen(  # noqa: S603 - a command of the bench
            command, stderr=subprocess.DEVNULL
        )
        try:
            self._wait(folder / "errors")
        except ChildFailed:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop nginx."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._port

    @property
    def pids(self) -> list[int]:
        """The worker."""
        if self._process is None:
            raise RuntimeError("nchan is not started")
        return children(self._process.pid)

    def broadcast(
        self, size_bytes: int, times: int = 1, pause_ms: float = 0
    ) -> dict[str, Any]:
        """Post to the channel; nginx answers when it has sent to all."""
        rounds = []
        with httpx.Client(base_url=self.url) as client:
            for _ in range(times):
                self._seq += 1
                started_ns = time.monotonic_ns()
                text = control.message(self._seq, size_bytes)
                client.post("/publish", content=text, timeout=60).raise_for_status()
                rounds.append({"seq": self._seq, "started_ns": started_ns})
                time.sleep(pause_ms / 1000)
        return {"rounds": rounds}

    def _wait(self, log: Path) -> None:
        end_s = time.monotonic() + START_S
        while time.monotonic() < end_s and self._runs():
            try:
                httpx.get(f"{self.url}/livez").raise_for_status()
            except httpx.TransportError:
                time.sleep(POLL_S)
            else:
                return
        said = log.read_text("utf-8").strip() if log.exists() else ""
        raise ChildFailed(f"nginx does not start\n{said}")

    def _runs(self) -> bool:
        return self._process is not None and self._process.poll() is None


def configured(folder: Path, port: int) -> str:
    """Return nginx' configuration: everything it writes is in *folder*."""
    temporary = "\n".join(
        f"  {kind}_temp_path {folder}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return f"""\
load_module {MODULE};
worker_processes 1;
worker_rlimit_nofile 20000;
daemon off;
pid {folder}/nginx.pid;
events {{ worker_connections 19900; }}
http {{
  access_log off;
{temporary}
  nchan_message_buffer_length 0;
  server {{
    listen 127.0.0.1:{port} backlog={control.BACKLOG};
    location = /livez {{ return 200; }}
    location = /publish {{ nchan_publisher; nchan_channel_id bench; }}
    location / {{
      nchan_subscriber websocket;
      nchan_channel_id bench;
      nchan_websocket_ping_interval 25;
    }}
  }}
}}
"""
