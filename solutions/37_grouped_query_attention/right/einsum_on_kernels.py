"""Everything by einsum: the kernels are read as (d_model, K, G, H), (d_model, K, H) and (K, G, H, d_model), and no head is ever moved."""

import jax
import jax.numpy as jnp
from flax import nnx


class GroupedQueryAttention(nnx.Module):
    def __init__(self, d_model: int, num_heads: int, num_kv_heads: int, *, rngs: nnx.Rngs):
        if num_heads % num_kv_heads:
            raise ValueError(f"{num_kv_heads} does not divide {num_heads}")
        self.groups, self.head_dim = num_kv_heads, d_model // num_heads
        for name, width in dict(q_proj=d_model, k_proj=num_kv_heads * self.head_dim, v_proj=num_kv_heads * self.head_dim, o_proj=d_model).items():
            setattr(self, name, nnx.Linear(d_model, width, use_bias=False, rngs=rngs))

    def __call__(self, x):
        into_q = self.q_proj.kernel[...].reshape(x.shape[-1], self.groups, -1, self.head_dim)
        into_k, into_v = (p.kernel[...].reshape(x.shape[-1], self.groups, self.head_dim) for p in (self.k_proj, self.v_proj))
        out = self.o_proj.kernel[...].reshape(self.groups, -1, self.head_dim, x.shape[-1])
        q = jnp.einsum("...td,dkgh->...tkgh", x, into_q) * self.head_dim ** -0.5
        k, v = jnp.einsum("...sd,dkh->...skh", x, into_k), jnp.einsum("...sd,dkh->...skh", x, into_v)
        return jnp.einsum("...kgts,...skh,kghd->...td", jax.nn.softmax(jnp.einsum("...tkgh,...skh->...kgts", q, k)), v, out)
