"""A while_loop that counts, and beams that take their steps one after another; candidates are sorted with their indices."""

import jax
import jax.numpy as jnp
from jax import lax


def generate(step, state, prompt, num_tokens, key, temperature, eos=None):
    def read(carry):
        i, state, _ = carry
        return (i + 1, *step(state, prompt[i]))

    state, logits = step(state, prompt[0])
    _, state, logits = lax.while_loop(lambda carry: carry[0] < len(prompt), read, (1, state, logits))

    def choose(key, logits):
        noise = jnp.where(temperature == 0, 0.0, jax.random.gumbel(key, logits.shape))
        return jnp.argmax(logits + temperature * noise).astype(jnp.int32)

    def write(carry):
        i, key, state, tokens = carry
        state, logits = step(state, tokens[i - 1])
        key, now = jax.random.split(key)
        token = choose(now, logits)
        if eos is not None:
            token = jnp.where(jnp.any((tokens == eos) & (jnp.arange(num_tokens) < i)), eos, token)
        return i + 1, key, state, tokens.at[i].set(token)

    key, now = jax.random.split(key)
    tokens = jnp.empty(num_tokens, jnp.int32).at[0].set(choose(now, logits))
    return lax.while_loop(lambda carry: carry[0] < num_tokens, write, (1, key, state, tokens))[-1]


def beam_search(step, state, prompt, num_tokens, num_beams):
    def read(carry, token):
        state, logits = step(carry[0], token)
        return (state, logits), logits

    (state, logits), _ = lax.scan(read, step(state, prompt[0]), prompt[1:])

    def log_probabilities(logits):
        logits = logits.astype(jnp.float32)
        return logits - jax.nn.logsumexp(logits, axis=-1, keepdims=True)

    def best(candidates):
        falling, index = lax.sort([-candidates.ravel(), jnp.arange(candidates.size)], num_keys=1)
        return -falling[:num_beams], index[:num_beams]

    sums, token = best(log_probabilities(logits))
    beams = [jax.tree.map(lambda leaf: jnp.stack([leaf] * num_beams), state), token, sums]
    tokens = jnp.zeros((num_tokens, num_beams), jnp.int32).at[0].set(token)

    def turn(carry, place):
        (states, token, sums), tokens = carry
        states, logits = lax.map(lambda beam: step(*beam), (states, token))
        sums, index = best(sums[:, None] + log_probabilities(logits))
        parent, token = index // logits.shape[1], index % logits.shape[1]
        states = jax.tree.map(lambda leaf: leaf.take(parent, axis=0), states)
        return ([states, token, sums], tokens[:, parent].at[place].set(token)), None

    ((_, _, sums), tokens), _ = lax.scan(turn, (beams, tokens), jnp.arange(1, num_tokens))
    return tokens.T, sums
