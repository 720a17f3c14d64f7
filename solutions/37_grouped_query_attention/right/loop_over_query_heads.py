"""A Python loop over the query heads: each slices out the key/value head that it reads, and the heads' outputs are summed after `o_proj`."""

import jax
from flax import nnx


class GroupedQueryAttention(nnx.Module):
    def __init__(self, d_model: int, num_heads: int, num_kv_heads: int, *, rngs: nnx.Rngs):
        if num_heads // num_kv_heads * num_kv_heads != num_heads:
            raise ValueError(f"{num_heads} % {num_kv_heads} != 0")
        self.num_heads, self.size, self.group = num_heads, d_model // num_heads, num_heads // num_kv_heads
        self.q_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.k_proj = nnx.Linear(d_model, num_kv_heads * self.size, use_bias=False, rngs=rngs)
        self.v_proj = nnx.Linear(d_model, num_kv_heads * self.size, use_bias=False, rngs=rngs)
        self.o_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)

    @nnx.jit
    def __call__(self, x):
        q, k, v, out = self.q_proj(x), self.k_proj(x), self.v_proj(x), self.o_proj.kernel[...]
        total = 0
        for n in range(self.num_heads):
            mine, read = (slice(i * self.size, (i + 1) * self.size) for i in (n, n // self.group))
            weights = jax.nn.softmax(q[..., mine] @ k[..., read].swapaxes(-1, -2) / self.size ** 0.5)
            total += weights @ v[..., read] @ out[mine]
        return total
