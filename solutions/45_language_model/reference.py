"""45 · The reference: one block, scanned over its stacked parameters. One method for each step, so that a mistake can
change one of them."""

import jax
import numpy as np
from flax import nnx


class LanguageModel(nnx.Module):
    def __init__(self, make_block, vocab_size, d_model, num_layers, *, rngs):
        # The table of embeddings, `(vocab_size, d_model)`. It is used twice, on the way in and on the way out, and is
        # one parameter: its gradient is the sum of both.
        self.embed = nnx.Embed(vocab_size, d_model, rngs=rngs)
        # All layers in one module: the paths are those of a single block, and every array has one axis more in front.
        self.blocks = self.make_blocks(make_block, num_layers, rngs)
        # The norm before the head. Pre-norm blocks add to the residual stream and never rescale it, so somebody has to
        # at the end.
        self.final_norm = nnx.RMSNorm(d_model, rngs=rngs)
        # Nothing else is kept. `rngs` would be state, and `make_block` has done its work: what a block does is in the
        # graph of `self.blocks`.

    def make_blocks(self, make_block, num_layers, rngs):
        # `split` takes one key from each stream and makes `num_layers` of it. Inside the `vmap` every call sees streams
        # with a key of its own; without the split all of them would draw the same.
        streams = rngs.split(num_layers)
        # `nnx.vmap` maps a function that returns a module: what comes back is one module whose parameters have the
        # mapped axis in front, `(num_layers, ...)`. The block's own code is traced once and never knows about layers.
        return nnx.vmap(lambda rngs: make_block(rngs=rngs))(streams)

    def __call__(self, tokens):
        # In four steps, each of them for any leading dimensions: `(..., T)` to `(..., T, d_model)`, to the same, to the
        # same, to `(..., T, vocab_size)`.
        return self.logits(self.norm(self.through_blocks(self.embedded(tokens))))

    def embedded(self, tokens):
        # Row `t` of the table for token `t`. No factor, no position: what says where a token stands is the business of
        # the blocks.
        return self.embed.embedding[...][tokens]

    def through_blocks(self, x):
        # A module is a graph, which is Python, and a state, which is arrays. The graph is that of one block, since
        # stacking changed nothing but the arrays.
        graphdef, stacked = nnx.split(self.blocks)

        # One turn of the loop: `scan` slices the first axis off each array, and merged with the graph that is layer
        # number `i`. It takes the stream in and gives it back; there is nothing to collect.
        def layer(x, one):
            return self.layer(nnx.merge(graphdef, one), x), None

        # The stream is the carry, the layers are what is scanned over, first to last. In the program this is one
        # equation, with one block in it, for any number of layers.
        x, _ = jax.lax.scan(layer, x, stacked)
        return x

    def layer(self, block, x):
        # The block has its residual connections inside, so nothing is added here.
        return block(x)

    def norm(self, x):
        # Each token is divided by the root of its mean square and scaled feature by feature.
        return self.final_norm(x)

    def logits(self, x):
        # $z = x E^\top$: how well the stream agrees with each row of the table. `embed.attend` does the same, but in
        # the dtype that the table was made with.
        return x @ self.embed.embedding[...].T


def error_scale(init=None, params=None, tokens=None, **_):
    """How large the intermediate values are: a norm brings every feature to at most sqrt(d_model), so no logit is
    larger than the sum of |scale| |embedding| sqrt(d_model)."""
    # What is drawn has no parameters, and no values that would be compared.
    if params is None:
        return 1.0
    table, scale = np.abs(params["embed.embedding"]), np.abs(params["final_norm.scale"])
    return (table @ scale).max() * init["d_model"] ** 0.5
