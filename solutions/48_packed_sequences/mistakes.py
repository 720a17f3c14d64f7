"""48 · Wrong answers that people really give, each with its sentence. Those at the end have right values and a wrong
program."""

import inspect

import jax
import jax.numpy as jnp

from grader.course import mistake

# --- segment_ids


def _ids(cu_seqlens, total):
    return jnp.searchsorted(cu_seqlens, jnp.arange(total), side="right").astype(jnp.int32) - 1


def _left(cu_seqlens, total, of):
    """The numbers that `side="left"` gives, among the beginnings or among the ends."""
    rows = jnp.arange(total)
    if of == "ends":
        return jnp.searchsorted(cu_seqlens[1:], rows, side="left").astype(jnp.int32)
    return jnp.searchsorted(cu_seqlens, rows, side="left").astype(jnp.int32) - 1


@mistake("segment_ids", of=("ends",))
def searchsorted_on_the_left(ref, cu_seqlens, total, *, of="beginnings"):
    """The row at which a sequence begins goes to the sequence before it, and likewise the first row behind the last
    one. That is `searchsorted` with `side="left"`, its default, or a comparison with `<` where it has to be `<=`. A
    sequence owns the row at which it begins: count the beginnings that are at most the row."""
    return _left(cu_seqlens, total, of)


@mistake("segment_ids")
def counted_from_one(ref, cu_seqlens, total):
    """Every number is one too high. Row 0 has one beginning at or before it, so that the count of beginnings starts at
    1, and the numbers of sequences start at 0: take off one, or count the ends."""
    return ref(cu_seqlens, total) + 1


@mistake("segment_ids", number=(0, "B + 1"))
def another_number_for_nobody(ref, cu_seqlens, total, *, number=-1):
    """Rows that nobody owns get another number than `B`: -1, 0, or one more than `B`. Each is in use somewhere, and 0
    is what an array of zeros holds and what `argmax` gives where nothing is True; but 0 is a sequence. Here they get
    `B`, the number that the next sequence would have."""
    ids, nobody = ref(cu_seqlens, total), len(cu_seqlens) - 1
    return jnp.where(ids == nobody, nobody + 1 if number == "B + 1" else number, ids)


@mistake("segment_ids")
def the_rest_is_the_last_sequences(ref, cu_seqlens, total):
    """Rows behind the last sequence have the number of the last sequence. `jnp.repeat` with `total_repeat_length` fills
    up like this, with the last number that it has, and so does a `clip` to `B - 1`. Give it one more number to repeat,
    `B`."""
    return jnp.minimum(ref(cu_seqlens, total), len(cu_seqlens) - 2)


@mistake("segment_ids", of=("ends",))
def empty_sequences_not_counted(ref, cu_seqlens, total, *, of="beginnings"):
    """Empty sequences have no number: those behind them are numbered too low. A 1 that is *set* at each beginning is
    only one where several sequences begin at one row. *Add* them, `.at[...].add(1)`, before the running sum."""
    marks = jnp.zeros(total, jnp.int32).at[cu_seqlens if of == "beginnings" else cu_seqlens[1:]].set(1)
    return jnp.cumsum(marks, dtype=jnp.int32) - (of == "beginnings")


@mistake("segment_ids")
def beginnings_taken_for_lengths(ref, cu_seqlens, total):
    """`cu_seqlens` is used as if it held lengths: each entry is how often a number is repeated. It holds running sums
    of the lengths. The lengths are the differences, `jnp.diff(cu_seqlens)`."""
    return jnp.repeat(jnp.arange(len(cu_seqlens), dtype=jnp.int32), cu_seqlens, total_repeat_length=total)


@mistake("segment_ids")
def places_within_the_sequence(ref, cu_seqlens, total):
    """Each row gets its place within its sequence, counted from 0 anew in each. Packed code needs such places too, for
    positions (problem 42), but here the number of the sequence is asked for, the same for all of its rows."""
    return jnp.arange(total, dtype=jnp.int32) - cu_seqlens[ref(cu_seqlens, total)].astype(jnp.int32)


@mistake("segment_ids")
def one_row_too_early(ref, cu_seqlens, total):
    """Each sequence begins one row too early: the last row of each sequence has the number of the next one. The ends in
    `cu_seqlens` are exclusive, so the last row of sequence b is `cu_seqlens[b + 1] - 1`, and still its own."""
    return ref(jnp.concatenate([cu_seqlens[:1], cu_seqlens[1:] - 1]), total)


# --- packed_attention: the mask, then the softmax, then the heads


def _seen(cu_seqlens, total, causal=False):
    """bool (total, total): the right mask."""
    owner = _ids(cu_seqlens, total)
    return (owner[:, None] == owner) & _owned(cu_seqlens, total) & (_past(total) if causal else True)


def _owned(cu_seqlens, total):
    return _ids(cu_seqlens, total) < len(cu_seqlens) - 1


def _past(total, more=0):
    return jnp.tri(total, total, more, dtype=bool)


def _scores(q, k):
    return jnp.einsum("inh,jnh->nij", q, k, preferred_element_type=jnp.float32) / q.shape[-1] ** 0.5


def _softmax(scores, visible):
    return jax.nn.softmax(scores, axis=-1, where=jnp.broadcast_to(visible, scores.shape))


def _average(weights, v):
    return jnp.einsum("nij,jnh->inh", weights, v.astype(jnp.float32))


def _attend(ref, given, q, k, v, cu_seqlens, causal, **steps):
    """The attention with other steps: what is `visible`, and the way from scores and mask to weights, `softmax`. Made
    in another mistake they are steps of that one, and those that are `given` are steps of one that is made in this."""
    steps |= given
    if not steps or any(
        argument.kind is argument.VAR_KEYWORD for argument in inspect.signature(ref).parameters.values()
    ):
        return ref(q, k, v, cu_seqlens, causal, **steps)
    visible = steps["visible"] if "visible" in steps else _seen(cu_seqlens, len(q), causal)
    return _average(steps.get("softmax", _softmax)(_scores(q, k), visible), v).astype(q.dtype)


def _zeros(cu_seqlens, output):
    """Zeros in rows that nobody owns, after the fact."""
    return jnp.where(_owned(cu_seqlens, len(output))[:, None, None], output, 0)


