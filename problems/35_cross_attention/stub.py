"""35 · Cross-attention. The lesson stands in README.md; `python -m grader 35` gives the verdict."""

from flax import nnx
from jaxtyping import Array, Bool, Float


class CrossAttention(nnx.Module):
    """Multi-head attention from one sequence to another (Vaswani et al. 2017, section 3.2.3, "encoder-decoder
    attention").

    Holds four projections and no other variables, each an `nnx.Linear` without bias: `q_proj` and `o_proj` from
    `d_model` to `d_model`, `k_proj` and `v_proj` from `d_context` to `d_model`.
    """

    def __init__(self, d_model: int, d_context: int, num_heads: int, *, rngs: nnx.Rngs):
        """Makes the projections.

        Args:
            d_model: the width of a token of `x`, a multiple of `num_heads`.
            d_context: the width of a token of the context.
            num_heads: how many heads share the width `d_model`.
            rngs: the random keys for the initial values; used here and not kept.
        """
        # TODO: the four projections.
        raise NotImplementedError

    def __call__(
        self,
        x: Float[Array, "... T_q d_model"],
        context: Float[Array, "... T_k d_context"],
        context_mask: Bool[Array, "... T_k"] | None = None,
    ) -> Float[Array, "... T_q d_model"]:
        """Attends from each token of `x` to the tokens of the context, in each head on its own.

        Args:
            x: the tokens that ask, one a row.
            context: the tokens that are asked, one a row, with the same leading batch dimensions as `x`: any number,
                none included.
            context_mask: True where a context token may be attended to, with the same leading dimensions again; None:
                all may.

        Returns:
            The heads' outputs side by side, head 0 first, projected by `o_proj`; shape and dtype are those of `x`,
            whose dtype the context and the parameters have too. Head `n` works on features `n*H .. (n+1)*H` of the
            projected queries, keys and values, where `H = d_model // num_heads`, and is scaled by `1 / sqrt(H)`. Where
            every token of a context is masked, the rows are zeros, and every gradient is finite.
        """
        # TODO: project x and the context, split into heads, attend under the mask, join the heads, project out.
        raise NotImplementedError
