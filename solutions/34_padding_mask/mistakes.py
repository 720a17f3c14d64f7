"""34 · Wrong answers that people really give, each with its sentence."""

import inspect

import jax
import jax.numpy as jnp

from grader.course import mistake

# --- padding_mask


@mistake("padding_mask")
def mask_with_one_token_too_many(ref, lengths, max_len):
    """The mask has one True too many: the comparison is `<=` where it has to be `<`. Places count from 0, so a sequence
    of 3 tokens has them at the places 0, 1 and 2."""
    return ref(lengths + 1, max_len)


@mistake("padding_mask")
def mask_with_one_token_too_few(ref, lengths, max_len):
    """The mask has one True too few: place `length - 1` is the last real token, and it is real. Compare
    `place < length`, with no 1 taken off."""
    return ref(lengths - 1, max_len)


@mistake("padding_mask", misconception="inverted_the_mask")
def mask_that_is_true_on_padding(ref, lengths, max_len):
    """True stands on the padding. In this track, as in JAX, True means: may attend. PyTorch's `key_padding_mask` goes
    the other way round; turn the comparison."""
    return ~ref(lengths, max_len)


@mistake("padding_mask")
def mask_for_padding_on_the_left(ref, lengths, max_len):
    """The tokens are taken to stand at the end, after the padding. Here each sequence starts at place 0, and what
    follows it is padding."""
    return ref(lengths, max_len)[:, ::-1]


@mistake("padding_mask")
def mask_of_places_by_sequences(ref, lengths, max_len):
    """The mask has shape (max_len, B). There is a row for each sequence and a column for each place: `lengths[:, None]`
    makes the lengths a column."""
    return ref(lengths, max_len).T


@mistake("padding_mask")
def mask_without_a_new_axis(ref, lengths, max_len):
    """The lengths are compared with the places one by one, as two vectors. That is an error unless there are as many
    sequences as places, and then it is wrong. Make the lengths a column, `lengths[:, None]`, so that each is compared
    with every place."""
    return jnp.arange(max_len) < lengths


@mistake("padding_mask")
def mask_as_long_as_the_longest(ref, lengths, max_len):
    """The mask is as wide as the longest sequence, not `max_len`. A shape cannot depend on values: under `jit` nobody
    knows `lengths.max()`, which is why the contract passes `max_len` as a Python integer."""
    return jnp.arange(lengths.max()) < lengths[:, None]


@mistake("padding_mask")
def mask_from_python_numbers(ref, lengths, max_len):
    """The lengths are turned into Python numbers, with `int(...)`, `.tolist()` or a `range`. It works until `jit`,
    where the lengths have no values yet. Compare arrays: a column of lengths with a row of places."""
    return jnp.array([[place < length for place in range(max_len)] for length in lengths.tolist()])


@mistake("padding_mask", about="what the mask holds")
def mask_of_floats(ref, lengths, max_len):
    """The mask holds the floats 0.0 and 1.0. The contract asks for booleans; a comparison gives them, so leave out what
    turns it into numbers."""
    return ref(lengths, max_len).astype(jnp.float32)


@mistake("padding_mask", about="what the mask holds")
def mask_of_integers(ref, lengths, max_len):
    """The mask holds the integers 0 and 1, as tokenizers return it. The contract asks for booleans: `~1` is -2, which
    counts as true as well."""
    return ref(lengths, max_len).astype(jnp.int32)


@mistake("padding_mask", about="what the mask holds")
def mask_to_be_added(ref, lengths, max_len):
    """The mask holds 0 and -inf, to be added to the scores. The contract asks for True and False; what becomes of a
    hidden score is decided where the scores are."""
    return jnp.where(ref(lengths, max_len), 0.0, -jnp.inf)


# --- What the two attentions share. A mistake below changes one step.


def _split(x, num_heads):
    return x.reshape(*x.shape[:2], num_heads, -1).swapaxes(1, 2)


def _join(heads):
    return heads.swapaxes(1, 2).reshape(heads.shape[0], heads.shape[2], -1)


def _real(mask, k):
    return jnp.ones(k.shape[:2], bool) if mask is None else mask


def _keys(mask, k):
    """The mask where it belongs: (B, 1, 1, T), the same for every head and query."""
    return _real(mask, k)[:, None, None, :]


def _past(q, diagonal=0):
    return jnp.tri(q.shape[1], q.shape[1], diagonal, dtype=bool)


def _seen(mask, k):
    """Both masks: real keys that are not later."""
    return _past(k) & _keys(mask, k)


def _softmax(scores, visible):
    return jax.nn.softmax(scores, axis=-1, where=jnp.broadcast_to(visible, scores.shape))


def _attend(ref, given, q, k, v, num_heads, mask, **steps):
    """The attention with other steps: what is `visible`, and the way from scores and mask to weights, `softmax`. Made
    in another mistake they are steps of that one, and those that are `given` are steps of one that is made in this."""
    steps |= given
    if not steps or any(
        argument.kind is argument.VAR_KEYWORD for argument in inspect.signature(ref).parameters.values()
    ):
        return ref(q, k, v, num_heads, mask, **steps)
    visible = steps.get("visible")
    if visible is None:
        visible = _seen(mask, k) if ref.__name__ == "causal_attention" else _keys(mask, k)
    q, k, v = _split(q, num_heads), _split(k, num_heads), _split(v, num_heads)
    scores = q @ k.swapaxes(-1, -2) / q.shape[-1] ** 0.5
    return _join(steps.get("softmax", _softmax)(scores, jnp.broadcast_to(visible, scores.shape)) @ v)


