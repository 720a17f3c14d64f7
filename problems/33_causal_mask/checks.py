"""33 · The ladder of cases for `causal_mask` and `causal_sdpa`. Source: Vaswani et al. 2017, sections 3.1 and 3.2.3."""

import numpy as np

from grader.course import Case, Function, Relation

PART = "The core"


def lengths(rng, t_q, t_k):
    return dict(t_q=t_q, t_k=t_k)


def inputs(rng, t_q, t_k, d_k=8, d_v=4, lift=0.0, rise=0.0):
    """`lift` is added to every score of the even queries and taken from those of the odd ones, which changes no weight;
    `rise` makes each pair of keys score that much more than the one before, and all of them far below 0."""

    def draw(*shape):
        return rng.standard_normal(shape).astype(np.float32)

    q, k, v = draw(t_q, d_k), draw(t_k, d_k), draw(t_k, d_v)
    if lift:
        q[:, 0], k[:, 0] = d_k**0.5 * (-1.0) ** np.arange(t_q), lift
    if rise:
        q[:, 0], k[:, 0] = d_k**0.5, rise * (np.arange(t_k) // 2 - t_k)
    return dict(q=q, k=k, v=v)


def change_what_is_later(rng, inputs):
    """Changes keys and values that the first query does not see. Keys along a query score high for it, so that a leak
    shows."""
    q, k, v = inputs["q"], inputs["k"], inputs["v"]
    first, last = len(k) - len(q) + 1, len(k) - 1

    def after(rows, keys=None, values=None):
        changed = dict(q=q, k=k.copy(), v=v.copy())
        if keys is not None:
            changed["k"][rows] = keys
        if values is not None:
            changed["v"][rows] = values
        return changed

    def draw(*shape):
        return rng.standard_normal(shape).astype(np.float32)

    later = slice(first, None)
    count = len(k) - first
    yield f"key {last} is another one", after(last, keys=draw(k.shape[1]))
    yield f"value {last} is another one", after(last, values=draw(v.shape[1]))
    yield f"key and value {first} are others", after(first, draw(k.shape[1]), draw(v.shape[1]))
    yield (
        f"every value from {first} on is 1e38 or -1e38",
        after(later, values=np.float32(1e38) * np.sign(draw(count, v.shape[1]))),
    )
    # Scores up to about 1e37 are finite, and far above the -1e9 or -1e30 that people add to hide a key.
    yield f"key {last} is query 0, times 1e36", after(last, keys=np.float32(1e36) * q[0])
    yield f"key {first} is query 0, times 1e36", after(first, keys=np.float32(1e36) * q[0])
    yield (
        f"every key and value from {first} on is another one",
        after(later, draw(count, k.shape[1]), draw(count, v.shape[1])),
    )


def earlier_rows_changed(arrays, output, label, changed_arrays, changed_output):
    """Each row that comes before the first changed key, where it differs in any bit."""
    k, v = arrays["k"], arrays["v"]
    moved = (k != changed_arrays["k"]).any(axis=1) | (v != changed_arrays["v"]).any(axis=1)
    last_seen = np.arange(len(arrays["q"])) + len(k) - len(arrays["q"])
    return (last_seen < np.argmax(moved)) & (_bits(output) != _bits(changed_output)).any(axis=1)


def _bits(output):
    """The bytes of each row: NaN is the same as NaN, and -0 is not 0."""
    return np.ascontiguousarray(output).view(np.uint8).reshape(len(output), -1)


ENTRIES = [
    Function(
        "causal_mask",
        lengths,
        cases={
            "one token": Case(t_q=1, t_k=1),
            "as many queries as keys": Case(t_q=3, t_k=3),
            "one query, the last of five tokens": Case(t_q=1, t_k=5),
            "fewer queries than keys": Case(t_q=3, t_k=5),
            "more queries than keys": Case(t_q=5, t_k=3),
            "dozens of tokens": Case(t_q=17, t_k=33),
        },
    ),
    Function(
        "causal_sdpa",
        inputs,
        cases={
            "one token": Case(t_q=1, t_k=1, idle=("q", "k", "v under grad")),
            "one query, the last of seven tokens": Case(t_q=1, t_k=7),
            "as many queries as keys": Case(t_q=4, t_k=4),
            "fewer queries than keys": Case(t_q=3, t_k=5),
            "large logits": Case(t_q=3, t_k=5, lift=200.0),
            "later keys score higher, by hundreds": Case(t_q=4, t_k=4, rise=150.0),
            "widths of one": Case(t_q=2, t_k=3, d_k=1, d_v=1),
            "dozens of tokens": Case(t_q=5, t_k=25, d_k=16, d_v=6),
        },
        relations=[
            Relation(
                name="nothing later is seen",
                rule="A change of a later key or value never changes an earlier row, not even in its last bit.",
                vary=change_what_is_later,
                broken=earlier_rows_changed,
                case="dozens of tokens",
            ),
        ],
    ),
]
