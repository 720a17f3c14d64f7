"""46 · The reference."""

import jax
import jax.numpy as jnp


def generate(step, state, prompt, num_tokens, key, temperature, eos=None):
    keys = jax.random.split(key, num_tokens)
    state, logits = feed(step, state, prompt)
    first = draw(keys[0], logits, temperature)

    def one(carry, key):
        state, token = carry
        state, logits = step(state, token)
        following = draw(key, logits, temperature)
        if eos is not None:
            following = jnp.where(token == eos, token, following)
        return (state, following), following

    _, others = jax.lax.scan(one, (state, first), keys[1:])
    return jnp.concatenate([first[None], others])


def beam_search(step, state, prompt, num_tokens, num_beams):
    state, logits = feed(step, state, prompt)
    sums, first = jax.lax.top_k(log_probabilities(logits), num_beams)
    states = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (num_beams, *leaf.shape)), state)
    tokens = jnp.zeros((num_beams, num_tokens), jnp.int32).at[:, 0].set(first)

    def one(carry, place):
        states, tokens, sums = carry
        states, logits = jax.vmap(step)(states, tokens[:, place - 1])
        candidates = sums[:, None] + log_probabilities(logits)
        sums, chosen = jax.lax.top_k(candidates.ravel(), num_beams)
        parents, following = jnp.divmod(chosen, logits.shape[-1])
        states = jax.tree.map(lambda leaf: leaf[parents], states)
        tokens = tokens[parents].at[:, place].set(following.astype(jnp.int32))
        return (states, tokens, sums), None

    (_, tokens, sums), _ = jax.lax.scan(one, (states, tokens, sums), jnp.arange(1, num_tokens))
    return tokens, sums


def feed(step, state, prompt):
    def one(carry, token):
        state, _ = carry
        return step(state, token), None

    fed, _ = jax.lax.scan(one, step(state, prompt[0]), prompt[1:])
    return fed


def draw(key, logits, temperature):
    logits = precise(logits)
    drawn = jax.random.categorical(key, logits / jnp.where(temperature == 0, 1, temperature))
    return jnp.where(temperature == 0, jnp.argmax(logits), drawn).astype(jnp.int32)


def log_probabilities(logits):
    return jax.nn.log_softmax(precise(logits))


def precise(logits):
    return logits.astype(jnp.promote_types(logits.dtype, jnp.float32))


def error_scale(step, state, prompt, num_tokens, num_beams):
    """A sum of `num_tokens` numbers, each of which is the difference of two as large as the logits."""
    floats = [leaf for leaf in jax.tree.leaves(state) if leaf.dtype.kind == "f"]
    return num_tokens * (1 + sum(abs(leaf).max() for leaf in floats))
