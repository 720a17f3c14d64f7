"""33 · Wrong answers that people really give, each with its sentence."""

import functools
import inspect

import jax
import jax.numpy as jnp

from grader.course import mistake

# --- causal_mask


@mistake("causal_mask", misconception="aligned_at_the_start")
def mask_aligned_at_the_start(ref, t_q, t_k):
    """The mask is aligned at the start: query 0 sees key 0 alone, whatever the lengths are. The queries are the last
    t_q of the t_k tokens, so query i stands at position i + (t_k - t_q), and the diagonal moves by that much."""
    return jnp.tri(t_q, t_k, dtype=bool)


@mistake("causal_mask", misconception="aligned_at_the_start", about="what the mask holds")
def mask_of_ones_aligned_at_the_start(ref, t_q, t_k):
    """Two things: the mask holds float numbers, because `jnp.ones` and `jnp.tri` do unless they get `dtype=bool`; and
    it is aligned at the start, where query 0 sees key 0 alone. The last query has to see every key: move the diagonal
    by t_k - t_q."""
    return jnp.tril(jnp.ones((t_q, t_k)))


@mistake("causal_mask")
def offset_never_negative(ref, t_q, t_k):
    """With more queries than keys the mask is aligned at the start: the offset is kept at 0, `max(t_k - t_q, 0)`. It
    may be negative: the first queries then stand before all keys, and their rows are False."""
    return jnp.tri(t_q, t_k, max(t_k - t_q, 0), dtype=bool)


@mistake("causal_mask", misconception="offset_reversed")
def mask_with_the_offset_reversed(ref, t_q, t_k):
    """The diagonal moves the wrong way: by t_q - t_k instead of t_k - t_q. With fewer queries than keys each query sees
    more, and the last one sees everything."""
    return jnp.tri(t_q, t_k, t_q - t_k, dtype=bool)


@mistake("causal_mask", misconception="without_the_token_itself")
def mask_without_the_token_itself(ref, t_q, t_k):
    """A token does not see itself: the comparison is `<` where it has to be `<=`, or the diagonal is one too low. What
    a token must not see is later tokens; the very first one would see nothing at all."""
    return jnp.tri(t_q, t_k, t_k - t_q - 1, dtype=bool)


@mistake("causal_mask", misconception="one_key_too_many")
def mask_with_one_key_too_many(ref, t_q, t_k):
    """Each query sees one key too far: its next token, which is the very one to predict. The last key that query i sees
    is j = i + (t_k - t_q), with no 1 added."""
    return jnp.tri(t_q, t_k, t_k - t_q + 1, dtype=bool)


@mistake("causal_mask", misconception="inverted_the_mask")
def mask_that_is_true_where_hidden(ref, t_q, t_k):
    """True stands where a key is hidden. In this track, as in JAX, True means: may attend. Some other libraries do it
    the other way round; put `~` before the mask."""
    return ~ref(t_q, t_k)


@mistake("causal_mask")
def mask_with_the_diagonal_of_the_array(ref, t_q, t_k):
    """The diagonal of the array is True as well (`| jnp.eye(t_q, t_k)`), so that no row is empty. Query i is token i +
    t_k - t_q, and its own key is seen already; what `eye` adds are keys of other tokens."""
    return ref(t_q, t_k) | jnp.eye(t_q, t_k, dtype=bool)


@mistake("causal_mask")
def mask_of_the_future(ref, t_q, t_k):
    """The mask is the upper triangle, `triu`: each query sees itself and what comes later. Rows are queries and columns
    are keys, so what comes before stands on the left, in the lower triangle."""
    return jnp.triu(jnp.ones((t_q, t_k), bool), t_k - t_q)


@mistake("causal_mask", about="what the mask holds")
def mask_of_floats(ref, t_q, t_k):
    """The mask holds the floats 0.0 and 1.0. `jnp.tri` and `jnp.ones` make floats unless they get `dtype=bool`. A float
    mask invites arithmetic, and `~` does not work on it."""
    return ref(t_q, t_k).astype(jnp.float32)


@mistake("causal_mask", about="what the mask holds")
def mask_of_integers(ref, t_q, t_k):
    """The mask holds the integers 0 and 1. They choose as a boolean does in `jnp.where`, but `~1` is -2, which counts
    as true as well: compare, or ask for `dtype=bool`."""
    return ref(t_q, t_k).astype(jnp.int32)


