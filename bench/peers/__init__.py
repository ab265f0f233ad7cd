"""Peers: the same work done by what one would otherwise build a live quiz with.

``fastapi_redis`` and ``socketio_redis`` play whole quizzes, in the messages of quizd's
protocol; the others only send one message to everybody. :mod:`bench.peers.base` says
how they are started and asked, :func:`all_peers` lists them.

What the two that play leave out, so that nothing slows them that quizd could be said
to do for show: ``participants_changed``, ``you`` in ``leaderboard_changed``, streaks,
pauses, kicks, exams, a store. Their Redis appends to its file and syncs it once a
second, as it is shipped for keeping data.

socket.io's frames
------------------
All are WebSocket text frames. What matters of Engine.IO 4 and socket.io 5 with the
WebSocket as the only transport:

=======================================  ============================================
frame                                    meaning
=======================================  ============================================
``GET /socket.io/?EIO=4&transport=``     the upgrade; joining's ``wsUrl`` is this with
``websocket&quizId=…&participantId=…``   the query filled in, but for ``&token=…``
server ``0{"sid":…,"pingInterval":…}``   open; wait for it
client ``40``                            enter the default namespace
server ``40{"sid":…}``                   entered; ``44{"message":…}``: refused
server ``42["TYPE",{…}]``                an event. Its one argument is the whole message
                                         of quizd's protocol, so that what stands
                                         between the first ``{`` and the last ``}``,
                                         both included, is what quizd would have sent
client ``42["TYPE",{…}]``                the same; a bare payload is taken as well; what
                                         is no JSON costs the connection
server ``2``, client ``3``               ping and pong, every 25 s; without the pong the
                                         connection is closed after 20 s
``1``, ``41``                            close, leave the namespace
=======================================  ============================================
"""

from bench.peers.base import Peer
from bench.peers.fanning import Nchan, Socketify, Websockets, Ws
from bench.peers.playing import FastApiRedis, SocketIoRedis


def all_peers() -> list[Peer]:
    """Return a handle of every peer, those that play first; none is started."""
    return [
        FastApiRedis(),
        SocketIoRedis(),
        Nchan(),
        Socketify(),
        Websockets(),
        Ws(),
    ]
