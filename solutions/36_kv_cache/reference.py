"""36 · The reference: causal attention over a buffer that fills. One method for each step, so that a mistake can change
one of them."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx


class CachedSelfAttention(nnx.Module):
    def __init__(self, d_model, num_heads, max_len, *, rngs):
        # The sizes are plain Python numbers, part of the program and not of its data, so that they may stand in a
        # shape. The width of a head follows from them; the problem promises that it comes out even.
        self.num_heads = num_heads
        self.head_dim = d_model // num_heads
        # The projections are those of problem 32: four square kernels without bias, under the names of the contract.
        # The values in them do not matter here, since a case loads its own. What `__init__` must not do is keep `rngs`:
        # that would be state beside the three variables.
        for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
            setattr(self, name, nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs))
        # The rest is what this problem adds: the memory, empty at first.
        self.make_caches(max_len)

    def make_caches(self, max_len):
        # One buffer each for keys and values, of shape `(max_len, N, H)`, at full length from the start: a compiled
        # program has fixed shapes, so a cache that grows by a row for each token would be compiled anew for each token.
        # Heads are split already; what is stored is what is read. The kind is `nnx.Cache` and not `nnx.Param`, or an
        # optimiser would train it.
        self.k_cache = nnx.Cache(jnp.zeros((max_len, self.num_heads, self.head_dim)))
        self.v_cache = nnx.Cache(jnp.zeros((max_len, self.num_heads, self.head_dim)))
        # The zeros are no absence. Which rows count is told by the position alone.
        self.make_position()

    def make_position(self):
        # The position is an array in a variable as well. As a Python number it would be part of the program: every step
        # would be traced again, and a `lax.scan` would never move on.
        self.pos = nnx.Cache(jnp.zeros((), jnp.int32))

    def __call__(self, x):
        # All three are `(T, N, H)`: the tokens of this call only. To project no more than these is the saving. The past
        # is in the buffers.
        q, k, v = self.split(self.q_proj(x)), self.split(self.k_proj(x)), self.split(self.v_proj(x))
        # This is the $p$ of the lesson, read before anything changes. The write needs it and so does the mask, for
        # query $i$ of this call is token $p + i$. Read it after the advance, and every query sees $T$ slots too many.
        start = self.position()
        # Write first, attend after: a token attends to itself, so its own key has to be in the buffer by then. From
        # here on `keys` and `values` have `max_len` rows and the queries `T`.
        keys, values = self.remember(k, v, start)
        # `len(x)` is a Python number, since shapes are static. The position itself stays an array.
        self.advance(len(x))
        # Attend to the buffers, join the heads of each token, project out: `(T, d_model)` again.
        return self.o_proj(self.join(self.attend(q, keys, values, start)))

    def split(self, x):
        """(T, d_model) -> (T, N, H)"""
        # Head $n$ owns a contiguous piece of the features, so the head comes before the width. No axis moves: tokens
        # stay in front, where the buffers have their rows.
        return x.reshape(len(x), self.num_heads, self.head_dim)

    def remember(self, k, v, start):
        # The buffers are read again after the write. An array is a value: one that was read earlier does not hold the
        # new rows.
        self.write(k, v, start)
        return self.k_cache[...], self.v_cache[...]

    def write(self, k, v, start):
        # $\tilde K_{p+i} \leftarrow (X W_K)_i$, and the same for the values. An update slice takes a traced `start`,
        # which a Python slice `cache[start:start + T]` would not. It moves back instead of running over the end;
        # callers never write past `max_len`, so that does not show. Assigning through `[...]` keeps the variable and
        # its kind; to assign to `self.k_cache` would put a plain array in its place.
        for cache, new in ((self.k_cache, k), (self.v_cache, v)):
            cache[...] = jax.lax.dynamic_update_slice_in_dim(cache[...], new, start, axis=0)

    def position(self):
        # A method of its own for one read, so that a mistake can get the position wrong in one place.
        return self.pos[...]

    def advance(self, count):
        # $p \leftarrow p + T$. The sum of an int32 array and a Python number stays int32, as the variable has to. The
        # change outlives the call in plain Python and under `nnx.jit`; under `jax.jit` the caller has to return the
        # state.
        self.pos[...] += count

    def attend(self, q, k, v, start):
        """q (T, N, H), k and v (max_len, N, H) -> (T, N, H)"""
        # Which slots a query may see is asked for these tokens against all slots: the mask is `(T, max_len)` and
        # spreads over the heads.
        weights = self.weights(self.scores(q, k), self.visible(len(q), len(k), start))
        # The average over slots, with the tokens in front again: `(T, N, H)`, ready to be joined.
        return jnp.einsum("nts,snh->tnh", weights, v)

    def scores(self, q, k):
        # $s_{ij} = (X W_Q)_i \cdot \tilde K_j / \sqrt H$ for every query against every slot, used or not:
        # `(N, T, max_len)`. The work for unused slots is the price of a fixed shape. The head is a batch axis here, and
        # the einsum leaves it in front.
        return jnp.einsum("tnh,snh->nts", q, k) / self.head_dim**0.5

    def weights(self, scores, visible):
        # With `where` the hidden slots are left out of maximum and sum, and get a weight of exactly 0. A zero key has
        # the score 0, which is no small one when the real scores are far below it; so hiding has to happen before the
        # softmax.
        return jax.nn.softmax(scores, axis=-1, where=visible)

    def join(self, heads):
        """(T, N, H) -> (T, d_model)"""
        # Both last axes are in their right order, so one reshape joins them.
        return heads.reshape(len(heads), self.num_heads * self.head_dim)

    def visible(self, queries, slots, start):
        """Query i of this call is token `start + i`, and sees every slot up to its own."""
        # $j \le p + i$, the one comparison that does everything: it hides later tokens of this call, rows that nobody
        # has written, and what an earlier sequence left behind. It is aligned at `start`. A mask aligned at the end, as
        # in problem 33, would be right in a full cache only. The `<=` lets a token see itself, so no row is empty.
        return jnp.arange(slots) <= start + jnp.arange(queries)[:, None]


def error_scale(init, params, x):
    """How large the intermediate values are: (1 + max |score|) max |v| over the whole sequence, pairs that are masked
    included."""

    # The tolerance of the comparison grows with the values on the way. They are computed here for the whole sequence at
    # once, in NumPy and without a mask: hidden scores are computed too, and rounded.
    def heads(name):
        projected = x @ params[f"{name}.kernel"]
        return np.swapaxes(projected.reshape(*x.shape[:-1], init["num_heads"], -1), -3, -2)

    q, k, v = heads("q_proj"), heads("k_proj"), heads("v_proj")
    scores = q @ np.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1])
    return (1 + np.abs(scores).max()) * np.abs(v).max()
