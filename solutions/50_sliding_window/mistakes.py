"""50 · Wrong answers that people really give, each with its sentence. Those at the end of the function's have right
values and a wrong program."""

import math

import jax
import jax.numpy as jnp
from flax import nnx

from grader.course import mistake

# --- pieces of a right answer; a mistake exchanges one of them


def _sees(i, j, window, sinks):
    return ((i - window < j) | (j < sinks)) & (j <= i)


def _wide(x):
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))


def _softmax(scores, seen):
    return jax.nn.softmax(scores, axis=-1, where=seen)


def _blocks(rows, size):
    return jnp.pad(rows, ((0, -len(rows) % size), (0, 0), (0, 0))).reshape(-1, size, *rows.shape[1:])


def _with_others(blocks, places, wrapped):
    """Each block with those at some places from it, side by side; beyond the ends are zeros, or the other end."""
    count, found = len(blocks), []
    for place in places:
        moved, other = jnp.roll(blocks, -place, axis=0), jnp.arange(count) + place
        there = (other >= 0) & (other < count) | wrapped
        found.append(jnp.where(there[:, None, None, None], moved, 0))
    return jnp.concatenate(found, axis=1)


def _exists(j, length):
    return (j >= 0) & (j < length)


def _attend(
    q,
    k,
    v,
    window,
    sinks=0,
    *,
    sees=_sees,
    sees_sink=lambda i, s, window, begin: (s <= i) & (s < begin),
    weights=_softmax,
    exists=_exists,
    size=None,
    places=(-1, 0, 1),
    wrapped=False,
    every_pair=False,
):
    """Any rule of who sees whom at linear cost: of the keys in blocks near a query's own by `sees`, and of the sinks,
    which stand beside them, by `sees_sink`; `begin` is where the blocks near a query begin. Or one block of all."""
    length = len(q)
    size, first = min(window + 1 if size is None else size, length), min(sinks, length)
    if every_pair:
        size, first, places = length, 0, (0,)
    queries, keys, values = _blocks(q, size), *(_with_others(_blocks(x, size), places, wrapped) for x in (k, v))
    begin = size * jnp.arange(len(queries))[:, None, None]
    i, near = begin + jnp.arange(size)[:, None], begin + size * places[0] + jnp.arange(keys.shape[1])
    scores = [
        jnp.einsum("cinh,cjnh->cnij", _wide(queries), _wide(keys)),
        jnp.einsum("cinh,snh->cnis", _wide(queries), _wide(k[:first])),
    ]
    seen = [
        sees(i, near, window, sinks) & exists(near, length),
        sees_sink(i, jnp.arange(first), window, begin + size * places[0]),
    ]
    shares = weights(jnp.concatenate(scores, axis=-1) / q.shape[-1] ** 0.5, jnp.concatenate(seen, axis=-1)[:, None])
    out = jnp.einsum("cnij,cjnh->cinh", shares[..., : keys.shape[1]], _wide(values))
    out += jnp.einsum("cnis,snh->cinh", shares[..., keys.shape[1] :], _wide(v[:first]))
    return out.reshape(-1, *q.shape[1:])[:length].astype(q.dtype)


def _as_the_reference(q, k, v, window, sinks=0, *, all_pairs=False, **exchanged):
    """The same keys beside each query as in the reference, hidden ones too; or all of them."""
    if all_pairs:
        return _attend(q, k, v, window, sinks, every_pair=True, **exchanged)

    def sees(i, j, window, sinks):
        return (i - window < j) & (j <= i)

    def sees_sink(i, s, window, begin):
        return s <= i - window

    size = min(window, len(q))
    return _attend(q, k, v, window, sinks, sees=sees, sees_sink=sees_sink, size=size, places=(-1, 0), **exchanged)


def _or_nothing(empty):
    """The softmax, of which a row that sees nothing has NaN, zeros, or equal shares."""

    def weights(scores, seen):
        nothing = {"NaN": jnp.nan, "zeros": 0.0, "the mean": 1 / scores.shape[-1]}[empty]
        return jnp.where(seen.any(-1, keepdims=True), _softmax(scores, seen), nothing)

    return weights


# --- which keys a query sees


@mistake("sliding_window_attention", about="the window")
def window_too_wide(ref, q, k, v, window, sinks=0):
    """The window reaches one key too far back. A window of 3 is the token itself and the two before it, not the three
    before it: the oldest key that is seen is `i - window + 1`."""
    return ref(q, k, v, window + 1, sinks)


@mistake("sliding_window_attention", about="the window", empty=("zeros", "the mean"))
def window_too_narrow(ref, q, k, v, window, sinks=0, *, empty="NaN"):
    """The window is one key too short, and a window of 1 sees nothing at all. The token itself and the `window - 1`
    tokens before it are seen: keys from `i - window + 1` on."""
    if window > 1:
        return ref(q, k, v, window - 1, sinks)
    nothing = _or_nothing(empty)
    return _attend(q, k, v, window, sinks, sees=lambda i, j, w, s: _sees(i, j, w - 1, s), weights=nothing)


@mistake("sliding_window_attention", about="the window", empty=("zeros", "the mean"))
def without_the_token_itself(ref, q, k, v, window, sinks=0, *, empty="NaN"):
    """A token does not see itself: the comparison is `j < i` where it has to be `j <= i`. The window counts the token
    itself, and the very first token would see nothing."""

    def sees(i, j, window, sinks):
        return _sees(i, j, window, sinks) & (j < i)

    return _attend(q, k, v, window, sinks, sees=sees, weights=_or_nothing(empty))


