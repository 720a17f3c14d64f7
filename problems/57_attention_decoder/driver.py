"""57 · What goes on with `AttentionDecoder` from where it stopped."""

import functools

import jax
from flax import nnx


def in_parts(names, params, tokens, keys, state, mask, first):
    """The first tokens in one call, and the others one at a time in a scan, each from the state that the call before it
    returned: what is given for each part, and the last state."""
    graphdef, variables = nnx.split(decoder(names, params))

    def decode(tokens, state):
        # a copy is of the trace that it is made in, as a transform of NNX asks for
        return nnx.merge(graphdef, variables, copy=True)(tokens, keys, state, mask)

    def step(state, token):
        logits, weights, state = decode(token[None], state)
        return state, (logits, weights)

    *of_first, state = decode(tokens[:first], state)
    state, of_others = jax.lax.scan(step, state, tokens[first:])
    return {"first": tuple(of_first), "others": of_others, "state": state}


def decoder(names, params):
    """A decoder with these parameters, whose shapes say its widths."""
    vocab_size, d_embed = params["embed.embedding"].shape
    d_hidden, d_attention = params["attention.query_proj.kernel"].shape
    d_key = params["attention.key_proj.kernel"].shape[0]
    module = names.AttentionDecoder(vocab_size, d_embed, d_hidden, d_key, d_attention, rngs=nnx.Rngs(0))
    for path, value in params.items():
        functools.reduce(getattr, path.split("."), module).set_value(value)
    return module
