"""A module is a tree of arrays to JAX: `jax.vmap` returns one, and `jax.lax.scan` slices one, recomputing each layer on
the way back."""

import jax
from flax import nnx


class LanguageModel(nnx.Module):
    def __init__(self, make_block, vocab_size, d_model, num_layers, *, rngs):
        keys = jax.random.split(rngs.params(), num_layers)
        self.blocks = jax.vmap(lambda key: make_block(rngs=nnx.Rngs(key)))(keys)
        self.embed = nnx.Embed(vocab_size, d_model, rngs=rngs)
        self.final_norm = nnx.RMSNorm(d_model, rngs=rngs)

    def __call__(self, tokens):
        @jax.checkpoint
        def layer(x, block):
            return block(x), None

        return self.embed.attend(self.final_norm(jax.lax.scan(layer, self.embed(tokens), self.blocks)[0]))
