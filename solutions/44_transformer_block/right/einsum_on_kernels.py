"""Everything by einsum on the kernels, which are read by head, with all that is summed in float32 and cast at once."""

import jax
import jax.numpy as jnp
from flax import nnx


def bare(d_in, d_out, rngs):
    return nnx.Linear(d_in, d_out, use_bias=False, rngs=rngs)


def product(pattern, *arrays):
    wide = jnp.promote_types(arrays[0].dtype, jnp.float32)
    return jnp.einsum(pattern, *arrays, preferred_element_type=wide).astype(arrays[0].dtype)


class FeedForward(nnx.Module):
    def __init__(self, d_model, d_ff, *, rngs):
        self.up, self.down = bare(d_model, d_ff, rngs), bare(d_ff, d_model, rngs)

    def __call__(self, x):
        hidden = jnp.maximum(product("...d,df->...f", x, self.up.kernel[...]), 0)
        return product("...f,fd->...d", hidden, self.down.kernel[...])


class GatedFeedForward(nnx.Module):
    def __init__(self, d_model, d_ff, *, rngs):
        self.gate, self.up, self.down = bare(d_model, d_ff, rngs), bare(d_model, d_ff, rngs), bare(d_ff, d_model, rngs)

    def __call__(self, x):
        both = jnp.stack([self.gate.kernel[...], self.up.kernel[...]])
        gate, up = product("...d,bdf->b...f", x, both)
        return product("...f,fd->...d", gate * jax.nn.sigmoid(gate) * up, self.down.kernel[...])


class Attention(nnx.Module):
    def __init__(self, d_model, num_heads, *, rngs):
        self.heads = (num_heads, d_model // num_heads)
        for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
            setattr(self, name, bare(d_model, d_model, rngs))

    def __call__(self, x):
        into = [p.kernel[...].reshape(-1, *self.heads) for p in (self.q_proj, self.k_proj, self.v_proj)]
        out = self.o_proj.kernel[...].reshape(*self.heads, -1)
        q, k, v = (product("...td,dnh->...tnh", x, kernel) for kernel in into)
        scores = product("...tnh,...snh->...nts", q, k).astype(jnp.promote_types(x.dtype, jnp.float32)) * self.heads[1] ** -0.5
        scores = jnp.where(jnp.tril(jnp.ones(scores.shape[-2:], bool)), scores, -jnp.inf)
        weights = jax.nn.softmax(scores, axis=-1).astype(x.dtype)
        return product("...tnh,nhd->...td", product("...nts,...snh->...tnh", weights, v), out)


class TransformerBlock(nnx.Module):
    def __init__(self, d_model, num_heads, d_ff, *, rngs):
        self.attn_norm, self.mlp_norm = nnx.RMSNorm(d_model, rngs=rngs), nnx.RMSNorm(d_model, rngs=rngs)
        self.attn, self.mlp = Attention(d_model, num_heads, rngs=rngs), GatedFeedForward(d_model, d_ff, rngs=rngs)

    def __call__(self, x):
        for norm, part in ((self.attn_norm, self.attn), (self.mlp_norm, self.mlp)):
            x = x + part(norm(x))
        return x
