# coding: undefined
"""Names a codec that refuses whatever it is given.

Verdict: is not text in UTF-8|is no text, or in an encoding that cannot be told
"""


def sdpa(q, k, v):
    return v
