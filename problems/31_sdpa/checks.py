"""31 · The ladder of cases for `sdpa`. Source: Vaswani et al. 2017, equation 1."""

import numpy as np

from grader.course import Case, Function

PART = "The core"


def inputs(rng, t_q, t_k, d_k=8, d_v=4, lift=0.0, one_array=False):
    """`lift` is added to every score of the even queries and taken from those of the odd ones, which changes no weight;
    `one_array` passes the same array three times."""

    def draw(*shape):
        return rng.standard_normal(shape).astype(np.float32)

    q, k, v = draw(t_q, d_k), draw(t_k, d_k), draw(t_k, d_v)
    if lift:
        q[:, 0], k[:, 0] = d_k**0.5 * (-1.0) ** np.arange(t_q), lift
    return dict(q=q, k=q, v=q) if one_array else dict(q=q, k=k, v=v)


ENTRIES = [
    Function(
        "sdpa",
        inputs,
        cases={
            "one key": Case(t_q=1, t_k=1, idle=("q", "k", "v under grad")),
            "one query": Case(t_q=1, t_k=5),
            "unequal lengths": Case(t_q=6, t_k=3),
            "large logits": Case(t_q=6, t_k=3, lift=200.0),
            "the same array as q, k and v": Case(t_q=5, t_k=5, d_k=16, d_v=16, one_array=True),
            "widths of one": Case(t_q=2, t_k=3, d_k=1, d_v=1),
            "dozens of keys": Case(t_q=3, t_k=25, d_k=16, d_v=6),
        },
    ),
]
