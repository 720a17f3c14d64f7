"""35 · Wrong answers that people really give, each with its sentence."""

import jax
import jax.numpy as jnp
from flax import nnx

from grader.course import mistake


def _linear(d_in, d_out, rngs):
    return nnx.Linear(d_in, d_out, use_bias=False, rngs=rngs)


# --- which sequence goes where


@mistake
def keys_from_x(Ref):
    """The keys come from x. Copied from self-attention, the line `k_proj(x)` runs wherever both sequences have one
    size; what a token is found by has to come from where its value comes from: k_proj(context)."""

    class Wrong(Ref):
        def project(self, x, context):
            return self.q_proj(x), self.k_proj(x), self.v_proj(context)

    return Wrong


@mistake
def values_from_x(Ref):
    """The values come from x. The scores then choose among context tokens, and the average is taken of other things,
    which have no part in the comparison: keys and values are two views of the same token, v_proj(context)."""

    class Wrong(Ref):
        def project(self, x, context):
            return self.q_proj(x), self.k_proj(context), self.v_proj(x)

    return Wrong


@mistake
def queries_from_context(Ref):
    """The queries come from the context, like keys and values, so the context attends to itself and x is never read.
    There has to be one row of output for each token of x: q_proj(x)."""

    class Wrong(Ref):
        def project(self, x, context):
            return self.q_proj(context), self.k_proj(context), self.v_proj(context)

    return Wrong


@mistake
def self_attention(Ref):
    """Queries, keys and values all come from x: this is the self-attention of problem 32, and the context is never
    read. Take keys and values from the context."""

    class Wrong(Ref):
        def project(self, x, context):
            return self.q_proj(x), self.k_proj(x), self.v_proj(x)

    return Wrong


@mistake
def roles_exchanged(Ref):
    """x and the context have changed places: the queries come from the context, keys and values from x. "Attend from A
    to B" means that A
    asks: the queries come from x."""

    class Wrong(Ref):
        def project(self, x, context):
            return self.q_proj(context), self.k_proj(x), self.v_proj(x)

    return Wrong


@mistake
def x_joined_to_the_context(Ref):
    """x is put in front of the context, and the queries attend to both. Some models do that with one joint sequence,
    and it needs equal widths; here x only asks, and keys and values come from the context alone."""

    class Wrong(Ref):
        def __call__(self, x, context, context_mask=None):
            both = jnp.concatenate([x, context], axis=-2)
            if context_mask is not None:
                context_mask = jnp.concatenate([jnp.ones(x.shape[:-1], bool), context_mask], axis=-1)
            return super().__call__(x, both, context_mask)

    return Wrong


@mistake
def keys_as_values(Ref):
    """The values come from `k_proj`. A line copied for the keys and not changed for the values does this, and `v_proj`
    then has no
    effect: v = v_proj(context)."""

    class Wrong(Ref):
        def project(self, x, context):
            return self.q_proj(x), self.k_proj(context), self.k_proj(context)

    return Wrong


@mistake
def context_without_gradient(Ref):
    """The values are right but no gradient flows to the context. A `stop_gradient` on it freezes whatever made it, an
    encoder for instance; whether that is wanted is the caller's choice, not the layer's."""

    class Wrong(Ref):
        def project(self, x, context):
            return super().project(x, jax.lax.stop_gradient(context))

    return Wrong


# --- the parameters


@mistake
def context_kernels_of_the_model_width(Ref):
    """`k_proj` and `v_proj` take d_model features. The four `nnx.Linear` of problem 32 can stay as they are only where
    both widths are equal; these two read the context, so they go from d_context to d_model."""

    class Wrong(Ref):
        def make(self, d_model, d_context, rngs):
            super().make(d_model, d_model, rngs)

    return Wrong


@mistake
def context_kernels_the_other_way_round(Ref):
    """The sizes of `k_proj` and `v_proj` have changed places: they go from d_model to d_context. `nnx.Linear(in, out)`
    takes the width that comes in first: `nnx.Linear(d_context, d_model)`."""

    class Wrong(Ref):
        def make(self, d_model, d_context, rngs):
            super().make(d_model, d_context, rngs)
            self.k_proj, self.v_proj = _linear(d_model, d_context, rngs), _linear(d_model, d_context, rngs)

    return Wrong