def _with(hidden):
    """The softmax of the scores with the number `hidden` in the place of each hidden one."""
    return lambda scores, visible: jax.nn.softmax(jnp.where(visible, scores, hidden), axis=-1)


def _added(number):
    """The softmax of the scores with `number` added to each hidden one."""
    return lambda scores, visible: jax.nn.softmax(scores + jnp.where(visible, 0.0, number), axis=-1)


def _most_negative(scores, visible):
    return _with(jnp.finfo(scores.dtype).min)(scores, visible)


def _weights_times_mask(scores, visible):
    return jnp.where(visible, jax.nn.softmax(scores, axis=-1), 0.0)


def _renormalised(scores, visible):
    weights = _weights_times_mask(scores, visible)
    return weights / weights.sum(-1, keepdims=True)


def _overflowing(scores, visible):
    powers = jnp.exp(jnp.where(visible, scores, -jnp.inf))
    total = powers.sum(-1, keepdims=True)
    return powers / jnp.where(total == 0, 1.0, total)


def _moved(cu_seqlens, of):
    """Where sequences begin for who searches on the left: one row later, but for row 0."""
    return jnp.concatenate([cu_seqlens[:1], cu_seqlens[of == "ends" :] + 1]).astype(jnp.int32)


def _one_sequence(end):
    return jnp.array([0, 0], jnp.int32).at[1].set(end)


@mistake("packed_attention", of=("ends",))
def first_rows_leak(ref, q, k, v, cu_seqlens, causal=False, *, of="beginnings", **given):
    """The first row of each sequence is seen by the sequence before it, and sees that one and not its own: the
    boundaries are one row too late. That is `searchsorted` with `side="left"`. A sequence owns the row at which it
    begins."""
    return _attend(ref, given, q, k, v, _moved(cu_seqlens, of), causal)


@mistake("packed_attention")
def last_rows_leak(ref, q, k, v, cu_seqlens, causal=False, **given):
    """The last row of each sequence is counted to the sequence behind it: the boundaries are one row too early. The end
    in `cu_seqlens` is that of Python's slices, the first row that is not in the sequence any more."""
    early = jnp.concatenate([cu_seqlens[:1], jnp.maximum(cu_seqlens[1:] - 1, 0)])
    return _attend(ref, given, q, k, v, early, causal)


@mistake("packed_attention", rest=("nobody's",))
def boundaries_ignored(ref, q, k, v, cu_seqlens, causal=False, *, rest="everybody's", **given):
    """The whole pack attends to itself as if it were one sequence: `cu_seqlens` is not looked at, or says only which
    rows are real, as a padding mask would. A row sees the rows of its own sequence: compare the numbers of the
    sequences, of queries with keys."""
    end = cu_seqlens[-1] if rest == "nobody's" else len(q)
    return _attend(ref, given, q, k, v, _one_sequence(end), causal)


@mistake("packed_attention", rest=("nobody's",))
def causal_over_the_whole_pack(ref, q, k, v, cu_seqlens, causal=False, *, rest="everybody's", **given):
    """The causal mask takes the place of that of the sequences: a row sees everything that stands before it in the
    pack, the sequences before its own too. Without `causal` it is right. A key has to be of the same sequence, and not
    later: combine the two masks with `&`."""
    end = cu_seqlens[-1] if rest == "nobody's" else len(q)
    return _attend(ref, given, q, k, v, _one_sequence(end) if causal else cu_seqlens, causal)


@mistake("packed_attention")
def the_rest_is_a_sequence(ref, q, k, v, cu_seqlens, causal=False, **given):
    """Rows that nobody owns attend to each other: they have the number `B` in common, and the comparison takes them
    for one more sequence. They have to be zeros: ask as well whether the number is below `B`."""
    return _attend(ref, given, q, k, v, jnp.append(cu_seqlens, len(q)).astype(jnp.int32), causal)


@mistake("packed_attention")
def the_rest_joins_the_last_sequence(ref, q, k, v, cu_seqlens, causal=False, **given):
    """Rows behind the last sequence take part in it: its end is taken to be that of the pack. It ends at
    `cu_seqlens[-1]`; `total` may be larger, and what stands between is nobody's."""
    return _attend(ref, given, q, k, v, cu_seqlens.at[-1].set(len(q)), causal)


@mistake("packed_attention")
def the_rest_asks_the_last_sequence(ref, q, k, v, cu_seqlens, causal=False, **given):
    """Rows behind the last sequence see it: their keys are hidden, and their queries have the number of the last
    sequence, as `jnp.repeat` fills up. They have to be zeros: give them a number of their own, `B`."""
    owner, row = jnp.minimum(_ids(cu_seqlens, len(q)), len(cu_seqlens) - 2), jnp.arange(len(q))
    visible = (owner[:, None] == owner) & _owned(cu_seqlens, len(q)) & ((row <= row[:, None]) if causal else True)
    return _attend(ref, given, q, k, v, cu_seqlens, causal, visible=visible)


@mistake("packed_attention")
def the_rest_cleared_by_a_product(ref, q, k, v, cu_seqlens, causal=False, **given):
    """Rows that nobody owns are computed and multiplied by 0 at the end. That clears ordinary numbers. What stands
    there may be so large that its scores overflow, and 0 times NaN is NaN: choose with `jnp.where`, or hide all keys
    from such rows."""
    whole = _attend(ref, given, q, k, v, jnp.append(cu_seqlens, len(q)).astype(jnp.int32), causal)
    owned = _owned(cu_seqlens, len(q))[:, None, None]
    # said outright: XLA turns some products with a boolean into a choice
    return jnp.where(owned | jnp.isnan(whole), whole, 0)


@mistake("packed_attention")
def nan_where_nobody_owns(ref, q, k, v, cu_seqlens, causal=False, **given):
    """Rows that nobody owns are NaN: all of their scores are -inf, and -inf minus the maximum -inf is NaN. They have to
    be zeros: hide with `softmax`'s own `where=`, or take off 0 where there is no maximum, and divide by 1 where the sum
    is 0."""
    return _attend(ref, given, q, k, v, cu_seqlens, causal, softmax=_with(-jnp.inf))


