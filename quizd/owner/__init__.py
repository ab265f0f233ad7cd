"""The owner side: sessions that this shard runs."""
