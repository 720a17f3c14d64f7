"""As in PyTorch: sort, filter by place, let equals follow, and put the result back where it came from. Noise is added by hand."""

import jax
import jax.numpy as jnp
from jax import lax


def filter_logits(logits, temperature, top_k=None, top_p=None):
    dtype = logits.dtype
    logits = logits.astype(jnp.float32) / temperature
    order = jnp.argsort(-logits, axis=-1)
    ranked = jnp.take_along_axis(logits, order, axis=-1)
    vocabulary = logits.shape[-1]
    if top_k is not None and top_k < vocabulary:
        ranked = jnp.where(ranked < ranked[..., top_k - 1:top_k], -jnp.inf, ranked)
    if top_p is not None:
        probs = jax.nn.softmax(ranked, axis=-1)
        total = jnp.cumsum(probs, axis=-1)
        remove = total >= top_p
        remove = jnp.concatenate([jnp.zeros_like(remove[..., :1]), remove[..., :-1]], axis=-1)
        smallest = jnp.min(jnp.where(remove, jnp.inf, ranked), axis=-1, keepdims=True)
        ranked = jnp.where(ranked < smallest, -jnp.inf, ranked)
    back = jnp.argsort(order, axis=-1)
    return jnp.take_along_axis(ranked, back, axis=-1).astype(dtype)


def sample_token(key, logits, temperature, top_k=None, top_p=None):
    def draw(_):
        noise = -jnp.log(-jnp.log(jax.random.uniform(key, logits.shape, minval=1e-20)))
        return jnp.argmax(filter_logits(logits.astype(jnp.float32), temperature, top_k, top_p) + noise, axis=-1).astype(jnp.int32)

    return lax.cond(temperature > 0, draw, lambda _: jnp.argmax(logits, axis=-1).astype(jnp.int32), None)
