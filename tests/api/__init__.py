"""Tests of the REST API, on real owners, journals and stores in memory."""
