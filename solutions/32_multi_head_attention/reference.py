"""32 · The reference: Vaswani et al. 2017, section 3.2.2. One method for each step, so that a mistake can change one of
them."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx


class MultiHeadAttention(nnx.Module):
    def __init__(self, d_model, num_heads, *, rngs):
        # The check comes before anything is made. Without it `d_model // num_heads` would drop the remainder in
        # silence, and the failure would be a reshape, later and far away. The projections are made in a method of their
        # own, so that a mistake can change them and keep this check.
        if d_model % num_heads:
            raise ValueError(f"d_model = {d_model} is not a multiple of num_heads = {num_heads}")
        self.make(d_model, num_heads, rngs)

    def make(self, d_model, num_heads, rngs):
        # The width of a head is $H = d_\text{model} / N$: the heads share the width of the model, they do not add to
        # it. Both numbers are plain integers, so NNX treats them as static and not as variables.
        self.num_heads = num_heads
        self.head_dim = d_model // num_heads
        # The four kernels are $(d_\text{model}, d_\text{model})$, whatever the number of heads: the paper's kernels of
        # single heads stand side by side in them. The attributes' names are part of the contract, since they become the
        # paths of the parameters. A Linear has a bias unless it is told otherwise. `rngs` draws the initial values here
        # and is not kept; on the module its keys and counters would be variables too.
        self.q_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.k_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.v_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.o_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)

    def __call__(self, x):
        # All three come from the same `x (..., T, d_model)`: this is self-attention. Each is projected and then cut
        # into heads, so that `q`, `k` and `v` are `(..., N, T, H)` from here on.
        q, k, v = self.split(self.q_proj(x)), self.split(self.k_proj(x)), self.split(self.v_proj(x))
        # The heads attend, are put side by side again, `(..., T, d_model)`, and go through $W_O$. This product is the
        # only place where one head's output meets another's; leave it out and every shape still fits.
        return self.o_proj(self.join(self.attend(q, k, v)))

    def split(self, x):
        """(..., T, d_model) -> (..., N, T, H)"""
        # Two steps that one reshape cannot do. The reshape cuts the last axis into contiguous chunks, `(..., T, N, H)`,
        # and moves nothing; asked for `(H, N)`, it would interleave the heads. The swap then brings the heads in front
        # of the tokens. A reshape straight to `(..., N, T, H)` has the right shape too, but its "heads" hold whole
        # tokens. Negative axes and `x.shape[:-1]` let any number of batch dimensions stand in front, none included.
        return x.reshape(*x.shape[:-1], self.num_heads, self.head_dim).swapaxes(-3, -2)

    def scores(self, q, k):
        # $Q_n K_n^\top / \sqrt{H}$ for all heads at once: `@` multiplies the last two axes and treats the heads as one
        # more batch dimension, so the result is `(..., N, T, T)`. A score adds up $H$ products, hence $\sqrt{H}$ and
        # not $\sqrt{d_\text{model}}$. `k.T` would reverse all the axes; only the last two change places. The Python
        # float leaves `bfloat16` alone.
        return q @ k.swapaxes(-1, -2) / self.head_dim**0.5

    def attend(self, q, k, v):
        # $\text{softmax}(\dots)\, V_n$, head by head. The keys are the last axis; counted from the front, that axis
        # would have another number for each number of batch dimensions. The average is `(..., N, T, H)` again.
        return jax.nn.softmax(self.scores(q, k), axis=-1) @ v

    def join(self, heads):
        """(..., N, T, H) -> (..., T, d_model)"""
        # The split backwards: first the swap, to `(..., T, N, H)`, then the reshape, to `(..., T, d_model)`. Without
        # the swap the reshape lays whole heads one after the other, and the row of one token would hold the outputs of
        # several. Head 0 comes first, as in the split.
        together = jnp.swapaxes(heads, -3, -2)
        return together.reshape(*together.shape[:-2], self.num_heads * self.head_dim)


def error_scale(init, params, x):
    """How large the intermediate values are: (1 + max |score|) max |v| over the heads."""

    # Rounding errors grow with the largest score and the largest value. The tolerance is never less than `eps` times
    # this product.
    def heads(name):
        projected = x @ params[f"{name}.kernel"]
        return np.swapaxes(projected.reshape(*x.shape[:-1], init["num_heads"], -1), -3, -2)

    q, k, v = heads("q_proj"), heads("k_proj"), heads("v_proj")
    scores = q @ np.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1])
    return (1 + np.abs(scores).max()) * np.abs(v).max()
