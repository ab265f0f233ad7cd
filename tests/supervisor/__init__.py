"""Processes: the supervisor, its sockets and its controls, units and fronts."""
