"""Tests of the owner side: ticks, recovery, presence."""
