"""39 · Wrong answers that people really give, each with its sentence. Those at the end have right values and a wrong
program."""

import jax
import jax.numpy as jnp

from grader.course import mistake

# The right loop in small pieces; most mistakes are the same loop with one piece exchanged.


def _scores(q, keys):
    return jnp.dot(q, keys.T, preferred_element_type=jnp.float32) / q.shape[1] ** 0.5


def _seen(query, key, t_q, t_k, causal):
    """Which keys may be attended to: places of queries (a column) against places of keys (a row)."""
    return key <= query + (t_k - t_q) if causal else (key < t_k) & (query >= 0)


def _base(top):
    """What is taken off the scores: the running maximum, or 0 where there is none yet."""
    return jnp.where(top == -jnp.inf, 0.0, top)


def _fold(state, scores, values):
    """One more block: (maximum, sum, unfinished output) of each query, before and after."""
    top, total, out = state
    top_now = jnp.maximum(top, scores.max(-1, keepdims=True))
    shrink, powers = jnp.exp(top - _base(top_now)), jnp.exp(scores - _base(top_now))
    return top_now, total * shrink + powers.sum(-1, keepdims=True), out * shrink + powers @ values


def _finish(total, out):
    return out / jnp.where(total == 0, 1.0, total)


def _begin(t_q, d_v):
    return jnp.full((t_q, 1), -jnp.inf), jnp.zeros((t_q, 1)), jnp.zeros((t_q, d_v))


