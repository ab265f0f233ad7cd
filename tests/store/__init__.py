"""Tests of the store's own parts; what every store promises is in the contract."""
