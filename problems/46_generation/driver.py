"""46 · Steps to generate with, and a count of how often one is taken."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import io_callback

# Logits of the token that follows each of five tokens.
BIGRAMS = np.array(
    [
        [-1.2, 0.9, 0.1, -0.4, 1.7],
        [2.1, -0.3, 1.6, 0.2, -1.1],
        [0.4, 1.3, -0.8, 2.4, 0.7],
        [1.1, -1.7, 0.6, 0.3, 1.9],
        [0.5, 1.4, 2.2, -0.9, -0.1],
    ],
    np.float32,
)


def walk(state, token):
    """Every token moves a place, from which there is no way back to where it would be without that token; the logits
    are the row of that place, less a penalty for each time that a token came. What was fed in, in which order and how
    often, shows in all logits from then on."""
    place = (3 * state["place"] + token + 1) % len(state["table"])
    seen = state["seen"].at[token].add(1)
    return {**state, "place": place, "seen": seen}, state["table"][place] - state["penalty"] * seen


def nested_walk(state, token):
    """The same; its state is of tuples, with names and without, and a dict."""
    place, (rows, counts) = state
    walked, logits = walk({"place": place, "seen": counts.seen, **rows}, token)
    return (walked["place"], (rows, counts._replace(seen=walked["seen"]))), logits


def walk_in_bfloat16(state, token):
    """The same; its logits are of half precision."""
    state, logits = walk(state, token)
    return state, logits.astype(jnp.bfloat16)


def bigrams(state, token):
    """A row of a table, without any state: `state` is an empty tuple."""
    return state, jnp.asarray(BIGRAMS)[token]


def counted(names, step, state, prompt, num_tokens, key, temperature, eos=None):
    """The new tokens, and how often the step was taken by the time that all is done: also where nothing depends on
    it."""
    taken = []

    def counting(state, token):
        io_callback(lambda: taken.append(None), None, ordered=True)
        return step(state, token)

    io_callback(taken.clear, None, ordered=True)
    tokens = names.generate(counting, state, prompt, num_tokens, key, temperature, eos)
    jax.effects_barrier()
    steps = io_callback(lambda: np.int32(len(taken)), jax.ShapeDtypeStruct((), jnp.int32), ordered=True)
    return {"tokens": tokens, "steps": steps}
