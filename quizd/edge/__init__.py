"""The edge: one port, connections, and the fan-out to them."""
