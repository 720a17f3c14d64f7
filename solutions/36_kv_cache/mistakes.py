"""36 · Wrong answers that people really give, each with its sentence."""

import jax
import jax.numpy as jnp
from flax import nnx

from grader.course import mistake

# --- the position


@mistake
def position_not_advanced(Ref):
    """The position stays where it was, so each call overwrites what the call before it wrote, and is told that nothing
    came before. Once the new keys and values are written, add their number to `pos`."""

    class Wrong(Ref):
        def advance(self, count):
            pass

    return Wrong


@mistake
def position_advanced_by_one(Ref):
    """The position advances by 1, however many tokens the call took in. That is right while one writes token by token;
    after a chunk the next call overwrites all of it but its first token: add T, which is `x.shape[0]`."""

    class Wrong(Ref):
        def advance(self, count):
            super().advance(1)

    return Wrong


@mistake
def always_written_to_the_start(Ref):
    """Keys and values are always written to the first slots of the caches, whatever `pos` says. The first call is
    right, and each later one overwrites it: write from slot `pos` on."""

    class Wrong(Ref):
        def write(self, k, v, start):
            super().write(k, v, 0)

    return Wrong


@mistake
def position_advanced_before_writing(Ref):
    """The position is advanced first, and used to write afterwards. Everything lands T slots too late, behind a gap of
    zeros, and at the end of the buffer `dynamic_update_slice` moves it back without a word: write at the old position,
    then advance."""

    class Wrong(Ref):
        def write(self, k, v, start):
            super().write(k, v, start + len(k))

        def visible(self, queries, slots, start):
            return super().visible(queries, slots, start + queries)

    return Wrong


@mistake
def mask_from_the_advanced_position(Ref):
    """The mask is made from the position after it was advanced. Each query then sees T slots too many: later tokens of
    its own chunk, and slots that nobody has written yet. Query i of a call stands at the old position plus i."""

    class Wrong(Ref):
        def visible(self, queries, slots, start):
            return super().visible(queries, slots, start + queries)

    return Wrong


# --- what a query may see


@mistake
def every_slot_seen(Ref):
    """Every slot of the cache is attended to, written or not: there is no mask, or one that sets scores to 0. The key
    of an empty slot has the score 0 as it is, and exp(0) = 1 takes its share of every row. A query sees the slots up to
    its own: slot j when `j <= pos + i`, and the others score -inf."""

    class Wrong(Ref):
        def visible(self, queries, slots, start):
            return jnp.ones((queries, slots), bool)

    return Wrong


@mistake
def no_mask_inside_the_call(Ref):
    """The mask hides the slots that are not written yet, and nothing else, so that a token sees the later tokens of its
    own call. A single token needs no more, since its own slot is the last one written; in a chunk, query i sees slot j
    when `j <= pos + i`, with its own i."""

    class Wrong(Ref):
        def visible(self, queries, slots, start):
            return jnp.broadcast_to(jnp.arange(slots) < start + queries, (queries, slots))

    return Wrong


@mistake(misconception="aligned_at_the_start")
def mask_from_the_start(Ref):
    """The triangle of the mask begins at slot 0 in every call: query i sees the slots up to i, as if nothing had come
    before it. That is right in the first call only; the queries of this call stand at `pos`, so query i sees slot j
    when `j <= pos + i`."""

    class Wrong(Ref):
        def visible(self, queries, slots, start):
            return super().visible(queries, slots, 0)

    return Wrong


@mistake
def mask_from_the_end(Ref):
    """The triangle of the mask ends at the last slot, as in problem 33. The last query is aligned with the last key
    there; here the last key is in slot `pos + T - 1`, and what lies behind it is unused. Both agree only when the cache
    is full."""

    class Wrong(Ref):
        def visible(self, queries, slots, start):
            return super().visible(queries, slots, slots - queries)

    return Wrong


@mistake
def unused_slots_told_by_their_zeros(Ref):
    """A slot counts as unused when its key is zero. A real token can have a key of zeros too, and is then lost; and
    what is told from values costs a pass over the cache. `pos` knows how many slots are written."""

    class Wrong(Ref):
        def attend(self, q, k, v, start):
            seen = self.visible(len(q), len(k), start) & (k != 0).any((1, 2))
            return jnp.einsum("nts,snh->tnh", self.weights(self.scores(q, k), seen), v)

    return Wrong


