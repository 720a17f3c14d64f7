"""A fori_loop writes each step's row into arrays of zeros; the reset gate by einops, the softmax by logsumexp."""

import einops
import jax
import jax.numpy as jnp
from flax import nnx


class AdditiveAttention(nnx.Module):
    def __init__(self, d_query, d_key, d_attention, *, rngs):
        for name, sizes in dict(
            query_proj=(d_query, d_attention), key_proj=(d_key, d_attention), score=(d_attention, 1)
        ).items():
            setattr(self, name, nnx.Linear(*sizes, use_bias=False, rngs=rngs))

    def __call__(self, query, keys, mask=None):
        scores = jnp.squeeze(self.score(nnx.tanh(self.query_proj(query) + self.key_proj(keys))), -1)
        if mask is None:
            weights = jnp.exp(scores - jax.nn.logsumexp(scores))
        else:
            safe = jnp.where(mask, scores, jnp.finfo(scores.dtype).min)
            weights = jnp.where(mask, jnp.exp(safe - jax.nn.logsumexp(safe)), 0.0)
        return weights @ keys, weights


class AttentionDecoder(nnx.Module):
    def __init__(self, vocab_size, d_embed, d_hidden, d_key, d_attention, *, rngs):
        self.embed = nnx.Embed(num_embeddings=vocab_size, features=d_embed, rngs=rngs)
        self.attention = AdditiveAttention(d_hidden, d_key, d_attention, rngs=rngs)
        self.input_gates = nnx.Linear(d_embed + d_key, 3 * d_hidden, use_bias=False, rngs=rngs)
        self.hidden_gates = nnx.Linear(d_hidden, 3 * d_hidden, use_bias=False, rngs=rngs)
        self.logits = nnx.Linear(d_hidden + d_key, vocab_size, use_bias=False, rngs=rngs)

    def __call__(self, tokens, keys, state, mask=None):
        T, S = tokens.shape[0], keys.shape[0]

        def body(t, carry):
            logits, weights, state = carry
            context, row = self.attention(state, keys, mask)
            x = self.input_gates(jnp.hstack([self.embed(tokens[t]), context]))
            (x_r, x_z, x_n) = einops.rearrange(x, "(gate d) -> gate d", gate=3)
            (h_r, h_z, h_n) = einops.rearrange(self.hidden_gates(state), "(gate d) -> gate d", gate=3)
            r = 1 / (1 + jnp.exp(-(x_r + h_r)))
            z = 1 / (1 + jnp.exp(-(x_z + h_z)))
            state = (1 - z) * jnp.tanh(x_n + r * h_n) + z * state
            logits = logits.at[t].set(self.logits(jnp.hstack([state, context])))
            return logits, weights.at[t].set(row), state

        empty = jnp.zeros((T, self.logits.out_features), state.dtype), jnp.zeros((T, S), keys.dtype)
        return jax.lax.fori_loop(0, T, body, (*empty, state))
