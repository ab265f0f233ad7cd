"""Scenarios: each measures one thing, and tells whether its target is held."""
