"""54 · Wrong answers that people really give, each with its sentence."""

import jax
import jax.numpy as jnp
from flax import nnx

from grader.course import mistake

# --- along which axis, and with which rows of the kernel


@mistake
def brought_down_along_the_features(Ref):
    """`k_down` and `v_down` are applied to the features of a token. A Linear works on the last axis, and that is where
    they are in `k_proj(x)`; these two mix tokens, so the axis of length T has to meet the kernel: swap it to the end
    first, or write the product as an einsum over the tokens."""

    class Wrong(Ref):
        def bring_down(self, rows, down):
            return rows @ down.kernel[...]

    return Wrong


@mistake(by=("an einsum",))
def kernel_the_wrong_way_round(Ref, *, by="a product"):
    """The kernel is multiplied from the left as it is, without being transposed. In papers E is (rank, max_len) and
    stands to the left of the keys; the kernel of a Flax Linear is (in, out), here (max_len, rank): transpose it, or sum
    over its first axis."""

    class Wrong(Ref):
        def bring_down(self, rows, down):
            kernel = down.kernel[...][: rows.shape[-2]]
            return kernel @ rows if by == "a product" else jnp.einsum("rt,...td->...rd", kernel, rows)

    return Wrong


@mistake(by=("an einsum",))
def only_at_full_length(Ref, *, by="calling the layer"):
    """It works for sequences of exactly `max_len` tokens only. A Linear asks for as many inputs as its kernel has rows;
    of a sequence of T tokens only the first T rows take part: `kernel[:T]`, or pad the keys and values with zeros to
    `max_len`."""

    class Wrong(Ref):
        def bring_down(self, rows, down):
            if by == "an einsum":
                return jnp.einsum("tr,...td->...rd", down.kernel[...], rows)
            return down(rows.swapaxes(-1, -2)).swapaxes(-1, -2)

    return Wrong


@mistake
def last_rows_of_the_kernel(Ref):
    """A shorter sequence uses the last T rows of the kernels. That is how a causal mask is aligned in problem 33; here
    token t belongs to row t, whatever the length: the first T rows."""

    class Wrong(Ref):
        def rows_of(self, kernel, length):
            return kernel[len(kernel) - length :]

    return Wrong


@mistake
def rows_of_the_kernel_backwards(Ref):
    """The kernels meet the tokens in the opposite order: the last token has row 0. A convolution turns its kernel
    round, and a padded text may stand at the end of its buffer; here token t belongs to row t."""

    class Wrong(Ref):
        def rows_of(self, kernel, length):
            return super().rows_of(kernel, length)[::-1]

    return Wrong


