"""48 · Packed sequences: each is cut out and attends by itself, head by head; the blocks are how it is computed."""

import numpy as np

from tests.oracles.attention import attention


def segment_ids(cu_seqlens, total):
    ids = np.full(total, len(cu_seqlens) - 1, np.int32)
    for b, (begin, end) in enumerate(zip(cu_seqlens, cu_seqlens[1:])):
        for row in range(begin, end):
            ids[row] = b
    return ids


def packed_attention(q, k, v, cu_seqlens, causal=False):
    out = np.zeros(q.shape)
    for begin, end in zip(cu_seqlens, cu_seqlens[1:]):
        for n in range(q.shape[1]):
            if begin < end:
                own = slice(begin, end), n
                out[own] = attention(q[own], k[own], v[own], causal=causal)
    return out


def packed_blockwise_attention(q, k, v, cu_seqlens, block_size, causal=False):
    return packed_attention(q, k, v, cu_seqlens, causal)
