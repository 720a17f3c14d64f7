"""41 · Sampling the next token. The lesson stands in README.md; `python -m grader 41` gives the verdict."""

from jaxtyping import Array, Float, Int, Key


def filter_logits(
    logits: Float[Array, "... V"],
    temperature: Float[Array, ""],
    top_k: int | None = None,
    top_p: Float[Array, ""] | None = None,
) -> Float[Array, "... V"]:
    """The logits at a temperature, without the entries that are not to be drawn: top-k (Fan et al. 2018), then top-p
    (Holtzman et al. 2020, there called nucleus sampling).

    Args:
        logits: unnormalised log-probabilities over a vocabulary of `V` tokens. An entry may be -inf, one at least is
            finite.
        temperature: what the logits are divided by, greater than 0, and so large that finite ones stay finite. An
            array, so that one program serves every value.
        top_k: keep the `top_k` largest entries and whatever equals the last of them. A Python integer of 1 or more;
            more than `V` filters nothing, nor does None.
        top_p: keep an entry when all strictly larger ones, among those that `top_k` left and renormalised over them,
            have less than `top_p` of the probability. An array in (0, 1]; 1, but for rounding, and None filter nothing.

    Returns:
        The logits divided by the temperature, and -inf where they are filtered, of the dtype of `logits`. Which entries
        stay is decided in float32.
    """
    # TODO: the temperature, then the k-th largest, then the sum of what is larger; in their order of the vocabulary.
    raise NotImplementedError


def sample_token(
    key: Key[Array, ""],
    logits: Float[Array, "... V"],
    temperature: Float[Array, ""],
    top_k: int | None = None,
    top_p: Float[Array, ""] | None = None,
) -> Int[Array, "..."]:
    """Draws a token from the softmax of what `filter_logits` gives; each place of the leading axes on its own.

    Args:
        key: a typed key. The same key gives the same tokens.
        logits: as for `filter_logits`.
        temperature: as for `filter_logits`, or 0: then the largest logit is taken, the first of equals, whatever the
            key and the filters. One program serves 0 and every other value.
        top_k: as for `filter_logits`.
        top_p: as for `filter_logits`.

    Returns:
        Token numbers from 0 to `V - 1`, int32. Probabilities, or the noise in their place, are float32, whatever the
        dtype of `logits`.
    """
    # TODO: both answers, and a choice between them that no Python `if` makes.
    raise NotImplementedError
