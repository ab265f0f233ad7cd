"""Many quizzes at once on several shards; ``python -m bench.many`` is the way in.

:mod:`bench.halls.stage` plays them, :mod:`bench.halls.told` tells what that came to.
"""
