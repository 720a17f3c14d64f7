"""36 · The KV cache. The lesson stands in README.md; `python -m grader 36` gives the verdict."""

from flax import nnx
from jaxtyping import Array, Float


class CachedSelfAttention(nnx.Module):
    """Causal multi-head self-attention that remembers the keys and values of earlier calls (Shazeer 2019, section 2.4).

    Holds four projections, `q_proj`, `k_proj`, `v_proj` and `o_proj`, each an `nnx.Linear(d_model, d_model)` without
    bias, and three variables of the kind `nnx.Cache`: `k_cache` and `v_cache`, zeros of shape
    `(max_len, num_heads, head_dim)`, and `pos`, an int32 scalar, the number of tokens so far. They keep kind, shape and
    dtype through every call.
    """

    def __init__(self, d_model: int, num_heads: int, max_len: int, *, rngs: nnx.Rngs):
        """Makes the projections and empty caches.

        Args:
            d_model: the width of a token, a multiple of `num_heads`.
            num_heads: how many heads share that width; `head_dim` is `d_model // num_heads`.
            max_len: how many tokens the caches have room for.
            rngs: the random keys for the initial values; used here and not kept.
        """
        # TODO: the four projections, the two caches and the position.
        raise NotImplementedError

    def __call__(self, x: Float[Array, "T d_model"]) -> Float[Array, "T d_model"]:
        """Writes the keys and values of the next `T` tokens at `pos`, advances `pos` by `T`, and attends causally to
        everything so far.

        Args:
            x: the next tokens, one a row. `T` is 1 or more, and `pos + T` is never more than `max_len`.

        Returns:
            One row for each of these tokens, of the dtype of `x`: what causal multi-head attention over the whole
            sequence gives for it, however the sequence is cut into calls.
        """
        # TODO: project, split into heads, write to the caches, attend to what may be seen, advance the position, join,
        # project out.
        raise NotImplementedError
