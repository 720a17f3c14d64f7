"""37 · Wrong answers that people really give, each with its sentence."""

import jax
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


def _Reading(Ref, rule, beyond):
    """The reference with another rule for the head that query head n reads; what stands `beyond` the last head is that
    head again, as where an index is clamped, or NaN, as `jnp.take` fills it."""

    class Reading(Ref):
        def attend(self, q, k, v):
            q = q.reshape(*q.shape[:-3], self.num_heads, self.head_dim)
            heads = []
            for n in range(self.num_heads):
                read = rule(self, n)
                last = min(read, self.num_kv_heads - 1)
                head = super().attend(q[..., n, None, None, :], k[..., last, None, :], v[..., last, None, :])
                heads.append(head if read == last or beyond == "the last" else head * jnp.nan)
            return jnp.concatenate(heads, axis=-3)

    return Reading


@mistake(beyond=("NaN",))
def divided_by_the_number_of_groups(Ref, *, beyond="the last"):
    """Query head n reads key/value head n // num_kv_heads. The number of key/value heads is how many groups there are,
    and what divides n is the size of a group: n // (num_heads // num_kv_heads). An index past the last head raises no
    error either: JAX takes the last one, or, by `jnp.take`, NaN."""
    return _Reading(Ref, lambda self, n: n // self.num_kv_heads, beyond)


@mistake(beyond=("NaN",))
def remainder_by_the_size_of_a_group(Ref, *, beyond="the last"):
    """Query head n reads key/value head n % G, its place within its group, where it has to read the number of its
    group: n // G, with G = num_heads // num_kv_heads. An index past the last head raises no error either: JAX takes the
    last one, or, by `jnp.take`, NaN."""
    return _Reading(Ref, lambda self, n: n % self.group, beyond)


@mistake
def summed_over_key_value_heads(Ref):
    """Every query head attends to the sum of all key/value heads. In an einsum such as `...tnh, ...skh -> ...nts` the
    letter k stands in one operand only and not in the result, so it is summed over without a word: give the queries the
    axes (K, G) and keep k in the result."""

    class Wrong(Ref):
        def attend(self, q, k, v):
            return super().attend(q, *(jnp.broadcast_to(x.sum(-2, keepdims=True), x.shape) for x in (k, v)))

    return Wrong


@mistake
def split_in_turn(Ref):
    """The queries are given to the groups in turn, by a reshape to (..., G, K, H), and the heads are joined as if
    neighbours formed a group. Neighbours do: the reshape is (..., K, G, H) at the split, as at the join."""

    class Wrong(Ref):
        def grouped(self, q):
            return q.reshape(*q.shape[:-2], self.group, self.num_kv_heads, self.head_dim).swapaxes(-3, -2)

    return Wrong


@mistake
def joined_in_turn(Ref):
    """The right heads attend, and they are joined in the wrong order. With the group axis in front of the key/value
    heads, (..., T, G, K, H), a reshape to d_model lays head 0 of each group first: the order is (..., T, K, G, H)."""

    class Wrong(Ref):
        def join(self, heads):
            return super().join(heads.swapaxes(-3, -2))

    return Wrong


@mistake(first=("the token",))
def folded_one_way_and_unfolded_the_other(Ref, *, first="the head"):
    """The queries of a group are folded into one long time axis in one order, (G, T) or (T, G), and taken apart again
    in the other. Both have G * T rows, so the reshape runs, and tokens and heads are mixed: undo the fold by the same
    axes in the same order."""

    class Wrong(Ref):
        def attend(self, q, k, v):
            heads = super().attend(q, k, v)  # (..., T, K, G, H)
            *front, length, groups, group, head_dim = heads.shape
            if first == "the head":
                folded = jnp.moveaxis(heads, -4, -2)  # (..., K, G, T, H)
                return jnp.moveaxis(folded.reshape(*front, groups, length, group, head_dim), -3, -4)
            folded = jnp.moveaxis(heads, -4, -3)  # (..., K, T, G, H)
            return jnp.moveaxis(folded.reshape(*front, groups, group, length, head_dim), -2, -4)

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
def bias_left_on(Ref):
    """The projections have biases. `nnx.Linear` adds one unless it is told not to: pass `use_bias=False`."""

    class Wrong(Ref):
        def make(self, d_model, rngs):
            shared = self.num_kv_heads * self.head_dim
            for name, width in dict(q_proj=d_model, k_proj=shared, v_proj=shared, o_proj=d_model).items():
                setattr(self, name, nnx.Linear(d_model, width, rngs=rngs))

    return Wrong


@mistake
def keeps_the_rngs(Ref):
    """The module keeps `rngs`. `self.rngs = rngs` makes keys and counters part of its variables, to be saved and passed
    along for nothing: use `rngs` in `__init__` and let it go."""

    class Wrong(Ref):
        def make(self, d_model, rngs):
            super().make(d_model, rngs)
            self.rngs = rngs

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


@mistake(about="the scale")
def forgot_the_scale(Ref):
    """The scores are not divided by sqrt(head_dim). The groups take all the attention and the scale of problem 32 gets
    lost: divide by the square root of the head's width before the softmax."""

    class Wrong(Ref):
        def scores(self, q, k):
            return super().scores(q, k) * self.head_dim**0.5

    return Wrong


@mistake(misconception="scale_of_the_whole_width", about="the scale")
def scale_of_the_model(Ref):
    """The scores are divided by sqrt(d_model). `x.shape[-1]` is at hand and is the right width with one head only; a
    score of one head adds up head_dim = d_model // num_heads products: divide by sqrt(head_dim)."""

    class Wrong(Ref):
        def scores(self, q, k):
            return super().scores(q, k) / self.num_heads**0.5

    return Wrong


@mistake(about="the scale", width=("d_model // num_kv_heads",))
def scale_of_the_key_width(Ref, *, width="num_kv_heads * head_dim"):
    """The scores are divided by sqrt(num_kv_heads * head_dim), the width of all projected keys together, `k.shape[-1]`
    before the split; or by sqrt(d_model // num_kv_heads), the width of a whole group. A score adds up the products of
    one head: divide by sqrt(head_dim), as wide as a head is in queries and keys alike."""

    class Wrong(Ref):
        def scores(self, q, k):
            heads = self.num_kv_heads if width == "num_kv_heads * head_dim" else self.group
            return super().scores(q, k) / heads**0.5

    return Wrong


@mistake(axis=(2, 4))
def axis_counted_from_the_front(Ref, *, axis=3):
    """The axis of the softmax is counted from the front. With the groups, scores of one sequence have four axes, and
    those of a batch five: the same number is another axis there. Count from the end: the keys are `axis=-1`, whatever
    stands in front."""

    class Wrong(Ref):
        def weights(self, scores):
            return jax.nn.softmax(scores, axis=axis)

    return Wrong


@mistake
def softmax_over_queries(Ref):
    """The softmax runs over the queries. With axes for heads in front it is easy to miscount: the last two axes of the
    scores are queries and keys, each query shares out one unit of attention, so the softmax runs over the keys,
    `axis=-1`."""

    class Wrong(Ref):
        def weights(self, scores):
            return jax.nn.softmax(scores, axis=-2)

    return Wrong


@mistake
def causal_out_of_habit(Ref):
    """Later tokens are masked out. Grouped heads are met in decoders, whose code has a causal mask; here every token
    attends to every token: no mask."""

    class Wrong(Ref):
        def weights(self, scores):
            return super().weights(jnp.where(jnp.tri(scores.shape[-1], dtype=bool), scores, -jnp.inf))

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
def split_by_reshape_alone(Ref):
    """The features are reshaped straight to (..., heads, T, H). The shape is right, but a reshape keeps the order of
    the numbers, so each "head" holds whole tokens instead of a chunk of every token: reshape to (..., T, heads, H),
    then swap the axes of tokens and heads."""

    class Wrong(Ref):
        def split(self, x, heads):
            return x.reshape(*x.shape[:-2], heads, x.shape[-2], self.head_dim).swapaxes(-3, -2)

    return Wrong


@mistake(joined=("in chunks", "in chunks, with the queries split right"))
def heads_interleaved(Ref, *, joined="as they were split"):
    """The heads are interleaved: head n owns every num_heads-th feature. `reshape(..., T, H, heads)` has the right size
    with the axes in the wrong order; heads are contiguous chunks, in the queries as in the keys and values, so the axis
    that comes first is the head: `reshape(..., T, heads, H)`."""

    class Wrong(Ref):
        def split(self, x, heads):
            return x.reshape(*x.shape[:-1], self.head_dim, heads).swapaxes(-1, -2)

        def grouped(self, q):
            return super().grouped(q.swapaxes(-1, -2).reshape(q.shape) if "right" in joined else q)

        def join(self, heads):
            joined_in_chunks = super().join(heads)
            if "in chunks" in joined:
                return joined_in_chunks
            heads = joined_in_chunks.reshape(*heads.shape[:-3], self.num_heads, self.head_dim)
            return heads.swapaxes(-1, -2).reshape(joined_in_chunks.shape)

    return Wrong


@mistake
def joined_by_reshape_alone(Ref):
    """The heads are joined in the wrong order. `reshape(..., T, d_model)` of an array (..., N, T, H) lays whole heads
    one after the other; swap the axes of heads and tokens back first, so that the chunks of one token stand side by
    side."""

    class Wrong(Ref):
        def join(self, heads):
            *batch, length, _, _, head_dim = heads.shape
            heads = heads.reshape(*batch, length, self.num_heads, head_dim).swapaxes(-3, -2)
            return super().join(heads.reshape(*batch, length, self.num_heads, 1, head_dim))

    return Wrong


@mistake
def keys_as_values(Ref):
    """The values come from `k_proj`. A line copied for the keys and not changed for the values does this, and `v_proj`
    then has no effect: v = v_proj(x)."""

    class Wrong(Ref):
        def attend(self, q, k, v):
            return super().attend(q, k, k)

    return Wrong


@mistake
def no_output_projection(Ref):
    """The joined heads are returned without `o_proj`. They have the shape of the input, so the work looks done; the
    heads are only mixed by the last projection: return o_proj(joined)."""

    class Wrong(Ref):
        def __call__(self, x):
            q = self.grouped(self.split(self.q_proj(x), self.num_heads))
            k, v = self.split(self.k_proj(x), self.num_kv_heads), self.split(self.v_proj(x), self.num_kv_heads)
            return self.join(self.attend(q, k, v))

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


@mistake("GroupedQueryAttention")
def output_in_float32(Ref):
    """With half-precision inputs and parameters the output is float32: scores or weights were cast up, and the result
    was not cast back. To compute a softmax in float32 is a good habit; the output has the dtype of `x`."""

    class Wrong(Ref):
        def weights(self, *arguments):
            return super().weights(*arguments).astype(jnp.promote_types(arguments[0].dtype, jnp.float32))

    return Wrong
