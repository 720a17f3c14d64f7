"""Takes memory until there is none.

Verdict: asks for more memory|still running
"""

def sdpa(q, k, v):
    taken = []
    while True:
        taken.append(bytearray(64 << 20))
