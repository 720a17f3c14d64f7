"""40 · Wrong answers that people really give, each with its sentence."""

import contextlib

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl

from grader.course import mistake


@contextlib.contextmanager
def _instead(ref, **functions):
    """The reference with other functions in place of its own."""
    own = {name: ref.__globals__[name] for name in functions}
    ref.__globals__.update(functions)
    try:
        yield
    finally:
        ref.__globals__.update(own)


class _Jnp:
    """`jnp`, of which some functions are others."""

    def __getattr__(self, name):
        return getattr(jnp, name)


class _Pallas:
    """`pl` with another `pallas_call`."""

    def __init__(self, pallas_call):
        self.pallas_call = pallas_call

    def __getattr__(self, name):
        return getattr(pl, name)


@mistake
def forgot_the_scale(ref, q, k, v, **options):
    """The scores are not divided by sqrt(H). The kernel is problem 31 tile by tile, and the scale belongs to it."""
    return ref(q * q.shape[-1] ** 0.5, k, v, **options)


@mistake
def scale_of_the_padded_width(ref, q, k, v, **options):
    """The scores are divided by the root of the width after padding. The features that padding added are zeros and
    make no score larger: take H from `q.shape` before you pad."""
    padded = max(16, 1 << (q.shape[-1] - 1).bit_length())
    return ref(q * (q.shape[-1] / padded) ** 0.5, k, v, **options)


@mistake(misconception="nothing_is_rescaled")
def no_rescaling(ref, q, k, v, **options):
    """What was summed under an old maximum is not shrunk when a larger one comes. Sum and output so far have to be
    multiplied by exp(old maximum - new maximum) before a block is added. With one block of keys nothing shows."""

    def absorb(state, scores, values):
        top, total, output = state
        new_top = jnp.maximum(top, scores.max(axis=1, keepdims=True))
        weights = jnp.exp(scores - new_top)
        product = jnp.dot(weights.astype(values.dtype), values, preferred_element_type=output.dtype)
        return new_top, total + weights.sum(axis=1, keepdims=True), output + product

    with _instead(ref, absorb=absorb):
        return ref(q, k, v, **options)


@mistake
def output_not_rescaled(ref, q, k, v, **options):
    """The sum shrinks when a larger maximum comes, and the output does not. Both were summed under the old maximum:
    multiply both by exp(old maximum - new maximum) before a block is added. With one block of keys nothing shows."""
    own = ref.__globals__["absorb"]

    def absorb(state, scores, values):
        top, total, output = state
        new_top, new_total, new_output = own(state, scores, values)
        return new_top, new_total, new_output + (1 - jnp.exp(top - new_top)) * output

    with _instead(ref, absorb=absorb):
        return ref(q, k, v, **options)


@mistake
def maximum_not_carried(ref, q, k, v, **options):
    """The maximum that goes on to the next turn is the one from the start, not the new one, and what was summed under
    the new one is then shrunk by the wrong factor. The turn returns the new maximum, with the new sum and the new
    output."""
    own = ref.__globals__["absorb"]
    with _instead(ref, absorb=lambda state, scores, values: (state[0], *own(state, scores, values)[1:])):
        return ref(q, k, v, **options)


@mistake(each=(True,))
def divided_in_the_loop(ref, q, k, v, *, each=False, **options):
    """The output is divided by the sum in each turn. The next turn adds to it what is not divided yet, and shrinks and
    divides the old part once more. Carry the sum and the undivided output, and divide once, after the loop."""
    own = ref.__globals__["absorb"]

    def absorb(state, scores, values):
        top, total, output = state
        new_top, new_total, new_output = own((top, jnp.zeros_like(total), output) if each else state, scores, values)
        if each:  # the part of this block alone is divided, by its own sum
            shrink = jnp.exp(top - new_top)
            part = (new_output - shrink * output) / jnp.where(new_total == 0, 1, new_total)
            return new_top, jnp.where(new_top > -1e38, 1, 0), shrink * output + part
        return (
            new_top,
            jnp.where(new_total == 0, 0, 1) * new_total,
            new_output / jnp.where(new_total == 0, 1, new_total),
        )

    class Undivided(_Jnp):
        def where(self, condition, one, other):  # by which the reference keeps from dividing by 0
            return jnp.ones_like(other) if isinstance(one, int) else jnp.where(condition, one, other)

    with _instead(ref, absorb=absorb, jnp=Undivided()):
        return ref(q, k, v, **options)


@mistake
def no_maximum(ref, q, k, v, **options):
    """No maximum is taken off the scores, and exp overflows: logits in the hundreds give inf / inf = NaN. Keep a
    running maximum for each query, and shrink what was summed whenever it rises."""

    def absorb(state, scores, values):
        top, total, output = state
        weights = jnp.exp(scores)
        product = jnp.dot(weights.astype(values.dtype), values, preferred_element_type=output.dtype)
        return top, total + weights.sum(axis=1, keepdims=True), output + product

    with _instead(ref, absorb=absorb):
        return ref(q, k, v, **options)


