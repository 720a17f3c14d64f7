"""The blocks are made one by one and stacked; a `fori_loop` takes layer i out of the stack; one-hot rows look tokens up."""

import jax
import jax.numpy as jnp
from flax import nnx


class LanguageModel(nnx.Module):
    def __init__(self, make_block, vocab_size, d_model, num_layers, *, rngs):
        self.vocab_size, self.num_layers = vocab_size, num_layers
        self.embed = nnx.Embed(vocab_size, d_model, rngs=rngs)
        self.final_norm = nnx.RMSNorm(d_model, rngs=rngs)
        layers = [nnx.split(make_block(rngs=rngs)) for _ in range(num_layers)]
        self.blocks = nnx.merge(layers[0][0], jax.tree.map(lambda *arrays: jnp.stack(arrays), *(s for _, s in layers)))

    def __call__(self, tokens):
        table = self.embed.embedding[...]
        x = jax.nn.one_hot(tokens, self.vocab_size, dtype=table.dtype) @ table
        graph, stack = nnx.split(self.blocks)

        def layer(i, x):
            return nnx.merge(graph, jax.tree.map(lambda a: jax.lax.dynamic_index_in_dim(a, i, keepdims=False), stack))(x)

        x = jax.lax.fori_loop(0, self.num_layers, layer, x)
        return jnp.einsum("...d,vd->...v", self.final_norm(x), table)
