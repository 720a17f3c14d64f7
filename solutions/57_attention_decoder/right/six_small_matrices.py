"""The kernels are cut into matrices, one for each gate and each of what it reads, as the formulas of a paper have them;
scalar code for one feature, under vmap."""

import jax
import jax.numpy as jnp
from flax import nnx


class AdditiveAttention(nnx.Module):
    def __init__(self, d_query, d_key, d_attention, *, rngs):
        self.query_proj = nnx.Linear(d_query, d_attention, use_bias=False, rngs=rngs)
        self.key_proj = nnx.Linear(d_key, d_attention, use_bias=False, rngs=rngs)
        self.score = nnx.Linear(d_attention, 1, use_bias=False, rngs=rngs)


def softmax(scores, mask):
    """Over what the mask leaves, in a numerically safe way."""
    scores = jnp.where(mask, scores, 0.0)
    powers = mask * jnp.exp(scores - jax.lax.stop_gradient(jnp.where(mask, scores, -1e30).max(initial=-1e30)) * mask.any())
    return powers / jnp.maximum(powers.sum(), 1e-6)


def feature(x_r, x_z, x_n, h_r, h_z, h_n, s):
    r, z = jax.lax.logistic(x_r + h_r), jax.lax.logistic(x_z + h_z)
    n = jax.lax.tanh(x_n + r * h_n)
    return s * z + n * (1 - z)


class AttentionDecoder(nnx.Module):
    def __init__(self, vocab_size, d_embed, d_hidden, d_key, d_attention, *, rngs):
        self.sizes = d_embed, d_hidden
        self.embed = nnx.Embed(vocab_size, d_embed, rngs=rngs)
        self.attention = AdditiveAttention(d_hidden, d_key, d_attention, rngs=rngs)
        self.input_gates = nnx.Linear(d_embed + d_key, 3 * d_hidden, use_bias=False, rngs=rngs)
        self.hidden_gates = nnx.Linear(d_hidden, 3 * d_hidden, use_bias=False, rngs=rngs)
        self.logits = nnx.Linear(d_hidden + d_key, vocab_size, use_bias=False, rngs=rngs)

    def __call__(self, tokens, keys, state, mask=None):
        d_embed, d_hidden = self.sizes
        W, U, L = (layer.kernel[...] for layer in (self.input_gates, self.hidden_gates, self.logits))
        W_a, U_a = self.attention.query_proj.kernel[...], self.attention.key_proj.kernel[...]
        v_a = self.attention.score.kernel[...].reshape(-1)
        visible = keys[:, 0] == keys[:, 0] if mask is None else mask

        def move(s, token):
            a = softmax(jnp.tanh(s @ W_a + keys @ U_a) @ v_a, visible)
            e, c = self.embed.embedding[token], jnp.sum(a[:, None] * keys, axis=0)
            ins = [
                e @ W[:d_embed, i * d_hidden : (i + 1) * d_hidden] + c @ W[d_embed:, i * d_hidden : (i + 1) * d_hidden]
                for i in range(3)
            ]
            past = [s @ U[:, i * d_hidden : (i + 1) * d_hidden] for i in range(3)]
            s = jax.vmap(feature)(*ins, *past, s)
            return s, (s @ L[:d_hidden] + c @ L[d_hidden:], a)

        s, (y, a) = jax.lax.scan(move, init=state, xs=tokens)
        return y, a, s
