"""31 · The ladder of cases for `sdpa`. Source: Vaswani et al. 2017, equation 1."""

import numpy as np

from grader.problem import Case, Function


def inputs(rng, t_q, t_k, d_k=8, d_v=4, gain=1.0, one_array=False):
    """`gain` stretches queries and keys, and so the scores by its square; `one_array` passes the same array three times."""
    def draw(*shape):
        return rng.standard_normal(shape).astype(np.float32)

    q, k, v = gain * draw(t_q, d_k), gain * draw(t_k, d_k), draw(t_k, d_v)
    return dict(q=q, k=q, v=q) if one_array else dict(q=q.astype(np.float32), k=k.astype(np.float32), v=v)


ENTRIES = [
    Function("sdpa", inputs, cases={
        "one key": Case(t_q=1, t_k=1),
        "one query": Case(t_q=1, t_k=5),
        "unequal lengths": Case(t_q=6, t_k=3),
        "large logits": Case(t_q=6, t_k=3, gain=12.0),
        "the same array as q, k and v": Case(t_q=5, t_k=5, d_k=16, d_v=16, one_array=True),
        "dozens of keys": Case(t_q=17, t_k=33, d_k=16, d_v=6),
    }),
]