@mistake("causal_mask", about="what the mask holds")
def mask_to_be_added(ref, t_q, t_k):
    """The mask holds 0 and -inf, to be added to the scores. The contract asks for True and False; what to do with the
    hidden scores is decided where they are."""
    return jnp.where(ref(t_q, t_k), 0.0, -jnp.inf)


@mistake("causal_mask")
def mask_cut_from_a_square(ref, t_q, t_k):
    """The mask is cut from the square one of t_k tokens: its last t_q rows. This is right for t_q <= t_k, but with more
    queries than keys the square has too few rows. Compare positions instead, or let `jnp.tri` make the shape (t_q,
    t_k)."""
    return ref(t_k, t_k)[-t_q:]


@mistake("causal_mask")
def mask_of_the_whole_square(ref, t_q, t_k):
    """The mask is square, (t_k, t_k). It has a row for each query, and the queries are only the last t_q tokens."""
    return ref(t_k, t_k)


@mistake("causal_mask")
def mask_of_keys_by_queries(ref, t_q, t_k):
    """The mask has shape (t_k, t_q). Rows are queries and columns are keys, as in the scores `q @ k.T`."""
    return ref(t_q, t_k).T


# --- causal_sdpa


# A mistake changes a step. Made in another one it changes a step of that: what is not the reference itself takes steps.


def _scores(q, k):
    return q @ k.T / q.shape[-1] ** 0.5


def _mask(q, k, diagonal=0):
    """The right mask, or one whose diagonal lies higher or lower."""
    return jnp.tri(len(q), len(k), len(k) - len(q) + diagonal, dtype=bool)


def _weights(scores, mask, hidden=-jnp.inf):
    return jax.nn.softmax(jnp.where(mask, scores, hidden), axis=-1)


def _hiding_by(hidden):
    """The step that puts a number in place of the hidden scores: a row that sees nothing is NaN by -inf, and the mean
    of everything by a finite one."""
    return {} if hidden == -jnp.inf else {"weights": functools.partial(_weights, hidden=hidden)}


def _with(ref, q, k, v, given, **steps):
    """The attention with other steps; those that are `given` are steps of a mistake that is made in this one."""
    steps |= given
    if not steps or any(
        argument.kind is argument.VAR_KEYWORD for argument in inspect.signature(ref).parameters.values()
    ):
        return ref(q, k, v, **steps)
    return steps.get("weights", _weights)(_scores(q, k), steps.get("mask", _mask)(q, k)) @ v


@mistake("causal_sdpa", misconception="ignored_the_mask")
def no_mask(ref, q, k, v, **given):
    """No key is hidden: this is the attention of problem 31. A mask that is made and not used, or whose `jnp.where` is
    not assigned, does this too."""
    return _with(ref, q, k, v, given, weights=lambda scores, mask: jax.nn.softmax(scores, axis=-1))


@mistake("causal_sdpa")
def aligned_at_the_start(ref, q, k, v, **given):
    """The mask is aligned at the start: query 0 sees key 0 alone, although the queries are the last of the tokens.
    `jnp.tril` does this without an offset, and so does `jax.nn.dot_product_attention(is_causal=True)`: make the mask
    yourself, with the diagonal moved by T_k - T_q."""
    return _with(ref, q, k, v, given, mask=lambda q, k: jnp.tri(len(q), len(k), dtype=bool))


@mistake("causal_sdpa", hidden=(-1e9,))
def offset_reversed(ref, q, k, v, *, hidden=-jnp.inf, **given):
    """The diagonal of the mask moves the wrong way: by T_q - T_k instead of T_k - T_q. The first queries then see no
    key: a softmax over -inf alone is NaN, and over numbers such as -1e9 alone the mean of everything."""
    return _with(ref, q, k, v, given, mask=lambda q, k: _mask(q, k, 2 * (len(q) - len(k))), **_hiding_by(hidden))


@mistake("causal_sdpa", hidden=(-1e9,))
def without_the_token_itself(ref, q, k, v, *, hidden=-jnp.inf, **given):
    """A query does not see the key of its own token. The first of the tokens then sees nothing: its row is NaN, or
    the mean of everything where hidden scores are a number such as -1e9. Hide only what comes later: `<=`, not `<`."""
    return _with(ref, q, k, v, given, mask=lambda q, k: _mask(q, k, -1), **_hiding_by(hidden))


