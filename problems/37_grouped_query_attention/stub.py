"""37 · Grouped-query attention. The lesson stands in README.md; `python -m grader 37` gives the verdict."""

from flax import nnx
from jaxtyping import Array, Float


class GroupedQueryAttention(nnx.Module):
    """Self-attention in which groups of query heads share a key/value head (Ainslie et al. 2023; with one key/value
    head, Shazeer 2019).

    Holds four projections and no other variables, each an `nnx.Linear` without bias: `q_proj` and `o_proj` from
    `d_model` to `d_model`, `k_proj` and `v_proj` from `d_model` to `num_kv_heads * head_dim`, where
    `head_dim = d_model // num_heads`.
    """

    def __init__(self, d_model: int, num_heads: int, num_kv_heads: int, *, rngs: nnx.Rngs):
        """Makes the projections.

        Args:
            d_model: the width of a token, a multiple of `num_heads`.
            num_heads: how many heads the queries have; they share the width `d_model`.
            num_kv_heads: how many heads the keys and the values have, each as wide as a query head.
            rngs: the random keys for the initial values; used here and not kept.

        Raises:
            ValueError: `num_heads` is not a multiple of `num_kv_heads`.
        """
        # TODO: refuse heads that do not make equal groups; then the four projections.
        raise NotImplementedError

    def __call__(self, x: Float[Array, "... T d_model"]) -> Float[Array, "... T d_model"]:
        """Attends from each token to every token of the same sequence; query head `n` reads key/value head
        `n // (num_heads // num_kv_heads)`.

        Keys and values are never copied out to `num_heads` heads: no array made of keys or values alone has more
        elements than the keys.

        Args:
            x: one token a row, with any number of leading batch dimensions, none included.

        Returns:
            The outputs of the query heads side by side, head 0 first, projected by `o_proj`; shape and dtype are those
            of `x`, whose dtype the parameters have too. A head is a contiguous chunk of `head_dim` features, in the
            queries as in the keys and values, and is scaled by `1 / sqrt(head_dim)`.
        """
        # TODO: project, split into heads, attend group by group, join the heads, project out.
        raise NotImplementedError
