"""32 · Multi-head attention as an NNX module. The lesson stands in README.md; `python -m grader 32` gives the
verdict."""

from flax import nnx
from jaxtyping import Array, Float


class MultiHeadAttention(nnx.Module):
    """Multi-head self-attention (Vaswani et al. 2017, section 3.2.2).

    Holds four projections and no other variables: `q_proj`, `k_proj`, `v_proj` and `o_proj`, each an
    `nnx.Linear(d_model, d_model)` without bias.
    """

    def __init__(self, d_model: int, num_heads: int, *, rngs: nnx.Rngs):
        """Makes the projections.

        Args:
            d_model: the width of a token, `num_heads` times the width of a head.
            num_heads: how many heads share that width.
            rngs: the random keys for the initial values; used here and not kept.

        Raises:
            ValueError: `d_model` is not a multiple of `num_heads`. The message is yours; name both numbers.
        """
        # TODO: refuse widths that do not divide; then the four projections.
        raise NotImplementedError

    def __call__(self, x: Float[Array, "... T d_model"]) -> Float[Array, "... T d_model"]:
        """Attends from each token to every token of the same sequence, in each head on its own.

        Args:
            x: one token a row, with any number of leading batch dimensions, none included.

        Returns:
            The heads' outputs side by side, head 0 first, projected by `o_proj`; shape and dtype are those of `x`,
            whose dtype the parameters have too. Head `n` works on features `n*H .. (n+1)*H` of the projected queries,
            keys and values, where `H = d_model // num_heads`, and is scaled by `1 / sqrt(H)`.
        """
        # TODO: project, split into heads, attend, join the heads, project out.
        raise NotImplementedError
