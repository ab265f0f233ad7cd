"""Plain models that say what the compiled modules must do, and are never fast."""
