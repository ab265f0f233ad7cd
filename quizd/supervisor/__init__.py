"""Processes: a supervisor that owns the port, and the shards it keeps running.

The supervisor binds one listening socket per shard and keeps them all for its life; a
shard inherits its own. It is not in the way of any data: it starts, watches, asks to
leave and starts again. Three things make that gentle.

* A socket outlives its shard, so connections that are queued on it are served by the
  shard that follows.
* While a shard isn't ready, the kernel steers new connections to the others
  (:func:`quizd.sockets.steer`).
* Shards say themselves when they are ready (sd_notify(3), to the supervisor as to
  systemd), so a rolling restart goes on only when the one before serves again. The
  same way they say that they live: one that hangs is killed, and started again.

``child`` starts a process, ``keeper`` keeps one shard running, ``supervisor`` keeps all
of them. ``shard`` is what a shard does on its side, ``control`` how ``quizd drain``
talks to either, ``notify`` the notices.
"""
