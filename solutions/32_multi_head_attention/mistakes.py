"""32 · Wrong answers that people really give, each with its sentence."""

import jax
import jax.numpy as jnp
from flax import nnx

from grader.course import mistake


@mistake(joined=("in chunks",))
def heads_interleaved(Ref, *, joined="as they were split"):
    """The heads are interleaved: head n owns features n, n + N, n + 2N and so on. `reshape(..., T, H, N)` has the right
    size with the axes in the wrong order; heads are contiguous chunks, so the axis that comes first is the head:
    `reshape(..., T, N, H)`."""

    class Wrong(Ref):
        def split(self, x):
            return jnp.moveaxis(x.reshape(*x.shape[:-1], self.head_dim, self.num_heads), -1, -3)

        def join(self, heads):
            if joined == "in chunks":
                return super().join(heads)
            return jnp.moveaxis(heads, -3, -1).reshape(*heads.shape[:-3], heads.shape[-2], -1)

    return Wrong


@mistake
def split_by_reshape_alone(Ref):
    """The features are reshaped straight to (..., N, T, H). The shape is right, but a reshape keeps the order of the
    numbers, so each "head" holds whole tokens instead of a chunk of every token: reshape to (..., T, N, H), then swap
    the axes of tokens and heads."""

    class Wrong(Ref):
        def split(self, x):
            return x.reshape(*x.shape[:-2], self.num_heads, x.shape[-2], self.head_dim)

    return Wrong


@mistake
def joined_by_reshape_alone(Ref):
    """The heads are joined in the wrong order. `reshape(..., T, d_model)` of an array (..., N, T, H) lays whole heads
    one after the other; swap the axes of heads and tokens back first, so that the chunks of one token stand side by
    side."""

    class Wrong(Ref):
        def join(self, heads):
            return _reshaped_back(heads)

    return Wrong


@mistake(order=("nht", "htn", "hnt"))
def joined_in_another_order(Ref, *, order="thn"):
    """The heads are joined with their axes in another order. Right before the reshape to (..., T, d_model) they have to
    be (..., T, N, H), so that the numbers of one head stand side by side, and one head after the other: of (..., N, T,
    H) swap the axes of heads and tokens, and no others."""

    class Wrong(Ref):
        def join(self, heads):
            *batch, num_heads, length, head_dim = heads.shape
            return jnp.einsum(f"...nth->...{order}", heads).reshape(*batch, length, num_heads * head_dim)

    return Wrong


@mistake
def never_swapped(Ref):
    """The features are reshaped straight to (..., N, T, H) and straight back. The two reshapes undo each other, so
    every shape fits, but in between each "head" mixes tokens and features: swap the axes of tokens and heads after the
    first reshape and before the second."""

    class Wrong(Ref):
        def split(self, x):
            return x.reshape(*x.shape[:-2], self.num_heads, x.shape[-2], self.head_dim)

        def join(self, heads):
            return _reshaped_back(heads)

    return Wrong


def _reshaped_back(heads):
    *batch, num_heads, length, head_dim = heads.shape
    return heads.reshape(*batch, length, num_heads * head_dim)


@mistake
def attention_across_heads(Ref):
    """Each token attends over its own heads instead of over the tokens. With queries and keys as (..., T, N, H), the
    product `q @ k.swapaxes(-1, -2)` is (..., T, N, N): the last two axes meet. Bring the heads in front of the tokens
    first, (..., N, T, H)."""

    class Wrong(Ref):
        def split(self, x):
            return x.reshape(*x.shape[:-1], self.num_heads, self.head_dim)

        def join(self, heads):
            return heads.reshape(*heads.shape[:-2], -1)

    return Wrong


@mistake
def all_heads_as_one(Ref):
    """The features are never split: one head as wide as the model attends, and `num_heads` changes nothing. The
    parameters are the same, so nothing complains; each head needs weights of its own."""

    class Wrong(Ref):
        def __call__(self, x):
            q, k, v = self.q_proj(x), self.k_proj(x), self.v_proj(x)
            return self.o_proj(jax.nn.softmax(q @ k.swapaxes(-1, -2) / q.shape[-1] ** 0.5, axis=-1) @ v)

    return Wrong


@mistake(about="the scale")
def scale_of_the_whole_width(Ref):
    """The scores are divided by sqrt(d_model). `x.shape[-1]` is at hand and is the right width with one head only; a
    score of one head adds up H = d_model // num_heads products: divide by sqrt(H)."""

    class Wrong(Ref):
        def scores(self, q, k):
            return super().scores(q, k) / self.num_heads**0.5

    return Wrong


