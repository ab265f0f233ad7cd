"""Contract suites: one for each interface, run against all its implementations."""
