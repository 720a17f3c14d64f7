"""50 · The reference: the window of Beltagy et al. 2020 in blocks with their neighbour, the sinks of Xiao et al. 2023,
and the rolling cache of Jiang et al. 2023. One function or method for each step, so that a mistake can change it."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx


def sliding_window_attention(q, k, v, window, sinks=0):
    # A window longer than the sequence is the whole of it, and there are no more sinks than tokens. Without this a
    # window of a million would make blocks of a million rows for a sequence of ten.
    size, sinks = min(window, len(q)), min(sinks, len(q))
    # The block is as long as the window. Then what a query sees lies in its own block and in the one before: the first
    # query of a block reaches back `window - 1` rows, all of them in the neighbour.
    queries, keys, values = blocks(q, size), with_neighbour(blocks(k, size)), with_neighbour(blocks(v, size))
    # Weights are computed in float32, whatever the inputs are. (float64 when they are: the answer key needs it.)
    wide = jnp.promote_types(q.dtype, jnp.float32)
    # `(C, N, b, 2b)` for all C blocks at once, and `(C, N, b, S)` for the sinks. Their sizes say that it is linear: b
    # and S are given, and C times b is the length, rounded up.
    near = jnp.einsum("cinh,cjnh->cnij", queries, keys, preferred_element_type=wide)
    first = jnp.einsum("cinh,snh->cnis", queries, k[:sinks], preferred_element_type=wide)
    # One softmax over both parts: two of them, added up, would give the sinks as much as the window.
    scores = jnp.concatenate([near, first], axis=-1) / q.shape[-1] ** 0.5
    weights = jax.nn.softmax(scores, axis=-1, where=visible(len(queries), size, window, sinks))
    out = jnp.einsum("cnij,cjnh->cinh", weights[..., : 2 * size], values.astype(wide))
    out += jnp.einsum("cnis,snh->cinh", weights[..., 2 * size :], v[:sinks].astype(wide))
    # The blocks are joined, and the rows of the padding cut off.
    return out.reshape(-1, *q.shape[1:])[: len(q)].astype(q.dtype)


def blocks(rows, size):
    # `(T, N, H)` becomes `(C, b, N, H)`. The last block is filled up behind the sequence, where no query looks: the
    # padding is later than every token.
    return jnp.pad(rows, ((0, -len(rows) % size), (0, 0), (0, 0))).reshape(-1, size, *rows.shape[1:])


def with_neighbour(blocks):
    # Each block behind the one before it, `(C, 2b, N, H)`. Before the first there is a block of zeros, which are hidden
    # below. `jnp.roll` would put the last block there, which is the future.
    before = jnp.concatenate([jnp.zeros_like(blocks[:1]), blocks[:-1]])
    return jnp.concatenate([before, blocks], axis=1)


def visible(count, size, window, sinks):
    """bool (C, 1, b, 2b + S): what each query of each block sees, of two blocks and of the sinks"""
    # The number of every query, and of every key that stands beside it; those of the block before the first are below
    # 0. It is from these numbers that all is decided, so that no case has to be told from another.
    begin = size * jnp.arange(count)[:, None, None]
    query = begin + jnp.arange(size)[:, None]
    near, sink = begin - size + jnp.arange(2 * size), jnp.arange(sinks)
    # $i - w < j \le i$, and the key has to exist.
    within = (query - near < window) & (near <= query) & (near >= 0)
    # A sink that lies in the window is there already, and counts once. What is left of $j \le i$ follows.
    beyond = query - sink >= window
    # The heads see the same.
    return jnp.concatenate([within, jnp.broadcast_to(beyond, (count, size, sinks))], axis=-1)[:, None]


class RollingCacheAttention(nnx.Module):
    def __init__(self, d_model, num_heads, window, *, rngs):
        # Plain Python numbers, part of the program, so that they may stand in a shape.
        self.num_heads, self.head_dim, self.window = num_heads, d_model // num_heads, window
        # The projections of problem 32, under the names of the contract. `rngs` is used here and not kept: it would be
        # state beside the three variables.
        for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
            setattr(self, name, nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs))
        self.make_caches()

    def make_caches(self):
        # As many slots as the window has tokens, whatever is to come: this is what the window buys. The kind is
        # `nnx.Cache`, or an optimiser would train it.
        shape = (self.window, self.num_heads, self.head_dim)
        self.k_cache, self.v_cache = nnx.Cache(jnp.zeros(shape)), nnx.Cache(jnp.zeros(shape))
        self.make_position()

    def make_position(self):
        # How many tokens came, ever. It is not taken modulo the window: that would forget whether the cache was full.
        self.pos = nnx.Cache(jnp.zeros((), jnp.int32))

    def __call__(self, x):
        # Each is `(N, H)`: one token.
        q, k, v = self.split(self.q_proj(x)), self.split(self.k_proj(x)), self.split(self.v_proj(x))
        # The token's number $p$, read before it is advanced: from here on it means this token.
        token = self.position()
        # Write first, attend after: the token sees itself. What it overwrites is the token that has just left the
        # window.
        keys, values = self.remember(k, v, token)
        self.advance()
        return self.o_proj(self.join(self.attend(q, keys, values, token)))

    def split(self, x):
        """(d_model,) -> (N, H)"""
        # Head $n$ owns a contiguous piece of the features.
        return x.reshape(self.num_heads, self.head_dim)

    def slot(self, token):
        # Round and round: token $p$ stands in slot $p \bmod w$, where token $p - w$ stood. The remainder of an int32 is
        # exact up to 2^31.
        return token % self.window

    def remember(self, k, v, token):
        # An array is a value, so the caches are read again after the write.
        self.write(k, v, token)
        return self.k_cache[...], self.v_cache[...]

    def write(self, k, v, token):
        # Assigning through `[...]` keeps the variable and its kind.
        for cache, new in ((self.k_cache, k), (self.v_cache, v)):
            cache[...] = cache[...].at[self.slot(token)].set(new)

    def position(self):
        return self.pos[...]

    def advance(self):
        self.pos[...] += 1

    def attend(self, q, k, v, token):
        """q (N, H), k and v (window, N, H) -> (N, H)"""
        # A softmax over the slots does not ask for their order: a sum has none. So nothing is brought back into the
        # order of time.
        weights = self.weights(self.scores(q, k), self.written(token))
        return jnp.einsum("ns,snh->nh", weights, v)

    def scores(self, q, k):
        # One query against every slot, `(N, window)`.
        return jnp.einsum("nh,snh->ns", q, k) / self.head_dim**0.5

    def written(self, token):
        # Until the ring has come round once, slots `0` to `token` are written, and after that all of them are, for
        # `token` is larger than every slot. An unwritten slot holds zeros, whose score is 0 and no absence.
        return jnp.arange(self.window) <= token

    def weights(self, scores, written):
        return jax.nn.softmax(scores, axis=-1, where=written)

    def join(self, heads):
        """(N, H) -> (d_model,)"""
        return heads.reshape(self.num_heads * self.head_dim)


def error_scale(params=None, x=None, q=None, k=None, v=None, init=None, num_heads=None, **_):
    """How large the intermediate values are: (1 + max |score|) max |v|, over all pairs, hidden or not."""
    if q is None:
        num_heads = num_heads or init["num_heads"]
        # The parameters come by path, or, where the problem's driver loads them, by name.
        kernels = {name.partition(".")[0]: kernel for name, kernel in params.items()}
        q, k, v = ((x @ kernels[f"{name}_proj"]).reshape(*x.shape[:-1], num_heads, -1) for name in "qkv")
    scores = np.einsum("...inh,...jnh->...nij", q, k) / np.sqrt(q.shape[-1])
    return (1 + np.abs(scores).max()) * np.abs(v).max()