@mistake
def attention_in_the_context_width(Ref):
    """The heads share d_context: the queries are brought to the width of the context, and `o_proj` leads back. Queries
    and keys do have to meet in one width, but in that of the model: all four projections go to d_model."""

    class Wrong(Ref):
        def make(self, d_model, d_context, rngs):
            self.head_dim = d_context // self.num_heads
            self.q_proj, self.o_proj = _linear(d_model, d_context, rngs), _linear(d_context, d_model, rngs)
            self.k_proj, self.v_proj = _linear(d_context, d_context, rngs), _linear(d_context, d_context, rngs)

    return Wrong


@mistake
def bias_left_on(Ref):
    """The projections have biases. `nnx.Linear` adds one unless it is told not to; pass `use_bias=False`, or a query
    without a key gets the bias instead of zeros."""

    class Wrong(Ref):
        def make(self, d_model, d_context, rngs):
            for name, width in dict(q_proj=d_model, k_proj=d_context, v_proj=d_context, o_proj=d_model).items():
                setattr(self, name, nnx.Linear(width, d_model, rngs=rngs))

    return Wrong


@mistake
def names_of_the_library(Ref):
    """The projections are called `query`, `key`, `value` and `out`, as in `nnx.MultiHeadAttention`. Parameters are
    found by their paths, so the names are part of the contract: `q_proj`, `k_proj`, `v_proj`, `o_proj`."""

    class Wrong(Ref):
        def make(self, d_model, d_context, rngs):
            self.query, self.out = _linear(d_model, d_model, rngs), _linear(d_model, d_model, rngs)
            self.key, self.value = _linear(d_context, d_model, rngs), _linear(d_context, d_model, rngs)

    return Wrong


@mistake
def fused_keys_and_values(Ref):
    """Keys and values come out of one projection, `kv_proj`. One product of twice the width reads the context once and
    is common in fast code; this contract keeps them apart: `k_proj` and `v_proj`."""

    class Wrong(Ref):
        def make(self, d_model, d_context, rngs):
            self.q_proj, self.o_proj = _linear(d_model, d_model, rngs), _linear(d_model, d_model, rngs)
            self.kv_proj = _linear(d_context, 2 * d_model, rngs)

    return Wrong


@mistake
def keeps_the_rngs(Ref):
    """The module keeps `rngs`. `self.rngs = rngs` makes keys and counters part of its variables, to be saved and passed
    along for
    nothing: use `rngs` in `__init__` and let it go."""

    class Wrong(Ref):
        def make(self, d_model, d_context, rngs):
            super().make(d_model, d_context, rngs)
            self.rngs = rngs

    return Wrong


# --- scores and weights


@mistake(about="the scale")
def forgot_the_scale(Ref):
    """The scores are not divided by sqrt(H). Two sequences take all the attention and the scale gets lost: divide by
    the square root of the head's width before the softmax."""

    class Wrong(Ref):
        def scores(self, q, k):
            return super().scores(q, k) * self.head_dim**0.5

    return Wrong


@mistake(misconception="scale_of_the_whole_width", about="the scale")
def scale_of_the_model(Ref):
    """The scores are divided by sqrt(d_model). `x.shape[-1]` is at hand and is the right width with one head only; a
    score of one head adds up H = d_model // num_heads products: divide by sqrt(H)."""

    class Wrong(Ref):
        def scores(self, q, k):
            return super().scores(q, k) / self.num_heads**0.5

    return Wrong


@mistake(about="the scale")
def scale_of_the_context(Ref):
    """The scores are divided by sqrt(d_context). That is the width of the keys' tokens before `k_proj`; the products of
    a score run over the width of a head, after the projection and the split: divide by sqrt(H)."""

    class Wrong(Ref):
        def scores(self, q, k):
            return super().scores(q, k) * (self.head_dim / self.k_proj.kernel[...].shape[0]) ** 0.5

    return Wrong


@mistake(axis=(1, 3))
def axis_counted_from_the_front(Ref, *, axis=2):
    """The axis of the softmax is counted from the front. Scores of one sequence are (N, T_q, T_k), and those of a batch
    (B, N, T_q, T_k): the same number is another axis there. Count from the end: the keys
    are `axis=-1`, whatever stands in front."""

    class Wrong(Ref):
        def weights(self, scores, visible):
            return jax.nn.softmax(scores, axis=axis, where=visible)

    return Wrong