def _count(t_k, block_size):
    return -(-t_k // block_size)


def _padded(rows, block_size):
    return jnp.pad(rows, ((0, -len(rows) % block_size), (0, 0)))


def _attend(
    q,
    k,
    v,
    block_size,
    causal,
    *,
    scores=_scores,
    seen=_seen,
    hidden=-jnp.inf,
    fold=_fold,
    finish=_finish,
    count=_count,
    padded=_padded,
    begin=_begin,
    hide=None,
):
    t_q, t_k = len(q), len(k)
    keys, values, blocks = padded(k, block_size), padded(v, block_size), count(t_k, block_size)

    def step(index, state):
        start = index * block_size
        block = jax.lax.dynamic_slice_in_dim(keys, start, block_size)
        mask = seen(jnp.arange(t_q)[:, None], start + jnp.arange(block_size), t_q, t_k, causal)
        rows = jax.lax.dynamic_slice_in_dim(values, start, block_size).astype(jnp.float32)
        made = scores(q, block)
        return fold(state, hide(mask, made) if hide else jnp.where(mask, made, hidden).astype(jnp.float32), rows)

    _, total, out = jax.lax.fori_loop(0, blocks, step, begin(t_q, v.shape[1]))
    return finish(total, out).astype(q.dtype)


# --- wrong values


@mistake
def nothing_is_rescaled(ref, q, k, v, block_size, causal=False):
    """Nothing is rescaled when the running maximum moves: the old sum and the old output stay relative to the old
    maximum, and the new block is relative to the new one. Multiply both by exp(old maximum - new maximum) before the
    block is added."""

    def fold(state, scores, values):
        top, total, out = state
        top = jnp.maximum(top, scores.max(-1, keepdims=True))
        powers = jnp.exp(scores - _base(top))
        return top, total + powers.sum(-1, keepdims=True), out + powers @ values

    return _attend(q, k, v, block_size, causal, fold=fold)


@mistake(guarded=(False,))
def rescaled_the_other_way(ref, q, k, v, block_size, causal=False, *, guarded=True):
    """The old sum and the old output are multiplied by exp(new maximum - old maximum), which is the inverse of what
    they need. When the maximum grows, what was relative to the old one becomes smaller: the factor is exp(old maximum -
    new maximum)."""

    def fold(state, scores, values):
        top, total, out = state
        top_now = jnp.maximum(top, scores.max(-1, keepdims=True))
        grow, powers = jnp.exp(_base(top_now) - (_base(top) if guarded else top)), jnp.exp(scores - _base(top_now))
        return top_now, total * grow + powers.sum(-1, keepdims=True), out * grow + powers @ values

    return _attend(q, k, v, block_size, causal, fold=fold)


@mistake
def output_not_rescaled(ref, q, k, v, block_size, causal=False):
    """The sum is rescaled when the running maximum moves, and the unfinished output is not. Numerator and denominator
    must be relative to the same maximum: both get the factor exp(old maximum - new maximum)."""

    def fold(state, scores, values):
        top, total, _ = _fold(state, scores, values)
        return top, total, state[2] + jnp.exp(scores - _base(top)) @ values

    return _attend(q, k, v, block_size, causal, fold=fold)


@mistake
def sum_not_rescaled(ref, q, k, v, block_size, causal=False):
    """The unfinished output is rescaled when the running maximum moves, and the sum is not. Numerator and denominator
    must be relative to the same maximum: both get the factor exp(old maximum - new maximum)."""

    def fold(state, scores, values):
        top, _, out = _fold(state, scores, values)
        return top, state[1] + jnp.exp(scores - _base(top)).sum(-1, keepdims=True), out

    return _attend(q, k, v, block_size, causal, fold=fold)


@mistake
def maximum_of_the_block(ref, q, k, v, block_size, causal=False):
    """The new maximum is that of the block alone. When a block scores far below the ones before it, the factor exp(old
    maximum - new maximum) overflows to inf. The running maximum never falls: `jnp.maximum(old, block's)`."""

    def fold(state, scores, values):
        top, total, out = state
        block = scores.max(-1, keepdims=True)
        shrink, powers = jnp.where(top == -jnp.inf, 0.0, jnp.exp(top - _base(block))), jnp.exp(scores - _base(block))
        return block, total * shrink + powers.sum(-1, keepdims=True), out * shrink + powers @ values

    return _attend(q, k, v, block_size, causal, fold=fold)


@mistake
def maximum_starts_at_zero(ref, q, k, v, block_size, causal=False):
    """The running maximum starts at 0, so it never falls below 0. Where all scores of a query are far below, every exp
    is 0, and so are sum and output. Start at -inf, or at the smallest number of the dtype."""

    def begin(t_q, d_v):
        return jnp.zeros((t_q, 1)), jnp.zeros((t_q, 1)), jnp.zeros((t_q, d_v))

    return _attend(q, k, v, block_size, causal, begin=begin)


@mistake
def maximum_over_hidden_keys_too(ref, q, k, v, block_size, causal=False):
    """The maximum is taken over all keys of a block, hidden ones too, and the weights of those are set to 0 afterwards.
    When a hidden key scores some hundreds higher, every visible exp is 0. Hide scores with -inf before the maximum is
    taken."""

    def fold(state, scores, values):
        masked, all_of_them = scores
        top, total, out = state
        top_now = jnp.maximum(top, all_of_them.max(-1, keepdims=True))
        shrink, powers = (
            jnp.exp(top - _base(top_now)),
            jnp.where(masked == -jnp.inf, 0.0, jnp.exp(all_of_them - top_now)),
        )
        return top_now, total * shrink + powers.sum(-1, keepdims=True), out * shrink + powers @ values

    return _attend(
        q, k, v, block_size, causal, fold=fold, hide=lambda mask, scores: (jnp.where(mask, scores, -jnp.inf), scores)
    )


@mistake
def divided_in_every_block(ref, q, k, v, block_size, causal=False):
    """The output is divided by the running sum in every block, so what the first blocks gave is divided again and
    again. Divide once, after the loop; or carry a finished output and multiply it by the old sum before the next block
    is added."""

    def fold(state, scores, values):
        top, total, out = _fold(state, scores, values)
        return top, total, _finish(total, out)

    return _attend(q, k, v, block_size, causal, fold=fold, finish=lambda total, out: out)


@mistake
def padded_keys_counted(ref, q, k, v, block_size, causal=False):
    """The padding of the last block takes part. A key of zeros scores 0, and exp(0) is a weight like any other. Hide
    the places from T_k on with -inf, as the causal mask hides later keys."""

    def seen(query, key, t_q, t_k, causal):
        return _seen(query, key, t_q, t_k, True) if causal else (key >= 0) & (query >= 0)

    return _attend(q, k, v, block_size, causal, seen=seen)


@mistake
def last_block_dropped(ref, q, k, v, block_size, causal=False):
    """The keys after the last full block are never read: `T_k // block_size` rounds down. Round up, and hide what the
    last block has too much."""
    whole = len(k) // block_size
    if whole == 0:
        return jnp.zeros((len(q), v.shape[1]), q.dtype)
    return _attend(q, k, v, block_size, causal, count=lambda t_k, block_size: whole)


@mistake
def slice_moved_back_at_the_end(ref, q, k, v, block_size, causal=False):
    """The last block is cut from arrays that end before it does. `dynamic_slice` does not complain: it moves the slice
    back until it fits, so that some keys are read again, as if they stood further on, and the last ones are hidden. Pad
    keys and values to whole blocks first."""
    return _attend(q, k, v, min(block_size, len(k)), causal, padded=lambda rows, block_size: rows)


@mistake
def aligned_at_the_start(ref, q, k, v, block_size, causal=False):
    """The causal mask is aligned at the start: query 0 sees key 0 alone, whatever the lengths are. As in problem 33,
    query i sees the keys j <= i + (T_k - T_q), where j counts over all blocks."""

    def seen(query, key, t_q, t_k, causal):
        return (key <= query) & (key < t_k) if causal else _seen(query, key, t_q, t_k, causal)

    return _attend(q, k, v, block_size, causal, seen=seen)


@mistake(empty=("NaN",))
def without_the_token_itself(ref, q, k, v, block_size, causal=False, *, empty="zeros"):
    """Under the causal mask a query does not see the key of its own token: the comparison is `<` where it has to be
    `<=`. The first of as many queries as keys then sees nothing at all."""

    def seen(query, key, t_q, t_k, causal):
        return _seen(query - causal, key, t_q, t_k, causal) if causal else _seen(query, key, t_q, t_k, False)

    finish = _finish if empty == "zeros" else jnp.divide
    return _attend(q, k, v, block_size, causal, seen=seen, finish=finish)


@mistake
def one_key_too_many(ref, q, k, v, block_size, causal=False):
    """Under the causal mask a query sees the key behind its own: the diagonal is one too high. Query i sees the keys
    j <= i + (T_k - T_q)."""

    def seen(query, key, t_q, t_k, causal):
        return _seen(query + causal, key, t_q, t_k, causal) & (key < t_k)

    return _attend(q, k, v, block_size, causal, seen=seen)


@mistake
def causal_ignored(ref, q, k, v, block_size, causal=False):
    """`causal` changes nothing: every query sees every key. Hide what is later than the query in each block, by its
    place in the whole sequence."""
    return ref(q, k, v, block_size, False)


@mistake(about="the scale")
def forgot_the_scale(ref, q, k, v, block_size, causal=False):
    """The scores are not divided by sqrt(d_k), the root of the width of queries and keys. Blocks change nothing in what
    a score is: the scale of problem 31 belongs to it."""
    return _attend(q, k, v, block_size, causal, scores=lambda q, k: _scores(q, k) * q.shape[1] ** 0.5)


@mistake(about="the scale", by=("d_k", "sqrt(block_size)", "sqrt(T_k)"))
def scaled_by_another_number(ref, q, k, v, block_size, causal=False, *, by="the root of the width of the values"):
    """The scores are divided by another number than the root of the width of queries and keys: by the width itself, or
    by the root of the width of the values, of the block or of the length. A score adds up as many products as queries
    and keys are wide: `q.shape[-1] ** 0.5`."""
    width = q.shape[1]
    number = {"d_k": width, "sqrt(block_size)": block_size**0.5, "sqrt(T_k)": len(k) ** 0.5}.get(by, v.shape[1] ** 0.5)
    return _attend(q, k, v, block_size, causal, scores=lambda q, k: _scores(q, k) * (width**0.5 / number))


@mistake
def places_counted_within_the_block(ref, q, k, v, block_size, causal=False):
    """The causal mask takes a key's place within its block for its place in the sequence, so later blocks are seen that
    should be hidden. Key j of block b stands at b * block_size + j."""

    def seen(query, key, t_q, t_k, causal):
        return (key - key[0] <= query + (t_k - t_q)) & (key < t_k) if causal else _seen(query, key, t_q, t_k, causal)

    return _attend(q, k, v, block_size, causal, seen=seen)


@mistake(misconception="nan_where_nothing_is_seen")
def no_key_gives_nan(ref, q, k, v, block_size, causal=False):
    """A query with no key gets NaN: its maximum is -inf, and -inf - (-inf) is NaN. Where the maximum is still -inf,
    take off 0 instead; where the sum is 0 at the end, divide by 1."""

    def fold(state, scores, values):
        top, total, out = state
        top_now = jnp.maximum(top, scores.max(-1, keepdims=True))
        shrink, powers = jnp.exp(top - top_now), jnp.exp(scores - top_now)
        return top_now, total * shrink + powers.sum(-1, keepdims=True), out * shrink + powers @ values

    return _attend(q, k, v, block_size, causal, fold=fold, finish=lambda total, out: out / total)


@mistake(misconception="mean_where_nothing_is_seen")
def no_key_gives_the_mean(ref, q, k, v, block_size, causal=False):
    """A query with no key gets the mean of the values. Where every score is the same very negative number, exp(score -
    maximum) is 1 for all of them. Set the weights of hidden keys to 0 after exp, or hide with -inf and mind the rows
    that see nothing."""
    return _attend(q, k, v, block_size, causal, hidden=jnp.finfo(jnp.float32).min)


@mistake
def nan_in_the_gradient(ref, q, k, v, block_size, causal=False):
    """The output is right and the gradient is NaN. `jnp.where(sum == 0, 0, out / sum)` still computes 0 / 0, and its
    gradient is 0 times inf. Choose the divisor instead: `out / jnp.where(sum == 0, 1, sum)`."""
    return _attend(q, k, v, block_size, causal, finish=lambda total, out: jnp.where(total == 0, 0.0, out / total))


@mistake
def gradient_stopped_halfway(ref, q, k, v, block_size, causal=False):
    """The output is right and the gradient is wrong: it is stopped at the maximum in exp(score - maximum), and not in
    the factor exp(old maximum - new maximum). The two cancel only together. Stop it for both, where the maximum is
    made, or for neither."""

    def fold(state, scores, values):
        top, total, out = state
        top_now = jnp.maximum(top, scores.max(-1, keepdims=True))
        shrink, powers = jnp.exp(top - _base(top_now)), jnp.exp(scores - jax.lax.stop_gradient(_base(top_now)))
        return top_now, total * shrink + powers.sum(-1, keepdims=True), out * shrink + powers @ values

    return _attend(q, k, v, block_size, causal, fold=fold)


# --- right values: only what is proved of the program tells these from the reference


@mistake
def everything_at_once(ref, q, k, v, block_size, causal=False):
    """There are no blocks: all T_q × T_k scores exist at once, as in problem 31. The values are right, and the memory
    grows with the square of the length. Read `block_size` keys at a time, and keep a maximum, a sum and an unfinished
    output for each query."""
    mask = _seen(jnp.arange(len(q))[:, None], jnp.arange(len(k)), len(q), len(k), causal)
    return _finish(
        *_fold(_begin(len(q), v.shape[1]), jnp.where(mask, _scores(q, k), -jnp.inf), v.astype(jnp.float32))[1:]
    ).astype(q.dtype)


@mistake
def whole_mask_made_first(ref, q, k, v, block_size, causal=False):
    """The scores come block by block, but the mask is made for all queries and all keys before the loop, and cut into
    blocks. A boolean array of T_q × T_k is of that size too. In each block, compare the places of the queries with the
    places of this block's keys."""
    places = jnp.arange(len(_padded(k, block_size)))
    whole = _seen(jnp.arange(len(q))[:, None], places, len(q), len(k), causal)

    def seen(query, key, t_q, t_k, causal):
        return jax.lax.dynamic_slice_in_dim(whole, key[0], len(key), axis=1)

    return _attend(q, k, v, block_size, causal, seen=seen)


@mistake
def scores_of_all_blocks_kept(ref, q, k, v, block_size, causal=False):
    """The scores are computed block by block, by `scan`, `lax.map` or `vmap`, but those of all blocks are kept and
    joined at the end. Together they are T_q × T_k numbers. A block's scores have to be used up in its own step: only
    the carry goes on."""
    t_q, t_k = len(q), len(k)
    blocks = _padded(k, block_size).reshape(-1, block_size, k.shape[1])
    scores = jnp.moveaxis(jax.lax.map(lambda block: _scores(q, block), blocks), 0, 1).reshape(t_q, -1)
    mask = _seen(jnp.arange(t_q)[:, None], jnp.arange(scores.shape[1]), t_q, t_k, causal)
    values = _padded(v, block_size).astype(jnp.float32)
    return _finish(*_fold(_begin(t_q, v.shape[1]), jnp.where(mask, scores, -jnp.inf), values)[1:]).astype(q.dtype)


@mistake
def loop_in_python(ref, q, k, v, block_size, causal=False):
    """The loop over the blocks is a Python `for`. Under `jit` it is unrolled: each block becomes a copy of its
    operations in the program, which grows with T_k and takes ever longer to compile. Use `jax.lax.scan` or
    `jax.lax.fori_loop`: their program holds one block."""
    state, (t_q, t_k) = _begin(len(q), v.shape[1]), (len(q), len(k))
    for start in range(0, t_k, block_size):
        keys, values = k[start : start + block_size], v[start : start + block_size].astype(jnp.float32)
        mask = _seen(jnp.arange(t_q)[:, None], start + jnp.arange(len(keys)), t_q, t_k, causal)
        state = _fold(state, jnp.where(mask, _scores(q, keys), -jnp.inf), values)
    return _finish(*state[1:]).astype(q.dtype)


@mistake
def softmax_in_bfloat16(ref, q, k, v, block_size, causal=False):
    """The softmax or its running sum is computed in the dtype of the inputs. bfloat16 has 8 bits of precision: a
    running sum of ones stops growing at 256. Make the maximum, the sum and the unfinished output float32, apply exp to
    float32 scores, and cast once, at the end."""

    def fold(state, scores, values):
        top, total, out = state
        scores = scores.astype(q.dtype)
        top_now = jnp.maximum(top, scores.max(-1, keepdims=True))
        shrink, powers = jnp.exp(top - _base(top_now)), jnp.exp(scores - _base(top_now))
        return (
            top_now,
            total * shrink + powers.sum(-1, keepdims=True),
            out * shrink + powers.astype(jnp.float32) @ values,
        )

    def begin(t_q, d_v):
        top, total, out = _begin(t_q, d_v)
        return top.astype(q.dtype), total.astype(q.dtype), out

    return _attend(q, k, v, block_size, causal, fold=fold, begin=begin)


@mistake
def products_in_bfloat16(ref, q, k, v, block_size, causal=False):
    """A product of two bfloat16 matrices gives bfloat16 again: the scores are rounded to 8 bits before the softmax sees
    them, and no later cast brings the bits back. Say `preferred_element_type=jnp.float32` in the product, or cast its
    operands first."""
    return _attend(
        q, k, v, block_size, causal, scores=lambda q, keys: (q @ keys.T).astype(jnp.float32) / q.shape[1] ** 0.5
    )
