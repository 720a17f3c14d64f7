"""Grades the attention track: `python -m grader 31`."""
