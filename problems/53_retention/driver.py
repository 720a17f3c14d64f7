"""53 · What makes a step of `retention_step` for each of some tokens."""

import jax


def token_by_token(names, state, q, k, v, log_decay):
    """The state after the last token and the output of each, from a scan that hands the state from step to step."""
    return jax.lax.scan(lambda state, token: names.retention_step(state, *token, log_decay), state, (q, k, v))
