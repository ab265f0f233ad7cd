"""The peers that only fan out: everybody gets every message, in order."""

from collections.abc import Iterator

import orjson
import pytest
from websockets.sync.client import connect

from bench.peers import all_peers
from bench.peers.base import Peer

SIZE_BYTES = 300
FANNING = [peer.name for peer in all_peers() if not peer.can_play]


@pytest.fixture(params=FANNING)
def peer(request: pytest.FixtureRequest) -> Iterator[Peer]:
    """Run a peer, or skip it where it can't."""
    (peer,) = (peer for peer in all_peers() if peer.name == request.param)
    reason = peer.available()
    if reason:
        pytest.skip(f"{peer.name}: {reason}")
    with peer:
        yield peer


def test_everybody_gets_every_round_in_order(peer: Peer) -> None:
    """Numbers go on from command to command; the payload has the size asked for."""
    url = f"ws://127.0.0.1:{peer.port}{peer.ws_path}"
    with connect(url, compression=None) as one, connect(url, compression=None) as other:
        peer.broadcast(SIZE_BYTES, times=1)
        told = peer.broadcast(SIZE_BYTES, times=3, pause_ms=1)
        assert [one["seq"] for one in told["rounds"]] == [2, 3, 4]
        starts_ns = [one["started_ns"] for one in told["rounds"]]
        assert starts_ns == sorted(starts_ns)
        for listener in (one, other):
            texts = [listener.recv(10) for _ in range(4)]
            assert [len(text) for text in texts] == [SIZE_BYTES] * 4
            assert [orjson.loads(text)["seq"] for text in texts] == [1, 2, 3, 4]


def test_its_own_processes_are_measured(peer: Peer) -> None:
    """CPU time grows by what it does; it can be started again after its end."""
    before_s = peer.cpu_s()
    url = f"ws://127.0.0.1:{peer.port}{peer.ws_path}"
    with connect(url, compression=None) as listener:
        peer.broadcast(SIZE_BYTES, times=10)
        for _ in range(10):
            listener.recv(10)
    assert peer.cpu_s() > before_s
    assert peer.rss_bytes() > 0
    peer.stop()
    peer.start()
    assert peer.pids
