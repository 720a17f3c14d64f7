"""45 · A language model. The lesson stands in README.md; `python -m grader 45` gives the verdict."""

from collections.abc import Callable

from flax import nnx
from jaxtyping import Array, Float, Int


class LanguageModel(nnx.Module):
    """A decoder of any blocks: tokens in, logits for the next token out (Radford et al. 2019, section 2; tied
    embeddings as in Press and Wolf 2017).

    Holds `embed`, an `nnx.Embed(vocab_size, d_model)`; `blocks`, the parameters of `num_layers` blocks, each stacked
    along a new first axis, so that what a block calls `mlp.up.kernel` is `blocks.mlp.up.kernel` here, of shape
    `(num_layers, d_model, d_ff)`; and `final_norm`, an `nnx.RMSNorm(d_model)`. There are no other variables, no array
    beside them, and no head: the table of embeddings serves at both ends.
    """

    def __init__(
        self, make_block: Callable[..., nnx.Module], vocab_size: int, d_model: int, num_layers: int, *, rngs: nnx.Rngs
    ):
        """Makes the embeddings, the stacked blocks and the norm.

        Args:
            make_block: `make_block(rngs=rngs)` returns a module that maps `(..., T, d_model)` to the same shape and
                holds parameters only. It may be called any number of times, also under a transform.
            vocab_size: how many different tokens there are.
            d_model: the width of a token.
            num_layers: how many blocks stand one behind the other, 1 or more.
            rngs: the random keys for the initial values; used here and not kept. Each layer draws its own from them,
                independently of the others, and another seed gives other values.
        """
        # TODO: the embeddings, num_layers blocks with their parameters stacked, the norm.
        raise NotImplementedError

    def __call__(self, tokens: Int[Array, "*batch T"]) -> Float[Array, "*batch T vocab_size"]:
        """Embeds the tokens, sends them through the blocks in order, norms, and multiplies with the transposed table.

        Args:
            tokens: `int32`, each at least 0 and below `vocab_size`, with any leading dimensions or none.

        Returns:
            At each position a logit for every token of the vocabulary. The program is as long for 24 layers as for 12,
            and its loop is not unrolled.
        """
        # TODO: look up, scan one block over the layers, norm, project onto the vocabulary.
        raise NotImplementedError
