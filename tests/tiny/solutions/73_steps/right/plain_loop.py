"""Python's own loop."""

import jax.numpy as jnp


def generate(step, state, prompt, num_tokens):
    for token in prompt:
        state, logits = step(state, token)
    tokens = [jnp.argmax(logits).astype(jnp.int32)]
    while len(tokens) < num_tokens:
        state, logits = step(state, tokens[-1])
        tokens.append(jnp.argmax(logits).astype(jnp.int32))
    return jnp.stack(tokens), state
