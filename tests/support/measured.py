"""What tests have measured, shown at the end of the run."""

from collections.abc import Callable

Tell = Callable[[str], None]
"""The fixture ``tell``: takes a text that is to be shown, whether the test passes."""