@mistake("packed_attention")
def mean_where_nobody_owns(ref, q, k, v, cu_seqlens, causal=False, **given):
    """Rows that nobody owns are the mean of all values in the pack: their scores are all the same large negative
    number, and equal scores are equal weights. That is also what `jax.nn.dot_product_attention` gives under such a
    mask. Choose zeros there with `jnp.where`."""
    return _attend(ref, given, q, k, v, cu_seqlens, causal, softmax=_most_negative)


@mistake("packed_attention")
def gradient_nan_where_nobody_owns(ref, q, k, v, cu_seqlens, causal=False, **given):
    """The output is right and the gradient is NaN: rows that nobody owns are NaN after the softmax, and `jnp.where`
    replaces them then. Backwards, its zero is multiplied by that NaN. Let no NaN be computed: make such scores finite
    before the softmax."""
    return _zeros(cu_seqlens, _attend(ref, given, q, k, v, cu_seqlens, causal, softmax=_with(-jnp.inf)))


@mistake("packed_attention", number=(-10.0, -1000.0), zeroed=(False,))
def hidden_by_a_small_number(ref, q, k, v, cu_seqlens, causal=False, *, number=-100.0, zeroed=True, **given):
    """A number such as -100 stands in the place of each hidden score. Scores within a sequence may be lower than that,
    and then the other sequences win. Only -inf is below every score."""
    output = _attend(ref, given, q, k, v, cu_seqlens, causal, softmax=_with(number))
    return _zeros(cu_seqlens, output) if zeroed else output


@mistake("packed_attention", number=(-10.0, -1000.0), zeroed=(False,))
def added_a_small_number(ref, q, k, v, cu_seqlens, causal=False, *, number=-100.0, zeroed=True, **given):
    """A number such as -100 is added to the hidden scores. A key of another sequence that scores some hundreds higher
    than those of its own comes through: it has only become less likely. Put -inf in place of the score."""
    output = _attend(ref, given, q, k, v, cu_seqlens, causal, softmax=_added(number))
    return _zeros(cu_seqlens, output) if zeroed else output


@mistake("packed_attention", number=(float(jnp.finfo(jnp.float32).min),))
def added_a_large_number(ref, q, k, v, cu_seqlens, causal=False, *, number=-1e9, **given):
    """-1e9 or `finfo.min` is added to the hidden scores, and rows that nobody owns are zeros. It is right for ordinary
    numbers. A key that nobody owns may be so large that its score is larger still, or inf, and comes through. Replace
    the score, so that nothing is left of it."""
    return _zeros(cu_seqlens, _attend(ref, given, q, k, v, cu_seqlens, causal, softmax=_added(number)))


@mistake("packed_attention", zeroed=(True,))
def zeros_for_scores(ref, q, k, v, cu_seqlens, causal=False, *, zeroed=False, **given):
    """The hidden scores are 0, because they are multiplied by the mask. A score of 0 is no absence: exp(0) = 1, a
    weight like any other, and above all where the scores within the sequence are negative. A hidden score has to be
    -inf."""
    output = _attend(ref, given, q, k, v, cu_seqlens, causal, softmax=_with(0.0))
    return _zeros(cu_seqlens, output) if zeroed else output


@mistake("packed_attention")
def weights_times_mask(ref, q, k, v, cu_seqlens, causal=False, **given):
    """The mask is applied to the weights, after the softmax. The other sequences have had their share by then, and what
    is left of a row sums to less than 1. Hide the scores, before the softmax."""
    return _attend(ref, given, q, k, v, cu_seqlens, causal, softmax=_weights_times_mask)


@mistake("packed_attention")
def renormalised(ref, q, k, v, cu_seqlens, causal=False, **given):
    """The softmax runs over the whole pack, and the masked weights are divided by their sum. Where another sequence
    scores far higher all visible weights underflow to 0, and 0 / 0 is NaN, as it is in rows that nobody owns. Hide the
    scores, before the softmax."""
    return _attend(ref, given, q, k, v, cu_seqlens, causal, softmax=_renormalised)


@mistake("packed_attention")
def overflowing_softmax(ref, q, k, v, cu_seqlens, causal=False, **given):
    """exp overflows: logits in the hundreds give inf / inf = NaN. Take off the maximum of each row first, over the keys
    that the row sees."""
    return _attend(ref, given, q, k, v, cu_seqlens, causal, softmax=_overflowing)


@mistake("packed_attention")
def softmax_over_the_queries(ref, q, k, v, cu_seqlens, causal=False, **given):
    """The softmax runs along the queries: for each key the weights sum to 1. It has to run along the keys, so that each
    query's weights do. In scores of shape (N, total, total) that is the last axis."""

    def softmax(scores, visible):
        return jax.nn.softmax(scores, axis=-2, where=jnp.broadcast_to(visible, scores.shape))

    return _attend(ref, given, q, k, v, cu_seqlens, causal, softmax=softmax)


@mistake("packed_attention")
def causal_ignored(ref, q, k, v, cu_seqlens, causal=False, **given):
    """`causal` is not looked at: each row sees the whole of its sequence, what comes later too."""
    return _attend(ref, given, q, k, v, cu_seqlens, False)


@mistake("packed_attention")
def always_causal(ref, q, k, v, cu_seqlens, causal=False, **given):
    """It is causal whether asked or not. Without `causal` each row sees its whole sequence; False is the default."""
    return _attend(ref, given, q, k, v, cu_seqlens, True)


@mistake("packed_attention")
def sees_the_future(ref, q, k, v, cu_seqlens, causal=False, **given):
    """Causal, each row sees itself and what comes later: the mask is the upper triangle. Rows are queries and columns
    are keys, so the past stands in the lower one."""
    visible = _seen(cu_seqlens, len(q)) & (_past(len(q)).T if causal else True)
    return _attend(ref, given, q, k, v, cu_seqlens, causal, visible=visible)


@mistake("packed_attention")
def blind_to_itself(ref, q, k, v, cu_seqlens, causal=False, **given):
    """Causal, no row sees its own key: the comparison is `<` where it has to be `<=`. The first row of each sequence
    then sees nothing at all."""
    visible = _seen(cu_seqlens, len(q)) & (_past(len(q), -1) if causal else True)
    return _attend(ref, given, q, k, v, cu_seqlens, causal, visible=visible)


