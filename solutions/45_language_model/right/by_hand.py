"""Nothing of Flax but the module and its parameters: table, norm and logits are written out, and the blocks are kept as
a tree of parameters beside the graph of one of them."""

import jax
import jax.numpy as jnp
from flax import nnx


class Table(nnx.Module):
    def __init__(self, rows, width, key):
        self.embedding = nnx.Param(0.02 * jax.random.normal(key, (rows, width)))


class Norm(nnx.Module):
    def __init__(self, width):
        self.scale = nnx.Param(jnp.ones(width))

    def __call__(self, x):
        return x / jnp.sqrt((x**2).mean(axis=-1, keepdims=True) + 1e-6) * self.scale[...]


class LanguageModel(nnx.Module):
    def __init__(self, make_block, vocab_size, d_model, num_layers, *, rngs):
        made = [make_block(rngs=nnx.Rngs(params=key)) for key in jax.random.split(rngs.params(), num_layers)]
        self.graph = nnx.graphdef(made[0])
        stacked = jax.tree.map(lambda *arrays: jnp.array(arrays), *map(nnx.state, made))
        self.blocks = nnx.data(stacked)
        self.embed = Table(vocab_size, d_model, rngs.params())
        self.final_norm = Norm(d_model)

    def __call__(self, tokens):
        x = jnp.take(self.embed.embedding[...], tokens, axis=0)
        x = jax.lax.scan(lambda x, one: (nnx.merge(self.graph, one)(x), ()), x, self.blocks)[0]
        return self.final_norm(x) @ jnp.transpose(self.embed.embedding[...])
