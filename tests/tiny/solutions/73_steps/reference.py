"""73 · The prompt token by token, then the largest logit each time."""

import jax
import jax.numpy as jnp


def generate(step, state, prompt, num_tokens):
    state, logits = jax.lax.scan(step, state, prompt)

    def one(carry, _):
        state, token = carry
        state, logits = step(state, token)
        return (state, jnp.argmax(logits).astype(jnp.int32)), token

    first = jnp.argmax(logits[-1]).astype(jnp.int32)
    (state, last), tokens = jax.lax.scan(one, (state, first), length=num_tokens - 1)
    return jnp.concatenate([tokens, last[None]]), state
