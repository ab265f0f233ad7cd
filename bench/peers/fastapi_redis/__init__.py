"""The quiz on FastAPI and Redis, the way such a thing is usually built, done well.

Uvicorn (uvloop, httptools, its default WebSocket implementation) serves REST and
sockets. Redis holds everything: answers in a hash per question, scores in a sorted set,
the phase in a key, and its pub/sub carries every broadcast to every worker. The worker
that opens a session leads it.

What is done for speed: orjson; one connection of the pool at a time per question, with
all answers that arrive meanwhile in the next script call; a broadcast is encoded once
and sent in concurrent batches; boards replace each other while they wait; a closed
question is ranked by one read of the whole board, not by a call per player; no
compression, no access log.
"""
