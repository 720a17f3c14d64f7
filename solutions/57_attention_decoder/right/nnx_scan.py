"""`nnx.scan` over the module itself, each step a method; the library's sigmoid and softmax, and `nnx.Embed` called."""

import jax
import jax.numpy as jnp
from flax import nnx


class AdditiveAttention(nnx.Module):
    def __init__(self, d_query: int, d_key: int, d_attention: int, *, rngs: nnx.Rngs):
        self.query_proj = nnx.Linear(d_query, d_attention, use_bias=False, rngs=rngs)
        self.key_proj = nnx.Linear(d_key, d_attention, use_bias=False, rngs=rngs)
        self.score = nnx.Linear(d_attention, 1, use_bias=False, rngs=rngs)

    def __call__(self, query, keys, mask=None):
        hidden = jnp.tanh(self.query_proj(query)[..., None, :] + self.key_proj(keys))
        scores = self.score(hidden)[..., 0].astype(jnp.float32)
        weights = nnx.softmax(scores, axis=-1, where=mask)
        return jnp.einsum("...t,...td->...d", weights, keys).astype(keys.dtype), weights


class AttentionDecoder(nnx.Module):
    def __init__(self, vocab_size: int, d_embed: int, d_hidden: int, d_key: int, d_attention: int, *, rngs: nnx.Rngs):
        self.embed = nnx.Embed(vocab_size, d_embed, rngs=rngs)
        self.attention = AdditiveAttention(d_hidden, d_key, d_attention, rngs=rngs)
        self.input_gates = nnx.Linear(d_embed + d_key, 3 * d_hidden, use_bias=False, rngs=rngs)
        self.hidden_gates = nnx.Linear(d_hidden, 3 * d_hidden, use_bias=False, rngs=rngs)
        self.logits = nnx.Linear(d_hidden + d_key, vocab_size, use_bias=False, rngs=rngs)

    def __call__(self, tokens, keys, state, mask=None):
        @nnx.scan(in_axes=(None, nnx.Carry, 0), out_axes=(nnx.Carry, 0, 0))
        def run(decoder, state, token):
            return decoder.one_step(state, token, keys, mask)

        state, logits, weights = run(self, state, tokens)
        return logits, weights, state

    def one_step(self, state, token, keys, mask):
        context, weights = self.attention(state, keys, mask)
        x_r, x_z, x_n = jnp.split(self.input_gates(jnp.concatenate([self.embed(token), context], axis=-1)), 3, axis=-1)
        h_r, h_z, h_n = jnp.split(self.hidden_gates(state), 3, axis=-1)
        r, z = nnx.sigmoid(x_r + h_r), nnx.sigmoid(x_z + h_z)
        n = nnx.tanh(x_n + r * h_n)
        state = (1 - z) * n + z * state
        return state, self.logits(jnp.concatenate([state, context], axis=-1)), weights
