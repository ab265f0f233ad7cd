"""The load generator: compiled clients, and processes that hold thousands of them."""
