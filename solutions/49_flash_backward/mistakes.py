"""49 · Wrong answers that people really give, each with its sentence. Those at the end of each name have right values
and a wrong program."""

import functools
import math

import jax
import jax.numpy as jnp

from grader.course import mistake

# --- flash_forward: the right loop in small pieces; most mistakes are the same loop with one piece exchanged


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


def _logarithm(top, total):
    return (top + jnp.log(total))[:, 0]


def _begin(t_q, d_v):
    return jnp.full((t_q, 1), -jnp.inf), jnp.zeros((t_q, 1)), jnp.zeros((t_q, d_v))


def _padded(rows, block_size):
    return jnp.pad(rows, ((0, -len(rows) % block_size), (0, 0)))


def _count(t_k, block_size):
    return -(-t_k // block_size)


def _in_a_loop(count, step, state):
    return jax.lax.fori_loop(0, count, step, state)


def _in_python(count, step, state):
    for index in range(count):
        state = step(index, state)
    return state


def _forward(
    q,
    k,
    v,
    block_size,
    causal,
    *,
    scores=_scores,
    seen=_seen,
    hidden=-jnp.inf,
    hide=None,
    fold=_fold,
    finish=_finish,
    logarithm=_logarithm,
    begin=_begin,
    padded=_padded,
    count=_count,
    loop=_in_a_loop,
):
    t_q, t_k = len(q), len(k)
    keys, values = padded(k, block_size), padded(v, block_size)

    def step(index, state):
        start = index * block_size
        block, rows = (jax.lax.dynamic_slice_in_dim(array, start, block_size) for array in (keys, values))
        mask = seen(jnp.arange(t_q)[:, None], start + jnp.arange(block_size), t_q, t_k, causal)
        made = scores(q, block)
        made = hide(mask, made) if hide else jnp.where(mask, made, hidden)
        return fold(state, made, rows.astype(jnp.float32))

    top, total, out = loop(count(t_k, block_size), step, begin(t_q, v.shape[1]))
    return finish(total, out).astype(q.dtype), logarithm(top, total)


def _all_scores(q, k, causal):
    """(T_q, T_k): everything that the loop avoids."""
    mask = _seen(jnp.arange(len(q))[:, None], jnp.arange(len(k)), len(q), len(k), causal)
    return jnp.where(mask, _scores(q, k), -jnp.inf)


def _at_once(q, k, v, causal):
    top, total, out = _fold(_begin(len(q), v.shape[1]), _all_scores(q, k, causal), v.astype(jnp.float32))
    return _finish(total, out).astype(q.dtype), _logarithm(top, total)


# the logarithm


@mistake("flash_forward")
def logarithm_without_its_maximum(ref, q, k, v, block_size, causal=False):
    """The second result is the logarithm of the running sum alone. That sum is relative to the running maximum, so its
    logarithm is too small by that maximum, and what is computed from it backwards is too large by its exponential. Add
    the maximum: m + log(l)."""
    return _forward(q, k, v, block_size, causal, logarithm=lambda top, total: jnp.log(total)[:, 0])


@mistake("flash_forward", which=("the sum",))
def maximum_or_sum_alone(ref, q, k, v, block_size, causal=False, *, which="the maximum"):
    """The second result is the running maximum, or the running sum, as the loop carries them. Either alone does not
    say how large a weight is. Both together are one number: the maximum plus the logarithm of the sum."""
    return _forward(
        q,
        k,
        v,
        block_size,
        causal,
        logarithm=lambda top, total: (top if which == "the maximum" else total)[:, 0],
    )


@mistake("flash_forward")
def logarithm_in_base_2(ref, q, k, v, block_size, causal=False):
    """The second result is a logarithm in base 2. Kernels count in powers of 2, since `exp2` is what the hardware has,
    and convert at the end. The natural logarithm is asked for: multiply by ln 2."""
    out, logarithm = ref(q, k, v, block_size, causal)
    return out, logarithm / math.log(2)


@mistake("flash_forward")
def logarithm_of_the_mean(ref, q, k, v, block_size, causal=False):
    """The second result is smaller by the logarithm of the number of keys: the exponentials were averaged, where they
    have to be summed."""
    out, logarithm = ref(q, k, v, block_size, causal)
    return out, logarithm - math.log(len(k))


@mistake("flash_forward", number=(0.0, -1e30, float(jnp.finfo(jnp.float32).min)))
def another_number_where_nothing_is_seen(ref, q, k, v, block_size, causal=False, *, number=jnp.inf):
    """The output is right, and a query without keys has another logarithm than -inf: some kernels write inf there, a
    guarded sum gives 0, a mask of large negative numbers gives such a number. The sum over no keys is 0, and its
    logarithm -inf."""
    out, logarithm = ref(q, k, v, block_size, causal)
    return out, jnp.where(logarithm == -jnp.inf, number, logarithm)


@mistake("flash_forward")
def logarithm_keeps_its_axis(ref, q, k, v, block_size, causal=False):
    """The logarithm has the shape (T_q, 1), in which the loop carries it. One number for each query is (T_q,): drop
    the axis at the end."""
    out, logarithm = ref(q, k, v, block_size, causal)
    return out, logarithm[:, None]


@mistake("flash_forward")
def logarithm_in_the_dtype_of_the_inputs(ref, q, k, v, block_size, causal=False):
    """The logarithm is cast to the dtype of the inputs, as the output is. With the 8 bits of bfloat16 a logarithm of 20
    is off by up to 0.06, and every weight of the row by 6 percent. It stays float32."""
    out, logarithm = ref(q, k, v, block_size, causal)
    return out, logarithm.astype(q.dtype)


@mistake("flash_forward", about="the order")
def results_in_the_other_order(ref, q, k, v, block_size, causal=False):
    """The logarithm comes first and the output second. The output is the first of the two."""
    return ref(q, k, v, block_size, causal)[::-1]


# the loop


@mistake("flash_forward", about="the scale")
def forgot_the_scale(ref, q, k, v, block_size, causal=False):
    """The scores are not divided by sqrt(d_k), neither for the output nor for the logarithm. The products of two rows
    grow with their width; divide them before the maximum is taken."""
    return ref(q * q.shape[1] ** 0.5, k, v, block_size, causal)


@mistake("flash_forward")
def output_not_divided(ref, q, k, v, block_size, causal=False):
    """The output is never divided by the running sum. The logarithm that is returned holds that sum, and still the
    output has to be an average: divide once, after the loop."""
    return _forward(q, k, v, block_size, causal, finish=lambda total, out: out)


@mistake("flash_forward")
def nothing_is_rescaled(ref, q, k, v, block_size, causal=False):
    """Neither sum nor output is rescaled when the running maximum moves: what was added before stays relative to the
    old maximum. Multiply both by exp(old maximum - new maximum) before the block is added."""

    def fold(state, scores, values):
        top, total, out = state
        top = jnp.maximum(top, scores.max(-1, keepdims=True))
        powers = jnp.exp(scores - _base(top))
        return top, total + powers.sum(-1, keepdims=True), out + powers @ values

    return _forward(q, k, v, block_size, causal, fold=fold)


@mistake("flash_forward")
def output_not_rescaled(ref, q, k, v, block_size, causal=False):
    """The sum is rescaled when the running maximum moves, and the unfinished output is not. The logarithm is right
    then, and the output is not. Both get the factor exp(old maximum - new maximum)."""

    def fold(state, scores, values):
        top, total, _ = _fold(state, scores, values)
        return top, total, state[2] + jnp.exp(scores - _base(top)) @ values

    return _forward(q, k, v, block_size, causal, fold=fold)


@mistake("flash_forward")
def sum_not_rescaled(ref, q, k, v, block_size, causal=False):
    """The unfinished output is rescaled when the running maximum moves, and the sum is not: the output is too small,
    and the logarithm too large. Both get the factor exp(old maximum - new maximum)."""

    def fold(state, scores, values):
        top, _, out = _fold(state, scores, values)
        return top, state[1] + jnp.exp(scores - _base(top)).sum(-1, keepdims=True), out

    return _forward(q, k, v, block_size, causal, fold=fold)


@mistake("flash_forward")
def maximum_of_the_block(ref, q, k, v, block_size, causal=False):
    """The new maximum is that of the block alone. When a block scores far below the ones before it, exp(old maximum -
    new maximum) overflows to inf. The running maximum never falls: take the larger one of the old and the block's."""

    def fold(state, scores, values):
        top, total, out = state
        block = scores.max(-1, keepdims=True)
        shrink, powers = jnp.where(top == -jnp.inf, 0.0, jnp.exp(top - _base(block))), jnp.exp(scores - _base(block))
        return block, total * shrink + powers.sum(-1, keepdims=True), out * shrink + powers @ values

    return _forward(q, k, v, block_size, causal, fold=fold)


@mistake("flash_forward")
def maximum_starts_at_zero(ref, q, k, v, block_size, causal=False):
    """The running maximum starts at 0, so it never falls below 0. Where all scores of a query are far below, every
    exponential is 0: the output is 0, and the logarithm -inf. Start at -inf."""

    def begin(t_q, d_v):
        return jnp.zeros((t_q, 1)), jnp.zeros((t_q, 1)), jnp.zeros((t_q, d_v))

    return _forward(q, k, v, block_size, causal, begin=begin)


@mistake("flash_forward")
def maximum_over_hidden_keys_too(ref, q, k, v, block_size, causal=False):
    """The maximum is taken over all keys of a block, later ones too, and their exponentials are set to 0 afterwards.
    When a hidden key scores some hundreds higher every visible exponential is 0. Hide the scores before the maximum is
    taken."""

    def fold(state, scores, values):
        masked, all_of_them = scores
        top, total, out = state
        top_now = jnp.maximum(top, all_of_them.max(-1, keepdims=True))
        shrink = jnp.exp(top - _base(top_now))
        powers = jnp.where(masked == -jnp.inf, 0.0, jnp.exp(all_of_them - top_now))
        return top_now, total * shrink + powers.sum(-1, keepdims=True), out * shrink + powers @ values

    return _forward(
        q, k, v, block_size, causal, fold=fold, hide=lambda mask, scores: (jnp.where(mask, scores, -jnp.inf), scores)
    )


@mistake("flash_forward")
def overflowing_softmax(ref, q, k, v, block_size, causal=False):
    """No maximum is taken off: the exponentials of the scores themselves are summed, and their logarithm is taken.
    Scores in the hundreds give inf, and scores far below 0 give 0, whose logarithm is -inf. Carry a maximum, and add it
    at the end."""

    def fold(state, scores, values):
        _, total, out = state
        powers = jnp.exp(scores)
        return jnp.zeros_like(total), total + powers.sum(-1, keepdims=True), out + powers @ values

    return _forward(q, k, v, block_size, causal, fold=fold)


@mistake("flash_forward")
def divided_in_every_block(ref, q, k, v, block_size, causal=False):
    """The output is divided by the running sum in every block, and what the first blocks gave is divided again and
    again. Divide once, after the loop."""

    def fold(state, scores, values):
        top, total, out = _fold(state, scores, values)
        return top, total, _finish(total, out)

    return _forward(q, k, v, block_size, causal, fold=fold, finish=lambda total, out: out)


@mistake("flash_forward")
def padded_keys_counted(ref, q, k, v, block_size, causal=False):
    """The padding of the last block takes part. A key of zeros scores 0, and exp(0) is a weight like any other: the sum
    is too large, and with it the logarithm. Hide the places from T_k on."""

    def seen(query, key, t_q, t_k, causal):
        return _seen(query, key, t_q, t_k, True) if causal else (key >= 0) & (query >= 0)

    return _forward(q, k, v, block_size, causal, seen=seen)


@mistake("flash_forward")
def last_block_dropped(ref, q, k, v, block_size, causal=False):
    """The keys after the last full block are never read: `T_k // block_size` rounds down. Round up, and hide what the
    last block has too much."""
    return _forward(q, k, v, block_size, causal, count=lambda t_k, block_size: t_k // block_size)


@mistake("flash_forward")
def slice_moved_back_at_the_end(ref, q, k, v, block_size, causal=False):
    """The last block is cut from arrays that end before it does. `dynamic_slice` does not complain: it moves the slice
    back until it fits, so that some keys count twice. Pad keys and values to whole blocks first."""
    return _forward(q, k, v, min(block_size, len(k)), causal, padded=lambda rows, block_size: rows)


@mistake("flash_forward")
def aligned_at_the_start(ref, q, k, v, block_size, causal=False):
    """The causal mask is aligned at the start: query 0 sees key 0 alone, whatever the lengths are. As in problem 33,
    query i sees the keys j <= i + (T_k - T_q)."""

    def seen(query, key, t_q, t_k, causal):
        return (key <= query) & (key < t_k) if causal else _seen(query, key, t_q, t_k, causal)

    return _forward(q, k, v, block_size, causal, seen=seen)


@mistake("flash_forward")
def places_counted_within_the_block(ref, q, k, v, block_size, causal=False):
    """The causal mask takes a key's place within its block for its place in the sequence, so later blocks are seen that
    should be hidden. Key j of block b stands at b * block_size + j."""

    def seen(query, key, t_q, t_k, causal):
        return (key - key[0] <= query + (t_k - t_q)) & (key < t_k) if causal else _seen(query, key, t_q, t_k, causal)

    return _forward(q, k, v, block_size, causal, seen=seen)


def _unguarded(state, scores, values):
    top, total, out = state
    top_now = jnp.maximum(top, scores.max(-1, keepdims=True))
    shrink, powers = jnp.exp(top - top_now), jnp.exp(scores - top_now)
    return top_now, total * shrink + powers.sum(-1, keepdims=True), out * shrink + powers @ values


_without_guards = functools.partial(_forward, fold=_unguarded, finish=lambda total, out: out / total)


@mistake("flash_forward", misconception="nan_where_nothing_is_seen")
def no_key_gives_nan(ref, q, k, v, block_size, causal=False):
    """A query without keys gets NaN: its maximum is -inf, and -inf - (-inf) is NaN. Where the maximum is still -inf,
    take off 0 instead; where the sum is 0 at the end, divide by 1."""
    return _without_guards(q, k, v, block_size, causal)


@mistake("flash_forward", misconception="mean_where_nothing_is_seen", number=(-1e30, -1e9, -1e4))
def no_key_gives_the_mean(ref, q, k, v, block_size, causal=False, *, number=float(jnp.finfo(jnp.float32).min)):
    """A query without keys gets the mean of the values, and a logarithm that is a very negative number: every score of
    its row is that number, and equal scores have equal weights. Hide with -inf, and mind the rows that see nothing."""
    return _forward(q, k, v, block_size, causal, hidden=number)


@mistake("flash_forward")
def causal_ignored(ref, q, k, v, block_size, causal=False):
    """`causal` is not looked at: each query sees every key, later ones too."""
    return ref(q, k, v, block_size, False)


# right values: only what is proved of the program tells these from the reference


@mistake("flash_forward", program=("`logsumexp`",))
def everything_at_once(ref, q, k, v, block_size, causal=False, *, program="a softmax"):
    """There are no blocks: all T_q × T_k scores exist at once. The values are right, and the memory grows with the
    square of the length. Read `block_size` keys at a time, and carry a maximum, a sum and an unfinished output."""
    if program == "a softmax":
        return _at_once(q, k, v, causal)
    scores = _all_scores(q, k, causal)
    logarithm = jax.nn.logsumexp(scores, axis=1)
    weights = jnp.exp(scores - _base(logarithm)[:, None])
    return (weights @ v.astype(jnp.float32)).astype(q.dtype), logarithm


@mistake("flash_forward", pieces=(4,))
def a_few_large_pieces(ref, q, k, v, block_size, causal=False, *, pieces=2):
    """The keys are cut into a few pieces, whose number does not depend on the length, and whose scores are all there at
    once. Each piece is smaller than T_q × T_k, and grows with the square of the length all the same. Read `block_size`
    keys at a time."""
    return _forward(q, k, v, -(-len(k) // pieces), causal, loop=_in_python)


@mistake("flash_forward")
def whole_mask_made_first(ref, q, k, v, block_size, causal=False):
    """The scores come block by block, but the mask is made for all queries and all keys before the loop, and cut into
    blocks. A boolean array of T_q × T_k is of that size too. In each block, compare the places of the queries with
    those of the block's keys."""
    places = jnp.arange(len(_padded(k, block_size)))
    whole = _seen(jnp.arange(len(q))[:, None], places, len(q), len(k), causal)

    def seen(query, key, t_q, t_k, causal):
        return jax.lax.dynamic_slice_in_dim(whole, key[0], len(key), axis=1)

    return _forward(q, k, v, block_size, causal, seen=seen)


@mistake("flash_forward")
def loop_in_python(ref, q, k, v, block_size, causal=False):
    """The loop over the blocks is a Python `for`. Under `jit` it is unrolled: each block becomes a copy of its
    operations in the program, which grows with T_k. Use a loop of JAX: `scan`, `fori_loop` or `while_loop`."""
    return _forward(q, k, v, block_size, causal, loop=_in_python)


@mistake("flash_forward")
def products_in_bfloat16(ref, q, k, v, block_size, causal=False):
    """A product of two bfloat16 matrices gives bfloat16 again: the scores are rounded to 8 bits before they are
    exponentiated, and no later cast brings the bits back. Say `preferred_element_type=jnp.float32` in the product, or
    cast its operands first."""
    return _forward(
        q, k, v, block_size, causal, scores=lambda q, keys: (q @ keys.T).astype(jnp.float32) / q.shape[1] ** 0.5
    )


@mistake("flash_forward")
def sums_in_bfloat16(ref, q, k, v, block_size, causal=False):
    """The running sum and the unfinished output are carried in the dtype of the inputs. bfloat16 has 8 bits: a running
    sum of ones stops growing at 256. Maximum, sum and output are float32 in the loop, and only the finished output is
    cast."""

    def fold(state, scores, values):
        top, total, out = _fold(tuple(part.astype(jnp.float32) for part in state), scores, values)
        return top, total.astype(q.dtype), out.astype(q.dtype)

    def begin(t_q, d_v):
        top, total, out = _begin(t_q, d_v)
        return top, total.astype(q.dtype), out.astype(q.dtype)

    def logarithm(top, total):
        return _logarithm(top, total.astype(jnp.float32))

    return _forward(q, k, v, block_size, causal, fold=fold, begin=begin, logarithm=logarithm)


# --- flash_attention: the right passes in small pieces


def _row_sums(grad_out, out):
    return (grad_out * out).sum(-1, keepdims=True)


def _weigh(scores, logarithm):
    return jnp.exp(scores - _base(logarithm)[:, None])


def _slope(weights, grad_weights, row_sums):
    return weights * (grad_weights - row_sums)


def _weights(weights, grad_scores):
    return weights


def _add(grad_q, more):
    return grad_q + more


def _backward(
    q,
    k,
    v,
    out,
    logarithm,
    grad_out,
    block_size,
    causal,
    *,
    scores=_scores,
    seen=_seen,
    hidden=-jnp.inf,
    weigh=_weigh,
    row_sums=_row_sums,
    slope=_slope,
    for_values=_weights,
    scale_of_q=1.0,
    scale_of_k=1.0,
    add=_add,
    product=jnp.matmul,
    sums=jnp.float32,
    loop=_in_a_loop,
):
    """The right loop back. `scale_of_q` and `scale_of_k` are what the gradients are multiplied by beyond the scale."""
    t_q, t_k = len(q), len(k)
    rows, grad_out = q.astype(jnp.float32), grad_out.astype(jnp.float32)
    keys, values = _padded(k, block_size), _padded(v, block_size)
    sum_of_each_row = row_sums(grad_out, out.astype(jnp.float32))

    def step(index, state):
        grad_q, grad_k, grad_v = state
        start = index * block_size
        block, its_values = (jax.lax.dynamic_slice_in_dim(array, start, block_size) for array in (keys, values))
        mask = seen(jnp.arange(t_q)[:, None], start + jnp.arange(block_size), t_q, t_k, causal)
        weights = weigh(jnp.where(mask, scores(q, block), hidden), logarithm)
        grad_weights = product(grad_out, its_values.astype(jnp.float32).T)
        grad_scores = slope(weights, grad_weights, sum_of_each_row) / q.shape[1] ** 0.5
        by = for_values(weights, grad_scores)
        more = product(grad_scores, block.astype(jnp.float32))
        grad_q = add(grad_q.astype(jnp.float32), more).astype(sums)
        grad_k, grad_v = (
            jax.lax.dynamic_update_slice_in_dim(whole, made, start, 0)
            for whole, made in ((grad_k, product(grad_scores.T, rows)), (grad_v, product(by.T, grad_out)))
        )
        return grad_q, grad_k, grad_v

    start = jnp.zeros(q.shape, sums), jnp.zeros(keys.shape), jnp.zeros(values.shape)
    grad_q, grad_k, grad_v = loop(_count(t_k, block_size), step, start)
    return (
        (grad_q * scale_of_q).astype(q.dtype),
        (grad_k[:t_k] * scale_of_k).astype(k.dtype),
        grad_v[:t_k].astype(v.dtype),
    )


def _attention(q, k, v, block_size, causal, *, forward=_forward, backward=_backward, alone=None, keep=None, **steps):
    """Attention with this way there and this way back. `keep` turns output and logarithm into what is kept of them;
    `alone` is what runs where no gradient is asked for."""

    @jax.custom_vjp
    def attend(q, k, v):
        return (alone or forward)(q, k, v, block_size, causal)[0]

    def there(q, k, v):
        out, logarithm = forward(q, k, v, block_size, causal)
        return out, (q, k, v, *(keep(out, logarithm) if keep else (out, logarithm)))

    def back(kept, grad_out):
        return backward(*kept, grad_out, block_size, causal, **steps)

    attend.defvjp(there, back)
    return attend(q, k, v)


# wrong gradients


@mistake("flash_attention", about="D")
def d_left_out(ref, q, k, v, block_size, causal=False):
    """The gradient of the scores is P * dP, without D. That would be right if the weights were independent; but those
    of a row sum to 1, and whoever raises one of them lowers the others. Take off D = rowsum(dO * O) from dP first."""
    return _attention(q, k, v, block_size, causal, slope=lambda weights, grad_weights, row_sums: weights * grad_weights)


@mistake("flash_attention", about="D")
def d_added(ref, q, k, v, block_size, causal=False):
    """D is added to dP, where it has to be taken off: dS = P * (dP - D). Only then do the gradients of one row's scores
    sum to 0, as they must, since a number that is added to all scores of a row changes nothing."""
    return _attention(q, k, v, block_size, causal, row_sums=lambda grad_out, out: -_row_sums(grad_out, out))


@mistake("flash_attention", about="D")
def d_of_each_block(ref, q, k, v, block_size, causal=False):
    """D is summed over the keys of one block, as the softmax of that block would have it. With one block it is right.
    The sum runs over all keys of the row; it is rowsum(dO * O), which is known before the loop begins."""

    def slope(weights, grad_weights, row_sums):
        return weights * (grad_weights - (weights * grad_weights).sum(-1, keepdims=True))

    return _attention(q, k, v, block_size, causal, slope=slope)


@mistake("flash_attention", about="D", axis=("queries",))
def d_summed_over_too_much(ref, q, k, v, block_size, causal=False, *, axis="everything"):
    """D is one number for all queries: `(dO * O).sum()` without an axis, or a mean of it. Each query has a softmax of
    its own, and so a D of its own: sum over the last axis, and keep it as a column."""

    def row_sums(grad_out, out):
        whole = (grad_out * out).sum()
        return whole if axis == "everything" else whole / len(out)

    return _attention(q, k, v, block_size, causal, row_sums=row_sums)


@mistake("flash_attention", about="D")
def d_is_a_mean(ref, q, k, v, block_size, causal=False):
    """D is the mean of dO * O over the features, where it has to be their sum: it stands for a sum over the keys of
    P * dP, and dP is a product of two rows, summed over the features. Write `.sum(-1)`."""
    return _attention(
        q, k, v, block_size, causal, row_sums=lambda grad_out, out: _row_sums(grad_out, out) / len(out[0])
    )


@mistake("flash_attention", about="D")
def d_of_the_unfinished_output(ref, q, k, v, block_size, causal=False):
    """D is made from the output before it was divided by the running sum: that is what the loop carries. D is the sum
    of P * dP, with weights that sum to 1, and so takes the finished output."""

    def forward(q, k, v, block_size, causal):
        out, top = _forward(q, k, v, block_size, causal, logarithm=lambda top, total: top[:, 0])
        logarithm = _forward(q, k, v, block_size, causal)[1]
        return out, (logarithm, jnp.exp(logarithm - _base(top)))

    def backward(q, k, v, out, kept, grad_out, block_size, causal):
        logarithm, total = kept

        def row_sums(grad_out, out):
            return _row_sums(grad_out, out * total[:, None])

        return _backward(q, k, v, out, logarithm, grad_out, block_size, causal, row_sums=row_sums)

    return _attention(q, k, v, block_size, causal, forward=forward, backward=backward)


@mistake("flash_attention", about="D")
def each_weight_by_itself(ref, q, k, v, block_size, causal=False):
    """The softmax is differentiated number by number, P * (1 - P) * dP, as a sigmoid is. That is the diagonal of its
    Jacobian. A score also moves all other weights of its row: dS = P * (dP - D)."""

    def slope(weights, grad_weights, row_sums):
        return weights * (1 - weights) * grad_weights

    return _attention(q, k, v, block_size, causal, slope=slope)


@mistake("flash_attention", about="the scale", of=("dk", "both"))
def scale_missing_in_a_gradient(ref, q, k, v, block_size, causal=False, *, of="dq"):
    """The gradient of q, of k or of both lacks the scale. The scores are q kᵀ / sqrt(d_k), and dS is the gradient for
    the scaled ones: dq = dS k / sqrt(d_k), and dk = dSᵀ q / sqrt(d_k). Each needs it, once."""
    root = q.shape[1] ** 0.5
    return _attention(
        q,
        k,
        v,
        block_size,
        causal,
        scale_of_q=root if of in ("dq", "both") else 1.0,
        scale_of_k=root if of in ("dk", "both") else 1.0,
    )


@mistake("flash_attention", about="the scale", of=("dq", "both"))
def scale_twice_in_a_gradient(ref, q, k, v, block_size, causal=False, *, of="dk"):
    """The gradient of k, of q or of both has the scale twice: dS is scaled, and it is multiplied by queries that were
    scaled before, or the sum is scaled once more at the end. Once is enough."""
    root = q.shape[1] ** 0.5
    return _attention(
        q,
        k,
        v,
        block_size,
        causal,
        scale_of_q=1 / root if of in ("dq", "both") else 1.0,
        scale_of_k=1 / root if of in ("dk", "both") else 1.0,
    )


@mistake("flash_attention")
def scale_missing_in_the_weights(ref, q, k, v, block_size, causal=False):
    """On the way back the scores are computed without the scale, and the logarithm is that of the scaled ones: the
    weights are not those of the forward pass. Use one function for the scores in both passes."""
    return _attention(q, k, v, block_size, causal, scores=lambda q, keys: _scores(q, keys) * q.shape[1] ** 0.5)


@mistake("flash_attention", misconception="logarithm_without_its_maximum")
def weights_from_a_logarithm_without_its_maximum(ref, q, k, v, block_size, causal=False):
    """The logarithm that is kept is that of the running sum alone, without the maximum that the sum is relative to. The
    weights that come back are too large by exp(maximum), and inf where it is in the hundreds. Keep m + log(l)."""
    forward = functools.partial(_forward, logarithm=lambda top, total: jnp.log(total)[:, 0])
    return _attention(q, k, v, block_size, causal, forward=forward)


@mistake("flash_attention")
def weights_not_divided_on_the_way_back(ref, q, k, v, block_size, causal=False):
    """On the way back the weights are exp(score - maximum), which is not divided by the sum. The maximum alone does not
    tell how much there was: take off the maximum plus the logarithm of the sum."""
    return _attention(
        q, k, v, block_size, causal, forward=functools.partial(_forward, logarithm=lambda top, total: top[:, 0])
    )


@mistake("flash_attention")
def softmax_of_each_block_on_the_way_back(ref, q, k, v, block_size, causal=False):
    """On the way back each block has a softmax of its own, whose weights sum to 1. With one block it is right. The
    weights sum to 1 over all blocks: exp(score - logarithm), with the logarithm that the forward pass kept."""

    def weigh(scores, logarithm):
        powers = jnp.exp(scores - _base(scores.max(-1, keepdims=True)))
        return _finish(powers.sum(-1, keepdims=True), powers)

    return _attention(q, k, v, block_size, causal, weigh=weigh)


@mistake("flash_attention")
def no_mask_on_the_way_back(ref, q, k, v, block_size, causal=False):
    """On the way back the causal mask is missing: later keys get the weight exp(score - logarithm), though they had
    none. What the forward pass hides the backward pass hides as well."""

    def seen(query, key, t_q, t_k, causal):
        return _seen(query, key, t_q, t_k, False)

    return _attention(q, k, v, block_size, causal, seen=seen)


@mistake("flash_attention", to=("one key earlier",))
def mask_moved_on_the_way_back(ref, q, k, v, block_size, causal=False, *, to="the start"):
    """On the way back the causal mask is another one than forward: aligned at the start, or without a query's own key.
    Weights come back that were none, or none come back where there were some. As in the forward pass, query i sees the
    keys j <= i + (T_k - T_q); let one function say so for both."""

    def seen(query, key, t_q, t_k, causal):
        last = query if to == "the start" else query + (t_k - t_q) - 1
        return (key <= last) & (key < t_k) if causal else _seen(query, key, t_q, t_k, causal)

    return _attention(q, k, v, block_size, causal, seen=seen)


@mistake("flash_attention")
def last_block_dropped_on_the_way_back(ref, q, k, v, block_size, causal=False):
    """On the way back the keys after the last full block are left out: their gradients are zeros, and what they give to
    dq is missing. `T_k // block_size` rounds down. Round up, as in the forward pass."""
    whole = len(k) // block_size * block_size

    def seen(query, key, t_q, t_k, causal):
        return _seen(query, key, t_q, t_k, causal) & (key < whole)

    return _attention(q, k, v, block_size, causal, seen=seen)


@mistake("flash_attention")
def padding_not_hidden_on_the_way_back(ref, q, k, v, block_size, causal=False):
    """On the way back the padding of the last block has weights. Mostly they do no harm: the keys are zeros, and the
    rows that they give are cut off. But they are exp(0 - logarithm), which is inf where all scores are far below 0, and
    inf times 0 is NaN. Hide the places from T_k on."""

    def seen(query, key, t_q, t_k, causal):
        return _seen(query, key, t_q, t_k, True) if causal else (key >= 0) & (query >= 0)

    return _attention(q, k, v, block_size, causal, seen=seen)


@mistake("flash_attention", misconception="nan_where_nothing_is_seen")
def gradient_nan_where_nothing_is_seen(ref, q, k, v, block_size, causal=False):
    """The output is right and the gradient is NaN: a query without keys has scores of -inf and the logarithm -inf, and
    the exponential of their difference is NaN. From there it reaches every key and every value. Take off 0 where the
    logarithm is -inf."""
    return _attention(q, k, v, block_size, causal, weigh=lambda scores, logarithm: jnp.exp(scores - logarithm[:, None]))


@mistake("flash_attention", number=(-1e30,))
def weight_one_where_nothing_is_seen(
    ref, q, k, v, block_size, causal=False, *, number=float(jnp.finfo(jnp.float32).min)
):
    """The output of a query without keys is zeros, and on the way back each hidden key has the weight 1 in its row:
    score and logarithm are the same very negative number, and exp(0) is 1. Its gradient reaches the values. Hide with
    -inf, or set the weights of hidden keys to 0."""

    def forward(q, k, v, block_size, causal):
        out, logarithm = _forward(q, k, v, block_size, causal)
        return out, jnp.where(logarithm == -jnp.inf, number, logarithm)

    return _attention(q, k, v, block_size, causal, forward=forward, hidden=number)


@mistake("flash_attention")
def dq_of_the_last_block(ref, q, k, v, block_size, causal=False):
    """The gradient of q is that of the last block: each block writes it anew. With one block it is right. The rows of
    dk and dv belong to one block; each row of dq gets something from every block, which has to be added up."""
    return _attention(q, k, v, block_size, causal, add=lambda grad_q, more: more)


@mistake("flash_attention")
def weights_taken_for_constants(ref, q, k, v, block_size, causal=False):
    """The gradients of q and k are zeros: the weights are treated as constants, and only dv = Pᵀ dO is there. The
    gradient goes on through the weights to the scores, and from these to q and k."""
    return _attention(q, k, v, block_size, causal, slope=lambda weights, *_: jnp.zeros_like(weights))


@mistake("flash_attention")
def dv_from_the_gradient_of_the_scores(ref, q, k, v, block_size, causal=False):
    """The gradient of v is made of dS: dSᵀ dO. The output is P V, so a value gets the gradients of the outputs, each by
    the weight that it had there: dv = Pᵀ dO. Only q and k get theirs by way of the scores."""

    return _attention(q, k, v, block_size, causal, for_values=lambda weights, grad_scores: grad_scores)


@mistake("flash_attention")
def gradients_in_float32(ref, q, k, v, block_size, causal=False):
    """The gradients of bfloat16 inputs are float32, as the loop sums them. Each gradient has the dtype of its input:
    cast it once, at the end."""

    def backward(q, k, v, out, logarithm, grad_out, block_size, causal):
        wide = (x.astype(jnp.float32) for x in (q, k, v))
        return _backward(*wide, out, logarithm, grad_out, block_size, causal)

    return _attention(q, k, v, block_size, causal, backward=backward)


@mistake("flash_attention")
def cotangent_left_out(ref, q, k, v, block_size, causal=False):
    """What comes in from behind, dO, is not looked at: the gradients are those of the sum of all outputs. The last
    argument of the backward function is dO, which a loss makes of the output. Every gradient is linear in it."""

    def backward(q, k, v, out, logarithm, grad_out, block_size, causal):
        return _backward(q, k, v, out, logarithm, jnp.ones_like(grad_out), block_size, causal)

    return _attention(q, k, v, block_size, causal, backward=backward)


@mistake("flash_attention")
def static_arguments_not_first(ref, q, k, v, block_size, causal=False):
    """The backward function expects what was kept first, and block size and mask behind it. With `nondiff_argnums` the
    static arguments come first, in their order: (block_size, causal, kept, dO)."""

    @functools.partial(jax.custom_vjp, nondiff_argnums=(3, 4))
    def attend(q, k, v, block_size, causal):
        return _forward(q, k, v, block_size, causal)[0]

    def there(q, k, v, block_size, causal):
        out, logarithm = _forward(q, k, v, block_size, causal)
        return out, (q, k, v, out, logarithm)

    def back(kept, grad_out, block_size, causal):
        q, k, v, out, logarithm = kept
        return _backward(q, k, v, out, logarithm, grad_out, block_size, causal)

    attend.defvjp(there, back)
    return attend(q, k, v, block_size, causal)


@mistake("flash_attention")
def static_arguments_traced(ref, q, k, v, block_size, causal=False):
    """`block_size` and `causal` are ordinary arguments of the function under `jax.custom_vjp`, which traces all that it
    is given: they have no value there, and no shape can be made of them. Name them in `nondiff_argnums`, or define the
    function where they are known, inside of `flash_attention`."""

    @jax.custom_vjp
    def attend(q, k, v, block_size, causal):
        return _forward(q, k, v, block_size, causal)[0]

    def there(q, k, v, block_size, causal):
        out, logarithm = _forward(q, k, v, block_size, causal)
        return out, (q, k, v, out, logarithm, block_size, causal)

    def back(kept, grad_out):
        *arrays, block_size, causal = kept
        return *_backward(*arrays, grad_out, block_size, causal), None, None

    attend.defvjp(there, back)
    return attend(q, k, v, block_size, causal)


@mistake("flash_attention", misconception="aligned_at_the_start")
def aligned_at_the_start_in_both_passes(ref, q, k, v, block_size, causal=False):
    """The causal mask is aligned at the start, in the output too: query 0 sees key 0 alone, whatever the lengths are.
    As in problem 33, query i sees the keys j <= i + (T_k - T_q)."""

    def seen(query, key, t_q, t_k, causal):
        return (key <= query) & (key < t_k) if causal else _seen(query, key, t_q, t_k, causal)

    return _attention(q, k, v, block_size, causal, forward=functools.partial(_forward, seen=seen), seen=seen)


@mistake("flash_attention", misconception="last_block_dropped")
def last_block_dropped_in_both_passes(ref, q, k, v, block_size, causal=False):
    """The keys after the last full block take no part, in the output and in the gradients: `T_k // block_size` rounds
    down. Round up, and hide what the last block has too much."""
    whole = len(k) // block_size * block_size

    def seen(query, key, t_q, t_k, causal):
        return _seen(query, key, t_q, t_k, causal) & (key < whole)

    return _attention(q, k, v, block_size, causal, forward=functools.partial(_forward, seen=seen), seen=seen)


@mistake("flash_attention", misconception="forgot_the_scale")
def forgot_the_scale_in_both_passes(ref, q, k, v, block_size, causal=False):
    """The scores are not divided by sqrt(d_k), and the gradients are right for that: output and gradients are those of
    another function. Divide the scores, in both passes."""
    return ref(q * q.shape[1] ** 0.5, k, v, block_size, causal)


@mistake("flash_attention", misconception="nan_where_nothing_is_seen")
def no_key_gives_nan_in_both_passes(ref, q, k, v, block_size, causal=False):
    """A query without keys gets NaN, in the output already: its maximum is -inf, and -inf - (-inf) is NaN. In the loop
    take off 0 where the maximum is still -inf; divide by 1 where the sum is 0; and mind the row on the way back."""
    return _attention(q, k, v, block_size, causal, forward=_without_guards)


@mistake("flash_attention", misconception="mean_where_nothing_is_seen", number=(-1e30, -1e9, -1e4))
def no_key_gives_the_mean_in_both_passes(
    ref, q, k, v, block_size, causal=False, *, number=float(jnp.finfo(jnp.float32).min)
):
    """A query without keys gets the mean of the values, and hands its gradient to all of them: every score of its row
    is the same very negative number, and equal scores have equal weights. Hide with -inf in both passes, and mind the
    rows that see nothing."""
    forward = functools.partial(_forward, hidden=number)
    return _attention(q, k, v, block_size, causal, forward=forward, hidden=number)


@mistake("flash_attention")
def logarithm_returned_as_well(ref, q, k, v, block_size, causal=False):
    """It returns the logarithm beside the output. `flash_forward` does; `flash_attention` returns the output alone, and
    hands the logarithm to the backward pass in what is kept."""
    return ref(q, k, v, block_size, causal), _forward(q, k, v, block_size, causal)[1]


# right values: only what is proved of the program tells these from the reference


@mistake("flash_attention")
def gradient_through_the_loop(ref, q, k, v, block_size, causal=False):
    """There is no gradient of its own: JAX differentiates the loop, and for that keeps what each step made, all weights
    among it. The values are right, and the memory is that of problem 31. Write the backward pass yourself, with
    `jax.custom_vjp` or `jax.custom_gradient`."""

    def fold(state, block):
        start, keys, values = block
        mask = _seen(jnp.arange(len(q))[:, None], start + jnp.arange(block_size), len(q), len(k), causal)
        return _fold(state, jnp.where(mask, _scores(q, keys), -jnp.inf), values.astype(jnp.float32)), None

    _, total, out = _scanned(fold, q, k, v, block_size)
    return _finish(total, out).astype(q.dtype)


def _scanned(fold, q, k, v, block_size):
    blocks = [_padded(rows, block_size).reshape(-1, block_size, rows.shape[1]) for rows in (k, v)]
    starts = jnp.arange(len(blocks[0])) * block_size
    return jax.lax.scan(fold, _begin(len(q), v.shape[1]), (starts, *blocks))[0]


@mistake("flash_attention", whole=(True,))
def checkpoint_around_each_step(ref, q, k, v, block_size, causal=False, *, whole=False):
    """The gradient goes through a loop whose steps are checkpointed. The weights are computed again, but maximum, sum
    and output of each step are kept as they were before it: T_q × d_v numbers for every block, which is quadratic as
    well. The output and one number a row are enough for all blocks."""

    @jax.checkpoint
    def step(state, block, q):
        start, keys, values = block
        mask = _seen(jnp.arange(len(q))[:, None], start + jnp.arange(block_size), len(q), len(k), causal)
        return _fold(state, jnp.where(mask, _scores(q, keys), -jnp.inf), values.astype(jnp.float32))

    def attend(q, k, v):
        _, total, out = _scanned(lambda state, block: (step(state, block, q), None), q, k, v, block_size)
        return _finish(total, out).astype(q.dtype)

    return (jax.checkpoint(attend) if whole else attend)(q, k, v)


@mistake("flash_attention", how=("as they come",))
def weights_kept(ref, q, k, v, block_size, causal=False, *, how="at once"):
    """The weights of the forward pass are kept for the backward pass, T_q × T_k of them. Nothing else in attention is
    that large. Keep the logarithm of each row's sum, and compute the weights again."""

    def forward(q, k, v, block_size, causal):
        out, logarithm = _forward(q, k, v, block_size, causal)
        if how == "at once":
            return out, jnp.exp(_all_scores(q, k, causal) - _base(logarithm)[:, None])
        keys = _padded(k, block_size).reshape(-1, block_size, k.shape[1])

        def one(block):
            start, keys = block
            mask = _seen(jnp.arange(len(q))[:, None], start + jnp.arange(block_size), len(q), len(k), causal)
            return jnp.exp(jnp.where(mask, _scores(q, keys), -jnp.inf) - _base(logarithm)[:, None])

        blocks = jax.lax.map(one, (jnp.arange(len(keys)) * block_size, keys))
        return out, jnp.moveaxis(blocks, 0, 1).reshape(len(q), -1)[:, : len(k)]

    return _attention(q, k, v, block_size, causal, forward=forward, backward=_from_weights)


def _from_weights(q, k, v, out, weights, grad_out, block_size, causal):
    """The way back with all weights at once."""
    grad_out, rows, keys = (x.astype(jnp.float32) for x in (grad_out, q, k))
    grad_scores = (
        _slope(weights, grad_out @ v.astype(jnp.float32).T, _row_sums(grad_out, out.astype(jnp.float32)))
        / len(q[0]) ** 0.5
    )
    return (
        (grad_scores @ keys).astype(q.dtype),
        (grad_scores.T @ rows).astype(k.dtype),
        (weights.T @ grad_out).astype(v.dtype),
    )


@mistake("flash_attention", where=("there",))
def everything_at_once_in_the_gradient(ref, q, k, v, block_size, causal=False, *, where="back"):
    """Called alone it goes block by block, and in the program of the gradient all T_q × T_k weights are computed at
    once: on the way back, or in the function that runs forward there and returns what is kept. Little is kept between
    the passes, and the peak is as high as before. Both functions need a loop over the blocks."""

    def forward(q, k, v, block_size, causal):
        return _at_once(q, k, v, causal) if where == "there" else _forward(q, k, v, block_size, causal)

    def backward(q, k, v, out, logarithm, grad_out, block_size, causal):
        weights = jnp.exp(_all_scores(q, k, causal) - _base(logarithm)[:, None])
        return _from_weights(q, k, v, out, weights, grad_out, block_size, causal)

    return _attention(
        q,
        k,
        v,
        block_size,
        causal,
        alone=_forward,
        forward=forward,
        backward=_backward if where == "there" else backward,
    )


@mistake("flash_attention", pieces=(4,))
def a_few_large_pieces_on_the_way_back(ref, q, k, v, block_size, causal=False, *, pieces=2):
    """On the way back the keys are cut into a few pieces, whose number does not depend on the length, and whose weights
    are all there at once. Each piece is smaller than T_q × T_k, and grows with the square of the length all the same.
    Read `block_size` keys at a time."""

    def backward(q, k, v, out, logarithm, grad_out, block_size, causal):
        size = -(-len(k) // pieces)
        return _backward(q, k, v, out, logarithm, grad_out, size, causal, loop=_in_python)

    return _attention(q, k, v, block_size, causal, backward=backward)


@mistake("flash_attention")
def whole_mask_on_the_way_back(ref, q, k, v, block_size, causal=False):
    """On the way back the mask is made for all queries and all keys before the loop, and cut into blocks. A boolean
    array of T_q × T_k is of that size too. Compare places, block by block."""
    places = jnp.arange(len(_padded(k, block_size)))
    whole = _seen(jnp.arange(len(q))[:, None], places, len(q), len(k), causal)

    def seen(query, key, t_q, t_k, causal):
        return jax.lax.dynamic_slice_in_dim(whole, key[0], len(key), axis=1)

    return _attention(q, k, v, block_size, causal, seen=seen)


@mistake("flash_attention")
def mask_kept(ref, q, k, v, block_size, causal=False):
    """The mask of the forward pass is kept for the backward pass. A byte for each pair is a quarter of what the weights
    would take, and grows as they do. Compare places again."""

    def forward(q, k, v, block_size, causal):
        out, logarithm = _forward(q, k, v, block_size, causal)
        places = jnp.arange(len(_padded(k, block_size)))
        return out, (logarithm, _seen(jnp.arange(len(q))[:, None], places, len(q), len(k), causal))

    def backward(q, k, v, out, kept, grad_out, block_size, causal):
        logarithm, mask = kept

        def seen(query, key, t_q, t_k, causal):
            return jax.lax.dynamic_slice_in_dim(mask, key[0], len(key), axis=1)

        return _backward(q, k, v, out, logarithm, grad_out, block_size, causal, seen=seen)

    return _attention(q, k, v, block_size, causal, forward=forward, backward=backward)


@mistake("flash_attention", passes=("both",))
def loop_in_python_on_the_way_back(ref, q, k, v, block_size, causal=False, *, passes="backward"):
    """The loop over the blocks is a Python `for`, on the way back or in both passes. Under `jit` it is unrolled, and
    the program grows with T_k. Since JAX never differentiates these loops, any loop of JAX will do: `scan`,
    `fori_loop` or `while_loop`."""
    forward = functools.partial(_forward, loop=_in_python) if passes == "both" else _forward
    return _attention(q, k, v, block_size, causal, forward=forward, loop=_in_python)


@mistake("flash_attention", of=("the scores",))
def products_in_bfloat16_on_the_way_back(ref, q, k, v, block_size, causal=False, *, of="the gradients"):
    """On the way back a product of two bfloat16 matrices gives bfloat16 again: the scores have 8 bits before they are
    exponentiated, or dP, dQ, dK and dV before anything is added up. Say `preferred_element_type=jnp.float32` in each
    product, or cast its operands first."""
    if of == "the scores":
        return _attention(
            q, k, v, block_size, causal, scores=lambda q, keys: (q @ keys.T).astype(jnp.float32) / q.shape[1] ** 0.5
        )

    def product(a, b):
        return (a.astype(q.dtype) @ b.astype(q.dtype)).astype(jnp.float32)

    return _attention(q, k, v, block_size, causal, product=product)


@mistake("flash_attention", what=("the logarithm",))
def a_sum_kept_in_bfloat16(ref, q, k, v, block_size, causal=False, *, what="the gradient of q"):
    """A sum is kept in the dtype of the inputs: the gradient of q from block to block, or the logarithm of a row's sum.
    bfloat16 has 8 bits. What a late block adds to a large sum is lost, and with a logarithm of 20 every weight is off
    by up to 6 percent. Keep both in float32, and cast the gradient once, behind the loop."""
    if what == "the gradient of q":
        return _attention(q, k, v, block_size, causal, sums=q.dtype)

    def keep(out, logarithm):
        return out, logarithm.astype(out.dtype).astype(jnp.float32)

    return _attention(q, k, v, block_size, causal, keep=keep)
