"""Quizzes as files, one module per format."""