def _zero_dead_rows(visible, q, num_heads, output):
    """Zeros where a query has no key, after the fact."""
    some = jnp.broadcast_to(visible.any(-1, keepdims=True), (q.shape[0], 1, q.shape[1], 1))
    return jnp.where(some[:, 0], output, 0.0)


def _with(hidden):
    """The softmax of the scores with the number `hidden` in place of each hidden one."""
    return lambda scores, visible: jax.nn.softmax(jnp.where(visible, scores, hidden), axis=-1)


def _most_negative(scores, visible):
    return _with(jnp.finfo(scores.dtype).min)(scores, visible)


MOST_NEGATIVE = float(jnp.finfo(jnp.float32).min)


def _added(number):
    """The softmax of the scores with `number` added to each hidden one."""
    return lambda scores, visible: jax.nn.softmax(scores + jnp.where(visible, 0.0, number), axis=-1)


def _multiplied(scores, visible):
    # scores * mask - 1e9 * (1 - mask), said outright: XLA turns some products with a boolean into a choice, and then
    # inf * 0 is no NaN.
    return _with(jnp.where(jnp.isfinite(scores), -1e9, jnp.nan))(scores, visible)


def _weights_times_mask(scores, visible):
    # Not a product, for the same reason: with NaN the outcome would depend on the compiler.
    return jnp.where(visible, jax.nn.softmax(scores, axis=-1), 0.0)


def _renormalised(scores, visible):
    weights = _weights_times_mask(scores, visible)
    return weights / weights.sum(-1, keepdims=True)


def _overflowing(scores, visible):
    powers = jnp.exp(jnp.where(visible, scores, -jnp.inf))
    total = powers.sum(-1, keepdims=True)
    return powers / jnp.where(total == 0, 1.0, total)


def _interleaved(x, num_heads):
    """The features in the order that contiguous heads then find as interleaved ones."""
    return x.reshape(*x.shape[:2], -1, num_heads).swapaxes(-1, -2).reshape(x.shape)