@mistake
def softmax_over_queries(Ref):
    """The softmax runs over the queries. With heads in front the scores are (..., N, T_q, T_k), and `axis=-2` makes the
    queries compete for each context token; each query shares out one unit of attention, so the softmax runs over the
    keys: `axis=-1`."""

    class Wrong(Ref):
        def weights(self, scores, visible):
            return jax.nn.softmax(scores, axis=-2, where=visible)

    return Wrong


@mistake
def overflowing_softmax(Ref):
    """exp overflows: logits in the hundreds give inf / inf = NaN. Take the largest visible score of each row off first,
    or let `jax.nn.softmax` do it."""

    class Wrong(Ref):
        def weights(self, scores, visible):
            powers = jnp.exp(scores) if visible is None else jnp.exp(jnp.where(visible, scores, -jnp.inf))
            total = powers.sum(-1, keepdims=True)
            return powers / jnp.where(total == 0, 1, total)

    return Wrong


def _triangle(scores, visible, diagonal):
    causal = jnp.tri(*scores.shape[-2:], diagonal, dtype=bool)
    return causal if visible is None else causal & visible


@mistake
def causal_out_of_habit(Ref):
    """The causal mask of problem 33 is on. Positions of x say nothing about positions of the context, which is there as
    a whole before the first query asks: hide what `context_mask` hides, and nothing else."""

    class Wrong(Ref):
        def weights(self, scores, visible):
            return super().weights(scores, _triangle(scores, visible, scores.shape[-1] - scores.shape[-2]))

    return Wrong


@mistake
def causal_from_the_start(Ref):
    """A triangle from `tril`, or `is_causal=True`, hides context tokens: query i sees only the first i + 1 of them. No
    order ties the two sequences together; hide what `context_mask` hides, and nothing else."""

    class Wrong(Ref):
        def weights(self, scores, visible):
            return super().weights(scores, _triangle(scores, visible, 0))

    return Wrong


# --- the heads


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
    """The heads are joined in the wrong order. `reshape(..., T_q, d_model)` of an array (..., N, T_q, H) lays whole
    heads one after the other; swap the axes of heads and tokens back first, so that the chunks of one token stand side
    by side."""

    class Wrong(Ref):
        def join(self, heads):
            *batch, num_heads, length, head_dim = heads.shape
            return heads.reshape(*batch, length, num_heads * head_dim)

    return Wrong


@mistake
def all_heads_as_one(Ref):
    """The features are never split: one head as wide as the model attends, and `num_heads` changes nothing. The
    parameters are the same, so nothing complains; each head needs weights of its own."""

    class Wrong(Ref):
        def split(self, x):
            return x[..., None, :, :]

        def scores(self, q, k):
            return q @ k.swapaxes(-1, -2) / q.shape[-1] ** 0.5

        def join(self, heads):
            return heads[..., 0, :, :]

    return Wrong


@mistake
def no_output_projection(Ref):
    """The joined heads are returned without `o_proj`. They have the shape of x, so the work looks done; the heads are
    only mixed by the last projection: return o_proj(joined)."""

    class Wrong(Ref):
        def __call__(self, x, context, context_mask=None):
            q, k, v = map(self.split, self.project(x, context))
            return self.join(self.attend(q, k, v, None if context_mask is None else context_mask[..., None, None, :]))

    return Wrong


@mistake
def residual_added(Ref):
    """The input is added to the output. In a transformer block this sum comes next, but it belongs to the block, not to
    the attention: return the projection alone."""

    class Wrong(Ref):
        def __call__(self, x, context, context_mask=None):
            return x + super().__call__(x, context, context_mask)

    return Wrong


# --- leading dimensions


@mistake
def only_without_batch(Ref):
    """It works without batch dimensions only. `T_q, d_model = x.shape` is natural while one thinks of one pair of
    sequences; any number of dimensions may stand in front: take `x.shape[:-2]` along, and count axes from the end."""

    class Wrong(Ref):
        def __call__(self, x, context, context_mask=None):
            _, _ = x.shape
            return super().__call__(x, context, context_mask)

    return Wrong


@mistake
def only_with_one_batch_dimension(Ref):
    """It works with exactly one batch dimension only. `B, T_q, d_model = x.shape` is how most code starts, and a single
    pair of sequences or two batch dimensions do not fit it: take `x.shape[:-2]` along, and count axes from the end."""

    class Wrong(Ref):
        def __call__(self, x, context, context_mask=None):
            _, _, _ = x.shape
            return super().__call__(x, context, context_mask)

    return Wrong


