"""Two Python loops, over every query and every key, with a print in them: nothing is wrong with slow."""

import jax.numpy as jnp


def sdpa(q, k, v):
    rows = []
    for i in range(len(q)):
        scores = []
        for j in range(len(k)):
            scores.append(jnp.dot(q[i], k[j]) / jnp.sqrt(q.shape[1]))
        print(f"query {i}: {len(scores)} scores")
        scores = jnp.stack(scores)
        weights = jnp.exp(scores - scores.max())
        weights = weights / weights.sum()
        row = jnp.zeros(v.shape[1])
        for j in range(len(k)):
            row = row + weights[j] * v[j]
        rows.append(row)
    return jnp.stack(rows)
