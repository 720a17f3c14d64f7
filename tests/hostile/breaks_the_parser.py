"""A name with control characters, a message that commands a terminal, HTML in an exception.

Verdict: raises Loud
"""

class Loud(Exception):
    pass


def sdpa(q, k, v):
    print("\x1b[2J\x1b]0;owned\x07<script>alert(1)</script>\u202e")
    raise Loud("</pre><script>alert(1)</script>\x1b[31m=HYPERLINK(1)")
