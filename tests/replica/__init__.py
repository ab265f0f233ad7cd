"""Sessions that are owned on one shard and followed on others."""
