"""55 · Additive attention. The lesson stands in README.md; `python -m grader 55` gives the verdict."""

from flax import nnx
from jaxtyping import Array, Bool, Float, Float32


class AdditiveAttention(nnx.Module):
    """Attention whose scores are a network with one hidden layer, over the sum of a projected query and a projected
    key (Bahdanau et al. 2014, equations 5 and 6 and appendix A.1.2).

    Holds three layers and no other variables, each an `nnx.Linear` without bias: `query_proj` from `d_query` to
    `d_attention`, `key_proj` from `d_key` to `d_attention`, and `score` from `d_attention` to 1.
    """

    def __init__(self, d_query: int, d_key: int, d_attention: int, *, rngs: nnx.Rngs):
        """Makes the three layers.

        Args:
            d_query: the width of a query.
            d_key: the width of a key, and of the context.
            d_attention: how many hidden units compare a query with a key; of any relation to the other two.
            rngs: the random keys for the initial values; used here and not kept.
        """
        # TODO: the three layers.
        raise NotImplementedError

    def __call__(
        self,
        query: Float[Array, "... d_query"],
        keys: Float[Array, "... T d_key"],
        mask: Bool[Array, "... T"] | None = None,
    ) -> tuple[Float[Array, "... d_key"], Float32[Array, "... T"]]:
        """Attends from one query to the keys of its sequence, which are the values too.

        Args:
            query: one query for each sequence, with any number of leading dimensions, none included.
            keys: one key a row, with the same leading dimensions as the query.
            mask: True where a key may be attended to, with the same leading dimensions again; None: all may.

        Returns:
            The context and the weights. The weights are the softmax over the keys of
            `score(tanh(query_proj(query) + key_proj(keys)))`, which is not scaled; they are float32, also for bfloat16
            keys. The context is the sum of the keys themselves, each times its weight, in the dtype of the keys. Where
            no key may be attended to, both are zeros, and every gradient is finite. What stands at a masked key, any
            finite number, reaches neither.
        """
        # TODO: compare the query with every key, hide what is masked, take the softmax, and average the keys.
        raise NotImplementedError