@mistake
def mask_with_one_batch_dimension(Ref):
    """The mask is brought to the scores by `context_mask[:, None, None, :]`, which is right for exactly one batch
    dimension. With none there are too many indices, with two the axes land in the wrong places:
    `context_mask[..., None, None, :]` counts from the end."""

    class Wrong(_MaskedBy(Ref)):
        def visible(self, mask):
            return mask[:, None, None, :]

    return Wrong


# --- the mask


def _MaskedBy(Ref):
    """The reference with its mask brought to the scores by another method, `visible`."""

    class Masked(Ref):
        def __call__(self, x, context, context_mask=None):
            q, k, v = map(self.split, self.project(x, context))
            return self.o_proj(
                self.join(self.attend(q, k, v, None if context_mask is None else self.visible(context_mask)))
            )

        def weights(self, scores, visible):
            return super().weights(scores if visible is None else jnp.where(visible, scores, 0.0), visible)

    return Masked


@mistake
def mask_without_the_heads(Ref):
    """The mask has no axis for the heads. `context_mask[..., None, :]` is (B, 1, T_k), which lines up with scores (B,
    T_q, T_k); with heads the batch falls on the axis of the heads, and that fits only where B is 1, or equals
    num_heads and then with the wrong masks: add one more axis, `[..., None, None, :]`."""

    class Wrong(_MaskedBy(Ref)):
        def visible(self, mask):
            return mask[..., None, :]

    return Wrong


@mistake
def mask_over_queries(Ref):
    """The mask lies along the queries. `context_mask[..., None, :, None]` makes it a column, which fits only where T_q
    equals T_k; it says which keys may be seen, and these are the last axis of the scores: `[..., None, None, :]`."""

    class Wrong(_MaskedBy(Ref)):
        def visible(self, mask):
            return mask[..., None, :, None]

    return Wrong


@mistake(misconception="ignored_the_mask")
def mask_ignored(Ref):
    """The mask has no effect. An argument that is taken and not used does this, or a `jnp.where` whose result is not
    assigned: masked tokens need the weight 0."""

    class Wrong(Ref):
        def __call__(self, x, context, context_mask=None):
            return super().__call__(x, context)

    return Wrong


@mistake(
    misconception="inverted_the_mask",
    none=("ones", "ones, -inf", "ones, -inf, rows by the mask", "ones, -1e9", "ones, -1e9, rows by the mask"),
)
def mask_inverted(Ref, *, none="left"):
    """The mask is used the wrong way round: masked tokens are seen and the others hidden. In some libraries True marks
    padding; here it means "may attend", so in `jnp.where(mask, a, b)` the score is `a`."""

    class Wrong(Ref):
        def __call__(self, x, context, context_mask=None):
            if context_mask is None and none != "left":
                context_mask = jnp.ones(context.shape[:-1], bool)
            return super().__call__(x, context, None if context_mask is None else ~context_mask)

        def weights(self, scores, visible):
            if none in ("left", "ones"):
                return super().weights(scores, visible)
            weights = jax.nn.softmax(jnp.where(visible, scores, -1e9 if "-1e9" in none else -jnp.inf), axis=-1)
            return jnp.where((~visible).any(-1, keepdims=True), weights, 0.0) if "rows" in none else weights

    return Wrong


@mistake
def none_hides_everything(Ref):
    """Without a mask every token is hidden: None is replaced by zeros, or by a mask of False. None means that all may
    be attended to: replace it by ones, or leave the hiding out."""

    class Wrong(Ref):
        def __call__(self, x, context, context_mask=None):
            nothing = jnp.zeros(context.shape[:-1], bool)
            return super().__call__(x, context, nothing if context_mask is None else context_mask)

    return Wrong


@mistake(misconception="nan_where_nothing_is_seen")
def nan_where_nothing_is_visible(Ref):
    """A query with no key to attend to gets NaN. A softmax over nothing but -inf is 0 / 0; the contract asks for zeros
    there, for instance by `jax.nn.softmax(scores, where=mask)`."""

    class Wrong(Ref):
        def weights(self, scores, visible):
            return jax.nn.softmax(scores if visible is None else jnp.where(visible, scores, -jnp.inf), axis=-1)

    return Wrong