@mistake(misconception="padded_keys_counted")
def padding_counted(ref, q, k, v, **options):
    """The padding after the last key takes part: a key of zeros has the score 0 and so a weight like any other. Where
    T_k is no multiple of block_k, hide the scores of the last tile whose key index is T_k or more."""
    own = ref.__globals__["visible"]

    def visible(tile, place, start, t_k, causal):
        return own(tile, place, start, 1 << 30, causal)

    with _instead(ref, visible=visible):
        return ref(q, k, v, **options)


@mistake(in_maps=(True,))
def grid_axes_swapped(ref, q, k, v, *, in_maps=False, **options):
    """The axes of the grid and the indices of an index map are not in one order: one has (query block, head), the other
    (head, query block). An index map gets the grid's indices in the grid's order, and `pl.program_id(i)` counts its
    axes in the same order. Blocks that no step writes hold whatever was there."""

    def pallas_call(kernel, *, grid, in_specs, out_specs, **rest):
        if not in_maps:
            return pl.pallas_call(kernel, grid=grid[::-1], in_specs=in_specs, out_specs=out_specs, **rest)
        swapped = pl.BlockSpec(out_specs.block_shape, lambda block, head: (head, block, 0))
        return pl.pallas_call(kernel, grid=grid, in_specs=[swapped, *in_specs[1:]], out_specs=swapped, **rest)

    with _instead(ref, pl=_Pallas(pallas_call)):
        return ref(q, k, v, **options)


@mistake
def aligned_at_the_start(ref, q, k, v, **options):
    """The causal mask is aligned at the start: query i sees the keys up to i. The queries are the last T_q of the T_k
    tokens, so query i stands at i + (T_k - T_q), in the mask and in the bound of the loop."""
    own, shift = dict(ref.__globals__), k.shape[1] - q.shape[1]
    with _instead(
        ref,
        visible=lambda tile, place, *rest: own["visible"](tile, place - shift, *rest),
        blocks_to_visit=lambda first_hidden, *rest: own["blocks_to_visit"](first_hidden - shift, *rest),
    ):
        return ref(q, k, v, **options)


