"""35 · The reference: Vaswani et al. 2017, section 3.2.3. One method for each step, so that a mistake can change one of
them."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx


class CrossAttention(nnx.Module):
    def __init__(self, d_model, d_context, num_heads, *, rngs):
        # The heads are cut from the common width, so $H = d_\text{model} / N$, whatever the width of the context. Sizes
        # that do not divide were the business of problem 32 and do not come here.
        self.num_heads = num_heads
        self.head_dim = d_model // num_heads
        self.make(d_model, d_context, rngs)

    def make(self, d_model, d_context, rngs):
        # The one change in the parameters: `k_proj` and `v_proj` start from $d_\text{context}$ and end at
        # $d_\text{model}$, so that queries and keys meet in one width. `q_proj` and `o_proj` stay square. Without a
        # bias, a row of zeros stays zero on its way through $W_O$. As in problem 32, `rngs` is used here and not kept.
        self.q_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.k_proj = nnx.Linear(d_context, d_model, use_bias=False, rngs=rngs)
        self.v_proj = nnx.Linear(d_context, d_model, use_bias=False, rngs=rngs)
        self.o_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)

    def __call__(self, x, context, context_mask=None):
        # `q` is `(..., T_q, d_model)`, `k` and `v` are `(..., T_k, d_model)`. The mask gets two axes, one for the heads
        # and one for the queries: `(..., 1, 1, T_k)` meets scores `(..., N, T_q, T_k)`. The `...` counts from the end,
        # for any number of leading dimensions; with one `None` less, `B` would lie under `N`. Whether there is a mask
        # is a question about Python, answered while the program is traced. No Python code asks which tokens are masked.
        q, k, v = self.project(x, context)
        visible = None if context_mask is None else context_mask[..., None, None, :]
        # Problem 32 from here on: split, attend, join, project out. The result has $T_q$ rows of width
        # $d_\text{model}$, the shape of `x`; nothing of the size of the context is left.
        return self.o_proj(self.join(self.attend(self.split(q), self.split(k), self.split(v), visible)))

    def project(self, x, context):
        # $Q = X W_Q$, $K = C W_K$, $V = C W_V$: `x` asks, the context answers. With equal widths `k_proj(x)` would run
        # without complaint, so this is the line to look at when a result is wrong.
        return self.q_proj(x), self.k_proj(context), self.v_proj(context)

    def split(self, x):
        """(..., T, d_model) -> (..., N, T, H)"""
        # The split of problem 32. The length is that of the array at hand, $T_q$ for queries and $T_k$ for keys and
        # values; a length taken from `x` for all three breaks here, or goes unnoticed where the two are equal.
        return x.reshape(*x.shape[:-1], self.num_heads, self.head_dim).swapaxes(-3, -2)

    def attend(self, q, k, v, visible):
        # $P_n V_n$: `(..., N, T_q, T_k)` times `(..., N, T_k, H)` gives `(..., N, T_q, H)`. A masked value has the
        # weight 0, which removes it as long as it is finite.
        return self.weights(self.scores(q, k), visible) @ v

    def scores(self, q, k):
        # $s_{ij} = Q_{n,i} \cdot K_{n,j} / \sqrt{H}$, for every context token, masked or not. They are no longer
        # square. The width is that of a head after the projection, and not $d_\text{context}$.
        return q @ k.swapaxes(-1, -2) / self.head_dim**0.5

    def weights(self, scores, visible):
        """The softmax over the visible keys. Where there are none the weights are zeros, and so are the gradients."""
        # `where` leaves the masked scores out of the maximum and out of the sum, and gives them the weight 0; `None`
        # means all of them count. For a row without any visible token it returns zeros, and its derivative is computed
        # from these zeros, so the gradients are clean too. A softmax of -inf alone returns NaN, and zeros put into the
        # output afterwards mend the value but not the gradient.
        return jax.nn.softmax(scores, axis=-1, where=visible)

    def join(self, heads):
        """(..., N, T, H) -> (..., T, d_model)"""
        # The split backwards: the swap first, so that the heads of one token stand side by side, and then the reshape
        # to `(..., T_q, d_model)`.
        together = jnp.swapaxes(heads, -3, -2)
        return together.reshape(*together.shape[:-2], self.num_heads * self.head_dim)


def error_scale(init, params, x, context, context_mask=None):
    """How large the intermediate values are: (1 + max |score|) max |v| over the heads, masked ones included."""

    # As in problem 32, with keys and values from the context. Masked tokens count here: the reference computes their
    # scores as well.
    def heads(name, tokens):
        projected = tokens @ params[f"{name}.kernel"]
        return np.swapaxes(projected.reshape(*tokens.shape[:-1], init["num_heads"], -1), -3, -2)

    q, k, v = heads("q_proj", x), heads("k_proj", context), heads("v_proj", context)
    scores = q @ np.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1])
    return (1 + np.abs(scores).max()) * np.abs(v).max()
