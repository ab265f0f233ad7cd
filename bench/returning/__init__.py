"""Players that come back, on shards that go; ``python -m bench.rolling`` is the way in.

:mod:`bench.returning.player` is what one player does and checks, ``crowd`` a process
full of them, ``stage`` plays with all, ``told`` tells what that came to.
"""
