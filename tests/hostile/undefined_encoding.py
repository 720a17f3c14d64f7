# coding: undefined
"""Names a codec that refuses whatever it is given.

Verdict: is not text in UTF-8
"""


def sdpa(q, k, v):
    return v
