"""Two Python loops: the mask is a list of lists, and a query is paired with the keys that it sees and with no others."""

import jax
import jax.numpy as jnp


def causal_mask(t_q, t_k):
    return jnp.array([[j <= i + t_k - t_q for j in range(t_k)] for i in range(t_q)])


def causal_sdpa(q, k, v):
    rows = []
    for i in range(len(q)):
        seen = range(i + len(k) - len(q) + 1)
        scores = [jnp.dot(q[i], k[j]) / q.shape[1] ** 0.5 for j in seen]
        weights = jax.nn.softmax(jnp.stack(scores))
        rows.append(sum(weights[j] * v[j] for j in seen))
    return jnp.stack(rows)
