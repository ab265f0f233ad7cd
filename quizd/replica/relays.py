"""The sessions that this shard owns, for those who follow them."""

from quizd.owner.runner import Runner
from quizd.replica.exchange import Exchange
from quizd.replica.lines import Lines
from quizd.replica.messages import Item, Kind, beat
from quizd.replica.relay import Relay

FROM_FOLLOWERS = (
    Kind.ATTACH,
    Kind.DETACH,
    Kind.PRESENCE,
    Kind.ANSWERS,
    Kind.EVENT,
    Kind.REPORT,
)


class Relays:
    """One relay per session that this shard owns."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._relays: dict[str, Relay] = {}
        for kind in FROM_FOLLOWERS:
            exchange.handle(kind, self._on_item)
        exchange.on_gap.append(self._on_gap)

    def add(self, runner: Runner, here: Lines) -> Relay:
        """Stand between *runner* and the connections *here*."""
        relay = Relay(runner, here, self._exchange)
        self._relays[runner.state.session_id] = relay
        return relay

    def remove(self, session_id: str) -> Lines | None:
        """Forget a session that is not ours any more; return its connections here."""
        relay = self._relays.pop(session_id, None)
        return relay.here if relay is not None else None

    def greet(self, session_id: str, shards: list[str]) -> None:
        """Tell *shards* that the session has its owner here now."""
        relay = self._relays.get(session_id)
        if relay is not None:
            for shard in shards:
                relay.pulse_to(shard)

    def pulse(self, now_ms: int) -> None:
        """Tell all shards that follow that we live; forget those that don't report."""
        following: set[str] = set()
        for relay in self._relays.values():
            relay.drop_silent(now_ms)
            following.update(relay.peers)
        for shard in following:
            self._exchange.send(shard, beat(now_ms))

    def drop(self, shard: str) -> None:
        """Forget a shard that is gone."""
        for relay in self._relays.values():
            relay.drop(shard)

    def _on_gap(self, peer: str | None) -> None:
        """Have followers say again what they may have said and we did not hear."""
        for relay in self._relays.values():
            for name in list(relay.peers):
                if peer in (None, name):
                    relay.pulse_to(name, anew=True)

    def _on_item(self, sender: str, item: Item) -> None:
        relay = self._relays.get(item.session_id)
        if relay is not None:
            relay.on_item(sender, item)
