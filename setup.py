"""Build of the compiled core; everything declarative is in pyproject.toml."""

import os
import sys
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

# No -march: a wheel built here must run on any machine of the architecture.
# No -g: lines of generated C tell nobody anything, and writing them down is a third of
# the build; the names of functions, which profilers show, stay.
CFLAGS = ["-O3", "-g0", "-fno-semantic-interposition", "-Wno-unreachable-code"]

# The load generator is built in a checkout only; a wheel holds quizd alone.
FOLDERS = ["quizd/_fast"]
if "bdist_wheel" not in sys.argv:
    FOLDERS += ["bench/floors", "bench/load", "bench/micro"]

extensions = [
    Extension(
        name=".".join(source.with_suffix("").parts),
        sources=[str(source)],
        extra_compile_args=CFLAGS,
    )
    for folder in FOLDERS
    for source in sorted(Path(folder).glob("*.pyx"))
]

JOBS = os.cpu_count() or 1

setup(
    options={"build_ext": {"parallel": JOBS}},
    ext_modules=cythonize(
        extensions,
        nthreads=JOBS,
        build_dir="build/cython",
        compiler_directives={
            "language_level": "3",
            "boundscheck": False,
            "wraparound": False,
            "cdivision": True,
            "initializedcheck": False,
            "embedsignature": True,
        },
    ),
)
