"""46 · Generation. The lesson stands in README.md; `python -m grader 46` gives the verdict."""

from collections.abc import Callable
from typing import Any

from jaxtyping import Array, Float, Int32, Key

State = Any  # a pytree of arrays


def generate(
    step: Callable[[State, Int32[Array, ""]], tuple[State, Float[Array, "V"]]],
    state: State,
    prompt: Int32[Array, "P"],
    num_tokens: int,
    key: Key[Array, ""],
    temperature: Float[Array, ""],
    eos: int | None = None,
) -> Int32[Array, "num_tokens"]:
    """Continues a text: what is drawn is fed in again (Graves 2013, section 1).

    Args:
        step: takes a state and a token, and returns the next state and the logits of the token that follows. It is a
            pure function, and is applied exactly `P + num_tokens - 1` times.
        state: the state before the prompt. Each next one has its structure, shapes and dtypes.
        prompt: the text so far, `P >= 1` tokens, fed in one by one.
        num_tokens: how many tokens to add, 1 or more.
        key: what is drawn is drawn with it, each token independently.
        temperature: 0 takes the token of the largest logit, the lowest of equals; a positive one draws from
            `softmax(logits / temperature)`.
        eos: once this token has been drawn, every later one is this token. One in the prompt ends nothing.

    Returns:
        The new tokens.
    """
    # TODO: feed in the prompt, draw the first token, then feed in and draw in turns.
    raise NotImplementedError


def beam_search(
    step: Callable[[State, Int32[Array, ""]], tuple[State, Float[Array, "V"]]],
    state: State,
    prompt: Int32[Array, "P"],
    num_tokens: int,
    num_beams: int,
) -> tuple[Int32[Array, "num_beams num_tokens"], Float[Array, "num_beams"]]:
    """Looks for likely continuations of a text, `num_beams` of them side by side (Sutskever et al. 2014, section 3.2).

    After each token the `num_beams` best of all beams, each continued by each of `V` tokens, are kept; the best is the
    one with the largest sum of log-probabilities of its new tokens.

    Args:
        step: as in `generate`. How often it is applied is free.
        state: the state before the prompt.
        prompt: the text so far, `P >= 1` tokens, fed in one by one.
        num_tokens: how many tokens to add, 1 or more.
        num_beams: how many continuations are kept, 1 or more and at most `V`. No two of them are the same.

    Returns:
        The new tokens of each beam, and the sums of their log-probabilities in float32, the best beam first.
    """
    # TODO: feed in the prompt, begin the beams with its best tokens, then continue, choose, and reorder all that
    # belongs to a beam.
    raise NotImplementedError
