"""Floors: what no server can undercut, to be measured beside it in the same run.

Each is a process, ``python -m bench.floors.NAME --port 0``. It prints one line of JSON
when it is ready, ``{"port": …, "pid": …}``, or ``{"skipped": "why"}`` where what it
needs is missing. Then each line of its standard input is a command, an object of one
key, and answered by one line; at the end of input it ends.

==============================  ======================================================
command                         answer
==============================  ======================================================
``{"broadcast": {bytes, times,  :func:`bench.floors.control.summary`: one message of so
pause_ms}}``                    many bytes to every connection, so many times
``{"personal": {…}}``           the same, with a frame of its own for each connection
``{"stat": true}``              ``cpu_us``, ``rss_bytes``, ``connections``
``{"cpu": true}``               ``cpu_us`` alone
==============================  ======================================================

``send_loop`` knows all four; ``picows_echo``, which also echoes what it gets, and the
fan-out peers all but ``personal``. ``redis_zset`` has commands of its own.

What is sent is ``{"type":"bench","seq":7,"payload":"xxx…"}``, filled up to the size
asked for; ``seq`` grows by one per round for as long as the process lives.
:class:`bench.floors.child.Child` starts such a process and talks to it.
"""
