"""One loop over the whole text: what it feeds in is the prompt's token as long as there is one. Beams that are not there
yet have a sum of -inf, and are sorted by argsort."""

import jax
import jax.numpy as jnp


def generate(step, state, prompt, num_tokens, key, temperature, eos=None):
    P = prompt.shape[0]
    text = jnp.concatenate([prompt, jnp.zeros(num_tokens, jnp.int32)])

    def feed(i, carry):
        state, text, ended = carry
        state, logits = step(state, text[i])
        logits = jnp.asarray(logits, jnp.float32)
        drawn = jax.lax.cond(
            temperature == 0,
            lambda: jnp.argmax(logits).astype(jnp.int32),
            lambda: jax.random.categorical(jax.random.fold_in(key, i), logits / temperature).astype(jnp.int32),
        )
        if eos is not None:
            drawn = jnp.where(ended, eos, drawn)
            ended = ended | ((drawn == eos) & (i + 1 >= P))
        following = jnp.where(i + 1 < P, text[i + 1], drawn)
        return state, text.at[i + 1].set(following), ended

    return jax.lax.fori_loop(0, P + num_tokens - 1, feed, (state, text, jnp.zeros((), bool)))[1][P:]


def beam_search(step, state, prompt, num_tokens, num_beams):
    P = prompt.shape[0]
    V = jax.eval_shape(step, state, prompt[0])[1].shape[0]
    states = jax.tree_util.tree_map(lambda leaf: jnp.tile(leaf, (num_beams,) + (1,) * jnp.ndim(leaf)), state)
    text = jnp.zeros((num_beams, P + num_tokens), jnp.int32).at[:, :P].set(prompt)
    sums = jnp.full(num_beams, -jnp.inf, jnp.float32).at[0].set(0.0)

    def feed(i, carry):
        states, text, sums = carry
        states, logits = jax.vmap(step)(states, text[:, i])
        logp = jax.nn.log_softmax(jnp.asarray(logits, jnp.float32))
        every = (sums[:, None] + logp).reshape(-1)
        order = jnp.argsort(-every)[:num_beams]
        new = i + 1 >= P
        rows = jnp.where(new, order // V, jnp.arange(num_beams))
        tokens = jnp.where(new, order % V, text[:, i + 1])
        sums = jnp.where(new, every[order], sums)
        return jax.tree_util.tree_map(lambda leaf: leaf[rows], states), text[rows].at[:, i + 1].set(tokens), sums

    _, text, sums = jax.lax.fori_loop(0, P + num_tokens - 1, feed, (states, text, sums))
    return text[:, P:], sums
