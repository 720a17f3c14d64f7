"""Flax's own transforms at both ends: streams split by a decorator, `nnx.vmap` makes the layers, `nnx.scan` runs them."""

from flax import nnx


class LanguageModel(nnx.Module):
    def __init__(self, make_block, vocab_size, d_model, num_layers, *, rngs: nnx.Rngs):
        @nnx.split_rngs(splits=num_layers)
        @nnx.vmap(in_axes=0, out_axes=0)
        def create(rngs: nnx.Rngs):
            return make_block(rngs=rngs)

        self.blocks = create(rngs)
        self.embed = nnx.Embed(num_embeddings=vocab_size, features=d_model, rngs=rngs)
        self.final_norm = nnx.RMSNorm(num_features=d_model, rngs=rngs)

    def __call__(self, tokens):
        @nnx.scan(in_axes=(nnx.Carry, 0), out_axes=nnx.Carry)
        def forward(x, block):
            return block(x)

        x = forward(self.embed(tokens), self.blocks)
        return self.embed.attend(self.final_norm(x))
