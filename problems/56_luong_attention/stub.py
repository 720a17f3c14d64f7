"""56 · Luong's scores, and local attention. The lesson stands in README.md; `python -m grader 56` gives the verdict."""

from flax import nnx
from jaxtyping import Array, Bool, Float


class LuongAttention(nnx.Module):
    """Attention with one of three scores, and what a decoder makes of its result (Luong et al. 2015, section 3.1).

    Holds `out_proj`, an `nnx.Linear(d_key + d_query, d_query)`; for the score "general" also `score_proj`, an
    `nnx.Linear(d_key, d_query)`; for "concat" `score_proj`, an `nnx.Linear(d_query + d_key, d_query)`, and
    `score_vector`, an `nnx.Linear(d_query, 1)`. All are without bias, and there are no other variables.
    """

    def __init__(self, d_query: int, d_key: int, score: str, *, rngs: nnx.Rngs):
        """Makes the layers that the score needs, and no others.

        Args:
            d_query: the width of a query.
            d_key: the width of a key.
            score: "dot", "general" or "concat".
            rngs: the random keys for the initial values; used here and not kept.

        Raises:
            ValueError: if `score` is another word, or if it is "dot" and the widths are not equal.
        """
        # TODO: refuse what has no score; make the layers.
        raise NotImplementedError

    def __call__(
        self,
        query: Float[Array, "... d_query"],
        keys: Float[Array, "... T d_key"],
        mask: Bool[Array, "... T"] | None = None,
    ) -> tuple[Float[Array, "... d_query"], Float[Array, "... T"]]:
        """One query's weights over the keys, and `tanh(out_proj([context; query]))`.

        The scores, none of which is scaled: "dot" is `q · k`, "general" is `q · score_proj(k)`, and "concat" is
        `score_vector(tanh(score_proj([q; k])))`. The weights are their softmax, and the context is the sum of the keys
        themselves, each times its weight.

        Args:
            query: one query, such as the state of a decoder.
            keys: what it looks at, such as the states of an encoder.
            mask: True where the query may attend; None where it may attend everywhere. All three have the same leading
                dimensions, none included. What stands at a masked key, any finite number, makes no difference.

        Returns:
            The output, in the dtype of the keys, and the weights, in float32. Where no key may be attended to, weights
            and context are zeros, and the output is what follows from that. Scores in the hundreds do not overflow, and
            every gradient is finite.
        """
        # TODO: scores; mask and softmax; context; the output.
        raise NotImplementedError


class LocalAttention(nnx.Module):
    """Attention to a window around a place that the query says (Luong et al. 2015, section 3.2, equations 9 and 10).

    Holds `position_proj`, an `nnx.Linear(d_query, d_query)`, and `position_vector`, an `nnx.Linear(d_query, 1)`, both
    without bias, and no other variables.
    """

    def __init__(self, d_query: int, half_width: int, *, rngs: nnx.Rngs):
        """Makes the two layers that say where to look.

        Args:
            d_query: the width of a query and of a key.
            half_width: how far the window reaches to either side of its centre, in keys; 1 or more.
            rngs: the random keys for the initial values; used here and not kept.
        """
        # TODO: the two layers.
        raise NotImplementedError

    def __call__(
        self,
        query: Float[Array, "d_query"],
        keys: Float[Array, "T d_query"],
        position: Float[Array, ""] | None = None,
    ) -> tuple[Float[Array, "d_query"], Float[Array, "T"]]:
        """The context of one query, from the keys in its window.

        The centre is `position`, or else `T * sigmoid(position_vector(tanh(position_proj(query))))`, where sigmoid and
        product are in float32. Key `s`, counted from 0, is in the window when `|s - centre| <= half_width`. Its weight
        is the softmax of `q · k`, not scaled, over the keys of the window alone, times
        `exp(-(s - centre)**2 / (2 * (half_width / 2)**2))`, and is not normalised again.

        Args:
            query: one query.
            keys: a sentence of `T` keys. The window may reach beyond one end of it, or both.
            position: the centre, a traced scalar in float32 with `0 <= position <= T`, whole or not; None where the
                query says it.

        Returns:
            The context, the sum of the keys times their weights, in the dtype of the keys; and the weights, in float32,
            which are 0 outside of the window. The centre has a gradient, through the Gaussian, and so has a given
            position.
        """
        # TODO: the centre; the window; the softmax and the Gaussian; the context.
        raise NotImplementedError
