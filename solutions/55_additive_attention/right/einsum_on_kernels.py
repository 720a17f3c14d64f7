"""Everything by einsum on the kernels; the score layer is a vector, so that no axis has to be taken off."""

import jax
import jax.numpy as jnp
from flax import nnx


class AdditiveAttention(nnx.Module):
    def __init__(self, d_query: int, d_key: int, d_attention: int, *, rngs: nnx.Rngs):
        self.query_proj = nnx.Linear(d_query, d_attention, use_bias=False, rngs=rngs)
        self.key_proj = nnx.Linear(d_key, d_attention, use_bias=False, rngs=rngs)
        self.score = nnx.Linear(d_attention, 1, use_bias=False, rngs=rngs)

    def __call__(self, query, keys, mask=None):
        w, u, v = self.query_proj.kernel[...], self.key_proj.kernel[...], self.score.kernel[:, 0]
        asked = jnp.einsum("...q,qa->...a", query, w)
        offered = jnp.einsum("...tk,ka->...ta", keys, u)
        energies = jnp.einsum("...ta,a->...t", jnp.tanh(jnp.expand_dims(asked, -2) + offered), v)
        alpha = jax.nn.softmax(energies.astype(jnp.float32), axis=-1, where=mask)
        return jnp.einsum("...t,...tk->...k", alpha.astype(keys.dtype), keys), alpha
