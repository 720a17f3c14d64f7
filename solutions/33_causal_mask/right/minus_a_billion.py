"""-1e9 in place of the hidden scores, not added to them: hidden scores leave no trace, however large they are."""

import jax
import jax.numpy as jnp
import numpy as np


def causal_mask(t_q, t_k):
    return jnp.asarray(np.tri(t_q, t_k, t_k - t_q, dtype=bool))


def causal_sdpa(q, k, v):
    visible = causal_mask(q.shape[0], k.shape[0])
    scores = jnp.matmul(q * q.shape[-1] ** -0.5, k.T)
    return jnp.matmul(jax.nn.softmax(jnp.where(visible, scores, -1e9), axis=1), v)
