"""Tests of the pure session machine."""