@mistake(empty=("zeros", "the mean"))
def without_the_token_itself(Ref, *, empty="NaN"):
    """A token does not see itself: the comparison is `<` where it has to be `<=`. What a token must not see is later
    tokens and unused slots; the very first token would see nothing at all."""

    class Wrong(Ref):
        def visible(self, queries, slots, start):
            return super().visible(queries, slots, start - 1)

        def weights(self, scores, visible):
            weights, some = super().weights(scores, visible), visible.any(-1, keepdims=True)
            nothing = {"NaN": jnp.nan, "zeros": 0.0, "the mean": 1 / scores.shape[-1]}[empty]
            return jnp.where(some, weights, nothing)

    return Wrong


@mistake
def one_slot_too_many(Ref):
    """Each query sees one slot too far: the next token of its call, or a slot that nobody has written yet. The last
    slot that query i of a call sees is its own, `pos + i`, with no 1 added."""

    class Wrong(Ref):
        def visible(self, queries, slots, start):
            return super().visible(queries, slots, start + 1)

    return Wrong


@mistake(misconception="inverted_the_mask", hidden=(-1e9,))
def hid_what_it_may_see(Ref, *, hidden=-jnp.inf):
    """The mask is used the wrong way round: the slots that a query may see are hidden, and later and unused ones are
    seen. In `jnp.where(mask, a, b)` the score is `a`, which stands where the mask is True, and -inf is `b`."""

    class Wrong(Ref):
        def weights(self, scores, visible):
            return jax.nn.softmax(jnp.where(visible, hidden, scores), axis=-1)

    return Wrong


# --- how it is hidden


@mistake
def zeros_for_scores(Ref):
    """The hidden scores are set to 0, or multiplied by the mask. A score of 0 is no absence: exp(0) = 1, a weight like
    any other, and each slot that may not be seen takes its share. Hidden scores have to be -inf."""

    class Wrong(Ref):
        def weights(self, scores, visible):
            return jax.nn.softmax(jnp.where(visible, scores, 0.0), axis=-1)

    return Wrong


@mistake(misconception="hidden_by_a_small_number", number=(-10.0,))
def not_negative_enough(Ref, *, number=-100.0):
    """The hidden scores become a number that is not negative enough, such as -100. Beside visible scores of -900 a
    hidden slot then takes all the weight. Use -inf, or at least a number that no score reaches."""

    class Wrong(Ref):
        def weights(self, scores, visible):
            return jax.nn.softmax(jnp.where(visible, scores, number), axis=-1)

    return Wrong


@mistake(number=(-10.0,))
def added_a_small_number(Ref, *, number=-100.0):
    """A number such as -100 is added to the hidden scores. A hidden slot that scores some hundreds higher than the
    visible ones comes through: it is only less likely. Put -inf in place of the score."""

    class Wrong(Ref):
        def weights(self, scores, visible):
            return jax.nn.softmax(scores + jnp.where(visible, 0.0, number), axis=-1)

    return Wrong


@mistake
def added_the_boolean_mask(Ref):
    """The boolean mask itself is added to the scores: True counts as 1, and every slot keeps a weight. What is added
    has to be 0 for visible slots and -inf for hidden ones; `jnp.where(mask, scores, -jnp.inf)` says it directly."""

    class Wrong(Ref):
        def weights(self, scores, visible):
            return jax.nn.softmax(scores + visible, axis=-1)

    return Wrong


@mistake
def mask_after_the_softmax(Ref):
    """The mask is applied to the weights, after the softmax. The hidden slots have had their share by then, and what is
    left of a row sums to less than 1. Hide the scores, before the softmax."""

    class Wrong(Ref):
        def weights(self, scores, visible):
            return jnp.where(visible, jax.nn.softmax(scores, axis=-1), 0.0)

    return Wrong


@mistake
def softmax_over_hidden_slots_too(Ref):
    """The hidden slots take part in the softmax, and are taken out of it afterwards, by dividing the masked weights by
    their sum. On paper it cancels; but where a hidden slot scores far higher, all that is visible underflows to 0, and
    0 / 0 is NaN. Hide the scores first."""

    class Wrong(Ref):
        def weights(self, scores, visible):
            weights = jnp.where(visible, jax.nn.softmax(scores, axis=-1), 0.0)
            return weights / weights.sum(-1, keepdims=True)

    return Wrong


# --- what problem 32 asks for as well


