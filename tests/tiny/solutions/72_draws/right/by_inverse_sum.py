"""Where a uniform number falls among the summed probabilities, one key for each row."""

import jax
import jax.numpy as jnp


def draw(key, logits, temperature):
    rows = logits.reshape(-1, logits.shape[-1])
    sums = jnp.cumsum(jax.nn.softmax(rows / temperature, axis=-1), axis=-1)
    numbers = jax.vmap(jax.random.uniform)(jax.random.split(key, len(rows)))
    found = jax.vmap(lambda row, number: jnp.searchsorted(row, number * row[-1], side="right"))(sums, numbers)
    return jnp.minimum(found, rows.shape[-1] - 1).astype(jnp.int32).reshape(logits.shape[:-1])
