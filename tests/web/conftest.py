"""The API with its pages, on a clock that tests move."""

from tests.api.conftest import stage

__all__ = ["stage"]
