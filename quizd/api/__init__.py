"""The REST API: joining, playing without a socket, hosting, quizzes, health."""
