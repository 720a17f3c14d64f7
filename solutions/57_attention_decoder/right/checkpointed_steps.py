"""Each step is computed again in the backward pass, and its gates have derivatives of their own; a while loop cannot be
differentiated, so it is a scan over places, with slices of the tokens."""

import jax
import jax.numpy as jnp
from flax import nnx


@jax.custom_jvp
def sigmoid(x):
    return 0.5 * (1 + jnp.tanh(0.5 * x))


@sigmoid.defjvp
def _(primals, tangents):
    y = sigmoid(*primals)
    return y, y * (1 - y) * tangents[0]


class AdditiveAttention(nnx.Module):
    def __init__(self, d_query, d_key, d_attention, *, rngs):
        self.query_proj = nnx.Linear(d_query, d_attention, use_bias=False, rngs=rngs)
        self.key_proj = nnx.Linear(d_key, d_attention, use_bias=False, rngs=rngs)
        self.score = nnx.Linear(d_attention, 1, use_bias=False, rngs=rngs)

    def score_of(self, query, key):
        return self.score(jnp.tanh(self.query_proj(query) + self.key_proj(key)))[0]

    def __call__(self, query, keys, mask=None):
        scores = jax.vmap(self.score_of, (None, 0))(query, keys)
        weights = jax.nn.softmax(scores if mask is None else jnp.where(mask, scores, -1e30))
        if mask is not None:
            weights = jnp.where(mask & mask.any(), weights, 0)
        return (weights[:, None] * keys).sum(0), weights


class AttentionDecoder(nnx.Module):
    def __init__(self, vocab_size, d_embed, d_hidden, d_key, d_attention, *, rngs):
        self.embed = nnx.Embed(vocab_size, d_embed, rngs=rngs)
        self.attention = AdditiveAttention(d_hidden, d_key, d_attention, rngs=rngs)
        self.input_gates = nnx.Linear(d_embed + d_key, 3 * d_hidden, use_bias=False, rngs=rngs)
        self.hidden_gates = nnx.Linear(d_hidden, 3 * d_hidden, use_bias=False, rngs=rngs)
        self.logits = nnx.Linear(d_hidden + d_key, vocab_size, use_bias=False, rngs=rngs)

    def __call__(self, tokens, keys, state, mask=None):
        d = state.shape[0]

        @jax.checkpoint
        def step(state, t):
            word = self.embed.embedding[jax.lax.dynamic_index_in_dim(tokens, t, keepdims=False)]
            context, weights = self.attention(state, keys, mask)
            x, h = self.input_gates(jnp.r_[word, context]), self.hidden_gates(state)
            r, z = sigmoid(x[:d] + h[:d]), sigmoid(x[d : 2 * d] + h[d : 2 * d])
            new = jnp.tanh(x[2 * d :] + r * h[2 * d :])
            state = jax.lax.mul(1 - z, new) + jax.lax.mul(z, state)
            return state, dict(logits=self.logits(jnp.r_[state, context]), weights=weights)

        state, told = jax.lax.scan(step, state, jnp.arange(tokens.shape[0]))
        return told["logits"], told["weights"], state
