"""37 · Wrong answers that people really give, each with its sentence."""

import jax.numpy as jnp
from flax import nnx

from grader.course import mistake


def _linear(d_in, d_out, rngs):
    return nnx.Linear(d_in, d_out, use_bias=False, rngs=rngs)


# --- which query head reads which key/value head


@mistake
def groups_in_turn(Ref):
    """Query head n reads key/value head n % num_kv_heads: the heads take turns instead of standing in groups.
    `jnp.tile` of the keys does this, and a reshape of the queries to (..., G, K, H). Neighbours form a group: head n
    reads n // G, with G = num_heads // num_kv_heads."""

    class Wrong(Ref):
        def grouped(self, q):
            return q.reshape(*q.shape[:-2], self.group, self.num_kv_heads, self.head_dim).swapaxes(-3, -2)

        def join(self, heads):
            return super().join(heads.swapaxes(-3, -2).reshape(heads.shape))

    return Wrong


@mistake
def divided_by_the_number_of_groups(Ref):
    """Query head n reads key/value head n // num_kv_heads. The number of key/value heads is how many groups there are,
    and what divides n is the size of a group: n // (num_heads // num_kv_heads). An index past the last head raises no
    error either, since JAX clamps it."""

    class Wrong(Ref):
        def attend(self, q, k, v):
            q = q.reshape(*q.shape[:-3], self.num_heads, self.head_dim)
            heads = []
            for n in range(self.num_heads):
                read = min(n // self.num_kv_heads, self.num_kv_heads - 1)
                heads.append(super().attend(q[..., n, None, None, :], k[..., read, None, :], v[..., read, None, :]))
            return jnp.concatenate(heads, axis=-3)

    return Wrong


@mistake
def summed_over_key_value_heads(Ref):
    """Every query head attends to the sum of all key/value heads. In an einsum such as `...tnh, ...skh -> ...nts` the
    letter k stands in one operand only and not in the result, so it is summed over without a word: give the queries the
    axes (K, G) and keep k in the result."""

    class Wrong(Ref):
        def attend(self, q, k, v):
            q = q.reshape(*q.shape[:-3], self.num_heads, self.head_dim)
            weights = self.weights(jnp.einsum("...tnh,...skh->...nts", q, k) / self.head_dim**0.5)
            return jnp.einsum("...nts,...skh->...tnh", weights, v)[..., None, :]

    return Wrong


@mistake
def joined_in_turn(Ref):
    """The right heads attend, and they are joined in the wrong order. With the group axis in front of the key/value
    heads, (..., T, G, K, H), a reshape to d_model lays head 0 of each group first: the order is (..., T, K, G, H)."""

    class Wrong(Ref):
        def join(self, heads):
            return super().join(heads.swapaxes(-3, -2))

    return Wrong


@mistake
def folded_one_way_and_unfolded_the_other(Ref):
    """The queries of a group are folded into one long time axis as (G, T), head after head, and taken apart again as
    (T, G). Both have G * T rows, so the reshape runs, and tokens and heads are mixed: undo the fold by the same axes in
    the same order."""

    class Wrong(Ref):
        def attend(self, q, k, v):
            heads = jnp.moveaxis(super().attend(q, k, v), -4, -2)  # (..., K, G, T, H)
            *front, group, length, head_dim = heads.shape
            return jnp.moveaxis(heads.reshape(*front, length, group, head_dim), -3, -4)

    return Wrong


# --- the parameters


@mistake
def keys_and_values_for_every_query_head(Ref):
    """`k_proj` and `v_proj` are as wide as the model. So they are in problem 32, and with head_dim = d_model //
    num_kv_heads they become so again; the cache is then as large as ever. A key/value head is as wide as a query head:
    num_kv_heads * (d_model // num_heads) features."""

    class Wrong(Ref):
        def make(self, d_model, rngs):
            super().make(d_model, rngs)
            self.k_proj, self.v_proj = _linear(d_model, d_model, rngs), _linear(d_model, d_model, rngs)

        def __call__(self, x):
            q, k, v = (
                p(x).reshape(*x.shape[:-1], self.num_heads, 1, self.head_dim)
                for p in (self.q_proj, self.k_proj, self.v_proj)
            )
            return self.o_proj(self.join(self.attend(q, k[..., 0, :], v[..., 0, :])))

    return Wrong


@mistake
def takes_any_number_of_heads(Ref):
    """Heads that do not make equal groups go through `__init__`. `num_heads // num_kv_heads` rounds down without a
    word, and a check of `d_model % num_kv_heads` asks about another number: raise ValueError when
    `num_heads % num_kv_heads != 0`."""

    class Wrong(Ref):
        def check(self, d_model, num_heads, num_kv_heads):
            pass

    return Wrong


# --- what problem 32 asks for as well


@mistake
def scale_of_the_key_width(Ref):
    """The scores are divided by sqrt(num_kv_heads * head_dim). That is the width of all projected keys together,
    `k.shape[-1]` before the split; a score adds up the products of one head: divide by sqrt(head_dim), as wide as a
    head is in queries and keys alike."""

    class Wrong(Ref):
        def scores(self, q, k):
            return super().scores(q, k) / self.num_kv_heads**0.5

    return Wrong


@mistake
def overflowing_softmax(Ref):
    """exp overflows: logits in the hundreds give inf / inf = NaN. Take the largest score of each row off first, or let
    `jax.nn.softmax` do it."""

    class Wrong(Ref):
        def weights(self, scores):
            powers = jnp.exp(scores)
            return powers / powers.sum(-1, keepdims=True)

    return Wrong


@mistake
def only_with_one_batch_dimension(Ref):
    """It works with exactly one batch dimension only. `B, T, d_model = x.shape` is how most code starts, and a single
    sequence or two batch dimensions do not fit it: take `x.shape[:-2]` along, or `*batch, T, d_model = x.shape`."""

    class Wrong(Ref):
        def __call__(self, x):
            _, _, _ = x.shape
            return super().__call__(x)

    return Wrong


# --- right values, and copies of keys and values on the way: only the program tells


def _Copied(Ref):
    """Problem 32 on keys and values that have been copied out to all query heads by another method, `copied`."""

    class Copied(Ref):
        def attend(self, q, k, v):
            q = q.reshape(*q.shape[:-3], self.num_heads, self.head_dim)
            weights = self.weights(jnp.einsum("...tnh,...snh->...nts", q, self.copied(k)) / self.head_dim**0.5)
            return jnp.einsum("...nts,...snh->...tnh", weights, self.copied(v))[..., None, :]

        def join(self, heads):
            return heads.reshape(*heads.shape[:-3], self.num_heads * self.head_dim)

    return Copied


@mistake
def repeated(Ref):
    """The values are right, but keys and values are repeated for every query head of a group. `jnp.repeat`, or
    `jnp.broadcast_to` and a reshape, makes the very arrays of num_heads heads that the fewer heads are there to save:
    give the queries an axis for the group instead."""

    class Wrong(_Copied(Ref)):
        def copied(self, heads):
            return jnp.repeat(heads, self.group, axis=-2)

    return Wrong


@mistake
def indexed(Ref):
    """The values are right, but an index picks a key/value head for every query head:
    `k[..., jnp.arange(num_heads) // G, :]`, or `k[n // G]` under a `vmap` over the query heads n. Each head is copied G
    times: let the queries, not the keys, get an axis for the group."""

    class Wrong(_Copied(Ref)):
        def copied(self, heads):
            return heads[..., jnp.arange(self.num_heads) // self.group, :]

    return Wrong


@mistake
def stacked(Ref):
    """The values are right, but the key/value heads are laid side by side G times, by `jnp.stack` or `jnp.concatenate`
    over a list with one entry for every query head. The list names the same head again, the array holds it again:
    attend inside the loop, or give the queries an axis for the group."""

    class Wrong(_Copied(Ref)):
        def copied(self, heads):
            return jnp.stack([heads[..., n // self.group, :] for n in range(self.num_heads)], axis=-2)

    return Wrong


@mistake
def kernels_repeated(Ref):
    """The values are right, but the kernels of `k_proj` and `v_proj` are repeated for every query head before they are
    applied. The copies are made before there are keys, and there are as many keys as ever: project to num_kv_heads
    heads, and leave it at these."""

    class Wrong(_Copied(Ref)):
        def __call__(self, x):
            q = self.grouped(self.split(self.q_proj(x), self.num_heads))
            k, v = (
                jnp.einsum(
                    "...td,dnh->...tnh",
                    x,
                    jnp.repeat(self.split(p.kernel[...], self.num_kv_heads), self.group, axis=-2),
                )
                for p in (self.k_proj, self.v_proj)
            )
            return self.o_proj(self.join(self.attend(q, k, v)))

        def copied(self, heads):
            return heads

    return Wrong