@mistake("causal_sdpa")
def one_key_too_many(ref, q, k, v, **given):
    """Each query sees one key too far, its next token. A model trained like this reads off its answer. The last key
    that query i sees is j = i + (T_k - T_q)."""
    return _with(ref, q, k, v, given, mask=lambda q, k: _mask(q, k, 1))


@mistake("causal_sdpa", misconception="inverted_the_mask", hidden=(-1e9,))
def hid_what_it_may_see(ref, q, k, v, *, hidden=-jnp.inf, **given):
    """The mask is used the wrong way round: the keys that a query may see are hidden and the later ones are seen, so
    the last query sees none, and its row is NaN, or the mean of everything where hidden scores are a number such as
    -1e9. In `jnp.where(mask, x, y)` x stands where the mask is True: first the
    scores, then -inf."""
    return _with(ref, q, k, v, given, mask=lambda q, k: ~_mask(q, k), **_hiding_by(hidden))


@mistake("causal_sdpa")
def sees_the_future(ref, q, k, v, **given):
    """Each query sees itself and what comes later: the mask is the upper triangle, `triu`. Rows are queries and columns
    are keys, so the past stands in the lower triangle."""
    return _with(ref, q, k, v, given, mask=lambda q, k: ~_mask(q, k, -1))


@mistake("causal_sdpa")
def zeros_for_scores(ref, q, k, v, **given):
    """The hidden scores are set to 0, or multiplied by the mask. A score of 0 is no absence: exp(0) = 1, a weight like
    any other. Hidden scores have to be -inf."""
    return _with(
        ref, q, k, v, given, weights=lambda scores, mask: jax.nn.softmax(jnp.where(mask, scores, 0.0), axis=-1)
    )


@mistake("causal_sdpa")
def mask_after_the_softmax(ref, q, k, v, **given):
    """The mask is applied to the weights, after the softmax. The hidden keys have had their share by then, and what is
    left of a row sums to less than 1. Hide the scores, before the softmax."""
    return _with(
        ref, q, k, v, given, weights=lambda scores, mask: jnp.where(mask, jax.nn.softmax(scores, axis=-1), 0.0)
    )


@mistake("causal_sdpa")
def softmax_over_hidden_keys_too(ref, q, k, v, **given):
    """The hidden keys take part in the softmax, and are taken out of it afterwards: by dividing the masked weights by
    their sum, or because the maximum that is subtracted is taken over all keys. On paper it cancels; but where a hidden
    key scores far higher, all that is visible underflows to 0, and 0 / 0 is NaN. Hide the scores first, then take the
    maximum."""

    def weights(scores, mask):
        weights = jnp.where(mask, jax.nn.softmax(scores, axis=-1), 0.0)
        return weights / weights.sum(-1, keepdims=True)

    return _with(ref, q, k, v, given, weights=weights)


@mistake("causal_sdpa")
def added_the_boolean_mask(ref, q, k, v, **given):
    """The boolean mask itself is added to the scores: True counts as 1, and every key keeps a weight. What is added has
    to be 0 for visible keys and -inf for hidden ones; `jnp.where(mask, scores, -jnp.inf)` says it directly."""
    return _with(ref, q, k, v, given, weights=lambda scores, mask: jax.nn.softmax(scores + mask, axis=-1))


@mistake("causal_sdpa")
def infinity_times_zero(ref, q, k, v, **given):
    """The mask is multiplied by -inf to get something to add, and 0 * -inf is NaN, so every visible score becomes NaN.
    Choose with `jnp.where`, which multiplies nothing."""
    # Said outright: for one token XLA's CPU compiler turns exp of a constant NaN, in a product of matrices, into
    # arbitrary numbers.
    return _with(ref, q, k, v, given) * jnp.nan


@mistake("causal_sdpa")
def added_a_large_number(ref, q, k, v, **given):
    """A large negative number such as -1e9 is added to the hidden scores. It is right for ordinary scores, but a hidden
    score that is larger still comes through, and an earlier row changes. Put -inf in place of the score, so that
    nothing is left of it."""
    return _with(
        ref, q, k, v, given, weights=lambda scores, mask: jax.nn.softmax(scores + jnp.where(mask, 0.0, -1e9), axis=-1)
    )


@mistake("causal_sdpa", misconception="hidden_by_a_small_number", number=(-10.0,))
def not_negative_enough(ref, q, k, v, *, number=-100.0, **given):
    """The hidden scores become a number that is not negative enough, such as -100. Beside visible scores of -400 a
    hidden key then takes all the weight. Use -inf, or at least a number that no score reaches."""
    return _with(
        ref, q, k, v, given, weights=lambda scores, mask: jax.nn.softmax(jnp.where(mask, scores, number), axis=-1)
    )


