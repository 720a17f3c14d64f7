"""72 · From the softmax of logits / temperature."""

import jax
import jax.numpy as jnp


def draw(key, logits, temperature):
    return jax.random.categorical(key, logits / temperature).astype(jnp.int32)
