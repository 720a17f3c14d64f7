"""Returns an object that says that it equals everything.

Verdict: it returns a stub.Liar object; expected an array
"""

class Liar:
    shape, dtype, ndim = (1, 4), "float32", 2

    def __eq__(self, other):
        return True

    def __getattr__(self, name):
        return self

    def __call__(self, *args, **options):
        return self


def sdpa(q, k, v):
    return Liar()
