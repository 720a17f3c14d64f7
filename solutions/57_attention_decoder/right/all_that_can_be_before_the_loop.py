"""The keys and the embeddings go through their matrices once, before the loop, and the logits come of all states at
once, behind it: inside stands only what waits for the state. einsum on kernels."""

import jax
import jax.numpy as jnp
from flax import nnx


class Attention(nnx.Module):
    def __init__(self, d_query, d_key, d_attention, rngs):
        self.query_proj = nnx.Linear(d_query, d_attention, use_bias=False, rngs=rngs)
        self.key_proj = nnx.Linear(d_key, d_attention, use_bias=False, rngs=rngs)
        self.score = nnx.Linear(d_attention, 1, use_bias=False, rngs=rngs)


class AttentionDecoder(nnx.Module):
    def __init__(self, vocab_size, d_embed, d_hidden, d_key, d_attention, *, rngs):
        self.d_embed, self.d_hidden = d_embed, d_hidden
        self.embed = nnx.Embed(vocab_size, d_embed, rngs=rngs)
        self.attention = Attention(d_hidden, d_key, d_attention, rngs)
        self.input_gates = nnx.Linear(d_embed + d_key, 3 * d_hidden, use_bias=False, rngs=rngs)
        self.hidden_gates = nnx.Linear(d_hidden, 3 * d_hidden, use_bias=False, rngs=rngs)
        self.logits = nnx.Linear(d_hidden + d_key, vocab_size, use_bias=False, rngs=rngs)

    def __call__(self, tokens, keys, state, mask=None):
        d, attention = self.d_hidden, self.attention
        offered = attention.key_proj(keys)
        of_words, of_contexts = jnp.split(self.input_gates.kernel[...], [self.d_embed])
        words = self.embed(tokens) @ of_words
        # one product of the state for query and gates
        asking = jnp.concatenate([attention.query_proj.kernel[...], self.hidden_gates.kernel[...]], axis=1)
        v = attention.score.kernel[:, 0]
        allowed = jnp.ones(len(keys), bool) if mask is None else mask

        def step(s, word):
            asked, h = jnp.split(s @ asking, [len(v)])
            scores = jnp.where(allowed, jnp.einsum("sa,a->s", jnp.tanh(offered + asked), v), -jnp.inf)
            top = jnp.max(scores, where=allowed, initial=-1e30)
            powers = jnp.where(allowed, jnp.exp(jnp.where(allowed, scores - top, 0)), 0)
            total = powers.sum()
            weights = powers / jnp.where(total == 0, 1, total)
            context = jnp.einsum("s,sd->d", weights, keys)
            x = word + context @ of_contexts
            rz = jax.nn.sigmoid(x[: 2 * d] + h[: 2 * d])
            n = jnp.tanh(x[2 * d :] + rz[:d] * h[2 * d :])
            s = n + rz[d:] * (s - n)
            return s, (s, context, weights)

        last, (states, contexts, weights) = jax.lax.scan(step, state, words)
        return self.logits(jnp.concatenate([states, contexts], axis=1)), weights, last
