"""51 · Block-sparse attention: each query attends, by itself, to the keys of the blocks that are listed for its own
block; which blocks these are is told of each pair by itself, and what is drawn by its distribution."""

import itertools

import numpy as np

from tests.oracles.attention import softmax


def bigbird_blocks(key, num_blocks, window, num_global, num_random):
    """The likeliest pattern, of several the first: the only one where nothing is left to chance."""
    seen = np.zeros((num_blocks, num_blocks), bool)
    for i, choices in enumerate(rows_of(num_blocks, window, num_global, num_random)):
        seen[i, choices[0]] = True
    return seen


def rows_of(num_blocks, window, num_global, num_random):
    """For each row all sets of blocks that it may see, each of them as likely as any other."""
    for i in range(num_blocks):
        given = {j for j in range(num_blocks) if is_given(i, j, window, num_global)}
        rest = sorted({*range(num_blocks)} - given)
        yield [sorted(given | {*drawn}) for drawn in itertools.combinations(rest, min(num_random, len(rest)))]


def is_given(i, j, window, num_global):
    return abs(i - j) <= window or i < num_global or j < num_global


def patterns(rng, count, together, **sizes):
    """`count` patterns, drawn row by row; or `together`, with one number that decides in all rows."""
    found = np.zeros((count, sizes["num_blocks"], sizes["num_blocks"]), bool)
    luck = rng.random(count)
    for i, choices in enumerate(rows_of(**sizes)):
        which = ((luck if together else rng.random(count)) * len(choices)).astype(int)
        for number, drawn in enumerate(choices):
            found[np.ix_(which == number, [i], drawn)] = True
    return found


bigbird_blocks.patterns = patterns


def chances(**sizes):
    """How likely each block of queries sees each block of keys."""
    return np.array(
        [[np.mean([j in seen for seen in choices]) for j in range(sizes["num_blocks"])] for choices in rows_of(**sizes)]
    )


bigbird_blocks.probabilities = chances


def block_sparse_attention(q, k, v, rows, columns, block_size):
    out = np.zeros(q.shape)
    for i in range(len(q)):
        # padding is the number of no block
        blocks = {column for row, column in zip(rows, columns) if row == i // block_size}
        seen = [j for j in range(len(k)) if j // block_size in blocks]
        for n in range(q.shape[1]):
            if seen:
                out[i, n] = softmax(k[seen, n] @ q[i, n] / np.sqrt(q.shape[2])) @ v[seen, n]
    return out
