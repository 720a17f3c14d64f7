"""The layers are made one by one, from seeds that are numbers, and NumPy stacks them: a model that cannot be made under
a transform, and need not be."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx


class LanguageModel(nnx.Module):
    def __init__(self, make_block, vocab_size, d_model, num_layers, *, rngs):
        self.embed = nnx.Embed(vocab_size, d_model, rngs=rngs)
        self.final_norm = nnx.RMSNorm(d_model, rngs=rngs)
        seeds = np.asarray(jax.random.bits(rngs.params(), (num_layers,)))
        made = [make_block(rngs=nnx.Rngs(int(seed))) for seed in seeds]
        states = [nnx.state(block, nnx.Param) for block in made]
        self.blocks = nnx.clone(made[0])
        nnx.update(self.blocks, jax.tree.map(lambda *arrays: jnp.asarray(np.stack(arrays)), *states))

    def __call__(self, tokens):
        graphdef, stack = nnx.split(self.blocks)

        def layer(x, one):
            return nnx.merge(graphdef, one)(x), None

        x = self.embed.embedding[...].at[tokens].get()
        x, _ = jax.lax.scan(layer, x, stack)
        return self.final_norm(x) @ self.embed.embedding[...].swapaxes(0, 1)
