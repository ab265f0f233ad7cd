"""What the write-behind scenario writes, where to, and the process that does it."""
