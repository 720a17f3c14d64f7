"""Raises an exception that is called like one of the grader's own.

Verdict: its parameters are not those of the contract
"""


class ParameterMismatch(Exception):
    pass


def sdpa(q, k, v):
    raise ParameterMismatch("x")
