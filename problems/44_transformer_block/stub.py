"""44 · The transformer block. The lesson stands in README.md; `python -m grader 44` gives the verdict."""

from flax import nnx
from jaxtyping import Array, Float


class FeedForward(nnx.Module):
    """The feed-forward network of the first transformers, without biases (Vaswani et al. 2017, equation 2).

    Holds `up`, an `nnx.Linear(d_model, d_ff)`, and `down`, an `nnx.Linear(d_ff, d_model)`, both without bias, and no
    other variables.
    """

    def __init__(self, d_model: int, d_ff: int, *, rngs: nnx.Rngs):
        """Makes the two layers.

        Args:
            d_model: the width of a token.
            d_ff: how many hidden units there are.
            rngs: the random keys for the initial values; used here and not kept.
        """
        # TODO: the two layers.
        raise NotImplementedError

    def __call__(self, x: Float[Array, "... T d_model"]) -> Float[Array, "... T d_model"]:
        """`down(relu(up(x)))`, for each token by itself.

        Args:
            x: one token a row, with any number of leading batch dimensions, none included.

        Returns:
            The same shape and dtype as `x`.
        """
        # TODO: up, relu, down.
        raise NotImplementedError


class GatedFeedForward(nnx.Module):
    """A feed-forward network whose hidden units are gated: SwiGLU (Shazeer 2020, equation 6).

    Holds `gate` and `up`, each an `nnx.Linear(d_model, d_ff)`, and `down`, an `nnx.Linear(d_ff, d_model)`, all without
    bias, and no other variables.
    """

    def __init__(self, d_model: int, d_ff: int, *, rngs: nnx.Rngs):
        """Makes the three layers.

        Args:
            d_model: the width of a token.
            d_ff: how many hidden units there are, of the gate and of what it gates alike.
            rngs: the random keys for the initial values; used here and not kept.
        """
        # TODO: the three layers.
        raise NotImplementedError

    def __call__(self, x: Float[Array, "... T d_model"]) -> Float[Array, "... T d_model"]:
        """`down(silu(gate(x)) * up(x))`, for each token by itself.

        Args:
            x: one token a row, with any number of leading batch dimensions, none included.

        Returns:
            The same shape and dtype as `x`. Neither it nor a gradient overflows where the gate's inputs are some
            hundreds in size.
        """
        # TODO: the hidden units, and their gates; down.
        raise NotImplementedError


class TransformerBlock(nnx.Module):
    """One block of a decoder with the norms in front (Xiong et al. 2020, figure 1 (b)), as in LLaMA (Touvron et al.
    2023, section 2.2): RMSNorm, causal attention, RMSNorm, a gated feed-forward network.

    Holds `attn_norm` and `mlp_norm`, each an `nnx.RMSNorm(d_model)`; `attn`, a module with `q_proj`, `k_proj`, `v_proj`
    and `o_proj`, each an `nnx.Linear(d_model, d_model)` without bias; and `mlp`, a `GatedFeedForward(d_model, d_ff)`.
    So the parameters are `attn_norm.scale`, `attn.q_proj.kernel`, `mlp.gate.kernel` and so on; there are no other
    variables. Write the class of `attn` into this file.
    """

    def __init__(self, d_model: int, num_heads: int, d_ff: int, *, rngs: nnx.Rngs):
        """Makes the four parts.

        Args:
            d_model: the width of a token, a multiple of `num_heads`.
            num_heads: how many heads share that width.
            d_ff: how many hidden units the feed-forward network has.
            rngs: the random keys for the initial values; used here and not kept.
        """
        # TODO: two norms, the attention, the feed-forward network.
        raise NotImplementedError

    def __call__(self, x: Float[Array, "... T d_model"]) -> Float[Array, "... T d_model"]:
        """`h = x + attn(attn_norm(x))`, then `h + mlp(mlp_norm(h))`.

        Args:
            x: one token a row, with any number of leading batch dimensions, none included.

        Returns:
            The same shape and dtype as `x`, which is that of the parameters too. The attention is that of problem 32
            under the causal mask of problem 33.
            The norms and the softmax compute in float32, also for bfloat16 and float16; scores may be rounded to the
            dtype of `x` before the softmax, and what comes out of a norm before it goes on.
        """
        # TODO: each half reads through its norm and adds what it gives.
        raise NotImplementedError