@mistake("causal_sdpa", number=(-10.0,))
def added_a_small_number(ref, q, k, v, *, number=-100.0, **given):
    """A number such as -100 is added to the hidden scores. A hidden key that scores some hundreds higher than the
    visible ones comes through: it is only less likely. Put -inf in place of the score."""
    return _with(
        ref, q, k, v, given, weights=lambda scores, mask: jax.nn.softmax(scores + jnp.where(mask, 0.0, number), axis=-1)
    )


@mistake("causal_sdpa")
def softmax_over_queries(ref, q, k, v, **given):
    """The softmax runs over the queries, `axis=0`. With a mask it is easy to miss, since the upper triangle is zero all
    the same. Each query's weights must sum to 1: softmax over the keys, `axis=-1`."""
    return _with(
        ref, q, k, v, given, weights=lambda scores, mask: jax.nn.softmax(jnp.where(mask, scores, -jnp.inf), axis=0)
    )


@mistake("causal_sdpa")
def overflowing_softmax(ref, q, k, v, **given):
    """exp overflows: logits in the hundreds give inf / inf = NaN. Take off the maximum of each row first, over the keys
    that it sees, or call `jax.nn.softmax`."""

    def weights(scores, mask):
        powers = jnp.where(mask, jnp.exp(scores), 0.0)
        return powers / powers.sum(-1, keepdims=True)

    return _with(ref, q, k, v, given, weights=weights)


@mistake("causal_sdpa")
def one_maximum_for_all_rows(ref, q, k, v, **given):
    """One maximum is subtracted from the whole matrix of scores. A later row's large score then makes an earlier row
    underflow, or changes its last bits. Take the maximum of each row: `max(axis=-1, keepdims=True)`."""

    def weights(scores, mask):
        scores = jnp.where(mask, scores, -jnp.inf)
        powers = jnp.exp(scores - scores.max())
        return powers / powers.sum(-1, keepdims=True)

    return _with(ref, q, k, v, given, weights=weights)


@mistake("causal_sdpa")
def hidden_after_the_exponential(ref, q, k, v, **given):
    """The values are right and the gradient is NaN: the scores are hidden after exp, where a large hidden score has
    become inf already. `jnp.where` drops it, but its gradient is 0 * inf. Hide the scores before exp."""

    def weights(scores, mask):
        top = jnp.where(mask, scores, -jnp.inf).max(-1, keepdims=True)
        powers = jnp.where(mask, jnp.exp(scores - top), 0.0)
        return powers / powers.sum(-1, keepdims=True)

    return _with(ref, q, k, v, given, weights=weights)


@mistake("causal_sdpa", about="the scale")
def divided_by_the_width(ref, q, k, v, **given):
    """The scores are divided by d_k and not by its root. The products of d_k numbers of size 1 add up to about
    sqrt(d_k), so that is what brings them back to size 1: `q.shape[-1] ** 0.5`."""
    return _with(ref, q / q.shape[-1] ** 0.5, k, v, given)


@mistake("causal_sdpa", about="the scale", by=("the number of keys",))
def scaled_by_another_number(ref, q, k, v, *, by="the width of the values", **given):
    """The scores are divided by the root of another number: of the width of the values, or of how many keys there are.
    A score is a sum of d_k products, so its size goes with the width of queries and keys: `q.shape[-1] ** 0.5`."""
    number = v.shape[-1] if by == "the width of the values" else len(k)
    return _with(ref, q * (q.shape[-1] / number) ** 0.5, k, v, given)


@mistake("causal_sdpa", about="the scale")
def scaled_after_the_softmax(ref, q, k, v, **given):
    """The weights are divided by sqrt(d_k), after the softmax. They then sum to less than 1, and are as sharp as
    without a scale: divide the scores, before the softmax."""
    return _with(ref, q * q.shape[-1] ** 0.5, k, v / q.shape[-1] ** 0.5, given)


@mistake("causal_sdpa", about="the scale")
def forgot_the_scale(ref, q, k, v, **given):
    """The scores are not divided by sqrt(d_k). Beside the mask everything of problem 31 holds here too."""
    return _with(ref, q * q.shape[-1] ** 0.5, k, v, given)
