"""Attention by its definition, one query at a time."""

import numpy as np


def scores(q, k, causal=False, real=None, scale=None, per_step=0.0):
    """For each query the keys that it sees, and their scores.

    `real` says which keys are no padding; `causal` is aligned at the end; `per_step` is added for each step apart.
    """
    q, k = q.astype(np.float64), k.astype(np.float64)
    scale = 1 / np.sqrt(q.shape[1]) if scale is None else scale
    real = np.ones(len(k), bool) if real is None else real
    for i, query in enumerate(q):
        last = i + len(k) - len(q) if causal else len(k) - 1
        seen = np.flatnonzero(real[: max(0, last + 1)])
        yield seen, scale * (k[seen] @ query) + per_step * abs(i - seen)


def softmax(row):
    """Each number's share of the sum of all exp(number). There may be none at all."""
    powers = np.exp(row - row.max(initial=-np.inf))
    return powers / powers.sum()


def weigh(q, k, **options):
    """The weights, one row a query: 0 for what it does not see."""
    weights = np.zeros((len(q), len(k)))
    for row, (seen, told) in zip(weights, scores(q, k, **options)):
        row[seen] = softmax(told)
    return weights


def attention(q, k, v, **options):
    """For each query the average of the values that it sees, zeros where it sees none."""
    v = v.astype(np.float64)
    return np.array([softmax(told) @ v[seen] for seen, told in scores(q, k, **options)])


def pull_back(weights, v, cotangent):
    """From the gradient for the output to those for scores and values: score i moves weight j by w_j (1_ij - w_i)."""
    cotangent, v = cotangent.astype(np.float64), v.astype(np.float64)
    moves = [(np.diag(row) - np.outer(row, row)) @ toward for row, toward in zip(weights, cotangent @ v.T)]
    return np.array(moves), weights.T @ cotangent


def in_heads(q, k, v, num_heads, group=1, **options):
    """Attention in heads side by side: head n owns features n*H .. (n+1)*H, and each `group` shares keys and values."""
    width, outputs = q.shape[1] // num_heads, []
    for n in range(num_heads):
        own, read = (slice(m * width, (m + 1) * width) for m in (n, n // group))
        outputs.append(attention(q[:, own], k[:, read], v[:, read], **options))
    return np.concatenate(outputs, axis=1)


def projected(params, x, context=None, **options):
    """Attention of one sequence between projections; keys and values are made of `context` where there is one."""

    def project(name, rows):
        return rows.astype(np.float64) @ params[f"{name}_proj.kernel"].astype(np.float64)

    context = x if context is None else context
    return project("o", in_heads(project("q", x), project("k", context), project("v", context), **options))


def each(function, leading, *arrays):
    """What the function gives for each sequence by itself; `leading` are the axes that stand before."""

    def at(place):
        return (None if array is None else array[place] for array in arrays)

    results = [function(*at(place)) for place in np.ndindex(*leading)]
    return np.reshape(results, (*leading, *results[0].shape))


def projections(d_model, d_context=None, shared=None):
    """The variables of four projections without bias; `shared` is the width of keys and values where it is another."""
    d_context, shared = d_context or d_model, shared or d_model
    shapes = dict(q=(d_model, d_model), k=(d_context, shared), v=(d_context, shared), o=(d_model, d_model))
    return [(f"{name}_proj.kernel", "Param", shape, "float32") for name, shape in shapes.items()]
