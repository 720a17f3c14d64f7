"""52 · What makes a step of `linear_attention_step` for each of some tokens."""

import jax


def token_by_token(names, state, q, k, v):
    """The state after the last token and the output of each, from a scan that hands the state from step to step."""
    return jax.lax.scan(lambda state, token: names.linear_attention_step(state, *token), state, (q, k, v))
