"""Everything by einsum: the kernels are read as (d_model, N, H) and (N, H, d_model), and no head is ever moved."""

import jax
import jax.numpy as jnp
from flax import nnx


class MultiHeadAttention(nnx.Module):
    def __init__(self, d_model: int, num_heads: int, *, rngs: nnx.Rngs):
        head_dim, rest = divmod(d_model, num_heads)
        if rest:
            raise ValueError(f"{num_heads} heads do not divide a width of {d_model}: {rest} features are left over")
        self.shape = (num_heads, head_dim)
        for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
            setattr(self, name, nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs))

    def __call__(self, x):
        into = [p.kernel[...].reshape(-1, *self.shape) for p in (self.q_proj, self.k_proj, self.v_proj)]
        out = self.o_proj.kernel[...].reshape(*self.shape, -1)
        q, k, v = (jnp.einsum("...td,dnh->...tnh", x, kernel) for kernel in into)
        weights = jax.nn.softmax(jnp.einsum("...tnh,...snh->...nts", q * self.shape[1] ** -0.5, k))
        return jnp.einsum("...nts,...snh,nhd->...td", weights, v, out)
