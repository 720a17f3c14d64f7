"""37 · The reference: Ainslie et al. 2023, Shazeer 2019. One method for each step, so that a mistake can change one of
them."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx


class GroupedQueryAttention(nnx.Module):
    def __init__(self, d_model, num_heads, num_kv_heads, *, rngs):
        # The check comes first: with sizes that do not divide, everything below would round down without a word.
        self.check(d_model, num_heads, num_kv_heads)
        # Two counts of heads and one width. $G = N / K$ is how many query heads share a key/value head. $H$ follows
        # from the query heads, for keys as well: `d_model // num_kv_heads` would make the key kernels as wide as those
        # of problem 32, and nothing would be saved.
        self.num_heads, self.num_kv_heads = num_heads, num_kv_heads
        self.group = num_heads // num_kv_heads
        self.head_dim = d_model // num_heads
        # The kernels need these sizes, so they are made last.
        self.make(d_model, rngs)

    def check(self, d_model, num_heads, num_kv_heads):
        # More key/value heads than query heads are a case of it, since then the remainder is `num_heads`. The message
        # names both numbers, for whoever mixed them up.
        if num_heads % num_kv_heads:
            raise ValueError(f"num_heads = {num_heads} is not a multiple of num_kv_heads = {num_kv_heads}")

    def make(self, d_model, rngs):
        # Queries are as wide as ever: $W_Q$ is `(d_model, N*H)`, and $NH$ is `d_model`.
        self.q_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        # The kernels of keys and values are narrower by the factor $G$. Here the saving begins, and the rest of the
        # class has to take care not to lose it again.
        self.k_proj = nnx.Linear(d_model, self.num_kv_heads * self.head_dim, use_bias=False, rngs=rngs)
        self.v_proj = nnx.Linear(d_model, self.num_kv_heads * self.head_dim, use_bias=False, rngs=rngs)
        # The output has a row of $N$ heads to join, not of $K$, so its kernel is square.
        self.o_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)

    def __call__(self, x):
        # The queries become `(..., T, K, G, H)`: the axis of query heads is written as two. No number moves.
        q = self.grouped(self.split(self.q_proj(x), self.num_heads))
        # Keys and values are `(..., T, K, H)`, and stay so. `jnp.repeat` to $N$ heads would give the right answer here
        # and be the mistake that this problem is about.
        k, v = self.split(self.k_proj(x), self.num_kv_heads), self.split(self.v_proj(x), self.num_kv_heads)
        # Attend in groups, join the heads in order, project out.
        return self.o_proj(self.join(self.attend(q, k, v)))

    def split(self, x, heads):
        """(..., T, heads * H) -> (..., T, heads, H)"""
        # One method for both counts of heads, as a head is a contiguous piece of the features in either case.
        return x.reshape(*x.shape[:-1], heads, self.head_dim)

    def grouped(self, q):
        """(..., T, N, H) -> (..., T, K, G, H)"""
        # Neighbours form a group, so $K$ comes before $G$: entry $(m, g)$ is query head $n = mG + g$, and $\lfloor n /
        # G \rfloor = m$. The index of the formula is in this reshape, and nothing has to be looked up. `(G, K)` would
        # have every shape right in the end, and give the heads to the groups in turn.
        return q.reshape(*q.shape[:-2], self.num_kv_heads, self.group, self.head_dim)

    def scores(self, q, k):
        # $Q_n K_{\lfloor n / G \rfloor}^\top / \sqrt H$. The letter `g` stands in the queries only: the product uses
        # one head of keys for all $G$ of them, and no copy of the keys is made. `k` stands in both operands and in the
        # result, so heads meet their own keys; leave it out of the result, and it is summed over. The scale is by $H$,
        # the width over which a score is summed, and not by $KH$, the width before the split.
        return jnp.einsum("...tkgh,...skh->...kgts", q, k) / self.head_dim**0.5

    def weights(self, scores):
        # The scores are `(..., K, G, T, T)`, $N$ matrices as in problem 32. The keys are shared; the weights are not.
        # The softmax runs over the keys, the last axis.
        return jax.nn.softmax(scores, axis=-1)

    def attend(self, q, k, v):
        # The same product in the other direction: the weights have a `g`, the values have none. The tokens come back in
        # front, and the pair `kg` stands beside `h`, as it was in the queries.
        return jnp.einsum("...kgts,...skh->...tkgh", self.weights(self.scores(q, k)), v)

    def join(self, heads):
        """(..., T, K, G, H) -> (..., T, d_model)"""
        # Three axes in the order $K$, $G$, $H$ become one. This is $n = mG + g$ again, so head $n$ lies where $W_O$
        # expects it.
        return heads.reshape(*heads.shape[:-3], self.num_heads * self.head_dim)


def error_scale(init, params, x):
    """How large the intermediate values are: (1 + max |score|) max |v| over the heads."""
    # The size of the intermediate values, which decides the tolerance. Here the keys are copied out, as in problem 32:
    # it is NumPy and nobody's memory, and it is the plainest way to write it.
    num_heads, num_kv_heads = init["num_heads"], init["num_kv_heads"]

    def heads(name, number):
        projected = x @ params[f"{name}.kernel"]
        return np.swapaxes(projected.reshape(*x.shape[:-1], number, -1), -3, -2)

    q, k, v = heads("q_proj", num_heads), heads("k_proj", num_kv_heads), heads("v_proj", num_kv_heads)
    k = np.repeat(k, num_heads // num_kv_heads, axis=-3)
    scores = q @ np.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1])
    return (1 + np.abs(scores).max()) * np.abs(v).max()
