"""A decoder for batches, as other frameworks have it, called with a batch of one; gates by a one-hot product, a split
and a merge of the module around the scan."""

import jax
import jax.numpy as jnp
from flax import nnx


def linear(d_in, d_out, rngs):
    return nnx.Linear(d_in, d_out, use_bias=False, rngs=rngs)


class AdditiveAttention(nnx.Module):
    def __init__(self, d_query, d_key, d_attention, *, rngs):
        self.query_proj = linear(d_query, d_attention, rngs)
        self.key_proj = linear(d_key, d_attention, rngs)
        self.score = linear(d_attention, 1, rngs)

    def __call__(self, query, keys, mask):
        """(B, d_query), (B, S, d_key), (B, S)"""
        joined = self.query_proj(query[:, None]) + self.key_proj(keys)
        weights = jax.nn.softmax(self.score(jnp.tanh(joined)).squeeze(2), axis=1, where=mask)
        return (weights[:, None, :] @ keys).squeeze(1), weights


class AttentionDecoder(nnx.Module):
    def __init__(self, vocab_size, d_embed, d_hidden, d_key, d_attention, *, rngs):
        self.vocab_size = vocab_size
        self.embed = nnx.Embed(vocab_size, d_embed, rngs=rngs)
        self.attention = AdditiveAttention(d_hidden, d_key, d_attention, rngs=rngs)
        self.input_gates = linear(d_embed + d_key, 3 * d_hidden, rngs)
        self.hidden_gates = linear(d_hidden, 3 * d_hidden, rngs)
        self.logits = linear(d_hidden + d_key, vocab_size, rngs)

    def __call__(self, tokens, keys, state, mask=None):
        if mask is None:
            mask = jnp.full(keys.shape[:1], True)
        logits, weights, state = self.of_batch(tokens[None], keys[None], state[None], mask[None])
        return logits[0], weights[0], state[0]

    def of_batch(self, tokens, keys, state, mask):
        graphdef, params = nnx.split(self)
        words = jax.nn.one_hot(tokens, self.vocab_size) @ self.embed.embedding[...]

        def step(state, word):
            model = nnx.merge(graphdef, params)
            context, weights = model.attention(state, keys, mask)
            state = model.cell(jnp.concatenate([word, context], -1), state)
            return state, (model.logits(jnp.concatenate([state, context], -1)), weights)

        state, (logits, weights) = jax.lax.scan(step, state, words.swapaxes(0, 1))
        return logits.swapaxes(0, 1), weights.swapaxes(0, 1), state

    def cell(self, x, state):
        x = self.input_gates(x).reshape(len(x), 3, -1)
        h = self.hidden_gates(state).reshape(len(state), 3, -1)
        r, z = jnp.moveaxis(jax.nn.sigmoid((x + h)[:, :2]), 1, 0)
        return z * state + (1.0 - z) * jnp.tanh(x[:, 2] + r * h[:, 2])
