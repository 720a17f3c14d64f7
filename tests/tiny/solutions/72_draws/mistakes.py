"""72 · What people get wrong."""

import jax
import jax.numpy as jnp

from grader.course import mistake


@mistake
def the_largest(ref, key, logits, temperature):
    """The largest logit is taken each time, whatever the key: nothing is drawn."""
    return jnp.argmax(logits, axis=-1).astype(jnp.int32)


@mistake
def temperature_forgotten(ref, key, logits, temperature):
    """The logits are not divided by the temperature."""
    return ref(key, logits, jnp.ones_like(temperature))


@mistake
def one_key_for_the_batch(ref, key, logits, temperature):
    """Each row of the batch is drawn with the same key, so the rows fall together. Split the key, or draw all rows at
    once."""
    rows = logits.reshape(-1, logits.shape[-1])
    return jax.vmap(lambda row: ref(key, row, temperature))(rows).reshape(logits.shape[:-1])


@mistake
def uniform(ref, key, logits, temperature):
    """Every index is drawn as often as any other: the logits do not count."""
    return jax.random.randint(key, logits.shape[:-1], 0, logits.shape[-1], dtype=jnp.int32)
