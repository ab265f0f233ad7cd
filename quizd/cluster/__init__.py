"""Shards: ring, membership, link."""
