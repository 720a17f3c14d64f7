"""Two Python loops, over every query and every key, and numbers in lists; it prints as it goes."""

import jax.numpy as jnp


def sdpa(q, k, v):
    rows = []
    for i in range(q.shape[0]):
        scores = []
        for j in range(k.shape[0]):
            scores.append(jnp.dot(q[i], k[j]) / jnp.sqrt(q.shape[1]))
        print("query", i, "has", len(scores), "scores")
        scores = jnp.stack(scores)
        weights = jnp.exp(scores - scores.max())
        weights = weights / weights.sum()
        row = jnp.zeros(v.shape[1])
        for j in range(k.shape[0]):
            row = row + weights[j] * v[j]
        rows.append(row)
    return jnp.stack(rows)
