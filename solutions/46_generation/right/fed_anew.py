"""A search without states to reorder: each beam feeds its whole text anew in each turn, since that is free. The draws'
noise is made of uniform numbers."""

import jax
import jax.numpy as jnp
from einops import rearrange, repeat


def read(step, state, tokens):
    """The state and the logits after some tokens."""

    def body(carry, token):
        return step(carry[0], token), ()

    return jax.lax.scan(body, step(state, tokens[0]), tokens[1:])[0]


def generate(step, state, prompt, num_tokens, key, temperature, eos=None):
    state, logits = read(step, state, prompt)
    greedy = temperature == 0

    def draw(logits, key):
        uniform = jax.random.uniform(key, logits.shape, minval=1e-12)
        noise = -jnp.log(-jnp.log(uniform))
        noisy = jax.nn.log_softmax(logits.astype(jnp.float32) / jnp.where(greedy, 1, temperature)) + noise
        return jnp.argmax(jnp.where(greedy, logits.astype(jnp.float32), noisy)).astype(jnp.int32)

    first_key, *_ = keys = jax.random.split(key, num_tokens)
    first = draw(logits, first_key)

    def body(carry, key):
        state, token, ended = carry
        state, logits = step(state, token)
        token = jnp.where(ended, token, draw(logits, key))
        return (state, token, ended if eos is None else ended | (token == eos)), token

    ended = jnp.bool_(False) if eos is None else first == eos
    tokens = jax.lax.scan(body, (state, first, ended), jnp.stack(keys)[1:])[1]
    return jnp.concatenate([rearrange(first, "-> 1"), tokens])


def beam_search(step, state, prompt, num_tokens, num_beams):
    state, logits = read(step, state, prompt)
    sums, first = jax.lax.top_k(jax.nn.log_softmax(logits.astype(jnp.float32)), num_beams)
    texts = repeat(first, "b -> b t", t=num_tokens)

    def logits_after(text, length):
        def body(carry, turn):
            place, token = turn
            before, last = carry
            after, logits = step(before, token)
            is_there = place < length
            return jax.tree.map(lambda new, old: jnp.where(is_there, new, old), (after, logits), (before, last)), None

        return jax.lax.scan(body, (state, logits), (jnp.arange(num_tokens), text))[0][1]

    def turn(carry, length):
        texts, sums = carry
        new = jax.nn.log_softmax(jax.vmap(logits_after, (0, None))(texts, length).astype(jnp.float32))
        sums, index = jax.lax.top_k(rearrange(sums[:, None] + new, "b v -> (b v)"), num_beams)
        texts = texts[index // new.shape[1]].at[:, length].set(index % new.shape[1])
        return (texts, sums), None

    return jax.lax.scan(turn, (texts, sums), jnp.arange(1, num_tokens))[0]
