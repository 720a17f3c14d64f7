"""The largest of logits and Gumbel noise."""

import jax
import jax.numpy as jnp


def draw(key, logits, temperature):
    noise = jax.random.gumbel(key, logits.shape)
    return jnp.argmax(logits / temperature + noise, axis=-1).astype(jnp.int32)