@mistake
def rows_spread_over_the_kernel(Ref):
    """A shorter sequence uses T rows from all over the kernels, stretched to `max_len`. That would suit something with
    the same extent at every length, such as an image; a token has its own row, whatever comes after it: the first T
    rows."""

    class Wrong(Ref):
        def rows_of(self, kernel, length):
            return kernel[jnp.arange(length) * len(kernel) // length]

    return Wrong


@mistake
def padded_with_the_last_token(Ref):
    """A shorter sequence is filled up to `max_len` with its last token, which then has the rest of the kernels' rows as
    well. Fill up with zeros, which add nothing to a sum; or leave those rows out: `kernel[:T]`."""

    class Wrong(Ref):
        def bring_down(self, rows, down):
            missing = [(0, 0)] * rows.ndim
            missing[-2] = (0, len(down.kernel[...]) - rows.shape[-2])
            return down.kernel[...].T @ jnp.pad(rows, missing, mode="edge")

    return Wrong


@mistake(by=("max_len", "their square root", "the sums of the kernel"))
def averages_in_place_of_sums(Ref, *, by="T"):
    """What keys and values are brought down to is divided by a number of tokens, or by what the kernel sums to, as if
    it were an average. The kernel is learned and holds any numbers, so it makes up for that itself: the product is
    taken as it is."""

    class Wrong(Ref):
        def bring_down(self, rows, down):
            length, kernel = rows.shape[-2], down.kernel[...]
            sums = super().bring_down(rows, down)
            if by == "the sums of the kernel":
                return sums / kernel[:length].sum(0)[:, None]
            return sums / {"T": length, "max_len": len(kernel), "their square root": length**0.5}[by]

    return Wrong


@mistake(axis=(1,))
def kernel_through_a_softmax(Ref, *, axis=0):
    """The kernels go through a softmax before they are used, so that they hold weights. Attention does that with its
    scores; a kernel is used as it is, and may hold negative numbers."""

    class Wrong(Ref):
        def rows_of(self, kernel, length):
            return jax.nn.softmax(super().rows_of(kernel, length), axis=axis)

    return Wrong


@mistake(which=("v_down",))
def one_kernel_for_both(Ref, *, which="k_down"):
    """Keys and values are brought down with the same kernel. The paper has a variant that shares it; here each has its
    own, and the other one has no effect: `k_down` for the keys, `v_down` for the values."""

    class Wrong(Ref):
        def bring_down(self, rows, down):
            return super().bring_down(rows, getattr(self, which))

    return Wrong


@mistake
def kernels_exchanged(Ref):
    """The values are brought down with `k_down`, and the keys with `v_down`. Both have the same shape, so that nothing
    complains: keys with `k_down`, values with `v_down`."""

    class Wrong(Ref):
        def bring_down(self, rows, down):
            return super().bring_down(rows, self.v_down if down is self.k_down else self.k_down)

    return Wrong


@mistake
def rows_shared_out_among_heads(Ref):
    """Each head gets rows of its own, `rank // num_heads` of them. The features are shared out like that, the rows are
    not: every head has all `rank` rows, in its own features."""

    class Wrong(Ref):
        def attend(self, q, k, v):
            few = k.shape[-2] // self.num_heads
            k, v = (self.own(rows, few) for rows in (k, v))
            return self.weights(self.scores(q, k)) @ v

        def own(self, rows, few):
            return jnp.stack([rows[..., n, n * few : (n + 1) * few, :] for n in range(self.num_heads)], axis=-3)

    return Wrong


@mistake
def brought_down_by_a_reshape(Ref):
    """Heads and tokens are mixed up before keys and values are brought down: the features are reshaped straight to
    (..., N, T, H). Bring down the rows of tokens, (..., T, d_model), and split into heads after that; or split with a
    reshape to (..., T, N, H) and a swap."""

    class Wrong(Ref):
        def bring_down(self, rows, down):
            *batch, length, width = rows.shape
            heads = rows.reshape(*batch, self.num_heads, length, self.head_dim)
            return self.join(super().bring_down(heads, down))

    return Wrong


# --- what is brought down, and who sees it


@mistake(joined=("in the shape of x",))
def queries_brought_down_too(Ref, *, joined="as they come"):
    """The queries are brought down as well, so that `rank` rows come out. Every token wants an output of its own: only
    keys and values become fewer."""

    class Wrong(Ref):
        def __call__(self, x):
            output = super().__call__(x)
            return output if joined == "as they come" else output.reshape(x.shape)

        def queries(self, x):
            return self.split(self.bring_down(self.q_proj(x), self.k_down))

    return Wrong


@mistake(instead=("their first rows",))
def values_not_brought_down(Ref, *, instead="all of them"):
    """The values are not brought down: they have a row for each token, or the first `rank` of those. A weight belongs
    to a mixture of tokens, so the values have to be such mixtures too, made with `v_down`."""

    class Wrong(Ref):
        def bring_down(self, rows, down):
            if down is not self.v_down:
                return super().bring_down(rows, down)
            return rows if instead == "all of them" else rows[..., : down.kernel[...].shape[1], :]

    return Wrong


@mistake(instead=("their first rows",))
def keys_not_brought_down(Ref, *, instead="all of them"):
    """The keys are not brought down: they have a row for each token, or the first `rank` of those, while the values
    have `rank` mixtures. A score chooses among mixtures, so the keys have to be such mixtures too, made with
    `k_down`."""

    class Wrong(Ref):
        def bring_down(self, rows, down):
            if down is not self.k_down:
                return super().bring_down(rows, down)
            return rows if instead == "all of them" else rows[..., : down.kernel[...].shape[1], :]

    return Wrong


@mistake
def nothing_brought_down(Ref):
    """Each query attends to the tokens themselves, as in problem 32: `k_down` and `v_down` are made and never used.
    Keys and values, projected, go through these first, along time; the queries then choose among `rank` rows."""

    class Wrong(Ref):
        def bring_down(self, rows, down):
            return rows

    return Wrong


@mistake
def tokens_beside_the_rows(Ref):
    """Each query attends to the tokens themselves as well as to the rows that they are brought down to. Other layers
    join a coarse view and a fine one; here the rows stand in the place of the tokens."""

    class Wrong(Ref):
        def keys(self, x):
            return jnp.concatenate([super().keys(x), self.split(self.k_proj(x))], axis=-2)

        def values(self, x):
            return jnp.concatenate([super().values(x), self.split(self.v_proj(x))], axis=-2)

    return Wrong


@mistake
def weights_brought_down(Ref):
    """The softmax runs over the tokens, and its weights are brought down afterwards, by `k_down`. The paper argues with
    such a product; the layer brings the keys down, takes scores with them, and its softmax runs over `rank` rows."""

    class Wrong(Ref):
        def __call__(self, x):
            weights = self.weights(self.scores(self.queries(x), self.split(self.k_proj(x))))
            weights = weights @ self.rows_of(self.k_down.kernel[...], x.shape[-2])
            return self.o_proj(self.join(weights @ self.values(x)))

    return Wrong


@mistake(end=("the end",))
def causal_out_of_habit(Ref, *, end="the start"):
    """A triangular mask hides rows: query i sees the rows up to i, or rows counted from the end. A row is no token but
    a mixture of all of them, later ones too, so that hiding it hides nobody's future and loses what it has of the past:
    no mask."""

    class Wrong(Ref):
        def scores(self, q, k):
            scores = super().scores(q, k)
            length, rank = scores.shape[-2:]
            seen = jnp.tri(length, rank, rank - length if end == "the end" else 0, dtype=bool)
            return jnp.where(seen, scores, -jnp.inf)

    return Wrong


@mistake(which=("k_down", "v_down"))
def triangular_kernels(Ref, *, which="both"):
    """The kernels are cut to a triangle, so that early tokens write to few rows or to all but a few. It looks causal,
    and is not: every query attends to all rows, and so to late tokens. The first T rows of a kernel are used whole."""

    class Wrong(Ref):
        def bring_down(self, rows, down):
            if which != "both" and down is not getattr(self, which):
                return super().bring_down(rows, down)
            return jnp.tril(self.rows_of(down.kernel[...], rows.shape[-2])).T @ rows

    return Wrong


@mistake
def rows_beyond_the_tokens_hidden(Ref):
    """Of more rows than tokens, only the first T are attended to. Rows are not positions: each of the `rank` rows is
    written by every token, however few there are, and every query attends to all of them."""

    class Wrong(Ref):
        def scores(self, q, k):
            scores = super().scores(q, k)
            return jnp.where(jnp.arange(scores.shape[-1]) < scores.shape[-2], scores, -jnp.inf)

    return Wrong


# --- the scores and their softmax


@mistake(about="the scale")
def forgot_the_scale(Ref):
    """The scores are not divided by sqrt(head_dim). The kernels along time take all the attention and the scale of
    problem 32 gets lost: divide by the square root of the head's width before the softmax."""

    class Wrong(Ref):
        def scores(self, q, k):
            return super().scores(q, k) * self.head_dim**0.5

    return Wrong


@mistake(about="the scale")
def scale_of_the_whole_width(Ref):
    """The scores are divided by sqrt(d_model). `x.shape[-1]` is at hand and is the right width with one head only; a
    score of one head adds up head_dim = d_model // num_heads products: divide by sqrt(head_dim)."""

    class Wrong(Ref):
        def scores(self, q, k):
            return super().scores(q, k) / self.num_heads**0.5

    return Wrong


@mistake(about="the scale", of=("T",))
def scale_of_a_number_of_rows(Ref, *, of="rank"):
    """The scores are divided by sqrt(rank), or by sqrt(T). These say how many rows there are, not how wide they are; a
    score adds up head_dim products, whatever the rows were mixed of: divide by sqrt(head_dim)."""

    class Wrong(Ref):
        def scores(self, q, k):
            count = k.shape[-2] if of == "rank" else q.shape[-2]
            return super().scores(q, k) * (self.head_dim / count) ** 0.5

    return Wrong


@mistake(about="the scale")
def scaled_twice(Ref):
    """The scores are scaled twice. `jax.nn.dot_product_attention` divides them by sqrt(head_dim) itself unless it is
    told otherwise, and the queries were already divided: leave it to one of the two."""

    class Wrong(Ref):
        def scores(self, q, k):
            return super().scores(q, k) / self.head_dim**0.5

    return Wrong


@mistake
def softmax_over_queries(Ref):
    """The softmax runs over the queries, so that the tokens compete for each row. In scores (..., N, T, rank) the rows
    are the last axis, `axis=-1`."""

    class Wrong(Ref):
        def weights(self, scores):
            return jax.nn.softmax(scores, axis=-2)

    return Wrong


@mistake
def softmax_over_heads(Ref):
    """The softmax runs over the heads, so that the heads compete for each row. In scores (..., N, T, rank) the rows are
    the last axis, `axis=-1`, and the heads are `axis=-3`."""

    class Wrong(Ref):
        def weights(self, scores):
            return jax.nn.softmax(scores, axis=-3)

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
def one_maximum_for_all(Ref):
    """One maximum is taken off all scores, that of the whole array. A query whose scores lie hundreds below it has
    nothing left, and 0 / 0 is NaN. Each query needs its own: `max(axis=-1, keepdims=True)`, or `jax.nn.softmax`."""

    class Wrong(Ref):
        def weights(self, scores):
            powers = jnp.exp(scores - jax.lax.stop_gradient(scores.max()))
            return powers / powers.sum(-1, keepdims=True)

    return Wrong


# --- what problem 32 asks for as well


@mistake(joined=("in chunks",))
def heads_interleaved(Ref, *, joined="as they were split"):
    """The heads are interleaved: head n owns features n, n + N, n + 2N and so on. `reshape(..., H, N)` has the right
    size with the axes in the wrong order; heads are contiguous chunks, so the axis that comes first is the head:
    `reshape(..., N, H)`."""

    class Wrong(Ref):
        def split(self, rows):
            return jnp.moveaxis(rows.reshape(*rows.shape[:-1], self.head_dim, self.num_heads), -1, -3)

        def join(self, heads):
            if joined == "in chunks":
                return super().join(heads)
            return jnp.moveaxis(heads, -3, -1).reshape(*heads.shape[:-3], heads.shape[-2], -1)

    return Wrong


@mistake
def split_by_reshape_alone(Ref):
    """Queries, keys and values are reshaped straight to (..., N, rows, H). The shape is right, but a reshape keeps the
    order of the numbers, so each "head" holds whole rows instead of a chunk of every row: reshape to (..., rows, N, H),
    then swap the axes of rows and heads."""

    class Wrong(Ref):
        def split(self, rows):
            return rows.reshape(*rows.shape[:-2], self.num_heads, rows.shape[-2], self.head_dim)

    return Wrong


@mistake
def joined_by_reshape_alone(Ref):
    """The heads are joined in the wrong order. `reshape(..., T, d_model)` of an array (..., N, T, H) lays whole heads
    one after the other; swap the axes of heads and tokens back first, so that the chunks of one token stand side by
    side."""

    class Wrong(Ref):
        def join(self, heads):
            *batch, num_heads, length, head_dim = heads.shape
            return heads.reshape(*batch, length, num_heads * head_dim)

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
def all_heads_as_one(Ref):
    """The features are never split: one head as wide as the model attends, and `num_heads` changes nothing. The
    parameters are the same, so nothing complains; each head needs weights of its own."""

    class Wrong(Ref):
        def attend(self, q, k, v):
            q, k, v = self.join(q), self.join(k), self.join(v)
            weights = self.weights(q @ k.swapaxes(-1, -2) / q.shape[-1] ** 0.5)
            return self.split(weights @ v)

    return Wrong


@mistake
def keys_as_values(Ref):
    """The values come from `k_proj`. A line copied for the keys and not changed for the values does this, and `v_proj`
    then has no effect: what is brought down by `v_down` is `v_proj(x)`."""

    class Wrong(Ref):
        def values(self, x):
            return self.split(self.bring_down(self.k_proj(x), self.v_down))

    return Wrong


@mistake
def average_of_the_keys(Ref):
    """The weights average the keys: the rows that scores were taken with are used again in place of the values, and
    `v_proj` and `v_down` have no effect. The weights choose by the keys; what they average is the values."""

    class Wrong(Ref):
        def attend(self, q, k, v):
            return super().attend(q, k, k)

    return Wrong


@mistake(which=("keys and values", "the keys", "the values"))
def projection_left_out(Ref, *, which="the output"):
    """A projection is left out: the joined heads are returned without `o_proj`, or the tokens themselves are brought
    down, without `k_proj` or `v_proj`. Shapes are the same either way; bringing down mixes tokens and leaves the
    features as they are, so it takes no projection's place."""

    class Wrong(Ref):
        def __call__(self, x):
            if which == "the output":
                return self.join(self.attend(self.queries(x), self.keys(x), self.values(x)))
            return super().__call__(x)

        def keys(self, x):
            return self.split(self.bring_down(x, self.k_down)) if "keys" in which else super().keys(x)

        def values(self, x):
            return self.split(self.bring_down(x, self.v_down)) if "values" in which else super().values(x)

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
def only_without_batch(Ref):
    """It works without batch dimensions only. `T, d_model = x.shape` is natural while one thinks of one sequence; any
    number of dimensions may stand in front: take `x.shape[:-2]` along, or `*batch, T, d_model = x.shape`."""

    class Wrong(Ref):
        def __call__(self, x):
            _, _ = x.shape
            return super().__call__(x)

    return Wrong


@mistake(by=("an einsum",))
def as_many_rows_as_sequences(Ref, *, by="a product"):
    """The kernels are cut to the length of the first axis, `len(x)`, which is the number of sequences where there is a
    batch. The tokens are the last axis but one, whatever stands in front: `x.shape[-2]`."""

    class Wrong(Ref):
        def bring_down(self, rows, down):
            kernel = self.rows_of(down.kernel[...], len(rows))
            return kernel.T @ rows if by == "a product" else jnp.einsum("tr,...td->...rd", kernel, rows)

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
def promoted_to_float32(Ref):
    """Half-precision tokens give a float32 output. The softmax is better computed in float32; but a product of its
    weights with bfloat16 values is float32 too, and so is all that follows: cast the output to the dtype of `x`."""

    class Wrong(Ref):
        def __call__(self, x):
            return super().__call__(x).astype(jnp.promote_types(x.dtype, jnp.float32))

    return Wrong


# --- the variables


@mistake(layers=("along time",))
def bias_left_on(Ref, *, layers="all six"):
    """The layers have biases. `nnx.Linear` adds one unless it is told not to: pass `use_bias=False`, to those along
    time as well."""

    class Wrong(Ref):
        def make(self, d_model, num_heads, max_len, rank, rngs):
            super().make(d_model, num_heads, max_len, rank, rngs)
            self.k_down = nnx.Linear(max_len, rank, rngs=rngs)
            self.v_down = nnx.Linear(max_len, rank, rngs=rngs)
            if layers == "all six":
                for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
                    setattr(self, name, nnx.Linear(d_model, d_model, rngs=rngs))

    return Wrong


@mistake
def a_kernel_for_each_head(Ref):
    """Each head has kernels along time of its own: `k_down` and `v_down` go to `num_heads * rank` rows. The paper has
    that too; here the heads share one kernel each for keys and values, (max_len, rank)."""

    class Wrong(Ref):
        def make(self, d_model, num_heads, max_len, rank, rngs):
            super().make(d_model, num_heads, max_len, rank, rngs)
            self.k_down = nnx.Linear(max_len, num_heads * rank, use_bias=False, rngs=rngs)
            self.v_down = nnx.Linear(max_len, num_heads * rank, use_bias=False, rngs=rngs)

    return Wrong


@mistake
def only_one_kernel_made(Ref):
    """There is one layer along time for keys and values together. The paper has a variant that shares it; this contract
    has two, `k_down` and `v_down`."""

    class Wrong(Ref):
        def make(self, d_model, num_heads, max_len, rank, rngs):
            super().make(d_model, num_heads, max_len, rank, rngs)
            del self.v_down

        def values(self, x):
            return self.split(self.bring_down(self.v_proj(x), self.k_down))

    return Wrong


@mistake
def kernels_of_rank_times_max_len(Ref):
    """`k_down` and `v_down` are made as `nnx.Linear(rank, max_len)`, as E and F are written in the paper. A Linear
    takes its inputs first, and what goes in are the tokens: `nnx.Linear(max_len, rank)`."""

    class Wrong(Ref):
        def make(self, d_model, num_heads, max_len, rank, rngs):
            super().make(d_model, num_heads, max_len, rank, rngs)
            self.k_down = nnx.Linear(rank, max_len, use_bias=False, rngs=rngs)
            self.v_down = nnx.Linear(rank, max_len, use_bias=False, rngs=rngs)

    return Wrong


@mistake
def along_time_by_parameters_of_its_own(Ref):
    """The kernels along time are bare parameters, `self.k_down = nnx.Param(...)`. A parameter is found by its path, and
    the one of an `nnx.Linear` ends in `.kernel`: make `k_down` and `v_down` Linears, and read `.kernel[...]` where you
    need a part of it."""

    class Wrong(Ref):
        def make(self, d_model, num_heads, max_len, rank, rngs):
            super().make(d_model, num_heads, max_len, rank, rngs)
            self.k_down = nnx.Param(jnp.zeros((max_len, rank)))
            self.v_down = nnx.Param(jnp.zeros((max_len, rank)))

    return Wrong


@mistake
def names_of_the_paper(Ref):
    """The layers along time are called `E` and `F`, as in the paper. Parameters are found by their paths, so the names
    are part of the contract: `k_down` and `v_down`."""

    class Wrong(Ref):
        def make(self, d_model, num_heads, max_len, rank, rngs):
            super().make(d_model, num_heads, max_len, rank, rngs)
            self.E, self.F = self.k_down, self.v_down
            del self.k_down, self.v_down

    return Wrong


@mistake
def keeps_the_rngs(Ref):
    """The module keeps `rngs`. `self.rngs = rngs` makes keys and counters part of its variables, to be saved and passed
    along for nothing: use `rngs` in `__init__` and let it go."""

    class Wrong(Ref):
        def make(self, d_model, num_heads, max_len, rank, rngs):
            super().make(d_model, num_heads, max_len, rank, rngs)
            self.rngs = rngs

    return Wrong


# --- right values, and T × T numbers on the way


@mistake(how=("scores, a head at a time", "scores, a query at a time", "weights"))
def products_in_the_wrong_order(Ref, *, how="scores"):
    """The values are right, but on the way a product makes T × T numbers: of every query with every key, to be brought
    down then, (q kᵀ) E; or of the weights with the kernel of the values, (P Fᵀ) v. A product of three matrices may be
    taken in either order. Bring keys and values down first: q (kᵀ E), and P (Fᵀ v)."""

    class Wrong(Ref):
        def __call__(self, x):
            if how == "weights":
                weights = self.weights(self.scores(self.queries(x), self.keys(x)))
                kernel = self.rows_of(self.v_down.kernel[...], x.shape[-2])
                return self.o_proj(self.join((weights @ kernel.T) @ self.split(self.v_proj(x))))
            q, k = self.queries(x), self.split(self.k_proj(x))
            scores = self.brought_down(q, k, self.rows_of(self.k_down.kernel[...], x.shape[-2]))
            return self.o_proj(self.join(self.weights(scores) @ self.values(x)))

        def brought_down(self, q, k, kernel):
            if how == "scores":
                return self.scores(q, k) @ kernel
            if how == "scores, a head at a time":
                pairs = [(q[..., n, :, :], k[..., n, :, :]) for n in range(self.num_heads)]
                return jnp.stack([self.scores(*pair) @ kernel for pair in pairs], axis=-3)
            rows = jax.lax.map(lambda query: self.scores(query, k), jnp.moveaxis(q[..., None, :], -3, 0))
            return jnp.moveaxis(rows[..., 0, :], 0, -2) @ kernel

    return Wrong


@mistake(by=("where",))
def all_places_compared(Ref, *, by="a product"):
    """The values are right, but every place is compared with every place, as for a mask: T × T numbers or more, whether
    they pick the first T rows of a kernel or hide something. A slice picks rows, `kernel[:T]`, and there is nothing to
    hide."""

    class Wrong(Ref):
        def rows_of(self, kernel, length):
            picked = jnp.arange(length)[:, None] == jnp.arange(len(kernel))
            if by == "a product":
                return picked.astype(kernel.dtype) @ kernel
            return jnp.where(picked[..., None], kernel, 0).sum(1).astype(kernel.dtype)

    return Wrong
