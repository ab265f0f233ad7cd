"""Several shards as real processes: what one does, all of them show."""
