"""Measuring instruments: not part of the installed package."""
