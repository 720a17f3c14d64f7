"""A scan over the prompt and a scan over the turns, with the key in the carry."""

import jax
import jax.numpy as jnp
from jax import lax


def pick(key, logits, temperature):
    greedy = jnp.argmax(logits, axis=-1)
    sampled = jax.random.categorical(key, logits / jnp.maximum(temperature, 1e-9))
    return jnp.where(temperature > 0, sampled, greedy)


def generate(step, state, prompt, num_tokens, key, temperature, eos=None):
    state, all_logits = lax.scan(step, state, prompt)
    key, subkey = jax.random.split(key)
    token = pick(subkey, all_logits[-1], temperature)
    done = token == eos if eos is not None else jnp.array(False)

    def body(carry, _):
        state, token, key, done = carry
        state, logits = step(state, token)
        key, subkey = jax.random.split(key)
        token = pick(subkey, logits, temperature)
        if eos is not None:
            token = jnp.where(done, eos, token)
            done = done | (token == eos)
        return (state, token, key, done), token

    _, rest = lax.scan(body, (state, token, key, done), None, length=num_tokens - 1)
    return jnp.concatenate([token[None], rest])


def beam_search(step, state, prompt, num_tokens, num_beams):
    state, all_logits = lax.scan(step, state, prompt)
    logprobs = jax.nn.log_softmax(all_logits[-1].astype(jnp.float32))
    scores, tokens = lax.top_k(logprobs, num_beams)
    states = jax.tree.map(lambda x: jnp.repeat(x[None], num_beams, axis=0), state)
    seqs = jnp.zeros((num_beams, num_tokens), jnp.int32).at[:, 0].set(tokens)

    def body(carry, t):
        states, seqs, tokens, scores = carry
        states, logits = jax.vmap(step)(states, tokens)
        total = scores[:, None] + jax.nn.log_softmax(logits.astype(jnp.float32), axis=-1)
        scores, flat = lax.top_k(total.reshape(-1), num_beams)
        beam, tokens = flat // total.shape[1], flat % total.shape[1]
        states = jax.tree.map(lambda x: jnp.take(x, beam, axis=0), states)
        seqs = jnp.take(seqs, beam, axis=0).at[:, t].set(tokens)
        return (states, seqs, tokens, scores), None

    (_, seqs, _, scores), _ = lax.scan(body, (states, seqs, tokens, scores), jnp.arange(1, num_tokens))
    return seqs, scores
