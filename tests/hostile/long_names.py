"""Raises an exception whose name has thirty million letters, which stands in what is said of each check.

Verdict: raises AAAAAAAA
"""


def sdpa(q, k, v):
    raise type("A" * (30 << 20), (Exception,), {})("x")