@mistake
def last_block_not_visited(ref, q, k, v, **options):
    """Under the causal mask the loop ends one block too early: the number of key blocks is rounded down, and the block
    that the diagonal cuts is left out where it is not whole. Round up: the blocks up to the last key that the last
    query of the block sees."""

    def blocks_to_visit(first_hidden, blocks, block_k, causal):
        return jnp.clip(first_hidden // block_k, 0, blocks) if causal else blocks

    with _instead(ref, blocks_to_visit=blocks_to_visit):
        return ref(q, k, v, **options)


@mistake
def maximum_starts_at_zero(ref, q, k, v, **options):
    """The running maximum starts at 0, so it never falls below 0. Where all scores of a query are far below, every exp
    is 0, and so are sum and output. Start at the smallest number of the dtype."""
    own = ref.__globals__["absorb"]

    def absorb(state, scores, values):
        top, total, output = state
        return own((jnp.maximum(top, 0.0), total, output), scores, values)

    with _instead(ref, absorb=absorb):
        return ref(q, k, v, **options)


@mistake
def loop_past_the_last_block(ref, q, k, v, **options):
    """Under the causal mask the loop runs past the last block of keys. The last block of queries may end beyond the
    last key, and the bound that follows from its place has to be cut off at the number of blocks. Interpreted, the read
    is moved back and the mask hides it; on a device it is somebody else's memory."""

    def blocks_to_visit(first_hidden, blocks, block_k, causal):
        return jnp.maximum((first_hidden + block_k - 1) // block_k, 0) + 1 if causal else blocks

    with _instead(ref, blocks_to_visit=blocks_to_visit):
        return ref(q, k, v, **options)


@mistake(misconception="nan_where_nothing_is_seen")
def divided_by_zero(ref, q, k, v, *, causal=False, **options):
    """A query without a key is NaN: its sum is 0, and 0 / 0 is NaN. With T_q > T_k under a causal mask the first T_q -
    T_k queries are such, and their row has to be zeros. Divide by 1 where the sum is 0."""
    output = ref(q, k, v, causal=causal, **options)
    dead = jnp.arange(q.shape[1]) < q.shape[1] - k.shape[1] if causal else jnp.zeros(q.shape[1], bool)
    return jnp.where(dead[:, None], jnp.nan, output)


@mistake(misconception="mean_where_nothing_is_seen")
def average_of_what_is_hidden(ref, q, k, v, **options):
    """A query without a key gets an average of values that it must not see. Its hidden scores are a finite number such
    as -1e30, which becomes the maximum, and exp(-1e30 - -1e30) is 1. Hide with -inf under a finite maximum, or set the
    weights of hidden keys to 0 after the exponential."""
    own = ref.__globals__["absorb"]
    with _instead(ref, absorb=lambda state, scores, values: own(state, jnp.maximum(scores, -1e30), values)):
        return ref(q, k, v, **options)


# --- The values are right, and the program is not what was asked for


def _attend(q, k, v, causal):
    """Attention without a kernel."""
    scores = jnp.einsum("nqh,nkh->nqk", q, k, preferred_element_type=jnp.float32) / q.shape[-1] ** 0.5
    mask = jnp.tri(q.shape[1], k.shape[1], k.shape[1] - q.shape[1], dtype=bool) if causal else True
    weights = jax.nn.softmax(jnp.where(mask, scores, -jnp.inf), axis=-1, where=jnp.broadcast_to(mask, scores.shape))
    return jnp.einsum("nqk,nkh->nqh", weights.astype(v.dtype), v, preferred_element_type=jnp.float32).astype(q.dtype)


@mistake
def no_kernel(ref, q, k, v, *, causal=False, **options):
    """There is no `pallas_call`: this is ordinary attention in JAX, with all scores in memory at once. The values are
    right; the exercise is the kernel."""
    return _attend(q, k, v, causal)


@mistake
def kernel_that_copies(ref, q, k, v, *, causal=False, interpret=False, **options):
    """The attention is computed outside, and the kernel only copies the result. The scores, the softmax and both
    products belong inside of the kernel, a tile at a time."""

    def copy(x_ref, o_ref):
        o_ref[...] = x_ref[...]

    return pl.pallas_call(copy, out_shape=jax.ShapeDtypeStruct(q.shape, q.dtype), interpret=interpret)(
        _attend(q, k, v, causal)
    )


@mistake
def visits_every_block(ref, q, k, v, **options):
    """Under the causal mask every query block visits all key blocks, and the mask throws half of the work away. The
    number of blocks to visit depends on the query
    block: give `fori_loop` an upper bound computed from `pl.program_id`."""
    with _instead(ref, blocks_to_visit=lambda first_hidden, blocks, block_k, causal: blocks):
        return ref(q, k, v, **options)


@mistake
def all_keys_in_one_tile(ref, q, k, v, *, block_k=128, **options):
    """There is no loop over key blocks: the kernel makes the scores of a query block with all keys, (block_q, T_k), at
    once. That is the softmax of problem 31 for a few queries; its memory grows with the sequence. Take block_k keys at
    a time, with the online softmax of problem 39."""
    return ref(q, k, v, block_k=max(16, pl.next_power_of_2(k.shape[1])), **options)


@mistake
def statistics_in_rows(ref, q, k, v, **options):
    """The kernel also writes a statistic with one number for each query, in blocks of shape (1, block_q) of an (N, T_q)
    array, and a TPU refuses them. The last two sides of a block must be multiples of 8 and 128, or whole axes. Keep the
    statistics in the loop, or give their array a last axis of 1: (N, T_q, 1)."""

    def pallas_call(kernel, *, out_specs, out_shape, **rest):
        def with_totals(*refs):
            kernel(*refs[:-1])
            refs[-1][...] = jnp.zeros(refs[-1].shape, jnp.float32)

        rows = pl.BlockSpec(out_specs.block_shape[:-1], lambda head, block: (head, block))
        call = pl.pallas_call(
            with_totals,
            out_specs=[out_specs, rows],
            out_shape=[out_shape, jax.ShapeDtypeStruct(out_shape.shape[:-1], jnp.float32)],
            **rest,
        )
        return lambda *arrays: call(*arrays)[0]

    with _instead(ref, pl=_Pallas(pallas_call)):
        return ref(q, k, v, **options)


class _Loaded:
    """What a ref held, cut like a ref."""

    def __init__(self, ref):
        self.value, self.shape = ref[...], ref.shape

    def __getitem__(self, index):
        return jax.lax.dynamic_slice_in_dim(self.value, index[0].start, index[0].size)


@mistake
def sliced_after_loading(ref, q, k, v, **options):
    """The kernel loads all keys of the head, and then cuts each block out with `dynamic_slice`. A ref is memory, and
    what is loaded from it is a value in registers, which cannot be cut at an index that is not known. Cut while
    loading: `k_ref[pl.ds(start, block_k), :]`."""
    own = ref.__globals__["kernel"]

    def kernel(q_ref, k_ref, v_ref, o_ref, **sizes):
        own(q_ref, _Loaded(k_ref), _Loaded(v_ref), o_ref, **sizes)

    with _instead(ref, kernel=kernel):
        return ref(q, k, v, **options)


@mistake
def summed_in_half_precision(ref, q, k, v, **options):
    """With bfloat16 inputs the product of weights and values is summed in bfloat16, whose 8 bits lose the small terms
    of a long sum. Ask for float32 with `preferred_element_type=jnp.float32`."""
    with _instead(ref, jnp=_HalfDots()):
        return ref(q, k, v, **options)


class _HalfDots(_Jnp):
    """`jnp` whose `dot` keeps the dtype of its arguments."""

    def dot(self, a, b, preferred_element_type=None):
        return jnp.dot(a, b)
