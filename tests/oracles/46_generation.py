"""46 · Generation: no state is kept. What follows a text is told of the whole text, from its first token, each time
that it is asked for; beams are sets of texts."""

import functools
import itertools
import math

import ml_dtypes
import numpy as np


def generate(step, state, prompt, num_tokens, key, temperature, eos=None):
    """The likeliest token at each place: the only one at temperature 0."""
    text = ()
    for _ in range(num_tokens):
        text += (eos if eos in text else first_of_the_largest(logits_after(step.name, state, (*prompt, *text))),)
    return np.array(text, np.int32)


def counted(step, state, prompt, num_tokens, key, temperature, eos=None):
    """The problem's driver: also how often the step is applied."""
    tokens = generate(step, state, prompt, num_tokens, key, temperature, eos)
    return {"tokens": tokens, "steps": np.int32(len([*prompt, *tokens[:-1]]))}


def first_of_the_largest(row):
    return min(token for token in range(len(row)) if row[token] == max(row))


def joint(step, state, prompt, num_tokens, temperature, eos=None):
    """The probability of every text, with an axis for each of its tokens."""
    size = len(logits_after(step.name, state, (*prompt,)))
    found = np.ones((size,) * num_tokens)
    for text in np.ndindex(found.shape):
        for place, token in enumerate(text):
            if eos in text[:place]:
                found[text] *= token == eos
            else:
                row = logits_after(step.name, state, (*prompt, *text[:place])) / temperature
                found[text] *= np.exp(log_softmax(row)[token])
    return found


generate.joint = joint


def beam_search(step, state, prompt, num_tokens, num_beams):
    @functools.cache
    def shares(text):
        return log_softmax(logits_after(step.name, state, (*prompt, *text)))

    @functools.cache
    def total(text):
        return math.fsum(shares(text[:place])[token] for place, token in enumerate(text))

    def is_before(text):
        """Not a number is first, so that it shows wherever it counts."""
        return -math.inf if math.isnan(total(text)) else -total(text)

    def best(texts):
        return sorted(texts, key=is_before)[:num_beams]

    vocabulary = range(len(shares(())))
    if len(vocabulary) ** (num_tokens - 1) <= num_beams:  # none is dropped before the end: the best of all texts
        beams = best(itertools.product(vocabulary, repeat=num_tokens))
    else:
        beams = [()]
        for _ in range(num_tokens):
            beams = best((*text, token) for text in beams for token in vocabulary)
    return np.array(beams, np.int32), np.array([total(text) for text in beams])


beam_search.dtype = np.dtype(np.float32)  # of the sums, whatever the logits are


def log_softmax(row):
    below = row - row.max()
    return below - math.log(np.exp(below).sum())


# The steps of the problem's driver, as functions of all that was fed in

BIGRAMS = [
    [-1.2, 0.9, 0.1, -0.4, 1.7],
    [2.1, -0.3, 1.6, 0.2, -1.1],
    [0.4, 1.3, -0.8, 2.4, 0.7],
    [1.1, -1.7, 0.6, 0.3, 1.9],
    [0.5, 1.4, 2.2, -0.9, -0.1],
]


def logits_after(step, state, history):
    if step == "bigrams":
        return np.array(BIGRAMS, np.float32).astype(np.float64)[history[-1]]
    if step == "nested_walk":
        place, (rows, (seen,)) = state
        return walked(place, seen, **rows, history=history)
    logits = walked(**state, history=history)
    return logits.astype(ml_dtypes.bfloat16).astype(np.float64) if step == "walk_in_bfloat16" else logits


def walked(place, seen, penalty, table, history):
    # the place is 3 times the last one, a token and 1, so that a token counts thrice as much for each one behind it
    behind = len(history)
    moved = sum(3 ** (behind - 1 - at) * (int(token) + 1) for at, token in enumerate(history))
    came = np.array([sum(token == other for other in history) for token in range(len(seen))])
    return table[(3**behind * int(place) + moved) % len(table)] - penalty * (seen + came)
