"""Grades the attention track: `python -m grader 31`, and in a notebook `%load_ext grader`."""


def load_ipython_extension(shell) -> None:
    """What `%load_ext grader` calls."""
    from grader.student.notebook import load

    load(shell)
