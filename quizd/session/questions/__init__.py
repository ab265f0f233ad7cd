"""Question types: one file each."""
