"""The measuring instruments."""
