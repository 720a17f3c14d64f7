"""Where a uniform number falls among the summed probabilities. Each turn of the search notes its parents, and the texts
are read backwards from them at the end."""

import jax
import jax.numpy as jnp


def generate(step, state, prompt, num_tokens, key, temperature, eos=None):
    numbers = jax.random.uniform(key, (num_tokens,))

    def token_for(number, logits):
        logits = logits.astype(jnp.float32)
        scaled = logits / jnp.where(temperature == 0, 1.0, temperature)
        sums = jnp.cumsum(jax.nn.softmax(scaled))
        drawn = jnp.clip(jnp.sum(sums <= number * sums[-1]), 0, len(logits) - 1)
        return jax.lax.select(temperature == 0, jnp.argmax(logits).astype(jnp.int32), drawn.astype(jnp.int32))

    def feed(carry, token):
        return step(carry[0], token), None

    (state, logits), _ = jax.lax.scan(feed, step(state, prompt[0]), prompt[1:])
    first = token_for(numbers[0], logits)

    def write(carry, number):
        state, token = carry
        state, logits = step(state, token)
        token = token_for(number, logits)
        return (state, token), token

    def write_until_the_end(carry, number):
        (state, token), before = carry[:2], carry[1]
        (state, token), _ = write((state, token), number)
        token = jnp.where(before == eos, before, token)
        return (state, token), token

    _, others = jax.lax.scan(write if eos is None else write_until_the_end, (state, first), numbers[1:])
    return jnp.concatenate([jnp.reshape(first, (1,)), others])


def beam_search(step, state, prompt, num_tokens, num_beams):
    (state, logits), _ = jax.lax.scan(lambda carry, token: (step(carry[0], token), None), step(state, prompt[0]), prompt[1:])
    sums, last = jax.lax.top_k(jax.nn.log_softmax(logits.astype("float32")), num_beams)
    states = jax.vmap(lambda _: state)(last)

    def turn(carry, _):
        states, last, sums = carry
        states, logits = jax.vmap(step)(states, last)
        every = sums[:, None] + jax.nn.log_softmax(logits.astype("float32"))
        sums, index = jax.lax.top_k(every.ravel(), num_beams)
        parents, tokens = jnp.unravel_index(index, every.shape)
        return (jax.tree.map(lambda a: a[parents], states), tokens, sums), (parents, tokens)

    first = last
    (_, _, sums), (parents, tokens) = jax.lax.scan(turn, (states, last, sums), length=num_tokens - 1)

    def back(beam, noted):
        parent, token = noted
        return parent[beam], token[beam]

    beam, texts = jax.lax.scan(back, jnp.arange(num_beams), (parents, tokens), reverse=True)
    return jnp.concatenate([first[beam][None], texts]).T.astype(jnp.int32), sums
