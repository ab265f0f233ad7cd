"""quizd, a live quiz server."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("quizd")
except PackageNotFoundError:  # run from a checkout that was never installed
    __version__ = "0+checkout"
