"""73 · A step to drive, and what drives it."""

import jax.numpy as jnp


def bigram(state, token):
    """The next token's logits, and a state that counts the steps."""
    return {"count": state["count"] + 1, "table": state["table"]}, state["table"][token]


def counted(names, step, state, prompt, num_tokens):
    """The tokens, and how often the step was taken, as its state tells."""
    counts = []

    def counting(state, token):
        state, logits = step(state, token)
        return state, logits + 0.0 * state["count"]

    tokens, state = names.generate(counting, state, prompt, num_tokens)
    counts.append(state["count"])
    return tokens, jnp.stack(counts)
