"""Commands: what they print where, and how they exit."""
