"""38 · Decaying attention. The lesson stands in README.md; `python -m grader 38` gives the verdict."""

from flax import nnx
from jaxtyping import Array, Float


def distance_bias(t_q: int, t_k: int) -> Float[Array, "t_q t_k"]:
    """How far each key stands from each query.

    Args:
        t_q: how many queries, a Python integer.
        t_k: how many keys, a Python integer.

    Returns:
        `|i - j|` for query i and key j, both counted from 0, as float32. Any two lengths are allowed.
    """
    # TODO: one difference of positions.
    raise NotImplementedError


def biased_attention(
    q: Float[Array, "... T_q d_k"],
    k: Float[Array, "... T_k d_k"],
    v: Float[Array, "... T_k d_v"],
) -> Float[Array, "... T_q d_v"]:
    """Attention whose scores grow with the distance: `q kᵀ + |i - j|`, with a plus and without a scale.

    Args:
        q: one query a row; one sequence, `(T_q, d_k)`, or a batch of them, `(B, T_q, d_k)`.
        k: one key a row, of the same width as the queries, in as many sequences.
        v: one value a row, one for each key, of any width, in as many sequences.

    Returns:
        For each query the average of the values, weighted by the softmax over the keys of the scores. The dtype is that
        of the inputs, for `float16` and `bfloat16` as well.

    Raises:
        ValueError: queries and keys are not of one width, or the three batch sizes are not equal: a batch of 1 against
            more is refused too.
    """
    # TODO: refuse what does not fit; then scores, weights, output.
    raise NotImplementedError


class DecayingAttention(nnx.Module):
    """Attention in which each head forgets with the distance, at a rate that it learns.

    Holds one variable and no other: `log_alpha`, an `nnx.Param` of zeros, float32, one for each head: `(num_heads,)`.
    """

    def __init__(self, num_heads: int, *, rngs: nnx.Rngs):
        """Makes the parameter.

        Args:
            num_heads: how many heads there are.
            rngs: taken because every module of the track takes it; zeros need no random key.
        """
        # TODO: the parameter.
        raise NotImplementedError

    def __call__(
        self,
        q: Float[Array, "... T N H"],
        k: Float[Array, "... T N H"],
        v: Float[Array, "... T N H"],
        causal: bool = False,
    ) -> Float[Array, "... T N H"]:
        """Attends in each head on its own, from each token to the tokens of the same sequence.

        Args:
            q: queries, projected and split into heads already, with any number of leading batch dimensions, none
                included.
            k: keys, likewise.
            v: values, likewise.
            causal: a Python bool; True hides from token i all tokens after it.

        Returns:
            The heads' outputs, not joined; shape and dtype are those of `q`. The scores of head n are
            `q kᵀ / sqrt(H) - exp(log_alpha[n]) * |i - j|`, and gradients reach `log_alpha` through them.
        """
        # TODO: scores of each head, its own decay, the mask if asked for, weights, output.
        raise NotImplementedError
