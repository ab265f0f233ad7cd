"""Tests of quizzes as files."""
