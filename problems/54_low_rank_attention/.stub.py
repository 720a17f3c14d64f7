"""54 · Low-rank attention. The lesson stands in README.md; `python -m grader 54` gives the verdict."""

from flax import nnx
from jaxtyping import Array, Float


class LowRankAttention(nnx.Module):
    """Multi-head self-attention to `rank` mixtures of the tokens instead of the tokens themselves (Wang et al. 2020,
    section 4, with the sharing between heads that it calls headwise).

    Holds six layers without bias and no other variables: `q_proj`, `k_proj`, `v_proj` and `o_proj`, each an
    `nnx.Linear(d_model, d_model)`, and `k_down` and `v_down`, each an `nnx.Linear(max_len, rank)`, whose kernels are
    applied along time.
    """

    def __init__(self, d_model: int, num_heads: int, max_len: int, rank: int, *, rngs: nnx.Rngs):
        """Makes the projections, and the two layers that bring keys and values down.

        Args:
            d_model: the width of a token, a multiple of `num_heads`.
            num_heads: how many heads share that width; `head_dim` is `d_model // num_heads`.
            max_len: how many tokens a sequence has at most.
            rank: how many rows of keys and of values each head attends to; it may be more than `max_len`.
            rngs: the random keys for the initial values; used here and not kept.
        """
        # TODO: the four projections, and the two layers along time.
        raise NotImplementedError

    def __call__(self, x: Float[Array, "... T d_model"]) -> Float[Array, "... T d_model"]:
        """Attends from each token to the `rank` rows that keys and values of its sequence are brought down to.

        Args:
            x: one token a row, with any number of leading batch dimensions, none included. `T` is 1 or more and at most
                `max_len`; it may differ from call to call.

        Returns:
            The heads' outputs side by side, projected by `o_proj`; shape and dtype are those of `x`. Row `r` of the
            keys is the sum over the tokens `t` of `k_down.kernel[t, r]` times the projected key of token `t`, and of
            the values the same with `v_down`: the first `T` rows of a kernel count, for every head alike. Every query
            attends to all `rank` rows, and scores are scaled by `1 / sqrt(head_dim)`. For a `T` that is large against
            every other size no array with `T * T` elements or more is made on the way.
        """
        # TODO: project, bring keys and values down, split into heads, attend, join, project out.
        raise NotImplementedError
