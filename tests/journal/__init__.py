"""What is special to one implementation of the journal."""
