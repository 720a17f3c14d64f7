"""Noise for all tokens at once, the state as a list of leaves, and beams that are chosen by a product with ones and
zeros."""

import jax
import jax.numpy as jnp


def generate(step, state, prompt, num_tokens, key, temperature, eos=None):
    leaves, tree = jax.tree.flatten(state)

    def flat_step(leaves, token):
        state, logits = step(jax.tree.unflatten(tree, leaves), token)
        return jax.tree.leaves(state), logits.astype(jnp.float32)

    leaves, logits = jax.lax.scan(flat_step, leaves, prompt)
    noise = temperature * jax.random.gumbel(key, (num_tokens, logits.shape[-1]))
    first = jnp.argmax(logits[-1] + noise[0])

    def turn(carry, noise):
        leaves, token = carry
        leaves, logits = flat_step(leaves, token)
        new = jnp.argmax(logits + noise)
        if eos is not None:
            new = jnp.where(token == eos, eos, new)
        return (leaves, new), new

    _, others = jax.lax.scan(turn, (leaves, first), noise[1:])
    return jnp.append(first, others).astype(jnp.int32)


def beam_search(step, state, prompt, num_tokens, num_beams):
    state, logits = jax.lax.scan(step, state, prompt)
    sums, first = jax.lax.top_k(jax.nn.log_softmax(logits[-1].astype(jnp.float32)), num_beams)
    states = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (num_beams,) + leaf.shape), state)
    tokens = jnp.zeros((num_beams, num_tokens), jnp.int32).at[:, 0].set(first)

    def turn(carry, place):
        states, last, tokens, sums = carry
        states, logits = jax.vmap(step, in_axes=(0, 0))(states, last)
        candidates = sums[:, None] + jax.nn.log_softmax(logits.astype(jnp.float32), axis=-1)
        vocabulary = candidates.shape[1]
        sums, index = jax.lax.top_k(candidates.flatten(), num_beams)
        chosen = jax.nn.one_hot(index // vocabulary, num_beams)

        def reorder(leaf):
            moved = jnp.einsum("nb,b...->n...", chosen, leaf.astype(jnp.float32), precision="highest")
            return moved.astype(leaf.dtype)

        last = index % vocabulary
        tokens = reorder(tokens).at[:, place].set(last)
        return (jax.tree.map(reorder, states), last, tokens, sums), None

    (_, _, tokens, sums), _ = jax.lax.scan(turn, (states, first, tokens, sums), jnp.arange(1, num_tokens))
    return tokens, sums
