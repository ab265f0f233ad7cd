"""The Python client and the simulated players, against a scripted server."""
