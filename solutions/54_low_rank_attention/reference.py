"""54 · The reference: Wang et al. 2020, section 4. One method for each step, so that a mistake can change one of
them."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx


class LowRankAttention(nnx.Module):
    def __init__(self, d_model, num_heads, max_len, rank, *, rngs):
        self.make(d_model, num_heads, max_len, rank, rngs)

    def make(self, d_model, num_heads, max_len, rank, rngs):
        # Plain numbers, part of the program. Neither `max_len` nor `rank` has to be kept: the kernels have them in
        # their shape.
        self.num_heads = num_heads
        self.head_dim = d_model // num_heads
        # The projections of problem 32. They work along the features, and know nothing of the length.
        for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
            setattr(self, name, nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs))
        # What is new works along time: $E$ for the keys and $F$ for the values, each `(max_len, rank)`, so that one
        # column of them is one row to attend to. A Linear's kernel is (in, out), and what goes in are the tokens. There
        # is one of each for all heads. A bias would put rows there that no token wrote.
        self.k_down = nnx.Linear(max_len, rank, use_bias=False, rngs=rngs)
        self.v_down = nnx.Linear(max_len, rank, use_bias=False, rngs=rngs)

    def __call__(self, x):
        # The queries stay as many as there are tokens, since each token wants an output of its own; only what they look
        # at becomes fewer. From here on it is problem 35: `T` queries, and `rank` keys and values.
        return self.o_proj(self.join(self.attend(self.queries(x), self.keys(x), self.values(x))))

    def queries(self, x):
        return self.split(self.q_proj(x))

    def keys(self, x):
        # Keys and values are brought down *before* any query meets them. A product of three matrices may be taken in
        # either order, and the other one makes all $T^2$ scores on the way.
        return self.split(self.bring_down(self.k_proj(x), self.k_down))

    def values(self, x):
        return self.split(self.bring_down(self.v_proj(x), self.v_down))

    def bring_down(self, rows, down):
        """(..., T, d_model) -> (..., rank, d_model)"""
        # $E^\top K$ for all heads at once: the kernel is shared by the heads and the product sums over tokens, so the
        # features of all heads may stay side by side. The kernel has two axes whatever the batch, and `@` spreads it
        # over the batch.
        return self.rows_of(down.kernel[...], rows.shape[-2]).T @ rows

    def rows_of(self, kernel, length):
        # Row `t` of the kernel belongs to token `t`. A shorter sequence has no tokens for the last rows, and they are
        # left out. Padding the tokens with zeros to `max_len` and calling the layer gives the same sum, with terms
        # that are zero. The length is part of the shape, and so a Python number.
        return kernel[:length]

    def split(self, rows):
        """(..., R, d_model) -> (..., N, R, H)"""
        # As in 32: contiguous chunks of the features first, then the heads in front. `R` is `T` for the queries and
        # `rank` for the others.
        return rows.reshape(*rows.shape[:-1], self.num_heads, self.head_dim).swapaxes(-3, -2)

    def scores(self, q, k):
        # `(..., N, T, rank)`: the largest array of the layer, and linear in `T`. A score adds up $H$ products, whatever
        # a key was mixed of, hence $\sqrt H$.
        return q @ k.swapaxes(-1, -2) / self.head_dim**0.5

    def weights(self, scores):
        # Over the rows, all of them. None belongs to a token, so there is none to hide: neither later ones, since every
        # row has something of every token, nor unused ones. In `float32` for the half-precision types, and back.
        exact = scores.astype(jnp.promote_types(scores.dtype, jnp.float32))
        return jax.nn.softmax(exact, axis=-1).astype(scores.dtype)

    def attend(self, q, k, v):
        # `(..., N, T, H)`: of each query the average of `rank` rows of values.
        return self.weights(self.scores(q, k)) @ v

    def join(self, heads):
        """(..., N, T, H) -> (..., T, d_model)"""
        together = jnp.swapaxes(heads, -3, -2)
        return together.reshape(*together.shape[:-2], self.num_heads * self.head_dim)


def error_scale(init, params, x):
    """How large the intermediate values are: (1 + max |score|) max |v| over the heads, of what is brought down."""

    # Rounding errors grow with the largest score and the largest value, as in 32.
    def heads(name, kernel=None):
        rows = x @ params[f"{name}_proj.kernel"]
        if kernel is not None:
            rows = params[f"{kernel}.kernel"][: x.shape[-2]].T @ rows
        return np.swapaxes(rows.reshape(*rows.shape[:-1], init["num_heads"], -1), -3, -2)

    q, k, v = heads("q"), heads("k", "k_down"), heads("v", "v_down")
    scores = q @ np.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1])
    return (1 + np.abs(scores).max()) * np.abs(v).max()
