"""50 · The sliding window. The lesson stands in README.md; `python -m grader 50` gives the verdict."""

from flax import nnx
from jaxtyping import Array, Float


def sliding_window_attention(
    q: Float[Array, "T N H"], k: Float[Array, "T N H"], v: Float[Array, "T N H"], window: int, sinks: int = 0
) -> Float[Array, "T N H"]:
    """Causal attention to the last `window` tokens (Beltagy et al. 2020, section 3.1) and to the first `sinks` tokens
    (Xiao et al. 2023, section 3.2): query `i` sees key `j` when `i - window < j <= i`, or when `j < sinks` and
    `j <= i`. Each key that it sees counts once.

    Args:
        q: one query for each token and head.
        k: one key for each token and head, of the same width.
        v: one value for each token and head, of the same width.
        window: how many tokens a query sees, itself included: 1 or more, a Python integer of any relation to `T`.
        sinks: how many tokens from the first on stay visible to all that come later: 0 or more, a Python integer of any
            relation to `T`.

    Returns:
        For each query and head the average of the values that it sees, in the dtype of the inputs. Weights are
        computed in float32. Work and memory are linear in `T` at a fixed window, and no larger where window or sinks
        are far beyond `T` than where they are `T`. The program grows neither with `T` nor with the window.
    """
    # TODO: bring each query together with the keys near it, and with the sinks; hide what it may not see; one softmax
    # over both.
    raise NotImplementedError


class RollingCacheAttention(nnx.Module):
    """Multi-head self-attention to the last `window` tokens, taken in one at a time, with a cache that is as long as
    the window (Jiang et al. 2023, section 2).

    Holds four projections, `q_proj`, `k_proj`, `v_proj` and `o_proj`, each an `nnx.Linear(d_model, d_model)` without
    bias, and three variables of the kind `nnx.Cache`: `k_cache` and `v_cache`, zeros of shape
    `(window, num_heads, head_dim)`, and `pos`, an int32 scalar, the number of tokens that came. The caches are float32,
    as those of problem 36 are, and all three keep kind, shape and dtype through every call. Which slot holds which
    token is free.
    """

    def __init__(self, d_model: int, num_heads: int, window: int, *, rngs: nnx.Rngs):
        """Makes the projections and empty caches.

        Args:
            d_model: the width of a token, a multiple of `num_heads`.
            num_heads: how many heads share that width; `head_dim` is `d_model // num_heads`.
            window: how many tokens a token sees, itself included: 1 or more.
            rngs: the random keys for the initial values; used here and not kept.
        """
        # TODO: the four projections, the two caches and the position.
        raise NotImplementedError

    def __call__(self, x: Float[Array, "d_model"]) -> Float[Array, "d_model"]:
        """Takes in the next token, and attends from it to the last `window` tokens, itself included.

        Args:
            x: the next token. Up to 2**31 - 1 tokens may come, and any number of steps is traced once.

        Returns:
            The token's output, of the dtype of `x`.
        """
        # TODO: project, split into heads, write over the oldest token, advance the position, attend to the slots that
        # are written, join, project out.
        raise NotImplementedError
