"""One file per step, named after its revision; none changes once it was released."""