@mistake(misconception="mean_where_nothing_is_seen", hidden=("added",))
def mean_where_nothing_is_visible(Ref, *, hidden="replaced"):
    """A query with no key to attend to gets the mean of all values. With -1e9 or `finfo.min` in place of every score of
    a row, or `finfo.min` added to it, these are equal again, and so are the weights: make them zeros there."""

    class Wrong(Ref):
        def weights(self, scores, visible):
            if visible is None:
                return super().weights(scores, visible)
            least = jnp.finfo(scores.dtype).min
            scores = scores + jnp.where(visible, 0, least) if hidden == "added" else jnp.where(visible, scores, least)
            return jax.nn.softmax(scores, axis=-1)

    return Wrong


@mistake(number=(-10.0, -1000.0), zeroed=(False,))
def hidden_by_a_small_number(Ref, *, number=-100.0, zeroed=True):
    """A number such as -100 stands in the place of each masked score. Scores of visible tokens may be lower than that,
    and then what is masked wins. Only -inf is below every score."""

    class Wrong(Ref):
        def weights(self, scores, visible):
            if visible is None:
                return super().weights(scores, visible)
            weights = jax.nn.softmax(jnp.where(visible, scores, number), axis=-1)
            return jnp.where(visible.any(-1, keepdims=True), weights, 0.0) if zeroed else weights

    return Wrong


@mistake(number=(-10.0, -1000.0), zeroed=(False,))
def added_a_small_number(Ref, *, number=-100.0, zeroed=True):
    """A number such as -100 is added to the masked scores. A masked token that scores some hundreds higher than the
    visible ones comes through: it is only less likely. Put -inf in place of the score."""

    class Wrong(Ref):
        def weights(self, scores, visible):
            if visible is None:
                return super().weights(scores, visible)
            weights = jax.nn.softmax(scores + jnp.where(visible, 0.0, number), axis=-1)
            return jnp.where(visible.any(-1, keepdims=True), weights, 0.0) if zeroed else weights

    return Wrong


@mistake
def one_row_decides_for_all(Ref):
    """Whether any token is visible is asked of the whole mask at once, `mask.any()`, and not of each context. One
    context can be empty beside another that is not, and its queries then get NaN: `mask.any(axis=-1)`."""

    class Wrong(Ref):
        def weights(self, scores, visible):
            if visible is None:
                return super().weights(scores, visible)
            return jnp.where(visible.any(), jax.nn.softmax(jnp.where(visible, scores, -jnp.inf), axis=-1), 0.0)

    return Wrong


@mistake
def mean_beside_a_context_that_is_not_empty(Ref):
    """A query whose context is empty gets the mean of all values, unless the whole batch is empty: `mask.any()` asks
    all contexts at once, and scores that are all the same large negative number are equal weights. Ask each one,
    `mask.any(axis=-1)`."""

    class Wrong(Ref):
        def weights(self, scores, visible):
            if visible is None:
                return super().weights(scores, visible)
            scores = jnp.where(visible, scores, jnp.finfo(scores.dtype).min)
            return jnp.where(visible.any(), jax.nn.softmax(scores, axis=-1), 0.0)

    return Wrong


@mistake
def masked_tokens_on_the_diagonal_seen(Ref):
    """Each query sees the token of its own number, masked or not (`mask | jnp.eye(...)`). No order ties queries to the
    context's tokens, and a query with no token to attend to gets zeros, not another's value."""

    class Wrong(Ref):
        def weights(self, scores, visible):
            return super().weights(
                scores, None if visible is None else visible | jnp.eye(*scores.shape[-2:], dtype=bool)
            )

    return Wrong


@mistake(of=("the output",))
def zeros_put_in_afterwards(Ref, *, of="the average"):
    """The values are right but the gradient is NaN. `jnp.where` or `nan_to_num` on the average, or on the output, hides
    the NaN of a row without any key on the way forward; on the way back the weights are still NaN, and the gradient of
    the values is NaN * 0. Make the weights zeros, before the product with the values."""

    class Wrong(Ref):
        def __call__(self, x, context, context_mask=None):
            output = super().__call__(x, context, context_mask)
            return jnp.nan_to_num(output) if of == "the output" else output

        def attend(self, q, k, v, visible):
            if visible is None:
                return super().attend(q, k, v, visible)
            average = jax.nn.softmax(jnp.where(visible, self.scores(q, k), -jnp.inf), axis=-1) @ v
            return average if of == "the output" else jnp.where(visible.any(-1, keepdims=True), average, 0.0)

    return Wrong