@mistake(about="the scale", by=("sqrt(T)", "H", "1 / sqrt(H)"))
def scaled_by_another_number(Ref, *, by="sqrt(N)"):
    """The scores are divided by another number than sqrt(H): by the root of how many heads or tokens there are, by H
    itself, which is the root twice, or they are multiplied by the root. A score adds up H products of size 1, and so
    has the size sqrt(H): divide by that, once."""

    class Wrong(Ref):
        def scores(self, q, k):
            width = self.head_dim
            number = {
                "sqrt(N)": self.num_heads**0.5,
                "sqrt(T)": k.shape[-2] ** 0.5,
                "H": width,
                "1 / sqrt(H)": 1 / width**0.5,
            }
            return super().scores(q, k) * (width**0.5 / number[by])

    return Wrong


@mistake(about="the scale")
def scaled_after_the_softmax(Ref):
    """The weights are divided by sqrt(H), after the softmax. They sum to less than 1 then, and are as sharp as without
    a scale: divide the scores, before the softmax."""

    class Wrong(Ref):
        def attend(self, q, k, v):
            return super().attend(q * self.head_dim**0.5, k, v) / self.head_dim**0.5

    return Wrong


@mistake(about="the scale")
def forgot_the_scale(Ref):
    """The scores are not divided by sqrt(H). The split into heads takes all the attention and the scale of problem 31
    gets lost: divide by the square root of the head's width before the softmax."""

    class Wrong(Ref):
        def scores(self, q, k):
            return super().scores(q, k) * self.head_dim**0.5

    return Wrong


@mistake(axis=(1, 3))
def axis_counted_from_the_front(Ref, *, axis=2):
    """The axis of the softmax is counted from the front. Scores of one sequence are (N, T, T), and those of a batch
    (B, N, T, T): the same number is another axis there. Count from the end: the keys
    are `axis=-1`, whatever stands in front."""

    class Wrong(Ref):
        def attend(self, q, k, v):
            return jax.nn.softmax(self.scores(q, k), axis=axis) @ v

    return Wrong


@mistake
def softmax_over_queries(Ref):
    """The softmax runs over the queries. With a head axis in front it is easy to miscount: the scores are (..., N, T_q,
    T_k), and the keys are the last axis, `axis=-1`."""

    class Wrong(Ref):
        def attend(self, q, k, v):
            return jax.nn.softmax(self.scores(q, k), axis=-2) @ v

    return Wrong


@mistake
def softmax_over_heads(Ref):
    """The softmax runs over the heads, so that the heads compete for each token. It belongs along the keys, wherever
    your scores have
    them: in scores (..., N, T, T) they are the last axis, `axis=-1`, and the heads are `axis=-3`."""

    class Wrong(Ref):
        def attend(self, q, k, v):
            return jax.nn.softmax(self.scores(q, k), axis=-3) @ v

    return Wrong


@mistake
def queries_and_keys_exchanged(Ref):
    """Queries and keys have changed places: the scores are `k qᵀ`. Their shape is the same in self-attention, so
    nothing complains; row i of the scores belongs to query i: `q kᵀ`."""

    class Wrong(Ref):
        def scores(self, q, k):
            return super().scores(k, q)

    return Wrong


@mistake
def queries_as_keys(Ref):
    """The keys come from `q_proj`. A line copied for the queries and not changed for the keys does this; the scores are
    then symmetric, and `k_proj` has no effect: k = k_proj(x)."""

    class Wrong(Ref):
        def attend(self, q, k, v):
            return super().attend(q, q, v)

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
            q, k, v = self.split(self.q_proj(x)), self.split(self.k_proj(x)), self.split(self.v_proj(x))
            return self.join(self.attend(q, k, v))

    return Wrong


@mistake
def kernels_transposed(Ref):
    """The kernels are multiplied the wrong way round, as `x @ kernel.T`. PyTorch keeps a weight as (out, in); a Flax
    kernel is (in, out), and being square it fits either way: call the `nnx.Linear`, or write `x @ kernel`."""

    class Wrong(Ref):
        def __call__(self, x):
            q, k, v = (self.split(x @ p.kernel[...].T) for p in (self.q_proj, self.k_proj, self.v_proj))
            return self.join(self.attend(q, k, v)) @ self.o_proj.kernel[...].T

    return Wrong


@mistake
def residual_added(Ref):
    """The input is added to the output. In a transformer block this sum comes next, but it belongs to the block, not to
    the attention: return the projection alone."""

    class Wrong(Ref):
        def __call__(self, x):
            return x + super().__call__(x)

    return Wrong


@mistake
def causal_out_of_habit(Ref):
    """Later tokens are masked out. Decoders like GPT do that, and code for them is what one sees most; here every token
    attends to every
    token: no mask."""

    class Wrong(Ref):
        def scores(self, q, k):
            scores = super().scores(q, k)
            return jnp.where(jnp.tri(scores.shape[-1], dtype=bool), scores, -jnp.inf)

    return Wrong


