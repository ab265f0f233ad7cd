"""What the tests need of the machine, and how they get it."""
