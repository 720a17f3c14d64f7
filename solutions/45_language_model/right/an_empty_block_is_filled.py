"""`make_block` is kept and called again for an empty block, which each turn of the loop fills; the layers come from a
loop too."""

import jax
from flax import nnx


class LanguageModel(nnx.Module):
    def __init__(self, make_block, vocab_size, d_model, num_layers, *, rngs):
        self.make_block = make_block
        self.embed = nnx.Embed(vocab_size, d_model, rngs=rngs)
        self.final_norm = nnx.RMSNorm(d_model, rngs=rngs)
        self.blocks = jax.lax.map(lambda key: make_block(rngs=nnx.Rngs(key)), jax.random.split(rngs(), num_layers))

    def __call__(self, tokens):
        def layer(x, values):
            block = nnx.eval_shape(lambda: self.make_block(rngs=nnx.Rngs(0)))
            nnx.update(block, values)
            return block(x), None

        x, _ = jax.lax.scan(layer, self.embed(tokens), nnx.state(self.blocks))
        return self.embed.attend(self.final_norm(x))