@mistake
def overflowing_softmax(Ref):
    """exp overflows: logits in the hundreds give inf / inf = NaN. The textbook formula is exact on paper only; take the
    row's maximum off first, or call `jax.nn.softmax`, which does."""

    class Wrong(Ref):
        def attend(self, q, k, v):
            weights = jnp.exp(self.scores(q, k))
            return weights / weights.sum(-1, keepdims=True) @ v

    return Wrong


@mistake
def only_without_batch(Ref):
    """It works without batch dimensions only. `T, d_model = x.shape` is natural while one thinks of one sequence; any
    number of dimensions may stand in front: take `x.shape[:-2]` along, or `*batch, T, d_model = x.shape`."""

    class Wrong(Ref):
        def __call__(self, x):
            _, _ = x.shape
            return super().__call__(x)

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


@mistake
def bias_left_on(Ref):
    """The projections have biases. `nnx.Linear` adds one unless it is told not to: pass `use_bias=False`."""

    class Wrong(Ref):
        def make(self, d_model, num_heads, rngs):
            super().make(d_model, num_heads, rngs)
            for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
                setattr(self, name, nnx.Linear(d_model, d_model, rngs=rngs))

    return Wrong


@mistake
def names_of_the_library(Ref):
    """The projections are called `query`, `key`, `value` and `out`, as in `nnx.MultiHeadAttention`. Parameters are
    found by their paths, so the names are part of the contract: `q_proj`, `k_proj`, `v_proj`, `o_proj`."""

    class Wrong(Ref):
        def make(self, d_model, num_heads, rngs):
            self.num_heads, self.head_dim = num_heads, d_model // num_heads
            self.query = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
            self.key = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
            self.value = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
            self.out = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)

        def __call__(self, x):
            return self.out(
                self.join(self.attend(self.split(self.query(x)), self.split(self.key(x)), self.split(self.value(x))))
            )

    return Wrong


@mistake
def fused_projection(Ref):
    """Queries, keys and values come out of one projection, `qkv_proj`. Many models fuse the three because one large
    product is faster; this contract keeps them apart: `q_proj`, `k_proj` and `v_proj`."""

    class Wrong(Ref):
        def make(self, d_model, num_heads, rngs):
            self.num_heads, self.head_dim = num_heads, d_model // num_heads
            self.qkv_proj = nnx.Linear(d_model, 3 * d_model, use_bias=False, rngs=rngs)
            self.o_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)

        def __call__(self, x):
            return self.o_proj(self.join(self.attend(*map(self.split, jnp.split(self.qkv_proj(x), 3, axis=-1)))))

    return Wrong


@mistake
def heads_of_the_full_width(Ref):
    """Every head is as wide as the model: the projections go to num_heads * d_model features. The paper's figure looks
    like that; its heads share the width instead, d_model // num_heads features each, and all kernels are (d_model,
    d_model)."""

    class Wrong(Ref):
        def make(self, d_model, num_heads, rngs):
            self.num_heads, self.head_dim = num_heads, d_model
            for name in ("q_proj", "k_proj", "v_proj"):
                setattr(self, name, nnx.Linear(d_model, num_heads * d_model, use_bias=False, rngs=rngs))
            self.o_proj = nnx.Linear(num_heads * d_model, d_model, use_bias=False, rngs=rngs)

    return Wrong


@mistake
def keeps_the_rngs(Ref):
    """The module keeps `rngs`. `self.rngs = rngs` makes keys and counters part of its variables, to be saved and passed
    along for
    nothing: use `rngs` in `__init__` and let it go."""

    class Wrong(Ref):
        def make(self, d_model, num_heads, rngs):
            super().make(d_model, num_heads, rngs)
            self.rngs = rngs

    return Wrong


@mistake
def takes_any_width(Ref):
    """A width that the heads do not divide goes through `__init__`. `d_model // num_heads` rounds down without a word,
    and what breaks is a reshape, later and far away: raise ValueError in `__init__` when `d_model % num_heads != 0`."""

    class Wrong(Ref):
        def __init__(self, d_model, num_heads, *, rngs):
            self.make(d_model, num_heads, rngs)

    return Wrong


@mistake
def keeps_the_scale_as_an_array(Ref):
    """An array is kept beside the projections: `self.scale = jnp.sqrt(...)`. Flax takes every array on a module for
    state: `nnx.split` hands it out, and a checkpoint stores it. A number is no state: `math.sqrt(...)`, or compute it
    in `__call__`."""

    class Wrong(Ref):
        def make(self, d_model, num_heads, rngs):
            super().make(d_model, num_heads, rngs)
            self.scale = jnp.sqrt(d_model / num_heads)

    return Wrong


@mistake
def output_in_float32(Ref):
    """With half-precision inputs and parameters the output is float32: scores or weights were cast up, and the result
    was not cast back. To compute a softmax in float32 is a good habit; the output has the dtype of `x`."""

    class Wrong(Ref):
        def attend(self, q, k, v):
            return super().attend(q, k, v).astype(jnp.promote_types(q.dtype, jnp.float32))

    return Wrong
