"""Prints without end.

Verdict: printed
"""

def sdpa(q, k, v):
    while True:
        print("x" * 100000)
