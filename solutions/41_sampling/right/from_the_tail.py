"""What has little probability is taken from the small end on; a draw with NaN in it is made and thrown away at temperature 0."""

import jax
import jax.numpy as jnp


def filter_logits(logits, temperature, top_k=None, top_p=None):
    out = jnp.asarray(logits, jnp.float32) / temperature
    if top_k is not None:
        k = min(top_k, out.shape[-1])
        kth = jnp.sort(out, axis=-1)[..., -k]
        out = jnp.where(out < kth[..., None], -jnp.inf, out)
    if top_p is not None:
        ascending = jnp.sort(out, axis=-1)
        tail = jnp.cumsum(jax.nn.softmax(ascending, axis=-1), axis=-1)
        goes = tail <= 1 - top_p
        goes = goes.at[..., -1].set(False)
        # the largest of its equals is the last of them, and its tail holds all of them
        smallest = jnp.where(goes, jnp.inf, ascending).min(-1)[..., None]
        out = jnp.where(out >= smallest, out, -jnp.inf)
    return out.astype(logits.dtype)


def sample_token(key, logits, temperature, top_k=None, top_p=None):
    greedy = jnp.argmax(logits, axis=-1).astype(jnp.int32)
    out = filter_logits(jnp.float32(logits), temperature, top_k, top_p)
    drawn = jax.random.categorical(key, out).astype(jnp.int32)
    return jnp.where(temperature == 0, greedy, drawn)
