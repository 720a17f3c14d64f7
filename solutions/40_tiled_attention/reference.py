"""40 · The reference: one kernel for interpret mode, TPU and GPU. The algorithm is that of FlashAttention (Dao et al. 2022)."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import pallas as pl


def tiled_attention(q, k, v, *, block_q=128, block_k=128, causal=False, interpret=False):
    heads, t_q, width = q.shape
    t_k = k.shape[1]
    block_q, block_k = no_longer_than_needed(block_q, t_q), no_longer_than_needed(block_k, t_k)
    q, k, v = padded(q, block_q), padded(k, block_k), padded(v, block_k)

    queries = pl.BlockSpec((None, block_q, q.shape[2]), lambda head, block: (head, block, 0))
    all_keys = pl.BlockSpec((None, *k.shape[1:]), lambda head, block: (head, 0, 0))
    output = pl.pallas_call(
        functools.partial(kernel, t_q=t_q, t_k=t_k, block_k=block_k, causal=causal, scale=width ** -0.5),
        grid=(heads, q.shape[1] // block_q),
        in_specs=[queries, all_keys, all_keys],
        out_specs=queries,
        out_shape=jax.ShapeDtypeStruct(q.shape, q.dtype),
        interpret=interpret,
    )(q, k, v)
    return output[:, :t_q, :width]


def kernel(q_ref, k_ref, v_ref, o_ref, *, t_q, t_k, block_k, causal, scale):
    """One block of queries of one head: `q_ref` and `o_ref` are (block_q, width); `k_ref` and `v_ref` hold all keys and values of the head."""
    q = q_ref[...]
    block_q, width = q.shape
    high = jnp.promote_types(q.dtype, jnp.float32)
    # Query 0 of the block stands at this place among the keys: the last of all queries stands at the last key.
    place = pl.program_id(1) * block_q + (t_k - t_q)

    def visit(block, state):
        start = block * block_k
        keys, values = k_ref[pl.ds(start, block_k), :], v_ref[pl.ds(start, block_k), :]
        scores = scale * jax.lax.dot_general(q, keys, (((1,), (1,)), ((), ())), preferred_element_type=high)
        return absorb(state, jnp.where(visible(scores.shape, place, start, t_k, causal), scores, -jnp.inf), values)

    # The maximum starts at a finite number, so that -inf minus the maximum is never NaN.
    nothing = jnp.full((block_q, 1), jnp.finfo(high).min, high), jnp.zeros((block_q, 1), high), jnp.zeros((block_q, width), high)
    count = blocks_to_visit(place + block_q, k_ref.shape[0] // block_k, block_k, causal)
    _, total, output = jax.lax.fori_loop(0, count, visit, nothing)
    o_ref[...] = (output / jnp.where(total == 0, 1, total)).astype(o_ref.dtype)


def absorb(state, scores, values):
    """The online softmax: the state after one more block of keys. What was summed under an old maximum shrinks to the new one."""
    top, total, output = state
    new_top = jnp.maximum(top, scores.max(axis=1, keepdims=True))
    shrink = jnp.exp(top - new_top)
    weights = jnp.exp(scores - new_top)
    total = shrink * total + weights.sum(axis=1, keepdims=True)
    # A float32 weight is cast down to multiply bfloat16 values, but the products are summed in float32.
    output = shrink * output + jnp.dot(weights.astype(values.dtype), values, preferred_element_type=output.dtype)
    return new_top, total, output


def visible(tile, place, start, t_k, causal):
    """Which scores of a tile count: none of the padding after the last key, and under `causal` none of a later key."""
    key = start + jax.lax.broadcasted_iota(jnp.int32, tile, 1)
    query = place + jax.lax.broadcasted_iota(jnp.int32, tile, 0)
    return (key < t_k) & (key <= query) if causal else key < t_k


def blocks_to_visit(first_hidden, blocks, block_k, causal):
    """How many key blocks a query block reads. `first_hidden` is the first key that none of its queries sees; it may lie before key 0 or after the last."""
    return jnp.clip((first_hidden + block_k - 1) // block_k, 0, blocks) if causal else blocks


def no_longer_than_needed(block, length):
    """The block, or the power of two that holds the whole length, and at least the 16 rows that GPUs multiply at once."""
    return min(block, max(16, pl.next_power_of_2(length)))


def padded(x, block):
    """With rows of zeros up to a whole number of blocks, and columns of zeros up to a power of two, which Pallas's Triton backend asks for."""
    _, length, width = x.shape
    return jnp.pad(x, ((0, 0), (0, -length % block), (0, max(16, pl.next_power_of_2(width)) - width)))


def error_scale(q, k, v, **options):
    """How large the intermediate values are: (1 + max |score|) max |v|."""
    scores = q @ np.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1])
    return (1 + np.abs(scores).max()) * np.abs(v).max()
