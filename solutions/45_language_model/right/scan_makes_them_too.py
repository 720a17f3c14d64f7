"""`nnx.scan` makes the layers one after the other, the streams being its carry, and runs them with the block in front."""

from flax import nnx


class LanguageModel(nnx.Module):
    def __init__(self, make_block, vocab_size, d_model, num_layers, *, rngs):
        self.embed = nnx.Embed(vocab_size, d_model, rngs=rngs)

        @nnx.scan(length=num_layers, in_axes=nnx.Carry, out_axes=(nnx.Carry, 0))
        def make(rngs):
            return rngs, make_block(rngs=rngs)

        _, self.blocks = make(rngs)
        self.final_norm = nnx.RMSNorm(d_model, rngs=rngs)

    def __call__(self, tokens):
        @nnx.scan(in_axes=(0, nnx.Carry), out_axes=(nnx.Carry, 0), graph=False)
        def forward(block, x):
            x = block(x)
            return x, None

        x, _ = forward(self.blocks, self.embed(tokens))
        return self.final_norm(x) @ self.embed.embedding.T