@mistake
def asked_python_for_an_empty_mask(Ref):
    """A Python `if` asks whether any token is visible. That cannot be traced by `jit`, and it asks for the whole batch
    at once, where one context can be empty beside another that is not: leave hidden keys out of the softmax for each
    row, as `where=` does."""

    class Wrong(Ref):
        def __call__(self, x, context, context_mask=None):
            if context_mask is not None and not context_mask.any():
                return jnp.zeros_like(x)
            return super().__call__(x, context, context_mask)

        def weights(self, scores, visible):
            return jax.nn.softmax(scores if visible is None else jnp.where(visible, scores, -jnp.inf), axis=-1)

    return Wrong


@mistake
def zeros_for_scores(Ref):
    """The masked scores are set to 0, or multiplied by the mask. A score of 0 is no absence: exp(0) = 1, a weight like
    any other. Leave masked tokens out of the softmax: `where=`."""

    class Wrong(Ref):
        def weights(self, scores, visible):
            return jax.nn.softmax(scores if visible is None else jnp.where(visible, scores, 0.0), axis=-1)

    return Wrong


@mistake
def masked_tokens_set_to_zero(Ref):
    """The masked context tokens are set to zero, and then attended to like the others. A key of zeros has the score 0,
    and exp(0) = 1 takes its share of every row: hide the scores."""

    class Wrong(Ref):
        def __call__(self, x, context, context_mask=None):
            return super().__call__(x, context if context_mask is None else context * context_mask[..., None])

    return Wrong


@mistake
def mask_after_the_softmax(Ref):
    """The mask is applied to the weights, after the softmax. The masked tokens have had their share by then, and what
    is left of a row sums to less than 1. Hide the scores, before the softmax."""

    class Wrong(Ref):
        def weights(self, scores, visible):
            weights = jax.nn.softmax(scores, axis=-1)
            return weights if visible is None else weights * visible

    return Wrong


@mistake(misconception="softmax_over_hidden_keys_too")
def softmax_over_masked_tokens_too(Ref):
    """The masked tokens take part in the softmax, and are taken out of it afterwards, by dividing what is left by its
    sum. On paper they cancel; but where a masked token scores far higher, all that is visible underflows to 0. Hide the
    scores first."""

    class Wrong(Ref):
        def weights(self, scores, visible):
            weights = jax.nn.softmax(scores, axis=-1)
            if visible is None:
                return weights
            total = (weights * visible).sum(-1, keepdims=True)
            return weights * visible / jnp.where(total == 0, 1, total)

    return Wrong


@mistake
def added_the_boolean_mask(Ref):
    """The boolean mask itself is added to the scores: True counts as 1, and every token keeps a weight. What is added
    has to be 0 for visible tokens and -inf for masked ones; `jnp.where(mask, scores, -jnp.inf)` says it directly."""

    class Wrong(Ref):
        def weights(self, scores, visible):
            return jax.nn.softmax(scores if visible is None else scores + visible, axis=-1)

    return Wrong


@mistake
def added_a_large_number(Ref):
    """A large negative number such as -1e9 is added to the masked scores. It is right for ordinary tokens, but a masked
    score that is larger still comes through. Put the number in place of the score, so that nothing is left of it."""

    class Wrong(Ref):
        def weights(self, scores, visible):
            if visible is None:
                return super().weights(scores, visible)
            return jnp.where(
                visible.any(-1, keepdims=True), jax.nn.softmax(scores + jnp.where(visible, 0.0, -1e9), axis=-1), 0.0
            )

    return Wrong


@mistake
def added_a_large_number_and_the_mean(Ref):
    """Two things come from adding a number such as -1e9 to the masked scores. A query with no key to attend to gets the
    mean of all values, where the contract asks for zeros; and a masked score that is larger still comes through.
    Replace the scores, and give such a row zeros."""

    class Wrong(Ref):
        def weights(self, scores, visible):
            return jax.nn.softmax(scores if visible is None else scores + jnp.where(visible, 0.0, -1e9), axis=-1)

    return Wrong


@mistake("CrossAttention")
def output_in_float32(Ref):
    """With half-precision inputs and parameters the output is float32: scores or weights were cast up, and the result
    was not cast back. To compute a softmax in float32 is a good habit; the output has the dtype of `x`."""

    class Wrong(Ref):
        def weights(self, *arguments):
            return super().weights(*arguments).astype(jnp.promote_types(arguments[0].dtype, jnp.float32))

    return Wrong