@mistake("packed_attention")
def places_and_rows_compared(ref, q, k, v, cu_seqlens, causal=False, **given):
    """The causal mask compares a query's place within its sequence with a key's row in the pack. In the first sequence
    the two are the same. Take rows for both or places for both; within a sequence either says the same."""
    owner, row = _ids(cu_seqlens, len(q)), jnp.arange(len(q))
    place = row - cu_seqlens[owner]
    visible = _seen(cu_seqlens, len(q)) & ((row <= place[:, None]) if causal else True)
    return _attend(ref, given, q, k, v, cu_seqlens, causal, visible=visible)


@mistake("packed_attention")
def sliced_by_traced_numbers(ref, q, k, v, cu_seqlens, causal=False):
    """Each sequence is cut out with a slice, `q[begin:end]`. Without `jit` that works. Under `jit` and `vmap`
    `cu_seqlens` has no values, and the length of a slice is a shape, which must be known when the program is made.
    Compare numbers of sequences instead."""
    out = jnp.zeros_like(q)
    for b in range(len(cu_seqlens) - 1):
        begin, end = cu_seqlens[b], cu_seqlens[b + 1]
        one = ref(q[begin:end], k[begin:end], v[begin:end], jnp.array([0, end - begin], jnp.int32), causal)
        out = out.at[begin:end].set(one)
    return out


@mistake("packed_attention", about="the scale")
def forgot_the_scale(ref, q, k, v, cu_seqlens, causal=False, **given):
    """The scores are not divided by sqrt(H), the square root of one head's width."""
    return _attend(ref, given, q * q.shape[-1] ** 0.5, k, v, cu_seqlens, causal)


@mistake("packed_attention", about="the scale", axis=(0,))
def scaled_by_another_axis(ref, q, k, v, cu_seqlens, causal=False, *, axis=1, **given):
    """The scores are divided by the square root of the number of heads, or of rows: `shape[1]` or `shape[0]` where it
    has to be `shape[-1]`. The layout is (total, N, H), and the products were summed over H."""
    return _attend(ref, given, q * (q.shape[-1] / q.shape[axis]) ** 0.5, k, v, cu_seqlens, causal)


@mistake("packed_attention", about="the scale")
def scaled_by_the_whole_width(ref, q, k, v, cu_seqlens, causal=False, **given):
    """The scores are divided by sqrt(N * H). It has to be sqrt(H), the width over which the products were summed."""
    return _attend(ref, given, q / q.shape[1] ** 0.5, k, v, cu_seqlens, causal)


@mistake("packed_attention")
def one_head_for_all(ref, q, k, v, cu_seqlens, causal=False, **given):
    """All heads have the same weights: the scores are summed over the heads as well as over the features. Each head has
    a softmax of its own: the letter of the heads has to stand in the scores."""
    total, heads, width = q.shape
    q, k, wide = (x.reshape(total, 1, heads * width) for x in (q, k, v))
    return _attend(ref, given, q * heads**0.5, k, wide, cu_seqlens, causal).reshape(v.shape)


@mistake("packed_attention")
def heads_attend_to_heads(ref, q, k, v, cu_seqlens, causal=False, **given):
    """The products are taken between the heads of one row: `q @ k.swapaxes(-1, -2)` gives (total, N, N) here, since
    the heads are the axis before the last. Bring them to the front first, (N, total, H), or name the axes in an
    `einsum`."""
    scores = (q @ k.swapaxes(-1, -2)).astype(jnp.float32) / q.shape[-1] ** 0.5
    visible = _seen(cu_seqlens, len(q), causal)
    weights = given.get("softmax", _softmax)(jnp.where(visible, scores, -jnp.inf), visible)
    return (weights @ v.astype(jnp.float32)).astype(q.dtype)


@mistake("packed_attention")
def heads_split_by_a_reshape(ref, q, k, v, cu_seqlens, causal=False, **given):
    """The heads are brought to the front by a reshape from (total, N, H) to (N, total, H). That cuts the same numbers
    otherwise: the first head gets all heads of the first rows. Move the axis, `jnp.moveaxis` or `swapaxes`."""
    total, heads, width = q.shape
    q, k, v = (x.reshape(heads, total, width).swapaxes(0, 1) for x in (q, k, v))
    return _attend(ref, given, q, k, v, cu_seqlens, causal).swapaxes(0, 1).reshape(total, heads, width)


@mistake("packed_attention")
def heads_joined_by_a_reshape(ref, q, k, v, cu_seqlens, causal=False, **given):
    """The output comes out of the heads by a reshape from (N, total, H) to (total, N, H), which puts several rows of
    one head into a row. Move the axis back instead."""
    return _attend(ref, given, q, k, v, cu_seqlens, causal).swapaxes(0, 1).reshape(q.shape)


@mistake("packed_attention")
def softmax_in_half_precision(ref, q, k, v, cu_seqlens, causal=False, **given):
    """The softmax is computed in the dtype of the inputs. bfloat16 has 8 bits of precision, and a sum of many weights
    loses what it has. Cast the scores to float32 before the softmax, and the output back at the end."""
    return _attend(
        ref,
        given,
        q,
        k,
        v,
        cu_seqlens,
        causal,
        softmax=lambda scores, visible: _softmax(scores.astype(q.dtype), visible).astype(jnp.float32),
    )


# --- packed_blockwise_attention: the right loop in small pieces; most mistakes are it with one piece exchanged


def _base(top):
    """What is taken off the scores: the running maximum, or 0 where there is none yet."""
    return jnp.where(top == -jnp.inf, 0.0, top)


def _sees(owner, row, key_owner, key_row, nobody, causal):
    seen = (owner[:, None] == key_owner) & (key_owner < nobody)
    return seen & (key_row <= row[:, None]) if causal else seen


def _weigh(powers, values):
    return jnp.einsum("nij,jnh->nih", powers, values)


def _fold(state, scores, values):
    """One more block: (maximum, sum, unfinished output) of each query, before and after."""
    top, total, out = state
    top_now = jnp.maximum(top, scores.max(-1, keepdims=True))
    shrink, powers = jnp.exp(top - _base(top_now)), jnp.exp(scores - _base(top_now))
    return top_now, total * shrink + powers.sum(-1, keepdims=True), out * shrink + _weigh(powers, values)


def _finish(total, out):
    return out / jnp.where(total == 0, 1.0, total)


