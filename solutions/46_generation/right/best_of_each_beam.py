"""Each beam names its own best tokens, and the best of those are kept."""

import functools

import jax
import jax.numpy as jnp


def generate(step, state, prompt, num_tokens, key, temperature, eos=None):
    def sample(key, logits):
        return jnp.where(
            jnp.equal(temperature, 0.0),
            logits.argmax(),
            jax.random.choice(key, logits.size, p=jax.nn.softmax(logits.astype(jnp.float32) / jnp.where(temperature == 0, 1, temperature))),
        ).astype(jnp.int32)

    def turn(carry, key_and_prompt):
        state, previous, done = carry
        key, given, is_given = key_and_prompt
        token = jnp.where(is_given, given, previous)
        state, logits = step(state, token)
        new = sample(key, logits)
        if eos is not None:
            new = jnp.where(done, eos, new)
            done = jnp.logical_or(done, (new == eos) & ~is_given)
        return (state, new, done), new

    keys = jax.random.split(key, num_tokens)
    (state, first, _), _ = jax.lax.scan(
        functools.partial(turn),
        (state, jnp.int32(0), jnp.array(False)),
        (jnp.broadcast_to(keys[0], prompt.shape), prompt, jnp.ones(prompt.shape, bool)),
    )
    over = jnp.array(False) if eos is None else first == eos
    nothing = jnp.zeros(num_tokens - 1, jnp.int32)
    _, rest = jax.lax.scan(turn, (state, first, over), (keys[1:], nothing, nothing.astype(bool)))
    return jnp.hstack([first, rest])


def beam_search(step, state, prompt, num_tokens, num_beams):
    def read(i, carry):
        return step(carry[0], prompt[i])

    state, logits = jax.lax.fori_loop(1, prompt.size, read, step(state, prompt[0]))
    top = functools.partial(jax.lax.top_k, k=num_beams)
    sums, tokens = top(jax.nn.log_softmax(logits.astype(jnp.float32)))
    texts = jnp.pad(tokens[:, None], ((0, 0), (0, num_tokens - 1)))
    states = jax.tree.map(lambda leaf: jnp.stack([leaf for _ in range(num_beams)]), state)

    def write(i, carry):
        states, texts, sums = carry

        @jax.vmap
        def continued(state, token, total):
            state, logits = step(state, token)
            gains, tokens = top(jax.nn.log_softmax(logits.astype(jnp.float32)))
            return state, total + gains, tokens

        states, totals, tokens = continued(states, texts[:, i - 1], sums)
        sums, chosen = top(totals.reshape(num_beams * num_beams))
        origin = chosen // num_beams
        texts = texts[origin].at[:, i].set(tokens.reshape(-1)[chosen])
        return jax.tree.map(lambda leaf: leaf[origin], states), texts, sums

    _, texts, sums = jax.lax.fori_loop(1, num_tokens, write, (states, texts, sums))
    return texts, sums
