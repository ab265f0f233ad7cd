"""One quiz too large for one process: several shards, and as many loops in C beside.

``python -m bench.players_50k`` is the way in. :mod:`bench.large.loops` is the floor,
:mod:`bench.large.stage` the game, :mod:`bench.large.told` what it came to.
"""
