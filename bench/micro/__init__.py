"""Microbenchmarks of the compiled core: by instructions, and by the clock.

:mod:`bench.micro.workloads` says what is done. :mod:`bench.micro.counted` does it under
valgrind and counts instructions, ``test_times.py`` does the same under pytest-benchmark
and takes times. ``python -m bench.check`` is the way in to both.
"""