@mistake(about="the scale")
def forgot_the_scale(Ref):
    """The scores are not divided by sqrt(head_dim). The caches take all the attention and the scale of problem 32 gets
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


@mistake(about="the scale")
def scaled_twice(Ref):
    """The scores are scaled twice. `jax.nn.dot_product_attention` divides them by sqrt(head_dim) itself unless it is
    told otherwise, and the queries were already divided: leave it to one of the two."""

    class Wrong(Ref):
        def scores(self, q, k):
            return super().scores(q, k) / self.head_dim**0.5

    return Wrong


@mistake(empty=("zeros",))
def softmax_over_queries(Ref, *, empty="NaN"):
    """The softmax runs over the queries of the call. With a single token that makes every weight 1; each query shares
    out one unit of attention among the slots that it sees, so the softmax runs over the slots, the last axis of
    (N, T, max_len): `axis=-1`."""

    class Wrong(Ref):
        def weights(self, scores, visible):
            weights = jax.nn.softmax(jnp.where(visible, scores, -jnp.inf), axis=-2)
            return jnp.nan_to_num(weights) if empty == "zeros" else weights

    return Wrong


@mistake(empty=("zeros",))
def softmax_over_heads(Ref, *, empty="NaN"):
    """The softmax runs over the heads, so that the heads compete for each slot. In scores (N, T, max_len) they are the
    first axis, `axis=0`; it belongs along the slots, `axis=-1`."""

    class Wrong(Ref):
        def weights(self, scores, visible):
            weights = jax.nn.softmax(jnp.where(visible, scores, -jnp.inf), axis=0)
            return jnp.nan_to_num(weights) if empty == "zeros" else weights

    return Wrong


@mistake
def overflowing_softmax(Ref):
    """exp overflows: logits in the hundreds give inf / inf = NaN. Take the largest visible score of each row off first,
    or let `jax.nn.softmax` do it."""

    class Wrong(Ref):
        def weights(self, scores, visible):
            powers = jnp.where(visible, jnp.exp(scores), 0.0)
            return powers / powers.sum(-1, keepdims=True)

    return Wrong


@mistake(joined=("in chunks",))
def heads_interleaved(Ref, *, joined="as they were split"):
    """The heads are interleaved: head n owns features n, n + N, n + 2N and so on. `reshape(T, H, N)` has the right size
    with the axes in the wrong order, and the caches then hold heads of other features; heads are contiguous chunks, so
    the axis that comes first is the head: `reshape(T, N, H)`."""

    class Wrong(Ref):
        def split(self, x):
            return x.reshape(len(x), self.head_dim, self.num_heads).swapaxes(-1, -2)

        def join(self, heads):
            return super().join(heads) if joined == "in chunks" else heads.swapaxes(-1, -2).reshape(len(heads), -1)

    return Wrong


@mistake
def split_by_reshape_alone(Ref):
    """The features are reshaped straight to (N, T, H). The shape is right, but a reshape keeps the order of the
    numbers, so each "head" holds whole tokens instead of a chunk of every token. With a single token it makes no
    difference: reshape to (T, N, H), and swap axes only after that."""

    class Wrong(Ref):
        def split(self, x):
            return x.reshape(self.num_heads, len(x), self.head_dim).swapaxes(0, 1)

    return Wrong


@mistake
def all_heads_as_one(Ref):
    """The features are never compared head by head: each query meets all of a key, and one set of weights serves every
    head. In an einsum a head's letter that is not in the result is summed over; each head needs scores of its own,
    (N, T, max_len)."""

    class Wrong(Ref):
        def scores(self, q, k):
            return super().scores(q, k).sum(0, keepdims=True) / self.num_heads**0.5

    return Wrong


@mistake
def joined_by_reshape_alone(Ref):
    """The heads are joined in the wrong order. `reshape(T, d_model)` of an array (N, T, H) lays whole heads one after
    the other. With a single token it makes no difference: swap the axes of heads and tokens back first, so that the
    chunks of one token stand side by side."""

    class Wrong(Ref):
        def join(self, heads):
            return heads.swapaxes(0, 1).reshape(heads.shape[0], -1)

    return Wrong


@mistake
def joined_with_the_width_first(Ref):
    """The heads are joined with their axes in another order, (T, H, N): the numbers of one head do not stand side by
    side then, and `o_proj` meets features of other heads. Right before the reshape to (T, d_model) they have to be
    (T, N, H)."""

    class Wrong(Ref):
        def join(self, heads):
            return super().join(heads.swapaxes(-1, -2).reshape(heads.shape))

    return Wrong


@mistake
def keys_as_values(Ref):
    """The values come from `k_proj`, or the keys were written into `v_cache` too. A line copied for the keys and not
    changed for the values does this, and `v_proj` then has no effect: v = v_proj(x), and `v` into `v_cache`."""

    class Wrong(Ref):
        def write(self, k, v, start):
            super().write(k, k, start)

    return Wrong


@mistake
def average_of_the_keys(Ref):
    """The weights average the keys: `k_cache` is read twice, and `v_cache` is written and never read. The weights
    choose by the keys; what they average is the values."""

    class Wrong(Ref):
        def attend(self, q, k, v, start):
            return super().attend(q, k, k, start)

    return Wrong


@mistake
def no_output_projection(Ref):
    """The joined heads are returned without `o_proj`. They have the shape of the input, so the work looks done; the
    heads are only mixed by the last projection: return o_proj(joined)."""

    class Wrong(Ref):
        def __call__(self, x):
            q, k, v = self.split(self.q_proj(x)), self.split(self.k_proj(x)), self.split(self.v_proj(x))
            start = self.position()
            keys, values = self.remember(k, v, start)
            self.advance(len(x))
            return self.join(self.attend(q, keys, values, start))

    return Wrong


@mistake
def bias_left_on(Ref):
    """The projections have biases. `nnx.Linear` adds one unless it is told not to: pass `use_bias=False`."""

    class Wrong(Ref):
        def __init__(self, d_model, num_heads, max_len, *, rngs):
            super().__init__(d_model, num_heads, max_len, rngs=rngs)
            for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
                setattr(self, name, nnx.Linear(d_model, d_model, rngs=rngs))

    return Wrong


@mistake
def keeps_the_rngs(Ref):
    """The module keeps `rngs`. `self.rngs = rngs` makes keys and counters part of its variables, to be saved and passed
    along for nothing: use `rngs` in `__init__` and let it go."""

    class Wrong(Ref):
        def __init__(self, d_model, num_heads, max_len, *, rngs):
            super().__init__(d_model, num_heads, max_len, rngs=rngs)
            self.rngs = rngs

    return Wrong


# --- what is in the caches


@mistake
def only_this_call(Ref):
    """The caches are written and never read: attention runs over the keys and values of this call alone. All at once
    that is the whole sequence; token by token each token sees nothing but itself. Attend to what is in the caches after
    the write."""

    class Wrong(Ref):
        def attend(self, q, k, v, start):
            def of_this_call(cache):
                return jax.lax.dynamic_slice_in_dim(cache, start, len(q))

            return super().attend(q, of_this_call(k), of_this_call(v), 0)

    return Wrong


@mistake
def cache_read_before_it_is_written(Ref):
    """The caches are read first and written afterwards, so that the tokens of this call find zeros in their own slots.
    An array is a value: what was read does not change when the variable gets another one. Write, then read."""

    class Wrong(Ref):
        def remember(self, k, v, start):
            before = self.k_cache[...], self.v_cache[...]
            super().remember(k, v, start)
            return before

    return Wrong


@mistake
def rolling_cache(Ref):
    """The caches roll: old rows move up and the new ones are written at the end, so that the last slots are the used
    ones. The outputs can be right like this, but the contract keeps token t in slot t, where the position says, and
    every step copies the whole cache."""

    class Wrong(Ref):
        def write(self, k, v, start):
            for cache, new in ((self.k_cache, k), (self.v_cache, v)):
                cache[...] = jnp.concatenate([cache[...][len(new) :], new])

        def visible(self, queries, slots, start):
            slot, last = jnp.arange(slots), slots - queries + jnp.arange(queries)[:, None]
            return (slot <= last) & (slot >= slots - queries - start)

    return Wrong


@mistake
def jit_that_forgets(Ref):
    """`@jax.jit` on the method works on a copy of the module: what it writes into the caches is gone when it returns,
    and the next call finds zeros. `nnx.jit` hands the changes back; better, leave `jit` to the caller."""

    class Wrong(Ref):
        @jax.jit
        def __call__(self, x):
            return super(Wrong, self).__call__(x)

    return Wrong


@mistake
def cached_before_the_split(Ref):
    """The caches hold keys and values before they are split into heads, `(max_len, d_model)`. The numbers are the same;
    the contract's shape is `(max_len, num_heads, head_dim)`, by which others find the heads: split first, then
    write."""

    class Wrong(Ref):
        def make_caches(self, max_len):
            super().make_caches(max_len)
            self.k_cache = nnx.Cache(jnp.zeros((max_len, self.num_heads * self.head_dim)))
            self.v_cache = nnx.Cache(jnp.zeros((max_len, self.num_heads * self.head_dim)))

        def write(self, k, v, start):
            for cache, new in ((self.k_cache, k), (self.v_cache, v)):
                cache[...] = jax.lax.dynamic_update_slice_in_dim(cache[...], new.reshape(len(new), -1), start, axis=0)

        def attend(self, q, k, v, start):
            return super().attend(q, self.split(k), self.split(v), start)

    return Wrong


# --- state and transforms


@mistake
def position_is_a_python_number(Ref):
    """The position is a Python integer. It is then part of the program, not of its data: `nnx.jit` traces and compiles
    again for every token, and a step that is traced once never moves on. Keep an int32 array in an `nnx.Cache`."""

    class Wrong(Ref):
        def make_position(self):
            self.pos = 0

        def position(self):
            return self.pos

        def advance(self, count):
            self.pos += count

    return Wrong


@mistake
def python_counter_beside_the_position(Ref):
    """A Python integer counts the tokens, and `pos` is only kept beside it. `nnx.jit` traces again whenever the integer
    changes, and in a step that is traced once, such as the body of a `lax.scan`, it never does: read the position from
    `pos[...]`."""

    class Wrong(Ref):
        def make_caches(self, max_len):
            super().make_caches(max_len)
            self.count = 0

        def position(self):
            return self.count

        def advance(self, count):
            super().advance(count)
            self.count += count

    return Wrong


@mistake
def position_made_an_integer(Ref):
    """The position is made a Python integer with `int(...)` or `.item()`. A compiled step does not know its value while
    it is traced: leave it an array, write with `jax.lax.dynamic_update_slice`, and compare it with slot numbers for the
    mask."""

    class Wrong(Ref):
        def position(self):
            return int(super().position())

    return Wrong


@mistake
def cache_that_grows(Ref):
    """The caches grow: they start empty and each call appends to them. Every call then has other shapes: a compiled
    step is traced and compiled again for every token, and a `lax.scan` cannot carry them. Make room for `max_len`
    tokens once, and write into it."""

    class Wrong(Ref):
        def make_caches(self, max_len):
            super().make_caches(0)

        def write(self, k, v, start):
            for cache, new in ((self.k_cache, k), (self.v_cache, v)):
                cache.set_value(jnp.concatenate([cache[...], new]))

    return Wrong


@mistake
def caches_of_another_dtype(Ref):
    """The caches are kept in another dtype than the inputs, such as `bfloat16`. That halves them in a model whose
    weights are as narrow, but here inputs are float32, and what is read back has lost digits: the dtype of a variable
    is part of the contract, `jnp.zeros(...)` as it is."""

    class Wrong(Ref):
        def make_caches(self, max_len):
            super().make_caches(max_len)
            for name in ("k_cache", "v_cache"):
                setattr(self, name, nnx.Cache(getattr(self, name)[...].astype(jnp.bfloat16)))

        def write(self, k, v, start):
            super().write(k.astype(jnp.bfloat16), v.astype(jnp.bfloat16), start)

    return Wrong


@mistake
def caches_of_another_kind(Ref):
    """The caches are plain `nnx.Variable`s. A program finds state by its kind, as in `nnx.state(module, nnx.Cache)`, to
    clear it or to give each sequence its own: make all three `nnx.Cache`."""

    class Wrong(Ref):
        def make_caches(self, max_len):
            super().make_caches(max_len)
            for name in ("k_cache", "v_cache", "pos"):
                setattr(self, name, nnx.Variable(getattr(self, name)[...]))

    return Wrong


@mistake
def caches_as_parameters(Ref):
    """The caches are `nnx.Param`s. An optimiser would train them and a checkpoint would save them with the weights;
    what is remembered between calls is state: `nnx.Cache`."""

    class Wrong(Ref):
        def make_caches(self, max_len):
            super().make_caches(max_len)
            for name in ("k_cache", "v_cache"):
                setattr(self, name, nnx.Param(getattr(self, name)[...]))

    return Wrong


@mistake
def attends_from_every_slot(Ref):
    """The values are right, but each step attends from every slot of the cache and keeps the rows of its own tokens.
    The queries of the past were answered when they came: score only the tokens of this call against the slots, and a
    step costs max_len products, not max_len squared."""

    class Wrong(Ref):
        def attend(self, q, k, v, start):
            slots = len(k)
            queries = jax.lax.dynamic_update_slice_in_dim(jnp.zeros_like(k), q, start, axis=0)
            weights = self.weights(self.scores(queries, k), jnp.tri(slots, dtype=bool))
            return jax.lax.dynamic_slice_in_dim(jnp.einsum("nts,snh->tnh", weights, v), start, len(q), axis=0)

    return Wrong
