"""57 · A recurrent decoder with attention. The lesson stands in README.md; `python -m grader 57` gives the verdict."""

from flax import nnx
from jaxtyping import Array, Bool, Float, Int


class AttentionDecoder(nnx.Module):
    """A GRU that looks at the keys before each step (Bahdanau et al. 2014, section 3.1 and appendix A.2.2; the gates as
    in today's libraries).

    Holds `embed`, an `nnx.Embed(vocab_size, d_embed)`; `attention`, an `AdditiveAttention(d_hidden, d_key,
    d_attention)`; and three layers, each an `nnx.Linear` without bias: `input_gates` from `d_embed + d_key` to
    `3 * d_hidden`, `hidden_gates` from `d_hidden` to `3 * d_hidden`, and `logits` from `d_hidden + d_key` to
    `vocab_size`. So the parameters are `embed.embedding`, `attention.query_proj.kernel`, `input_gates.kernel` and so
    on; there are no other variables. Write the class of `attention` into this file: your answer to problem 55 will do.
    """

    def __init__(self, vocab_size: int, d_embed: int, d_hidden: int, d_key: int, d_attention: int, *, rngs: nnx.Rngs):
        """Makes the embeddings, the attention and the three layers.

        Args:
            vocab_size: how many different tokens there are.
            d_embed: the width of an embedding.
            d_hidden: the width of the state, which is the query.
            d_key: the width of a key, and of a context.
            d_attention: how many hidden units compare the state with a key.
            rngs: the random keys for the initial values; used here and not kept.
        """
        # TODO: the embeddings, the attention, the layers of the gates and of the logits.
        raise NotImplementedError

    def __call__(
        self,
        tokens: Int[Array, "T"],
        keys: Float[Array, "S d_key"],
        state: Float[Array, "d_hidden"],
        mask: Bool[Array, "S"] | None = None,
    ) -> tuple[Float[Array, "T vocab_size"], Float[Array, "T S"], Float[Array, "d_hidden"]]:
        """Reads the tokens one after another, from the state that is given.

        Each step: the context of the state *before* the step, from the keys; `x = input_gates([e; context])` with the
        embedding `e` of the step's token, and `h = hidden_gates(state)`, each split into three, `r`, `z` and `n` in
        this order; `r = sigmoid(x_r + h_r)`, `z = sigmoid(x_z + h_z)`, `n = tanh(x_n + r * h_n)`; the new state is
        `(1 - z) * n + z * state`; the logits are those of `[new state; context]`, with the same context.

        Args:
            tokens: `int32`, each at least 0 and below `vocab_size`. Step `t` reads token `t`: nothing is shifted.
            keys: one key a row.
            state: the state before the first step.
            mask: True where a key may be attended to, the same at every step; None: all may. Where no key may be, the
                context and the weights are zeros, and the state goes on from the tokens.

        Returns:
            The logits of each step, the weights of each step over the keys, and the state after the last step. The
            program is as long for many tokens as for few, and its loop is not unrolled.
        """
        # TODO: scan one step over the tokens.
        raise NotImplementedError