def _begin(q, top=-jnp.inf):
    total, heads, width = q.shape
    return jnp.full((heads, total, 1), top), jnp.zeros((heads, total, 1)), jnp.zeros((heads, total, width))


def _padded(rows, block_size, filled):
    fill = [(0, -len(rows) % block_size)] + [(0, 0)] * (rows.ndim - 1)
    return jnp.pad(rows, fill, constant_values=filled)


def _blockwise(
    q,
    k,
    v,
    cu_seqlens,
    block_size,
    causal,
    *,
    scores=_scores,
    sees=_sees,
    hide=None,
    hidden=-jnp.inf,
    fold=_fold,
    finish=_finish,
    begin=_begin,
    count=None,
    padded=_padded,
    filled="nobody",
    counted_on=False,
):
    owner, row, nobody = _ids(cu_seqlens, len(q)), jnp.arange(len(q)), len(cu_seqlens) - 1
    keys, values, rows = padded(k, block_size, 0), padded(v, block_size, 0), padded(row, block_size, 0)
    owners = padded(owner, block_size, nobody if filled == "nobody" else filled)
    if counted_on:  # padding stands behind the pack, later than every query
        rows = jnp.arange(len(rows))
    blocks = -(-len(q) // block_size) if count is None else count

    def step(index, state):
        block, its_values, key_owner, key_row = (
            jax.lax.dynamic_slice_in_dim(array, index * block_size, block_size)
            for array in (keys, values, owners, rows)
        )
        mask = sees(owner, row, key_owner, key_row, nobody, causal)
        made = scores(q, block)
        made = hide(mask, made) if hide else jnp.where(mask, made, hidden).astype(jnp.float32)
        return fold(state, made, its_values.astype(jnp.float32))

    _, total, out = jax.lax.fori_loop(0, blocks, step, begin(q))
    return jnp.moveaxis(finish(total, out), 0, 1).astype(q.dtype)


@mistake("packed_blockwise_attention", of=("ends",))
def first_rows_leak_into_the_blocks(ref, q, k, v, cu_seqlens, block_size, causal=False, *, of="beginnings"):
    """The first row of each sequence is taken for one of the sequence before it, in whichever block it stands. It is
    the numbers of the sequences that are wrong, not the blocks: `searchsorted` with `side="left"` finds the sequence
    that ended there."""
    return ref(q, k, v, _moved(cu_seqlens, of), block_size, causal)


@mistake("packed_blockwise_attention", rest=("nobody's",))
def no_boundaries_in_the_blocks(ref, q, k, v, cu_seqlens, block_size, causal=False, *, rest="everybody's"):
    """The blocks are folded in as in problem 39, for one long sequence: no block is asked which sequences its keys
    belong to. Cut the numbers of the sequences into blocks as well, and compare them with those of the queries."""
    end = cu_seqlens[-1] if rest == "nobody's" else len(q)
    return ref(q, k, v, _one_sequence(end), block_size, causal)


@mistake("packed_blockwise_attention", rest=("nobody's",))
def causal_over_all_blocks(ref, q, k, v, cu_seqlens, block_size, causal=False, *, rest="everybody's"):
    """With `causal` the mask of a block asks only whether the key is later, and the sequences before are seen too.
    Without `causal` it is right. Both have to hold: the same sequence, and not later."""
    end = cu_seqlens[-1] if rest == "nobody's" else len(q)
    return ref(q, k, v, _one_sequence(end) if causal else cu_seqlens, block_size, causal)


@mistake("packed_blockwise_attention")
def nobodys_rows_attend(ref, q, k, v, cu_seqlens, block_size, causal=False):
    """Rows behind the last sequence attend to each other, block by block, since they have a number in common. `B` is
    the number of no sequence: hide the keys that have it, from all rows."""
    return ref(q, k, v, jnp.append(cu_seqlens, len(q)).astype(jnp.int32), block_size, causal)


@mistake("packed_blockwise_attention")
def the_last_sequence_reaches_the_end(ref, q, k, v, cu_seqlens, block_size, causal=False):
    """The last sequence is taken to reach the end of the pack, so that it sees rows that nobody owns, and these are not
    zeros. It ends at `cu_seqlens[-1]`."""
    return ref(q, k, v, cu_seqlens.at[-1].set(len(q)), block_size, causal)


@mistake("packed_blockwise_attention", rows=("counted on",))
def padding_joins_the_first_sequence(ref, q, k, v, cu_seqlens, block_size, causal=False, *, rows="zeros"):
    """The numbers of the sequences are filled up with zeros at the end of the last block, and 0 is the number of the
    first sequence: its rows see the padding, whose keys are zeros and whose scores are 0. Fill up with the number of no
    sequence, `B` or -1."""

    return _blockwise(q, k, v, cu_seqlens, block_size, causal, filled=0, counted_on=rows == "counted on")


@mistake("packed_blockwise_attention")
def padding_sees_the_last_owner(ref, q, k, v, cu_seqlens, block_size, causal=False):
    """The padding of the last block has the number of the last row (`mode="edge"`, or an index that is too large and
    so gives the last entry). If that row is a sequence's, its rows see keys of zeros. Fill up with the number of no
    sequence."""
    return _blockwise(q, k, v, cu_seqlens, block_size, causal, filled=_ids(cu_seqlens, len(q))[-1])


@mistake("packed_blockwise_attention")
def last_block_dropped(ref, q, k, v, cu_seqlens, block_size, causal=False):
    """The keys after the last full block are never read: `total // block_size` rounds down. It goes unnoticed as long
    as nobody owns these rows. Round up, and hide what the last block has too much."""
    return _blockwise(q, k, v, cu_seqlens, block_size, causal, count=len(q) // block_size)


@mistake("packed_blockwise_attention")
def blocks_up_to_the_last_sequence_rounded_down(ref, q, k, v, cu_seqlens, block_size, causal=False):
    """Only the blocks up to the end of the last sequence are read, `cu_seqlens[-1] // block_size` of them, rounded
    down: a block in which it ends is left out. Leaving out the blocks of nobody is fine; round up."""
    end = cu_seqlens[-1] // block_size * block_size
    seen = jnp.arange(len(q)) < end

    def sees(owner, row, key_owner, key_row, nobody, causal):
        return _sees(owner, row, key_owner, key_row, nobody, causal) & seen[key_row]

    return _blockwise(q, k, v, cu_seqlens, block_size, causal, sees=sees)


@mistake("packed_blockwise_attention", blocks=("one more",))
def slice_moved_back_at_the_end(ref, q, k, v, cu_seqlens, block_size, causal=False, *, blocks="rounded up"):
    """The last block is cut from arrays that end before it does. `dynamic_slice` does not complain: it moves the slice
    back until it fits, so that some keys count twice. Pad keys, values and numbers of sequences to whole blocks
    first."""
    size = min(block_size, len(q))
    count = -(-len(q) // size) if blocks == "rounded up" else len(q) // size + 1
    return _blockwise(q, k, v, cu_seqlens, size, causal, count=count, padded=lambda rows, block_size, filled: rows)


@mistake("packed_blockwise_attention")
def a_block_has_one_owner(ref, q, k, v, cu_seqlens, block_size, causal=False):
    """All keys of a block count to the sequence that owns its first one. Sequences begin and end within blocks: a block
    has a number for each of its keys."""

    def sees(owner, row, key_owner, key_row, nobody, causal):
        return _sees(owner, row, jnp.broadcast_to(key_owner[:1], key_owner.shape), key_row, nobody, causal)

    return _blockwise(q, k, v, cu_seqlens, block_size, causal, sees=sees)


@mistake("packed_blockwise_attention")
def places_counted_within_the_block(ref, q, k, v, cu_seqlens, block_size, causal=False):
    """The causal mask takes a key's place within its block for its row, so later keys are seen in later blocks. Key j
    of block b stands in row b * block_size + j."""

    def sees(owner, row, key_owner, key_row, nobody, causal):
        return _sees(owner, row, key_owner, key_row - key_row[0], nobody, causal)

    return _blockwise(q, k, v, cu_seqlens, block_size, causal, sees=sees)


@mistake("packed_blockwise_attention")
def blocks_sum_to_one_each(ref, q, k, v, cu_seqlens, block_size, causal=False):
    """Each block has a softmax of its own, and the outputs of the blocks are added up or averaged. A row whose
    sequence lies within one block is right. The weights of a row have to sum to 1 over all blocks: carry the maximum,
    the sum and the unfinished output."""

    def fold(state, scores, values):
        _, seen, out = state
        one = _fold(_begin(q), scores, values)
        return state[0], seen + (one[1] > 0), out + _finish(one[1], one[2])

    return _blockwise(q, k, v, cu_seqlens, block_size, causal, fold=fold)


@mistake("packed_blockwise_attention")
def nothing_is_rescaled(ref, q, k, v, cu_seqlens, block_size, causal=False):
    """Nothing is rescaled when the running maximum moves: the old sum and the old output stay relative to the old
    maximum. Multiply both by exp(old maximum - new maximum) before the block is added."""

    def fold(state, scores, values):
        top, total, out = state
        top = jnp.maximum(top, scores.max(-1, keepdims=True))
        powers = jnp.exp(scores - _base(top))
        return top, total + powers.sum(-1, keepdims=True), out + _weigh(powers, values)

    return _blockwise(q, k, v, cu_seqlens, block_size, causal, fold=fold)


@mistake("packed_blockwise_attention")
def output_not_rescaled(ref, q, k, v, cu_seqlens, block_size, causal=False):
    """The sum is rescaled when the running maximum moves, and the unfinished output is not. Both are relative to the
    same maximum, and both get the factor exp(old maximum - new maximum)."""

    def fold(state, scores, values):
        top, total, _ = _fold(state, scores, values)
        return top, total, state[2] + _weigh(jnp.exp(scores - _base(top)), values)

    return _blockwise(q, k, v, cu_seqlens, block_size, causal, fold=fold)


@mistake("packed_blockwise_attention")
def sum_not_rescaled(ref, q, k, v, cu_seqlens, block_size, causal=False):
    """The unfinished output is rescaled when the running maximum moves, and the sum is not. Both are relative to the
    same maximum: multiply the sum by exp(old maximum - new maximum), too."""

    def fold(state, scores, values):
        top, _, out = _fold(state, scores, values)
        return top, state[1] + jnp.exp(scores - _base(top)).sum(-1, keepdims=True), out

    return _blockwise(q, k, v, cu_seqlens, block_size, causal, fold=fold)


@mistake("packed_blockwise_attention")
def maximum_of_the_block(ref, q, k, v, cu_seqlens, block_size, causal=False):
    """The new maximum is that of the block alone, where it sees something. When a block scores far below the ones
    before it, exp(old maximum - new maximum) overflows to inf. The running maximum never falls."""

    def fold(state, scores, values):
        top, total, out = state
        block = scores.max(-1, keepdims=True)
        block = jnp.where(block == -jnp.inf, top, block)
        shrink, powers = jnp.where(top == -jnp.inf, 0.0, jnp.exp(top - _base(block))), jnp.exp(scores - _base(block))
        return block, total * shrink + powers.sum(-1, keepdims=True), out * shrink + _weigh(powers, values)

    return _blockwise(q, k, v, cu_seqlens, block_size, causal, fold=fold)


@mistake("packed_blockwise_attention")
def maximum_starts_at_zero(ref, q, k, v, cu_seqlens, block_size, causal=False):
    """The running maximum starts at 0, so it never falls below 0. Where all scores of a sequence are far below, every
    exp is 0, and so are sum and output. Start at -inf, or at the smallest number of the dtype."""
    return _blockwise(q, k, v, cu_seqlens, block_size, causal, begin=lambda q: _begin(q, 0.0))


@mistake("packed_blockwise_attention")
def maximum_over_hidden_keys_too(ref, q, k, v, cu_seqlens, block_size, causal=False):
    """The running maximum is taken over all keys of a block, those of other sequences too, and their weights are set to
    0 afterwards. When another sequence scores some hundreds higher, every visible exp is 0. Hide the scores before the
    maximum is taken."""

    def fold(state, scores, values):
        masked, all_of_them = scores
        top, total, out = state
        top_now = jnp.maximum(top, all_of_them.max(-1, keepdims=True))
        shrink = jnp.exp(top - _base(top_now))
        powers = jnp.where(masked == -jnp.inf, 0.0, jnp.exp(all_of_them - top_now))
        return top_now, total * shrink + powers.sum(-1, keepdims=True), out * shrink + _weigh(powers, values)

    def hide(mask, scores):
        return jnp.where(mask, scores, -jnp.inf), scores

    return _blockwise(q, k, v, cu_seqlens, block_size, causal, fold=fold, hide=hide)


@mistake("packed_blockwise_attention")
def divided_in_every_block(ref, q, k, v, cu_seqlens, block_size, causal=False):
    """The output is divided by the running sum in every block, and what the first blocks gave is divided again and
    again. Divide once, after the loop; or multiply a finished output by the old sum before the next block is added."""

    def fold(state, scores, values):
        top, total, out = _fold(state, scores, values)
        return top, total, _finish(total, out)

    return _blockwise(q, k, v, cu_seqlens, block_size, causal, fold=fold, finish=lambda total, out: out)


@mistake("packed_blockwise_attention", number=(-10.0, -1000.0))
def hidden_by_a_small_number_in_the_blocks(ref, q, k, v, cu_seqlens, block_size, causal=False, *, number=-100.0):
    """A number such as -100 stands in the place of each hidden score, of other sequences, of padding and of later keys.
    It has a weight, a large one where the visible scores are lower. Put -inf there."""

    def finish(total, out):
        return jnp.where(_owned(cu_seqlens, len(q))[:, None], _finish(total, out), 0.0)

    return _blockwise(q, k, v, cu_seqlens, block_size, causal, hidden=number, finish=finish)


@mistake("packed_blockwise_attention")
def nan_before_a_row_sees_a_key(ref, q, k, v, cu_seqlens, block_size, causal=False):
    """A row gets NaN from each block that has no key of its sequence before it has seen one: its maximum is still -inf,
    and -inf - (-inf) is NaN. In a pack most rows meet such blocks. Take off 0 where the maximum is still -inf, and
    divide by 1 where the sum is 0."""

    def fold(state, scores, values):
        top, total, out = state
        top_now = jnp.maximum(top, scores.max(-1, keepdims=True))
        shrink, powers = jnp.exp(top - top_now), jnp.exp(scores - top_now)
        return top_now, total * shrink + powers.sum(-1, keepdims=True), out * shrink + _weigh(powers, values)

    return _blockwise(q, k, v, cu_seqlens, block_size, causal, fold=fold, finish=lambda total, out: out / total)


@mistake("packed_blockwise_attention")
def nan_for_nobody(ref, q, k, v, cu_seqlens, block_size, causal=False):
    """Rows that nobody owns have seen no key when the loop is over: their sum is 0, and 0 / 0 is NaN. Divide by 1 where
    the sum is 0."""
    return _blockwise(q, k, v, cu_seqlens, block_size, causal, finish=lambda total, out: out / total)


@mistake("packed_blockwise_attention")
def mean_for_nobody(ref, q, k, v, cu_seqlens, block_size, causal=False):
    """Rows that nobody owns get the mean of all values, padding included. Where every score is the same very negative
    number, exp(score - maximum) is 1 for all of them. Set the weights of hidden keys to 0 after exp, or hide with -inf
    and mind the rows that see nothing."""
    return _blockwise(q, k, v, cu_seqlens, block_size, causal, hidden=jnp.finfo(jnp.float32).min)


@mistake("packed_blockwise_attention")
def nan_in_the_gradient(ref, q, k, v, cu_seqlens, block_size, causal=False):
    """The output is right and the gradient is NaN. `jnp.where(sum == 0, 0, out / sum)` still computes 0 / 0 in rows
    that nobody owns, and backwards that is 0 times inf. Choose the divisor: `out / jnp.where(sum == 0, 1, sum)`."""
    return _blockwise(
        q,
        k,
        v,
        cu_seqlens,
        block_size,
        causal,
        finish=lambda total, out: jnp.where(total == 0, 0.0, out / total),
    )


@mistake("packed_blockwise_attention")
def gradient_stopped_halfway(ref, q, k, v, cu_seqlens, block_size, causal=False):
    """The output is right and the gradient is wrong: it is stopped at the maximum in exp(score - maximum), and not in
    exp(old maximum - new maximum). The two cancel only together. Stop it where the maximum is made, or not at all."""

    def fold(state, scores, values):
        top, total, out = state
        top_now = jnp.maximum(top, scores.max(-1, keepdims=True))
        shrink, powers = jnp.exp(top - _base(top_now)), jnp.exp(scores - jax.lax.stop_gradient(_base(top_now)))
        return top_now, total * shrink + powers.sum(-1, keepdims=True), out * shrink + _weigh(powers, values)

    return _blockwise(q, k, v, cu_seqlens, block_size, causal, fold=fold)


@mistake("packed_blockwise_attention")
def hidden_by_addition(ref, q, k, v, cu_seqlens, block_size, causal=False):
    """-1e30 is added to the hidden scores. For ordinary numbers that hides them. A key that nobody owns may score 1e36,
    or inf, and comes through. Replace the score with `jnp.where`."""

    def hide(mask, scores):
        return scores + jnp.where(mask, 0.0, -1e30)

    def finish(total, out):
        return jnp.where(_owned(cu_seqlens, len(q))[:, None], _finish(total, out), 0.0)

    return _blockwise(q, k, v, cu_seqlens, block_size, causal, hide=hide, finish=finish)


@mistake("packed_blockwise_attention")
def later_rows_seen_in_the_blocks(ref, q, k, v, cu_seqlens, block_size, causal=False):
    """With `causal` each row sees itself and what comes later in its sequence: the comparison is turned round. A key
    may be seen when its row is at most the query's."""
    return _blockwise(
        q,
        k,
        v,
        cu_seqlens,
        block_size,
        causal,
        sees=lambda owner, row, key_owner, key_row, nobody, causal: (
            _sees(owner, row, key_owner, key_row, nobody, False) & ((key_row >= row[:, None]) | (not causal))
        ),
    )


@mistake("packed_blockwise_attention")
def causal_ignored_in_the_blocks(ref, q, k, v, cu_seqlens, block_size, causal=False):
    """`causal` is not passed on: every row sees its whole sequence."""
    return ref(q, k, v, cu_seqlens, block_size, False)


@mistake("packed_blockwise_attention", about="the scale")
def forgot_the_scale_in_the_blocks(ref, q, k, v, cu_seqlens, block_size, causal=False):
    """The scores of the blocks are not divided by sqrt(H)."""
    return ref(q * q.shape[-1] ** 0.5, k, v, cu_seqlens, block_size, causal)


@mistake("packed_blockwise_attention", about="the scale")
def blocks_scaled_by_the_number_of_heads(ref, q, k, v, cu_seqlens, block_size, causal=False):
    """The scores of the blocks are divided by sqrt(N): `shape[1]` is the number of heads in this layout. The width H is
    `shape[-1]`."""
    return ref(q * (q.shape[-1] / q.shape[1]) ** 0.5, k, v, cu_seqlens, block_size, causal)


# --- right values: only what is proved of the program tells these from the reference


@mistake("packed_blockwise_attention")
def everything_at_once(ref, q, k, v, cu_seqlens, block_size, causal=False):
    """There are no blocks: all total × total scores exist at once, as in `packed_attention`. The values are right, and
    the memory grows with the square of the pack. Read `block_size` keys at a time, and keep a maximum, a sum and an
    unfinished output for each row."""
    weights = _softmax(_scores(q, k), _seen(cu_seqlens, len(q), causal))
    return _average(weights, v).astype(q.dtype)


@mistake("packed_blockwise_attention")
def whole_mask_made_first(ref, q, k, v, cu_seqlens, block_size, causal=False):
    """The scores come block by block, but the mask of the sequences is made for the whole pack before the loop, and cut
    into blocks. A boolean array of total × total is of that size too. Compare, in each block, the numbers of all rows
    with those of this block's keys."""
    whole = _padded(_seen(cu_seqlens, len(q), causal).T, block_size, False).T

    def sees(owner, row, key_owner, key_row, nobody, causal):
        return jax.lax.dynamic_slice_in_dim(whole, key_row[0], len(key_row), axis=1)

    return _blockwise(q, k, v, cu_seqlens, block_size, causal, sees=sees)


@mistake("packed_blockwise_attention")
def scores_of_all_blocks_kept(ref, q, k, v, cu_seqlens, block_size, causal=False):
    """The scores are computed block by block, by `scan`, `lax.map` or `vmap`, but those of all blocks are kept and
    joined at the end. Together they are N × total × total numbers. A block's scores have to be used up in its own
    step: only the carry goes on."""
    keys = _padded(k, block_size, 0).reshape(-1, block_size, *k.shape[1:])
    scores = jnp.moveaxis(jax.lax.map(lambda block: _scores(q, block), keys), 0, 2)
    scores = scores.reshape(*scores.shape[:2], -1)[..., : len(q)]
    return _average(_softmax(scores, _seen(cu_seqlens, len(q), causal)), v).astype(q.dtype)


@mistake("packed_blockwise_attention")
def a_few_large_pieces(ref, q, k, v, cu_seqlens, block_size, causal=False):
    """The pack is cut into a fixed number of pieces, such as eight, each of which sees all keys at once. A piece is a
    share of total × total, and grows with the square of the pack like the whole. The size of what a step makes must be
    set by `block_size`, and the number of steps by `total`."""
    visible = _seen_by(cu_seqlens, len(q), causal)
    pieces = [
        _average(_softmax(_scores(q[rows], k), visible(rows)), v)
        for rows in jnp.array_split(jnp.arange(len(q)), min(8, len(q)))
    ]
    return jnp.concatenate(pieces).astype(q.dtype)


def _seen_by(cu_seqlens, total, causal):
    """Which rows of the pack some rows see."""
    owner, row, nobody = _ids(cu_seqlens, total), jnp.arange(total), len(cu_seqlens) - 1
    return lambda rows: _sees(owner[rows], rows, owner, row, nobody, causal)


@mistake("packed_blockwise_attention")
def loop_in_python(ref, q, k, v, cu_seqlens, block_size, causal=False):
    """The loop over the blocks is a Python `for`. Under `jit` it is unrolled: each block becomes a copy of its
    operations in the program, which grows with the pack and takes ever longer to compile. Use `jax.lax.scan` or
    `jax.lax.fori_loop`: their program holds one block."""
    owner, row, nobody = _ids(cu_seqlens, len(q)), jnp.arange(len(q)), len(cu_seqlens) - 1
    state = _begin(q)
    for start in range(0, len(q), block_size):
        own = slice(start, start + block_size)
        mask = _sees(owner, row, owner[own], row[own], nobody, causal)
        state = _fold(state, jnp.where(mask, _scores(q, k[own]), -jnp.inf), v[own].astype(jnp.float32))
    return jnp.moveaxis(_finish(*state[1:]), 0, 1).astype(q.dtype)


@mistake("packed_blockwise_attention")
def softmax_in_bfloat16(ref, q, k, v, cu_seqlens, block_size, causal=False):
    """The softmax or its running sum is computed in the dtype of the inputs. bfloat16 has 8 bits of precision: a
    running sum of ones stops growing at 256. Make the maximum, the sum and the unfinished output float32, apply exp to
    float32 scores, and cast once, at the end."""

    def fold(state, scores, values):
        top, total, out = state
        scores = scores.astype(q.dtype)
        top_now = jnp.maximum(top, scores.max(-1, keepdims=True))
        shrink, powers = jnp.exp(top - _base(top_now)), jnp.exp(scores - _base(top_now))
        added = _weigh(powers.astype(jnp.float32), values)
        return top_now, total * shrink + powers.sum(-1, keepdims=True), out * shrink + added

    def begin(q):
        top, total, out = _begin(q)
        return top.astype(q.dtype), total.astype(q.dtype), out

    return _blockwise(q, k, v, cu_seqlens, block_size, causal, fold=fold, begin=begin)


@mistake("packed_blockwise_attention")
def products_in_bfloat16(ref, q, k, v, cu_seqlens, block_size, causal=False):
    """A product of two bfloat16 arrays gives bfloat16 again: the scores are rounded to 8 bits before the softmax sees
    them, and no later cast brings the bits back. Say `preferred_element_type=jnp.float32` in the product, or cast its
    operands first."""
    return _blockwise(
        q,
        k,
        v,
        cu_seqlens,
        block_size,
        causal,
        scores=lambda q, keys: jnp.einsum("inh,jnh->nij", q, keys).astype(jnp.float32) / q.shape[-1] ** 0.5,
    )
