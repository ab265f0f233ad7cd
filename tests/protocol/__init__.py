"""The published schemas, and what is decoded and encoded by them."""
