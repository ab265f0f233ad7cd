"""``python -m quizd``: the same as the command ``quizd``."""

from quizd.cli import main

if __name__ == "__main__":
    main()