def _back(x, num_heads):
    return _interleaved(x, x.shape[-1] // num_heads)


# --- bidirectional_attention


@mistake("bidirectional_attention")
def ignored_the_mask(ref, q, k, v, num_heads, mask=None, **given):
    """No key is hidden: padded keys get weights like any other. A mask that is made and not used, or a `jnp.where` that
    is not assigned, does this too."""
    return _attend(ref, given, q, k, v, num_heads, None)


@mistake("bidirectional_attention")
def forgot_none(ref, q, k, v, num_heads, mask=None, **given):
    """`mask=None` is used as if it were an array. None is the default and means that nothing is hidden: ask
    `mask is None`, which Python answers at trace time, and leave the hiding out."""
    return _attend(ref, given, q, k, v, num_heads, mask, visible=mask[:, None, None, :])


@mistake("bidirectional_attention")
def inverted_the_mask(ref, q, k, v, num_heads, mask=None, **given):
    """The mask is used the wrong way round: real keys are hidden and padded ones are seen. True means: may attend. In
    `jnp.where(mask, x, y)` x stands where the mask is True, so first the scores, then -inf."""
    return _attend(ref, given, q, k, v, num_heads, None if mask is None else ~mask)


@mistake("bidirectional_attention")
def masked_the_queries(ref, q, k, v, num_heads, mask=None, **given):
    """The mask lies on the axis of the queries: rows of padded queries see nothing, and real queries see the padding.
    In scores of shape (B, N, T, T) the keys are the last axis: `mask[:, None, None, :]`."""
    return _attend(ref, given, q, k, v, num_heads, mask, visible=_real(mask, k)[:, None, :, None])


@mistake("bidirectional_attention")
def zeroed_padded_queries(ref, q, k, v, num_heads, mask=None, **given):
    """The rows of padded queries are zeros, because they were cleared or because the mask was put on the queries as
    well. The contract computes them like any other: the mask is about keys, and what the caller does with padded rows
    is up to the caller."""
    return _attend(ref, given, q, k, v, num_heads, mask) * _real(mask, k)[..., None]


@mistake("bidirectional_attention")
def mask_of_the_first_sequence(ref, q, k, v, num_heads, mask=None, **given):
    """Every sequence is masked with the first one's mask. Each has its own lengths: keep the batch axis of the mask in
    front, with axes of size 1 for heads and queries."""
    return _attend(ref, given, q, k, v, num_heads, None if mask is None else jnp.broadcast_to(mask[:1], mask.shape))


@mistake("bidirectional_attention")
def mask_on_the_axis_of_heads(ref, q, k, v, num_heads, mask=None, **given):
    """The mask meets the heads: `mask[:, None, :]` has shape (B, 1, T), and broadcasting lines up its batch with the N
    of the scores (B, N, T, T). That is an error, or, with as many heads as sequences, sequence n's mask on head n of
    all. Two new axes are needed: `mask[:, None, None, :]`."""
    q, k, v = _split(q, num_heads), _split(k, num_heads), _split(v, num_heads)
    scores = q @ k.swapaxes(-1, -2) / q.shape[-1] ** 0.5
    visible = True if mask is None else mask[:, None, :]
    scores = jnp.where(visible, scores, -jnp.inf)
    return _join(given.get("softmax", _softmax)(scores, jnp.broadcast_to(visible, scores.shape)) @ v)


def _tiled(mask, k, num_heads):
    """The mask that each head gets when heads lie in the batch, as (B * N, T, T), and the mask is tiled to B * N."""
    real = _real(mask, k)
    return jnp.tile(real, (num_heads, 1)).reshape(len(real), num_heads, 1, -1)


@mistake("bidirectional_attention")
def mask_tiled_over_heads(ref, q, k, v, num_heads, mask=None, **given):
    """Heads get the masks of other sequences. Where heads lie in the batch, as (B * N, T, T), the N heads of a sequence
    are neighbours, and `jnp.tile` lays the masks out the other way round. Repeat each: `jnp.repeat(mask, N, axis=0)`;
    or leave the heads an axis of their own, and the mask (B, 1, 1, T)."""
    return _attend(ref, given, q, k, v, num_heads, mask, visible=_tiled(mask, k, num_heads))


@mistake("bidirectional_attention")
def nan_where_nothing_is_seen(ref, q, k, v, num_heads, mask=None, **given):
    """A sequence of length 0 gives NaN: all its scores are -inf, and -inf minus the maximum -inf is NaN. A query with
    no key has to give
    zeros: hide with `softmax`'s own `where=`, or take off 0 where there is no maximum, and divide by 1 where the sum is
    0."""
    return _attend(ref, given, q, k, v, num_heads, mask, softmax=_with(-jnp.inf))


@mistake("bidirectional_attention")
def added_minus_infinity(ref, q, k, v, num_heads, mask=None, **given):
    """Two things, from adding -inf to the scores of padded keys. A sequence of length 0 gives NaN, a softmax over -inf
    alone. And where the score of a padded key has overflowed, inf - inf is NaN: replace the score instead, and give
    zeros where there is no key."""
    return _attend(
        ref,
        given,
        q,
        k,
        v,
        num_heads,
        mask,
        softmax=lambda scores, visible: jax.nn.softmax(scores + jnp.where(visible, 0.0, -jnp.inf), axis=-1),
    )


@mistake("bidirectional_attention")
def mean_where_nothing_is_seen(ref, q, k, v, num_heads, mask=None, **given):
    """A sequence of length 0 gives the mean of its padding: all its scores are the same large negative number, and
    equal scores are equal weights. A query with no key has to give zeros: choose them with `jnp.where` and
    `mask.any(axis=-1)`."""
    return _attend(ref, given, q, k, v, num_heads, mask, softmax=_most_negative)


@mistake("bidirectional_attention", number=(-10.0, -1000.0), zeroed=(False,))
def hidden_by_a_small_number(ref, q, k, v, num_heads, mask=None, *, number=-100.0, zeroed=True, **given):
    """A number such as -100 stands in the place of each padded score. Scores of real keys may be lower than that, and
    then the padding wins. Only -inf is below every score."""
    output = _attend(ref, given, q, k, v, num_heads, mask, softmax=_with(number))
    return _zero_dead_rows(_keys(mask, k), q, num_heads, output) if zeroed else output


@mistake("bidirectional_attention", number=(-10.0, -1000.0), zeroed=(False,))
def added_a_small_number(ref, q, k, v, num_heads, mask=None, *, number=-100.0, zeroed=True, **given):
    """A number such as -100 is added to the scores of padded keys. A padded key that scores some hundreds higher than
    the real ones comes
    through: it is only less likely. Put -inf in place of the score."""
    output = _attend(ref, given, q, k, v, num_heads, mask, softmax=_added(number))
    return _zero_dead_rows(_keys(mask, k), q, num_heads, output) if zeroed else output


@mistake("bidirectional_attention")
def gradient_nan_where_nothing_is_seen(ref, q, k, v, num_heads, mask=None, **given):
    """The output is right and the gradient is NaN: the softmax over nothing but -inf is computed, and `jnp.where`
    replaces its NaN afterwards. `jnp.where` drops the value, but backwards its zero is multiplied by that NaN. Make the
    scores safe before the softmax, so that no NaN is ever computed."""
    visible = _keys(mask, k)
    return _zero_dead_rows(
        visible, q, num_heads, _attend(ref, given, q, k, v, num_heads, mask, softmax=_with(-jnp.inf))
    )


@mistake("bidirectional_attention")
def all_instead_of_any(ref, q, k, v, num_heads, mask=None, **given):
    """Each sequence that has any padding gives zeros: it is asked whether all its keys are real. Zeros belong where
    none is: `mask.any(axis=-1)`."""
    return _attend(ref, given, q, k, v, num_heads, mask) * _real(mask, k).all(-1)[:, None, None]


@mistake("bidirectional_attention", number=(MOST_NEGATIVE,))
def added_a_large_number(ref, q, k, v, num_heads, mask=None, *, number=-1e9, **given):
    """Two things, from adding -1e9 or `finfo.min` to the scores of padded keys. A sequence of length 0 gives the mean
    of its padding. And a padded key whose score is larger still comes through, up to inf, which nothing is taken off
    from. Put a number in place of the score, and zeros where there is no key."""
    return _attend(ref, given, q, k, v, num_heads, mask, softmax=_added(number))


@mistake("bidirectional_attention", number=(MOST_NEGATIVE,))
def added_a_large_number_and_zeroed(ref, q, k, v, num_heads, mask=None, *, number=-1e9, **given):
    """-1e9 or `finfo.min` is added to the scores of padded keys. It is right for ordinary numbers, but what is added to
    leaves its trace: a padded key whose score is larger comes through, and one whose score is inf stays inf. Replace
    the score: `jnp.where(mask, scores, ...)`."""
    visible = _keys(mask, k)
    return _zero_dead_rows(visible, q, num_heads, _attend(ref, given, q, k, v, num_heads, mask, softmax=_added(number)))


@mistake("bidirectional_attention")
def multiplied_the_scores(ref, q, k, v, num_heads, mask=None, **given):
    """The scores are multiplied by the mask before a large number is taken off, `scores * mask - 1e9 * (1 - mask)`.
    Where the score of a padded key has overflowed, inf * 0 is NaN, and the row is lost; and a sequence of length 0
    gives the mean of its padding. Choose with `jnp.where`, which multiplies nothing."""
    return _attend(ref, given, q, k, v, num_heads, mask, softmax=_multiplied)


@mistake("bidirectional_attention")
def multiplied_the_scores_and_zeroed(ref, q, k, v, num_heads, mask=None, **given):
    """Padded scores are multiplied by 0 before something is put in their place. For a finite score that removes it, but
    a padded key may be so large that its score overflows, and inf * 0 is NaN. Choose with `jnp.where`, which multiplies
    nothing."""
    visible = _keys(mask, k)
    return _zero_dead_rows(visible, q, num_heads, _attend(ref, given, q, k, v, num_heads, mask, softmax=_multiplied))


@mistake("bidirectional_attention")
def infinity_times_zero(ref, q, k, v, num_heads, mask=None, **given):
    """The mask is multiplied by -inf to get something to add, and 0 * -inf is NaN: every real score becomes NaN. Choose
    with `jnp.where`, which multiplies nothing."""
    return _attend(ref, given, q, k, v, num_heads, None) * (1.0 if mask is None else jnp.nan)


@mistake("bidirectional_attention", zeroed=(True,))
def zeros_for_scores(ref, q, k, v, num_heads, mask=None, *, zeroed=False, **given):
    """The scores of padded keys are 0, because they were set so or because the keys were. A score of 0 is no absence:
    exp(0) = 1, a weight like any other. A hidden score has to be -inf."""
    output = _attend(ref, given, q, k, v, num_heads, mask, softmax=_with(0.0))
    return _zero_dead_rows(_keys(mask, k), q, num_heads, output) if zeroed else output


@mistake("bidirectional_attention")
def weights_times_mask(ref, q, k, v, num_heads, mask=None, **given):
    """Padded keys take part in the softmax, and only what they would add is wiped: their values are set to zero, or
    their weights after the softmax. They have had their share by then, and what is left of a row sums to less than 1.
    Hide the scores, before the softmax."""
    return _attend(ref, given, q, k, v, num_heads, mask, softmax=_weights_times_mask)


@mistake("bidirectional_attention")
def renormalised(ref, q, k, v, num_heads, mask=None, **given):
    """Padded keys take part in the softmax, and the masked weights are divided by their sum. On paper it cancels; but a
    padded key that scores far higher makes all the others underflow to 0, and 0 / 0 is NaN, as it is where there is no
    key at all. Hide the scores, before the softmax."""
    return _attend(ref, given, q, k, v, num_heads, mask, softmax=_renormalised)


@mistake("bidirectional_attention")
def renormalised_and_zeroed(ref, q, k, v, num_heads, mask=None, **given):
    """Padded keys take part in the softmax, and the masked weights are divided by their sum where that is not 0. On
    paper it cancels; but a padded key that scores far higher makes every real weight underflow to 0. The maximum and
    the sum must not see padding at all: hide the scores, before the softmax."""

    def softmax(scores, visible):
        weights = _weights_times_mask(scores, visible)
        total = weights.sum(-1, keepdims=True)
        return weights / jnp.where(total == 0, 1.0, total)

    return _attend(ref, given, q, k, v, num_heads, mask, softmax=softmax)


@mistake("bidirectional_attention")
def hidden_after_the_exponential(ref, q, k, v, num_heads, mask=None, **given):
    """The values are right and the gradient is NaN: padded keys are hidden after exp, where a large score has become
    inf already. `jnp.where` drops it, but its gradient is 0 * inf. Hide the scores before exp."""

    def softmax(scores, visible):
        top = jnp.where(visible, scores, -jnp.inf).max(-1, keepdims=True)
        powers = jnp.where(visible, jnp.exp(scores - jnp.where(visible.any(-1, keepdims=True), top, 0.0)), 0.0)
        total = powers.sum(-1, keepdims=True)
        return powers / jnp.where(total == 0, 1.0, total)

    return _attend(ref, given, q, k, v, num_heads, mask, softmax=softmax)


@mistake("bidirectional_attention")
def overflowing_softmax(ref, q, k, v, num_heads, mask=None, **given):
    """exp overflows: logits in the hundreds give inf / inf = NaN. Take off the maximum of each row first, over the keys
    that it sees."""
    return _attend(ref, given, q, k, v, num_heads, mask, softmax=_overflowing)


@mistake("bidirectional_attention")
def causal_too(ref, q, k, v, num_heads, mask=None, **given):
    """Each token sees only the tokens up to itself. Here every token sees the whole sequence; the causal mask belongs
    into `causal_attention` alone."""
    return _attend(ref, given, q, k, v, num_heads, mask, visible=_seen(mask, k))


@mistake("bidirectional_attention", joined=("in chunks",))
def heads_interleaved(ref, q, k, v, num_heads, mask=None, *, joined="as they were split", **given):
    """The heads take every N-th feature: the width is reshaped to (H, N). Head n owns the contiguous features n*H to
    (n+1)*H: reshape it to (N, H)."""
    outputs = _attend(ref, given, *(_interleaved(x, num_heads) for x in (q, k, v)), num_heads, mask)
    return outputs if joined == "in chunks" else _back(outputs, num_heads)


@mistake("bidirectional_attention", misconception="joined_by_reshape_alone")
def joined_without_moving(ref, q, k, v, num_heads, mask=None, **given):
    """The heads are joined by a reshape alone, from (B, N, T, H): a row then holds several tokens of one head. Swap the
    axes of heads and tokens back first, then reshape."""
    return _split(_attend(ref, given, q, k, v, num_heads, mask), num_heads).reshape(q.shape)


@mistake("bidirectional_attention", joined=("by reshape alone, too",))
def split_by_reshape_alone(ref, q, k, v, num_heads, mask=None, *, joined="with the axes swapped", **given):
    """The width is split by a reshape alone, straight to (B, N, T, H): a row of a head then holds features of another
    token, or of several. Reshape to (B, T, N, H), so that each token keeps its own features, and then swap the axes of
    tokens and heads."""
    q, k, v = (_join(x.reshape(x.shape[0], num_heads, x.shape[1], -1)) for x in (q, k, v))
    output = _attend(ref, given, q, k, v, num_heads, mask)
    return output if joined == "with the axes swapped" else _split(output, num_heads).reshape(q.shape)


@mistake("bidirectional_attention", misconception="all_heads_as_one")
def one_head_for_all(ref, q, k, v, num_heads, mask=None, **given):
    """There is one head over the full width: `num_heads` is not used. Each head has its own scores and weights, from
    its own chunk of the features."""
    return _attend(ref, given, q, k, v, 1, mask)


@mistake("bidirectional_attention")
def first_features_for_every_head(ref, q, k, v, num_heads, mask=None, **given):
    """Every head has the first H features, and all heads are alike. Tiling copies a token for each head; the width has
    to be split among them: reshape it to (N, H), and move N in front of the tokens."""
    q, k, v = (jnp.tile(x[..., : x.shape[-1] // num_heads], (1, 1, num_heads)) for x in (q, k, v))
    return _attend(ref, given, q, k, v, num_heads, mask)


@mistake("bidirectional_attention", misconception="scale_of_the_whole_width", about="the scale")
def scaled_by_the_whole_width(ref, q, k, v, num_heads, mask=None, **given):
    """The scores are divided by sqrt(d_model). After the split a score is a sum over one head's width: divide by
    sqrt(H), H = d_model // num_heads."""
    return _attend(ref, given, q / num_heads**0.5, k, v, num_heads, mask)


@mistake("bidirectional_attention", about="the scale")
def forgot_the_scale(ref, q, k, v, num_heads, mask=None, **given):
    """The scores are not divided by sqrt(H), the square root of one head's width. Everything else of problem 31 holds
    here too."""
    return _attend(ref, given, q * (q.shape[-1] / num_heads) ** 0.5, k, v, num_heads, mask)


# --- causal_attention


@mistake("causal_attention")
def causal_without_padding(ref, q, k, v, num_heads, mask=None, **given):
    """The padding mask is not used: only later keys are hidden, and padded keys before a query get weights like any
    other. A key must be real and not later: combine both masks with `&`."""
    return _attend(ref, given, q, k, v, num_heads, None)


@mistake("causal_attention")
def padding_without_causal(ref, q, k, v, num_heads, mask=None, **given):
    """Nothing later is hidden: each token sees every real key, those after it included. A key must be real and not
    later: combine both masks with `&`."""
    return _attend(ref, given, q, k, v, num_heads, mask, visible=_keys(mask, k))


@mistake("causal_attention", without_a_mask=("all keys are seen",))
def one_of_both_masks_is_enough(ref, q, k, v, num_heads, mask=None, *, without_a_mask="it is causal", **given):
    """A key is seen when either mask allows it: the two are combined with `|`. For masks that say where one may attend,
    both have to agree: `&`. (`|` is right for masks that say what is hidden.)"""
    visible = _past(q) if mask is None and without_a_mask == "it is causal" else _past(q) | _keys(mask, k)
    return _attend(ref, given, q, k, v, num_heads, mask, visible=visible)


@mistake("causal_attention", misconception="forgot_none")
def causal_forgot_none(ref, q, k, v, num_heads, mask=None, **given):
    """`mask=None` is used as if it were an array. Without padding the causal mask is all there is: ask `mask is None`
    before the two are combined."""
    return _attend(ref, given, q, k, v, num_heads, mask, visible=_past(q) & mask[:, None, None, :])


@mistake("causal_attention", misconception="inverted_the_mask")
def causal_inverted_padding(ref, q, k, v, num_heads, mask=None, **given):
    """The padding mask is used the wrong way round: of the earlier keys, the padded ones are seen and the real ones
    hidden. True means: may attend, in both masks."""
    return _attend(ref, given, q, k, v, num_heads, None if mask is None else ~mask)


@mistake("causal_attention")
def without_the_token_itself(ref, q, k, v, num_heads, mask=None, **given):
    """A query does not see the key of its own token: the diagonal of the causal mask is one too low. Hide only what
    comes later: `<=`, not `<`."""
    return _attend(ref, given, q, k, v, num_heads, mask, visible=_past(q, -1) & _keys(mask, k))


@mistake("causal_attention")
def one_key_too_many(ref, q, k, v, num_heads, mask=None, **given):
    """Each query sees its next token as well: the diagonal of the causal mask is one too high. The last key that query
    i may see is key i."""
    return _attend(ref, given, q, k, v, num_heads, mask, visible=_past(q, 1) & _keys(mask, k))


@mistake("causal_attention")
def sees_the_future(ref, q, k, v, num_heads, mask=None, **given):
    """Each query sees itself and what comes later: the causal mask is the upper triangle. Rows are queries and columns
    are keys, so the past stands in the lower triangle."""
    return _attend(ref, given, q, k, v, num_heads, mask, visible=_past(q).T & _keys(mask, k))


@mistake("causal_attention", misconception="masked_the_queries")
def causal_masked_the_queries(ref, q, k, v, num_heads, mask=None, **given):
    """The padding mask lies on the axis of the queries: padded queries see nothing, and real queries see padded keys
    before them. The keys are the last axis of the scores: `mask[:, None, None, :]`."""
    return _attend(ref, given, q, k, v, num_heads, mask, visible=_past(q) & _real(mask, k)[:, None, :, None])


@mistake("causal_attention", misconception="zeroed_padded_queries")
def causal_zeroed_padded_queries(ref, q, k, v, num_heads, mask=None, **given):
    """The rows of padded queries are zeros. A padded query with a real key before it is computed like any other; only a
    query with no key at all gets zeros."""
    return _attend(ref, given, q, k, v, num_heads, mask) * _real(mask, k)[..., None]


@mistake("causal_attention", misconception="mask_of_the_first_sequence")
def causal_mask_of_the_first_sequence(ref, q, k, v, num_heads, mask=None, **given):
    """Every sequence gets the padding of the first one. The combined mask differs from sequence to sequence: its shape
    is (B, 1, T, T), with the batch in front."""
    return _attend(ref, given, q, k, v, num_heads, None if mask is None else jnp.broadcast_to(mask[:1], mask.shape))


@mistake("causal_attention", misconception="nan_where_nothing_is_seen")
def causal_nan_where_nothing_is_seen(ref, q, k, v, num_heads, mask=None, **given):
    """The first rows under padding on the left are NaN, and so is a sequence of length 0: a query before the first real
    token sees nothing, and a softmax over -inf alone is NaN. It has to give zeros: take off 0 where there is no maximum
    and divide by 1 where the sum is 0, or use `softmax`'s own `where=`."""
    return _attend(ref, given, q, k, v, num_heads, mask, softmax=_with(-jnp.inf))


@mistake("causal_attention", misconception="mean_where_nothing_is_seen")
def causal_mean_where_nothing_is_seen(ref, q, k, v, num_heads, mask=None, **given):
    """A query before the first real token gets the mean of all values, later ones and padding included: its scores are
    all the same large negative number, and equal scores are equal weights. It has to get zeros: choose them with
    `jnp.where` and `any` over the keys of the combined mask."""
    return _attend(ref, given, q, k, v, num_heads, mask, softmax=_most_negative)


@mistake("causal_attention", misconception="hidden_by_a_small_number", number=(-10.0, -1000.0), zeroed=(False,))
def causal_hidden_by_a_small_number(ref, q, k, v, num_heads, mask=None, *, number=-100.0, zeroed=True, **given):
    """A number such as -100 stands in the place of each hidden score, padded or later. Scores that count may be lower
    than that, and then what is hidden wins. Only -inf is below every score."""
    visible = _seen(mask, k)
    output = _attend(ref, given, q, k, v, num_heads, mask, softmax=_with(number))
    return _zero_dead_rows(visible, q, num_heads, output) if zeroed else output


@mistake("causal_attention", number=(-10.0, -1000.0), zeroed=(False,))
def causal_added_a_small_number(ref, q, k, v, num_heads, mask=None, *, number=-100.0, zeroed=True, **given):
    """A number such as -100 is added to the hidden scores, padded or later. A hidden key that scores some hundreds
    higher than the visible ones comes through: it is only less likely. Put -inf in place of the score."""
    visible = _seen(mask, k)
    output = _attend(ref, given, q, k, v, num_heads, mask, softmax=_added(number))
    return _zero_dead_rows(visible, q, num_heads, output) if zeroed else output


@mistake("causal_attention")
def causal_only_with_a_mask(ref, q, k, v, num_heads, mask=None, **given):
    """Without a mask it is not causal: the causal mask is made where the padding mask is, and skipped with it. `None`
    means that every token is real; later tokens are hidden all the same."""
    visible = _keys(mask, k) if mask is None else _past(q) & _keys(mask, k)
    return _zero_dead_rows(visible, q, num_heads, _attend(ref, given, q, k, v, num_heads, mask, visible=visible))


@mistake("causal_attention")
def causal_only_without_a_mask(ref, q, k, v, num_heads, mask=None, **given):
    """With a mask it is not causal: where a padding mask is given it takes the place of the causal one. A key has to be
    real and not later: combine both masks with `&`."""
    visible = _past(k) if mask is None else _keys(mask, k)
    return _attend(ref, given, q, k, v, num_heads, mask, visible=visible)


@mistake("causal_attention")
def causal_mask_tiled_over_heads(ref, q, k, v, num_heads, mask=None, **given):
    """Heads get the padding of other sequences. Where heads lie in the batch, as (B * N, T, T), the heads of a sequence
    are neighbours: repeat its mask, `jnp.repeat(mask, N, axis=0)`. `jnp.tile` goes through all sequences first."""
    return _attend(ref, given, q, k, v, num_heads, mask, visible=_past(q) & _tiled(mask, k, num_heads))


@mistake("causal_attention")
def only_empty_sequences_zeroed(ref, q, k, v, num_heads, mask=None, **given):
    """A sequence of length 0 gives zeros, but a query before the first real token still gets the mean of all values.
    Whether a query has a key is a question to the combined mask, row by row: `any` over its last axis, not over that of
    the padding mask."""
    padding = _keys(mask, k)
    return _zero_dead_rows(
        padding,
        q,
        num_heads,
        _attend(ref, given, q, k, v, num_heads, mask, visible=_past(q) & padding, softmax=_most_negative),
    )


@mistake("causal_attention")
def only_empty_sequences_zeroed_and_nan(ref, q, k, v, num_heads, mask=None, **given):
    """A query before the first real token gives NaN: its scores are all -inf. Zeros are chosen only where the sequence
    has no real token at all. Ask the combined mask, row by row, and before the softmax: a NaN that is replaced
    afterwards comes back in the gradient."""
    padding = _keys(mask, k)
    return _zero_dead_rows(
        padding,
        q,
        num_heads,
        _attend(ref, given, q, k, v, num_heads, mask, visible=_past(q) & padding, softmax=_with(-jnp.inf)),
    )


@mistake("causal_attention", misconception="gradient_nan_where_nothing_is_seen")
def causal_gradient_nan_where_nothing_is_seen(ref, q, k, v, num_heads, mask=None, **given):
    """The output is right and the gradient is NaN: rows before the first real token are NaN after the softmax, and
    `jnp.where` replaces them then. Backwards, its zero is multiplied by that NaN. Make the scores of such rows safe
    before the softmax."""
    visible = _seen(mask, k)
    return _zero_dead_rows(
        visible, q, num_heads, _attend(ref, given, q, k, v, num_heads, mask, softmax=_with(-jnp.inf))
    )


@mistake("causal_attention")
def all_rows_zeroed_that_hide_a_key(ref, q, k, v, num_heads, mask=None, **given):
    """Each row that hides any key is zeros, so hardly more than the last row is left: it is asked whether all keys are
    visible. Zeros belong where none is: `any` over the keys, not `all`."""
    return _attend(ref, given, q, k, v, num_heads, mask) * _seen(mask, k).all(-1)[:, 0, :, None]


@mistake("causal_attention")
def padded_queries_see_themselves(ref, q, k, v, num_heads, mask=None, **given):
    """Each query sees its own key, a padded one too: the diagonal was opened so that no row is empty. That avoids the
    NaN, but what stands at a padded key reaches the rows. Leave it hidden, and give zeros to a row that sees
    nothing."""
    return _attend(ref, given, q, k, v, num_heads, mask, visible=_seen(mask, k) | jnp.eye(q.shape[1], dtype=bool))


@mistake("causal_attention")
def added_both_masks(ref, q, k, v, num_heads, mask=None, **given):
    """The two masks are made of the most negative float and both are added to the scores. A key that both hide gets
    -inf, one that a single mask hides keeps a finite score, and a query without a key averages the latter; a padded
    score of inf stays. Combine the booleans with `&`, and replace the scores once."""

    def softmax(scores, visible):
        least = jnp.finfo(scores.dtype).min
        return jax.nn.softmax(scores + jnp.where(_past(q), 0.0, least) + jnp.where(_keys(mask, k), 0.0, least), axis=-1)

    return _attend(ref, given, q, k, v, num_heads, mask, visible=True, softmax=softmax)


@mistake("causal_attention", misconception="added_a_large_number", number=(MOST_NEGATIVE,))
def causal_added_a_large_number(ref, q, k, v, num_heads, mask=None, *, number=-1e9, **given):
    """Two things, from adding -1e9 or `finfo.min` to the hidden scores. A query before the first real token gets the
    mean of all values. And a hidden score that is larger still comes through, up to inf, which nothing is taken off
    from. Put a number in place of the score, and zeros where there is no key."""
    return _attend(ref, given, q, k, v, num_heads, mask, softmax=_added(number))


@mistake("causal_attention", misconception="added_a_large_number_and_zeroed", number=(MOST_NEGATIVE,))
def causal_added_a_large_number_and_zeroed(ref, q, k, v, num_heads, mask=None, *, number=-1e9, **given):
    """-1e9 or `finfo.min` is added to the hidden scores, and rows without a key are zeros. It is right for ordinary
    numbers, but a padded or later key whose score is larger comes through. Replace the score, so that nothing is left
    of it."""
    visible = _seen(mask, k)
    return _zero_dead_rows(visible, q, num_heads, _attend(ref, given, q, k, v, num_heads, mask, softmax=_added(number)))


@mistake("causal_attention", zeroed=(True,))
def causal_zeros_for_scores(ref, q, k, v, num_heads, mask=None, *, zeroed=False, **given):
    """The hidden scores are 0, those of later and those of padded keys. A score of 0 is no absence: exp(0) = 1, a
    weight like any other. A hidden score has to be -inf."""
    output = _attend(ref, given, q, k, v, num_heads, mask, softmax=_with(0.0))
    return _zero_dead_rows(_seen(mask, k), q, num_heads, output) if zeroed else output


@mistake("causal_attention")
def causal_weights_times_mask(ref, q, k, v, num_heads, mask=None, **given):
    """Both masks are applied to the weights, after the softmax. Later and padded keys have had their share by then, and
    what is left of a row sums to less than 1. Hide the scores, before the softmax."""
    return _attend(ref, given, q, k, v, num_heads, mask, softmax=_weights_times_mask)


@mistake("causal_attention")
def causal_overflowing_softmax(ref, q, k, v, num_heads, mask=None, **given):
    """exp overflows: logits in the hundreds give inf / inf = NaN. Take off the maximum of each row first, over the keys
    that both masks leave."""
    return _attend(ref, given, q, k, v, num_heads, mask, softmax=_overflowing)


@mistake("causal_attention")
def causal_one_head_for_all(ref, q, k, v, num_heads, mask=None, **given):
    """There is one head over the full width under both masks: `num_heads` is not used. Each head has its own scores and
    weights, from its own chunk of the features."""
    return _attend(ref, given, q, k, v, 1, mask)


@mistake("causal_attention")
def causal_first_features_for_every_head(ref, q, k, v, num_heads, mask=None, **given):
    """All heads are alike: every one of them has the first H features, because tokens were tiled and cut. Split the
    width among the heads, by a reshape to (N, H)."""
    q, k, v = (jnp.tile(x[..., : x.shape[-1] // num_heads], (1, 1, num_heads)) for x in (q, k, v))
    return _attend(ref, given, q, k, v, num_heads, mask)


@mistake("causal_attention", misconception="mask_after_the_softmax")
def padding_after_the_softmax(ref, q, k, v, num_heads, mask=None, **given):
    """Later keys are hidden before the softmax, padded ones only after it: their weights, or their values, are set to
    zero when they have had their share already. The rest of the row then sums to less than 1. Hide both before the
    softmax."""

    def softmax(scores, visible):
        return jnp.where(visible, _softmax(scores, _past(q)), 0.0)

    return _attend(ref, given, q, k, v, num_heads, mask, softmax=softmax)


@mistake("causal_attention", misconception="renormalised")
def causal_renormalised(ref, q, k, v, num_heads, mask=None, **given):
    """Hidden keys take part in the softmax, and the masked weights are divided by their sum. A hidden key that scores
    far higher makes all visible ones underflow to 0, and 0 / 0 is NaN, as it is before the first real token. Hide the
    scores, before the softmax."""
    return _attend(ref, given, q, k, v, num_heads, mask, softmax=_renormalised)


@mistake("causal_attention", misconception="heads_interleaved", joined=("in chunks",))
def causal_heads_interleaved(ref, q, k, v, num_heads, mask=None, *, joined="as they were split", **given):
    """The heads take every N-th feature. Head n owns a contiguous chunk of the features, as in problem 32: reshape the
    width to (N, H), not to (H, N)."""
    outputs = _attend(ref, given, *(_interleaved(x, num_heads) for x in (q, k, v)), num_heads, mask)
    return outputs if joined == "in chunks" else _back(outputs, num_heads)


@mistake("causal_attention", misconception="split_by_reshape_alone", joined=("by reshape alone, too",))
def causal_split_by_reshape_alone(ref, q, k, v, num_heads, mask=None, *, joined="with the axes swapped", **given):
    """The width is split by a reshape alone, straight to (B, N, T, H): a row of a head then holds features of another
    token, or of several. Reshape to (B, T, N, H), so that each token keeps its own features, and then swap the axes of
    tokens and heads: later tokens are mixed into earlier ones otherwise."""
    q, k, v = (_join(x.reshape(x.shape[0], num_heads, x.shape[1], -1)) for x in (q, k, v))
    output = _attend(ref, given, q, k, v, num_heads, mask)
    return output if joined == "with the axes swapped" else _split(output, num_heads).reshape(q.shape)


@mistake("causal_attention", misconception="joined_by_reshape_alone")
def causal_joined_without_moving(ref, q, k, v, num_heads, mask=None, **given):
    """The heads are joined by a reshape alone: (B, N, T, H) straight to (B, T, d_model) puts several tokens of one head
    into a row, and later ones into earlier rows. Swap the axes of heads and tokens back first."""
    return _split(_attend(ref, given, q, k, v, num_heads, mask), num_heads).reshape(q.shape)


@mistake("causal_attention", misconception="scale_of_the_whole_width", about="the scale")
def causal_scaled_by_the_whole_width(ref, q, k, v, num_heads, mask=None, **given):
    """The scores are divided by sqrt(d_model); after the split into heads it has to be sqrt(H), the width over which
    the products were summed."""
    return _attend(ref, given, q / num_heads**0.5, k, v, num_heads, mask)


@mistake("causal_attention", misconception="forgot_the_scale", about="the scale")
def causal_forgot_the_scale(ref, q, k, v, num_heads, mask=None, **given):
    """The masks are right, but the scores are not divided by sqrt(H), the square root of one head's width."""
    return _attend(ref, given, q * (q.shape[-1] / num_heads) ** 0.5, k, v, num_heads, mask)