@mistake("sliding_window_attention", about="the window")
def the_window_reaches_forward_too(ref, q, k, v, window, sinks=0):
    """The window is taken on both sides, `|i - j| < window`, as an encoder does. A token must not see later ones:
    `j <= i` belongs to the rule as well."""

    def sees(i, j, window, sinks):
        return (abs(i - j) < window) | (j < sinks) & (j <= i)

    return _attend(q, k, v, window, sinks, sees=sees)


@mistake("sliding_window_attention", about="the window")
def the_window_is_centred(ref, q, k, v, window, sinks=0):
    """The window is centred on the token, half of it behind and half of it in front, as for an encoder. Here it ends at
    the token: all of its keys are in the past, but for the token itself."""

    def sees(i, j, window, sinks):
        return (abs(i - j) <= window // 2) | (j < sinks) & (j <= i)

    return _attend(q, k, v, window, sinks, sees=sees)


@mistake("sliding_window_attention", about="the window")
def every_earlier_token_seen(ref, q, k, v, window, sinks=0):
    """Every token sees all earlier ones: the attention is causal and has no window. A key that is `window` tokens back
    or more is not seen, unless it is a sink."""
    return ref(q, k, v, len(q), 0)


@mistake("sliding_window_attention", about="the window")
def every_token_seen(ref, q, k, v, window, sinks=0):
    """Nothing is hidden, neither later tokens nor those that are far back. A query sees itself, the `window - 1` tokens
    before it, and the sinks."""
    return _attend(q, k, v, window, sinks, sees=lambda i, j, w, s: (j == j) & (i == i), every_pair=True)


@mistake("sliding_window_attention", misconception="inverted_the_mask", about="the window", empty=("zeros", "the mean"))
def hid_what_it_may_see(ref, q, k, v, window, sinks=0, *, empty="NaN"):
    """The mask is used the wrong way round: what a query may see is hidden, and the rest is seen. In `jnp.where(mask,
    a, b)` the score is `a`, which stands where the mask is True, and -inf is `b`."""

    def sees(i, j, window, sinks):
        return ~_sees(i, j, window, sinks)

    return _attend(q, k, v, window, sinks, sees=sees, weights=_or_nothing(empty), every_pair=True)


@mistake("sliding_window_attention", about="the window")
def blocks_without_their_neighbour(ref, q, k, v, window, sinks=0):
    """Each block attends within itself, so that its first query sees one key and only its last one a whole window. The
    window moves with the query: what it reaches of the block before has to be there as well."""

    def sees(i, j, window, sinks):
        return (i // window == j // window) & (j <= i) | (j < sinks) & (j <= i)

    return _attend(q, k, v, window, sinks, sees=sees)


@mistake("sliding_window_attention", about="the window")
def the_whole_neighbour_seen(ref, q, k, v, window, sinks=0):
    """Each query sees all of the block before its own, also what lies more than a window back: of the two comparisons
    only `j <= i` is made. The other one, `i - window < j`, cuts the neighbour, for each query at another place."""

    def sees(i, j, window, sinks):
        return (i // window - j // window <= 1) & (j <= i) | (j < sinks) & (j <= i)

    return _attend(q, k, v, window, sinks, sees=sees, size=window, places=(-1, 0))


@mistake("sliding_window_attention")
def keys_before_the_first_counted(ref, q, k, v, window, sinks=0):
    """The first queries see keys that do not exist: the zeros that stand before the first token. A key of zeros scores
    0, and takes its share. Hide what has a number below 0."""
    return _attend(q, k, v, window, sinks, exists=lambda j, length: j < length)


@mistake("sliding_window_attention", by=("an index",))
def the_end_before_the_beginning(ref, q, k, v, window, sinks=0, *, by="blocks"):
    """The first queries see the last tokens: what stands before the first block is the last one, or an index below 0
    counts from the end. `jnp.roll` and negative indices go round; hide every key whose number is below 0."""
    if by == "blocks":
        return _as_the_reference(q, k, v, window, sinks, exists=lambda j, length: j < length, wrapped=True)
    before = min(window, len(q)) - 1
    longer = [jnp.concatenate([x[len(x) - before :], x]) for x in (q, k, v)]
    return _behind(before, *longer, window, sinks)


def _behind(before, q, k, v, window, sinks):
    """What a sequence gives behind as many rows, which its first tokens take for earlier ones."""

    def sees(i, j, window, sinks):
        return ((i - window < j) | (j >= before) & (j < sinks)) & (j <= i)

    def sees_sink(i, s, window, begin):
        return (s >= before) & (s <= i) & (s < begin)

    return _attend(q, k, v, window, before + sinks, sees=sees, sees_sink=sees_sink)[before:]


@mistake("sliding_window_attention")
def the_first_key_counted_often(ref, q, k, v, window, sinks=0):
    """The indices of the window are clipped to 0 and nothing hides them, so that the first queries count the first key
    once for each index below 0. Clip them, so that nothing is read from elsewhere, and hide them as well."""
    before = min(window, len(q)) - 1
    longer = [jnp.concatenate([jnp.repeat(x[:1], before, axis=0), x]) for x in (q, k, v)]
    return _behind(before, *longer, window, sinks)


@mistake("sliding_window_attention")
def a_slice_that_moves(ref, q, k, v, window, sinks=0):
    """The first queries see the end of the text, and not themselves. A slice that begins below 0 is not cut:
    `dynamic_slice` counts from the end, as an index does, and then moves the slice until it fits. Pad in front of the
    first key, and hide the padding."""
    size = min(window, len(q))
    scores = jnp.einsum("inh,jnh->nij", _wide(q[: size - 1]), _wide(k[len(k) - size :])) / q.shape[-1] ** 0.5
    early = jnp.einsum("nij,jnh->inh", jax.nn.softmax(scores, axis=-1), _wide(v[len(v) - size :])).astype(q.dtype)
    return jnp.concatenate([early, ref(q, k, v, window, sinks)[size - 1 :]])


@mistake("sliding_window_attention")
def blocks_that_do_not_fit(ref, q, k, v, window, sinks=0):
    """A reshape into blocks fails where the length is no multiple of the window. The last block may be shorter: fill it
    up with rows behind the sequence, and cut their outputs off again."""
    q.reshape(-1, min(window, len(q)), *q.shape[1:])
    return ref(q, k, v, window, sinks)


@mistake("sliding_window_attention", rest=("the values",))
def last_block_dropped(ref, q, k, v, window, sinks=0, *, rest="zeros"):
    """The last rows are not computed where the length is no multiple of the window: `T // window` counts whole blocks.
    Round up, and let the last block be filled up."""
    whole = len(q) - len(q) % min(window, len(q))
    out = ref(q, k, v, window, sinks)
    return jnp.concatenate([out[:whole], v[whole:] if rest == "the values" else jnp.zeros_like(out[whole:])])


# --- sinks


@mistake("sliding_window_attention", about="the sinks")
def sinks_ignored(ref, q, k, v, window, sinks=0):
    """`sinks` makes no difference: only the window is seen. The first `sinks` keys stay visible to every later query,
    however far back they are."""
    return ref(q, k, v, window)


@mistake("sliding_window_attention", about="the sinks")
def sinks_before_their_time(ref, q, k, v, window, sinks=0):
    """The sinks are seen by everybody, also by the tokens before them: with two sinks the first token sees the second.
    A sink is a key like any other until it has left the window, and no query sees a later key."""

    def sees(i, j, window, sinks):
        return (i - window < j) & (j <= i) | (j < sinks)

    def sees_sink(i, s, window, begin):
        end = begin + 3 * min(window + 1, len(q))
        return ((s < begin) | (s >= end)) & (i == i)

    return _attend(q, k, v, window, sinks, sees=sees, sees_sink=sees_sink)


@mistake("sliding_window_attention", about="the sinks")
def sinks_counted_twice(ref, q, k, v, window, sinks=0):
    """A sink that lies in the window counts twice, once as a sink and once as one of the last tokens, in the sum of the
    weights as well. Hide it in one of the two places: as a sink while `i - j < window`."""

    def sees(i, j, window, sinks):
        return (i - window < j) & (j <= i)

    return _attend(q, k, v, window, sinks, sees=sees, sees_sink=lambda i, s, window, begin: (s <= i) & (begin == begin))


@mistake("sliding_window_attention", about="the sinks", joined=("averaged",))
def a_softmax_for_the_sinks(ref, q, k, v, window, sinks=0, *, joined="added"):
    """The sinks have a softmax of their own, and the two averages are added or averaged. A query shares out one unit
    of attention among all that it sees: put the scores side by side, and take one softmax of them."""
    first = min(sinks, len(q))
    near = ref(q, k, v, window)
    if not first:
        return near
    queries, sink = jnp.arange(len(q))[:, None], jnp.arange(first)
    scores = jnp.einsum("inh,snh->nis", _wide(q), _wide(k[:first])) / q.shape[-1] ** 0.5
    out = jnp.einsum("nis,snh->inh", _softmax(scores, sink <= queries), _wide(v[:first]))
    return ((_wide(near) + out) / (2 if joined == "averaged" else 1)).astype(q.dtype)


@mistake("sliding_window_attention", about="the sinks")
def sinks_taken_from_the_window(ref, q, k, v, window, sinks=0):
    """The window is shortened by the number of sinks, so that both together are `window` keys. That is how a cache of
    fixed size is divided; here the window keeps its length, and the sinks come on top."""
    return ref(q, k, v, max(window - sinks, 1), sinks)


@mistake("sliding_window_attention", about="the sinks")
def one_sink_too_many(ref, q, k, v, window, sinks=0):
    """One key too many stays visible: `j <= sinks` where it has to be `j < sinks`. With no sinks, the first key would
    be one. Numbers begin at 0."""
    return ref(q, k, v, window, sinks + 1)


@mistake("sliding_window_attention", about="the sinks")
def a_single_sink(ref, q, k, v, window, sinks=0):
    """Only the first key stays visible, however many sinks are asked for: `sinks` is taken for a yes or no. It is a
    number of keys."""
    return ref(q, k, v, window, min(sinks, 1))


# --- scores and weights


@mistake("sliding_window_attention", about="the scale")
def forgot_the_scale(ref, q, k, v, window, sinks=0):
    """The scores are sqrt(H) times too large, where H is the width of a head: divide them by sqrt(H) before the
    softmax. A window of 1 does not show it."""
    return ref(q * q.shape[-1] ** 0.5, k, v, window, sinks)


@mistake("sliding_window_attention", about="the scale", by=("d_model", "H"))
def scaled_by_another_width(ref, q, k, v, window, sinks=0, *, by="the window"):
    """The scores are divided by the root of another size than the width of a head, or by the width itself. In `(T, N,
    H)` the width is the last axis: `q.shape[-1]`."""
    heads, width = q.shape[1:]
    factor = {
        "the window": (width / min(window, len(q))) ** 0.5,
        "d_model": heads**-0.5,
        "H": width**-0.5,
    }[by]
    return ref(q * factor, k, v, window, sinks)


@mistake("sliding_window_attention", all_pairs=(True,))
def zeros_for_scores(ref, q, k, v, window, sinks=0, *, all_pairs=False):
    """The hidden scores are set to 0, or multiplied by the mask. A score of 0 is no absence: exp(0) = 1, a weight like
    any other, and each key that may not be seen takes its share. Hidden scores have to be -inf."""

    def weights(scores, seen):
        return jax.nn.softmax(jnp.where(seen, scores, 0.0))

    return _as_the_reference(q, k, v, window, sinks, weights=weights, all_pairs=all_pairs)


@mistake("sliding_window_attention", misconception="hidden_by_a_small_number", number=(-10.0,))
def not_negative_enough(ref, q, k, v, window, sinks=0, *, number=-100.0):
    """The hidden scores become a number that is not negative enough, such as -100. Beside visible scores of -900 a
    hidden key then takes all the weight. Use -inf, or at least a number that no score reaches."""

    def weights(scores, seen):
        return jax.nn.softmax(jnp.where(seen, scores, number))

    return _as_the_reference(q, k, v, window, sinks, weights=weights)


@mistake("sliding_window_attention", all_pairs=(True,))
def mask_after_the_softmax(ref, q, k, v, window, sinks=0, *, all_pairs=False):
    """The weights of hidden keys are set to 0 after the softmax. They have had their share of the sum by then, and what
    is left no longer sums to 1. Hide the scores, before the softmax."""

    def weights(scores, seen):
        return jnp.where(seen, jax.nn.softmax(scores), 0.0)

    return _as_the_reference(q, k, v, window, sinks, weights=weights, all_pairs=all_pairs)


@mistake("sliding_window_attention")
def overflowing_softmax(ref, q, k, v, window, sinks=0):
    """exp overflows: logits in the hundreds give inf / inf = NaN. Take the largest visible score of each row off first,
    or let `jax.nn.softmax` do it."""

    def weights(scores, seen):
        powers = jnp.where(seen, jnp.exp(scores), 0.0)
        return powers / powers.sum(-1, keepdims=True)

    return _as_the_reference(q, k, v, window, sinks, weights=weights)


@mistake("sliding_window_attention")
def heads_for_time(ref, q, k, v, window, sinks=0):
    """The window runs over the heads: the first two axes are taken for each other. In `(T, N, H)` time comes first; an
    answer written for `(N, T, H)` has right shapes here and mixes the heads of one token."""
    return ref(*(x.swapaxes(0, 1) for x in (q, k, v)), window, sinks).swapaxes(0, 1)


@mistake("sliding_window_attention")
def all_heads_as_one(ref, q, k, v, window, sinks=0):
    """One set of weights serves every head: the scores are summed over the heads. Each head has scores of its own; in
    an einsum its letter has to be in the result."""
    length, heads, width = q.shape
    one = [x.reshape(length, 1, heads * width) for x in (q, k, v)]
    return ref(one[0] * heads**0.5, *one[1:], window, sinks).reshape(q.shape)


@mistake("sliding_window_attention")
def average_of_the_keys(ref, q, k, v, window, sinks=0):
    """The weights average the keys, and `v` has no effect. They choose by the keys; what they average is the values."""
    return ref(q, k, k, window, sinks)


@mistake("sliding_window_attention", misconception="averages_in_float32", about="precision")
def output_in_float32(ref, q, k, v, window, sinks=0):
    """The output is float32, whatever came in. Weights are float32, and what is handed out has the dtype of the inputs:
    cast it, as the last thing."""
    return ref(_wide(q), _wide(k), _wide(v), window, sinks)


@mistake("sliding_window_attention", about="precision")
def softmax_in_bfloat16(ref, q, k, v, window, sinks=0):
    """The softmax is computed in the dtype of the inputs. In bfloat16 a sum of weights has 8 bits, and the weights no
    longer sum to 1. Cast the scores to float32 before the softmax."""

    def weights(scores, seen):
        scores = jnp.where(seen, scores, -jnp.inf).astype(q.dtype)
        powers = jnp.exp(scores - scores.max(-1, keepdims=True))
        return powers / powers.sum(-1, keepdims=True)

    return _as_the_reference(q, k, v, window, sinks, weights=weights)


# --- right values, a wrong program


@mistake("sliding_window_attention")
def an_entry_for_each_pair(ref, q, k, v, window, sinks=0):
    """The values are right, and there is an array with an entry for each pair of tokens: scores, or a mask, of `T × T`.
    Nearly all of them are hidden, and computed all the same. Bring each query together with the keys near it alone: in
    blocks with their neighbour, or by a gather."""
    return _attend(q, k, v, window, sinks, every_pair=True)


@mistake("sliding_window_attention", each=("a block of queries",))
def all_keys_read_for_each_query(ref, q, k, v, window, sinks=0, *, each="a query"):
    """The values are right and no array is large, and yet the work grows as the square of the length: each query, or
    each block of them, goes through all keys and hides most of them. Slice out the keys that can be seen before you
    score them."""
    length, at_once = len(q), 1 if each == "a query" else min(window, len(q))
    rows = jnp.arange(length)

    def block(inputs):
        queries, i = inputs
        scores = jnp.einsum("inh,jnh->nij", _wide(queries), _wide(k)) / q.shape[-1] ** 0.5
        weights = _softmax(scores, _sees(i[:, None], rows, window, sinks))
        return jnp.einsum("nij,jnh->inh", weights, _wide(v)).astype(q.dtype)

    padded = _blocks(q, at_once)
    numbers = jnp.arange(len(padded) * at_once).reshape(-1, at_once)
    return jax.lax.map(block, (padded, numbers)).reshape(-1, *q.shape[1:])[:length]


@mistake("sliding_window_attention")
def a_loop_over_blocks_unrolled(ref, q, k, v, window, sinks=0):
    """The values are right, and the program grows with `T`: a Python loop over blocks, or over queries, is written out
    when it is traced. Do all blocks at once, as one more axis, or with `jax.lax.map` or `jax.lax.scan`."""
    size, out = min(window, len(q)), []
    for begin in range(0, len(q), size):
        end, low = min(begin + size, len(q)), max(begin - size + 1, 0)
        far = min(sinks, low)
        keys, values = (jnp.concatenate([x[:far], x[low:end]]) for x in (k, v))
        number = jnp.concatenate([jnp.arange(far), jnp.arange(low, end)])
        seen = _sees(jnp.arange(begin, end)[:, None], number, window, sinks)
        scores = jnp.einsum("inh,jnh->nij", _wide(q[begin:end]), _wide(keys)) / q.shape[-1] ** 0.5
        out.append(jnp.einsum("nij,jnh->inh", _softmax(scores, seen), _wide(values)))
    return jnp.concatenate(out).astype(q.dtype)


@mistake("sliding_window_attention")
def a_loop_over_the_window_unrolled(ref, q, k, v, window, sinks=0):
    """The values are right, and the program grows with the window: a Python loop over the keys of a window, one shift
    of the keys for each, is written out when it is traced. Gather them as one more axis, or let `jax.lax.scan` go
    back."""
    size, first, here = min(window, len(q)), min(sinks, len(q)), jnp.arange(len(q))[:, None]

    def back(x, offset):
        return jnp.pad(x, ((offset, 0), (0, 0), (0, 0)))[: len(q)]

    scores = [(_wide(q) * back(_wide(k), offset)).sum(-1) for offset in range(size)]
    seen = [here >= offset for offset in range(size)]
    scores = jnp.concatenate([jnp.stack(scores, -1), jnp.einsum("inh,snh->ins", _wide(q), _wide(k[:first]))], -1)
    seen = jnp.concatenate([jnp.stack(seen, -1), (here - jnp.arange(first) >= window)[:, None]], -1)
    weights = _softmax(scores / q.shape[-1] ** 0.5, seen)
    out = jnp.einsum("ins,snh->inh", weights[..., size:], _wide(v[:first]))
    for offset in range(size):
        out += weights[..., offset, None] * back(_wide(v), offset)
    return out.astype(q.dtype)


@mistake("sliding_window_attention")
def blocks_longer_than_the_sequence(ref, q, k, v, window, sinks=0):
    """The values are right, and a window far beyond the sequence makes blocks as long as itself: a few tokens cost as
    much as the square of the window. No query looks further back than the first token: take the smaller of `window` and
    `T`."""
    if window <= len(q):
        return ref(q, k, v, window, sinks)
    padded = [jnp.pad(x, ((0, window - len(x)), (0, 0), (0, 0))) for x in (q, k, v)]
    return ref(*padded, window, sinks)[: len(q)]


# --- RollingCacheAttention: the ring


@mistake("RollingCacheAttention", misconception="position_not_advanced")
def every_token_the_first(Ref):
    """The position stays where it was, so each token overwrites the one before it, and is told that nothing came
    before. Add 1 to `pos` for each token. If that line is there, look for `@jax.jit` on the method: it works on a copy
    of the module, and what it writes is gone when it returns. Leave `jit` to the caller."""

    class Wrong(Ref):
        def advance(self):
            pass

    return Wrong


@mistake("RollingCacheAttention", about="the slot")
def written_beyond_the_end(Ref):
    """A token is written at slot `pos`, without coming round. `.at[pos].set(...)` drops what lies beyond the end, so
    that from token `window` on nothing is written any more: the slot is `pos % window`."""

    class Wrong(Ref):
        def slot(self, token):
            return token

    return Wrong


@mistake("RollingCacheAttention", about="the slot")
def always_the_last_slot(Ref):
    """Once the cache is full every token goes into the last slot, and the rest stays as it is: `dynamic_update_slice`
    moves what would lie beyond the end back to it. The slot is `pos % window`."""

    class Wrong(Ref):
        def slot(self, token):
            return jnp.minimum(token, self.window - 1)

    return Wrong


@mistake("RollingCacheAttention", about="the slot")
def a_slot_for_the_keys_and_another_for_the_values(Ref):
    """Keys and values of a token stand in different slots, since `pos` is advanced between the two writes. The weight
    of a key then meets the value of another token: take the slot once, and use it for both."""

    class Wrong(Ref):
        def remember(self, k, v, token):
            keys, values = self.k_cache[...], self.v_cache[...]
            self.k_cache[...] = keys.at[self.slot(token)].set(k)
            self.v_cache[...] = values.at[self.slot(token + 1)].set(v)
            return self.k_cache[...], self.v_cache[...]

    return Wrong


@mistake("RollingCacheAttention", about="the slot")
def a_sum_that_overflows(Ref):
    """The slot is computed from a sum like `pos + window`, which is more than int32 holds once nearly 2^31 tokens came:
    it turns negative, and the remainder is another slot's. Take the remainder first, and add then."""

    class Wrong(Ref):
        def slot(self, token):
            return (token + self.window) % self.window

    return Wrong


@mistake("RollingCacheAttention", about="what is written")
def every_slot_seen(Ref):
    """Every slot of the cache is attended to, written or not: there is no mask, or one that sets scores to 0. The key
    of an empty slot has the score 0, and exp(0) = 1 takes its share until the window is full. `pos` says how many are
    written."""

    class Wrong(Ref):
        def written(self, token):
            return jnp.ones(self.window, bool)

    return Wrong


@mistake("RollingCacheAttention", about="what is written")
def one_slot_too_many(Ref):
    """One empty slot is seen until the window is full: `slot <= pos` with the position that was advanced already. With
    the number of tokens that came it is `slot < pos`."""

    class Wrong(Ref):
        def written(self, token):
            return super().written(token + 1)

    return Wrong


@mistake("RollingCacheAttention", about="what is written", empty=("zeros", "the mean"))
def the_newest_slot_hidden(Ref, *, empty="NaN"):
    """Until the window is full a token does not see itself: `slot < pos` with the position from before it came. The
    token itself is written by then and counts: `slot <= pos`, or take the position after it."""

    class Wrong(Ref):
        def written(self, token):
            return super().written(token - 1)

        def weights(self, scores, written):
            nothing = {"NaN": jnp.nan, "zeros": 0.0, "the mean": 1 / scores.shape[-1]}[empty]
            return jnp.where(written.any(), super().weights(scores, written), nothing)

    return Wrong


@mistake("RollingCacheAttention", about="what is written")
def hidden_behind_the_newest(Ref):
    """Once the ring has come round, the slots behind the newest token are hidden as if they were empty: they are
    compared with `pos % window`. They hold the older part of the window; from token `window` on every slot is
    written."""

    class Wrong(Ref):
        def written(self, token):
            return super().written(token % self.window)

    return Wrong


@mistake("RollingCacheAttention", about="what is written")
def unused_slots_told_by_their_zeros(Ref):
    """A slot counts as empty when its key is zero. A real token can have a key of zeros too, and is then lost. `pos`
    knows how many slots are written."""

    class Wrong(Ref):
        def attend(self, q, k, v, token):
            seen = self.written(token) & (k != 0).any((1, 2))
            return jnp.einsum("ns,snh->nh", self.weights(self.scores(q, k), seen), v)

    return Wrong


@mistake("RollingCacheAttention")
def position_within_the_ring(Ref):
    """`pos` is kept modulo the window. It says where the next token goes, and no longer whether the cache was ever
    full, so that behind each round the older slots count as empty. Count all tokens, and take the remainder when you
    write."""

    class Wrong(Ref):
        def advance(self):
            self.pos[...] = (self.pos[...] + 1) % self.window

    return Wrong


@mistake("RollingCacheAttention")
def position_stops_at_the_window(Ref):
    """`pos` stops at `window`, as the number of slots in use. The next token's slot no longer follows from it, and
    every token that comes to a full cache goes to the same slot. Count all tokens."""

    class Wrong(Ref):
        def advance(self):
            self.pos[...] = jnp.minimum(self.pos[...] + 1, self.window)

    return Wrong


@mistake("RollingCacheAttention")
def window_and_the_token_itself(Ref):
    """The window is one token too long: the new token is joined to a full cache, and only then takes the place of the
    oldest one. The token itself is one of the `window`: write first, or hide the slot that will be overwritten."""

    class Wrong(Ref):
        def __call__(self, x):
            q, k, v = self.split(self.q_proj(x)), self.split(self.k_proj(x)), self.split(self.v_proj(x))
            token = self.position()
            keys, values = (jnp.concatenate([c[...], new[None]]) for c, new in ((self.k_cache, k), (self.v_cache, v)))
            seen = jnp.append(jnp.arange(self.window) < token, True)
            self.write(k, v, token)
            self.advance()
            out = jnp.einsum("ns,snh->nh", self.weights(self.scores(q, keys), seen), values)
            return self.o_proj(self.join(out))

    return Wrong


@mistake("RollingCacheAttention")
def cache_read_before_it_is_written(Ref):
    """The caches are read first and written afterwards, so that a token finds the one that has just left the window in
    its own slot, or zeros. An array is a value: what was read does not change when the variable gets another one.
    Write, then read."""

    class Wrong(Ref):
        def remember(self, k, v, token):
            before = self.k_cache[...], self.v_cache[...]
            super().remember(k, v, token)
            return before

    return Wrong


@mistake("RollingCacheAttention")
def only_this_token(Ref):
    """The caches are written and never read: each token attends to itself alone, and gets its own value. Attend to the
    slots of the cache, after the write."""

    class Wrong(Ref):
        def attend(self, q, k, v, token):
            return v[self.slot(token)]

    return Wrong


@mistake("RollingCacheAttention")
def never_forgets(Ref):
    """The cache has room for more tokens than the window, and no token ever leaves. Its shape is `(window, num_heads,
    head_dim)`, and the newest token takes the place of the oldest."""

    class Wrong(Ref):
        def make_caches(self):
            window, self.window = self.window, 64 * self.window
            super().make_caches()
            self.seen = window

    return Wrong


# --- RollingCacheAttention: scores, weights and projections


@mistake("RollingCacheAttention", misconception="forgot_the_scale", about="the scale")
def forgot_the_scale_of_a_head(Ref):
    """The scores of the slots are not divided by the root of `head_dim`, and so are that many times too large. A window
    of 1 hides it, and so does a single token: divide before the softmax."""

    class Wrong(Ref):
        def scores(self, q, k):
            return super().scores(q, k) * self.head_dim**0.5

    return Wrong


@mistake("RollingCacheAttention", about="the scale")
def scaled_by_the_models_width(Ref):
    """The scores are divided by the root of `d_model`. The features of one head are multiplied, so that it is the root
    of `head_dim`."""

    class Wrong(Ref):
        def scores(self, q, k):
            return super().scores(q, k) / self.num_heads**0.5

    return Wrong


@mistake("RollingCacheAttention", misconception="hidden_by_a_small_number", number=(-10.0,))
def empty_slots_not_negative_enough(Ref, *, number=-100.0):
    """The scores of empty slots become a number that is not negative enough, such as -100. Beside visible scores of
    -200 an empty slot then takes all the weight. Use -inf, or at least a number that no score reaches."""

    class Wrong(Ref):
        def weights(self, scores, written):
            return jax.nn.softmax(jnp.where(written, scores, number), axis=-1)

    return Wrong


@mistake("RollingCacheAttention", misconception="overflowing_softmax")
def overflowing_softmax_of_slots(Ref):
    """exp overflows: logits in the hundreds give inf / inf = NaN. Take the largest visible score off first, or let
    `jax.nn.softmax` do it."""

    class Wrong(Ref):
        def weights(self, scores, written):
            powers = jnp.where(written, jnp.exp(scores), 0.0)
            return powers / powers.sum(-1, keepdims=True)

    return Wrong


@mistake("RollingCacheAttention", empty=("zeros",))
def softmax_over_heads(Ref, *, empty="NaN"):
    """The softmax runs over the heads, so that the heads compete for each slot. In scores `(N, window)` they are the
    first axis; it belongs along the slots, `axis=-1`."""

    class Wrong(Ref):
        def weights(self, scores, written):
            weights = jax.nn.softmax(jnp.where(written, scores, -jnp.inf), axis=0)
            return jnp.nan_to_num(weights) if empty == "zeros" else weights

    return Wrong


@mistake("RollingCacheAttention", joined=("in chunks",))
def heads_interleaved(Ref, *, joined="as they were split"):
    """The heads are interleaved: head n owns features n, n + N, n + 2N and so on. `reshape(H, N)` has the axes in the
    wrong order; heads are contiguous chunks, so the axis that comes first is the head: `reshape(N, H)`."""

    class Wrong(Ref):
        def split(self, x):
            return x.reshape(self.head_dim, self.num_heads).swapaxes(-1, -2)

        def join(self, heads):
            return super().join(heads) if joined == "in chunks" else heads.swapaxes(-1, -2).reshape(-1)

    return Wrong


@mistake("RollingCacheAttention", misconception="all_heads_as_one")
def one_set_of_weights(Ref):
    """One set of weights serves every head: the scores are summed over the heads. Each head has scores of its own, `(N,
    window)`; in an einsum its letter has to be in the result."""

    class Wrong(Ref):
        def scores(self, q, k):
            return super().scores(q, k).sum(0, keepdims=True) / self.num_heads**0.5

    return Wrong


@mistake("RollingCacheAttention")
def keys_as_values(Ref):
    """The values come from `k_proj`. A line copied for the keys and not changed for the values does this, and `v_proj`
    then has no effect."""

    class Wrong(Ref):
        def write(self, k, v, token):
            super().write(k, k, token)

    return Wrong


@mistake("RollingCacheAttention")
def no_output_projection(Ref):
    """The joined heads are returned without `o_proj`. They have the shape of the input, so the work looks done; the
    heads are only mixed by the last projection."""

    class Wrong(Ref):
        def __call__(self, x):
            q, k, v = self.split(self.q_proj(x)), self.split(self.k_proj(x)), self.split(self.v_proj(x))
            token = self.position()
            keys, values = self.remember(k, v, token)
            self.advance()
            return self.join(self.attend(q, keys, values, token))

    return Wrong


@mistake("RollingCacheAttention")
def bias_left_on(Ref):
    """The projections have biases. `nnx.Linear` adds one unless it is told not to: pass `use_bias=False`."""

    class Wrong(Ref):
        def __init__(self, d_model, num_heads, window, *, rngs):
            super().__init__(d_model, num_heads, window, rngs=rngs)
            for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
                setattr(self, name, nnx.Linear(d_model, d_model, rngs=rngs))

    return Wrong


@mistake("RollingCacheAttention")
def keeps_the_rngs(Ref):
    """The module keeps `rngs`. `self.rngs = rngs` makes keys and counters part of its variables, to be saved and passed
    along for nothing: use `rngs` in `__init__` and let it go."""

    class Wrong(Ref):
        def __init__(self, d_model, num_heads, window, *, rngs):
            super().__init__(d_model, num_heads, window, rngs=rngs)
            self.rngs = rngs

    return Wrong


# --- RollingCacheAttention: state and transforms


@mistake("RollingCacheAttention")
def position_is_a_python_number(Ref):
    """The position is a Python integer. It is then part of the program, not of its data: `nnx.jit` traces and compiles
    again for every token, and a step that is traced once never moves on. Keep an int32 array in an `nnx.Cache`."""

    class Wrong(Ref):
        def make_position(self):
            self.pos = 0

        def position(self):
            return self.pos

        def advance(self):
            self.pos += 1

    return Wrong


@mistake("RollingCacheAttention")
def python_counter_beside_the_position(Ref):
    """A Python integer counts the tokens, and `pos` is only kept beside it. `nnx.jit` traces again whenever the integer
    changes, and in a step that is traced once, such as the body of a `lax.scan`, it never does: read the position from
    `pos[...]`."""

    class Wrong(Ref):
        def make_caches(self):
            super().make_caches()
            self.count = 0

        def position(self):
            return self.count

        def advance(self):
            super().advance()
            self.count += 1

    return Wrong


@mistake("RollingCacheAttention")
def position_made_an_integer(Ref):
    """The position is made a Python integer with `int(...)` or `.item()`, or decides an `if`. A compiled step does not
    know its value while it is traced: leave it an array, and let `jnp.where` or a mask decide."""

    class Wrong(Ref):
        def position(self):
            return int(super().position())

    return Wrong


@mistake("RollingCacheAttention")
def cache_that_grows(Ref):
    """The caches grow: they start empty and each call appends to them until the window is full. Every call until then
    has other shapes: a compiled step is traced and compiled again, and a `lax.scan` cannot carry them. Make room for
    `window` tokens once."""

    class Wrong(Ref):
        def make_caches(self):
            window, self.window = self.window, 0
            super().make_caches()
            self.window = window

        def write(self, k, v, token):
            for cache, new in ((self.k_cache, k), (self.v_cache, v)):
                cache.set_value(jnp.concatenate([cache[...], new[None]])[-self.window :])

        def written(self, token):
            return jnp.ones(len(self.k_cache[...]), bool)

    return Wrong


@mistake("RollingCacheAttention")
def cached_before_the_split(Ref):
    """The caches hold keys and values before they are split into heads, `(window, d_model)`. The numbers are the same;
    the contract's shape is `(window, num_heads, head_dim)`: split first, then write."""

    class Wrong(Ref):
        def make_caches(self):
            super().make_caches()
            shape = (self.window, self.num_heads * self.head_dim)
            self.k_cache, self.v_cache = nnx.Cache(jnp.zeros(shape)), nnx.Cache(jnp.zeros(shape))

        def write(self, k, v, token):
            super().write(k.reshape(-1), v.reshape(-1), token)

        def attend(self, q, k, v, token):
            return super().attend(q, *(rows.reshape(self.window, *q.shape) for rows in (k, v)), token)

    return Wrong


@mistake("RollingCacheAttention")
def caches_of_another_dtype(Ref):
    """The caches are kept in another dtype than the inputs, such as `bfloat16`. What is read back has lost digits: the
    dtype of a variable is part of the contract, `jnp.zeros(...)` as it is."""

    class Wrong(Ref):
        def make_caches(self):
            super().make_caches()
            for name in ("k_cache", "v_cache"):
                setattr(self, name, nnx.Cache(getattr(self, name)[...].astype(jnp.bfloat16)))

        def write(self, k, v, token):
            super().write(k.astype(jnp.bfloat16), v.astype(jnp.bfloat16), token)

    return Wrong


@mistake("RollingCacheAttention")
def caches_of_another_kind(Ref):
    """The caches are plain `nnx.Variable`s. A program finds state by its kind, as in `nnx.state(module, nnx.Cache)`, to
    clear it or to give each sequence its own: make all three `nnx.Cache`."""

    class Wrong(Ref):
        def make_caches(self):
            super().make_caches()
            for name in ("k_cache", "v_cache", "pos"):
                setattr(self, name, nnx.Variable(getattr(self, name)[...]))

    return Wrong


@mistake("RollingCacheAttention")
def caches_as_parameters(Ref):
    """The caches are `nnx.Param`s. An optimiser would train them and a checkpoint would save them with the weights;
    what is remembered between calls is state: `nnx.Cache`."""

    class Wrong(Ref):
        def make_caches(self):
            super().make_caches()
            for name in ("k_cache", "v_cache"):
                setattr(self, name, nnx.Param(getattr(self, name)[...]))

    return Wrong


@mistake("RollingCacheAttention")
def a_number_for_each_slot_kept_beside(Ref):
    """The module keeps the number of the token in each slot, in a variable of its own. The contract names three
    variables: what stands in which slot follows from `pos` alone."""

    class Wrong(Ref):
        def make_caches(self):
            super().make_caches()
            self.numbers = nnx.Cache(jnp.full(self.window, -1, jnp.int32))

        def write(self, k, v, token):
            super().write(k, v, token)
            self.numbers[...] = self.numbers[...].at[self.slot(token)].set(token)

        def written(self, token):
            return self.numbers[...] >= 0

    return Wrong


@mistake("RollingCacheAttention")
def attends_from_every_slot(Ref):
    """The values are right, but each step attends from every slot of the cache and keeps the row of its own token. The
    queries of the past were answered when they came: score only this token against the slots, and a step costs `window`
    products, not its square."""

    class Wrong(Ref):
        def attend(self, q, k, v, token):
            queries = jnp.zeros_like(k).at[self.slot(token)].set(q)
            scores = jnp.einsum("tnh,snh->nts", queries, k) / math.sqrt(self.head_dim)
            rows = jnp.einsum("nts,snh->tnh", self.weights(scores, self.written(token)), v)
            return rows[self.slot(token)]

    return Wrong
