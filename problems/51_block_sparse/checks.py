"""51 · The ladders of cases for `bigbird_blocks` and `block_sparse_attention`. Sources: Zaheer et al. 2020, section 2;
Child et al. 2019, section 4."""

import itertools

import ml_dtypes
import numpy as np

from grader.course import Case, Function, Growth, Key, Statistic

PART = "Long sequences"

# What is drawn, by its distribution


def pattern(rng, num_blocks, window, num_global, num_random):
    sizes = dict(num_blocks=num_blocks, window=window, num_global=num_global, num_random=num_random)
    return dict(key=Key.drawn(rng), **sizes)


def given(inputs):
    """bool (num_blocks, num_blocks): what is seen whatever the key is."""
    block = np.arange(inputs["num_blocks"])
    first = block < inputs["num_global"]
    return (abs(block[:, None] - block) <= inputs["window"]) | first[:, None] | first


def left(inputs):
    """For each row the blocks that may be drawn, and how many of them are."""
    rest = [np.flatnonzero(~row) for row in given(inputs)]
    return [(row, min(inputs["num_random"], len(row))) for row in rest]


def subsets(inputs):
    """For each row that leaves a choice, its number and all sets that may be drawn, as patterns: bool (sets,
    num_blocks)."""
    for number, (rest, count) in enumerate(left(inputs)):
        if count < len(rest):
            found = np.zeros((0, inputs["num_blocks"]), bool)
            for drawn in itertools.combinations(rest, count):
                found = np.vstack([found, np.isin(np.arange(inputs["num_blocks"]), drawn)])
            yield number, found


def drawn_sets(drawn, inputs):
    """For each row that leaves a choice: bool (draws, sets), which set was drawn."""
    free = np.asarray(drawn, bool) & ~given(inputs)
    return [(free[:, number, None] == found).all(-1) for number, found in subsets(inputs)]


def chances(p):
    """The means of what happens with such probabilities, their variances and spans."""
    p = np.asarray(p, np.float64)
    return p, p * (1 - p), np.where((p == 0) | (p == 1), 0.0, np.maximum(p, 1 - p))


DRAWS = 12288
EQUALS = 1e-4  # the share of draws that may be off where two random numbers of a few bits are equal


def each_pair(case):
    """That each block is seen as often as it has to be: what is given always, the rest by chance."""

    def expected(inputs):
        share = [count / max(1, len(rest)) for rest, count in left(inputs)]
        return chances(np.where(given(inputs), 1.0, np.array(share)[:, None]))

    def told(place, mean, expected):
        often = "always" if expected == 1 else f"in {100 * expected:.2f}% of all draws" if expected else "never"
        return f"Row {place[0]} sees block {place[1]} in {100 * mean:.2f}% of all draws; it has to see it {often}."

    return Statistic(
        f"each block as often as asked: {case}",
        "Window and global blocks are always seen, and each of the others as often as any other of its row.",
        case,
        lambda drawn, inputs: np.asarray(drawn, bool),
        expected,
        told,
        draws=DRAWS,
    )


def as_many(case):
    """That each row has its number of random blocks in every draw: never fewer, never more."""

    def of(drawn, inputs):
        numbers = (np.asarray(drawn, bool) & ~given(inputs)).sum(-1, keepdims=True)
        return numbers == np.arange(inputs["num_blocks"] + 1)

    def told(place, mean, expected):
        often = "always" if expected else "never"
        return f"Row {place[0]} sees {place[1]} in {100 * mean:.2f}% of all draws; it has to be so {often}."

    return Statistic(
        f"as many as asked: {case}",
        "A row sees num_random blocks beside those of window and global blocks, or all that are left, in every draw.",
        case,
        of,
        lambda inputs: (np.eye(inputs["num_blocks"] + 1)[[count for _, count in left(inputs)]], EQUALS, 1.0),
        told,
        advice="Draw without replacement, and only among the blocks that nothing else gives.",
        draws=DRAWS,
    )


def every_set(case):
    def expected(inputs):
        return chances(np.concatenate([np.full(len(found), 1 / len(found)) for _, found in subsets(inputs)]))

    def told(place, mean, expected):
        return (
            f"One choice of a row's random blocks comes in {100 * mean:.2f}% of all draws; "
            f"it has to come in {100 * expected:.2f}%."
        )

    return Statistic(
        f"every choice alike: {case}",
        "Every set of that many blocks, among those that are left to a row, is equally likely.",
        case,
        lambda drawn, inputs: np.concatenate(drawn_sets(drawn, inputs), axis=1),
        expected,
        told,
        advice="Give each block that is left a random number of its own, and take the blocks with the smallest ones.",
        draws=DRAWS,
    )


def rows_apart(case):
    """That what one row draws says nothing of what another one draws: whether both see a block that is left to both."""

    def of(drawn, inputs):
        free = np.asarray(drawn, bool) & ~given(inputs)
        return np.stack([free[:, one, block] & free[:, other, block] for one, other, block in left_to_both(inputs)], 1)

    def expected(inputs):
        share = [count / max(1, len(rest)) for rest, count in left(inputs)]
        return chances([share[one] * share[other] for one, other, _ in left_to_both(inputs)])

    def told(place, mean, expected):
        return (
            f"Two rows draw the same block in {100 * mean:.2f}% of all draws; "
            f"independent ones do in {100 * expected:.2f}%."
        )

    return Statistic(
        f"rows are independent: {case}",
        "Each row draws on its own.",
        case,
        of,
        expected,
        told,
        advice="Draw with one key numbers for all pairs of blocks, or split the key, one for each row.",
        draws=DRAWS,
    )


def left_to_both(inputs):
    """Two rows and a block that is left to both, for all there are."""
    rest = [{*blocks} for blocks, _ in left(inputs)]
    for one, other in itertools.combinations(range(len(rest)), 2):
        for block in sorted(rest[one] & rest[other]):
            yield one, other, block


# Which pairs of blocks are computed

# For each block of queries, the blocks of keys that it sees. No row of the longer ones sees the block that padding
# would wrap round to, and it does see others: a pair that counts twice in a row of its own changes nothing.
RAGGED = ([2, 1, 0], [0], [2, 3], [3, 0, 1])
PADDED = ([1, 2], [3, 1, 0], [2], [0, 1])
DOUBLED = ([0, 2], [1], [3], [1, 3, 2])
SOME_NOTHING = ([], [0, 2], [], [1], [])


def inputs(
    rng,
    sees=(),
    padding=0,
    shuffled=True,
    block_size=3,
    heads=2,
    head_dim=5,
    num_blocks=0,
    num_pairs=0,
    lift=0.0,
    apart=0.0,
    hidden=0.0,
    dtype=np.float32,
):
    """`sees` says for each block of queries which blocks of keys it sees; or `num_pairs` are drawn for `num_blocks`. Of
    pairs that are not `shuffled` the rows are in order, and padding stands at the end.

    `lift` is added to every score of the even tokens of a block and taken from those of the odd ones. With `apart` each
    block of keys scores that much more than the one before, and all scores are far below 0. Blocks that are not seen
    score as much as `hidden` higher.
    """
    blocks = num_blocks or len(sees)
    seen = np.zeros((blocks, blocks), bool)
    if num_pairs:
        # some rows have many, some have none
        share = rng.permutation(np.resize([0.001, 1, 1, 2, 4], blocks))
        order = np.argsort(rng.exponential(size=(blocks, blocks)) / share[:, None], axis=None)
        seen.ravel()[order[:num_pairs]] = True
    for row, columns in enumerate(sees):
        seen[row, columns] = True
    pairs = [(row, column) for row, columns in enumerate(sees) for column in columns] or np.argwhere(seen)
    pairs = np.array([*pairs] + [(-1, -1)] * padding, np.int32).reshape(-1, 2)
    if shuffled:
        pairs = rng.permutation(pairs)
    length, root = blocks * block_size, head_dim**0.5
    q, k, v = (rng.standard_normal((length, heads, head_dim)) for _ in range(3))
    place, block = np.arange(length)[:, None] % block_size, np.arange(length)[:, None] // block_size
    if lift:
        q[:, :, 0], k[:, :, 0] = root * (-1.0) ** place, lift
    if apart:
        q[:, :, 0], k[:, :, 0] = root, apart * (block - blocks)
    if hidden:
        # as many features as blocks, and one for the scores that are seen
        q[:, :, :blocks] = root * hidden * ~seen[block[:, 0]][:, None]
        k[:, :, :blocks] = np.eye(blocks)[block[:, 0]][:, None]
    arrays = {name: array.astype(dtype) for name, array in dict(q=q, k=k, v=v).items()}
    rows, columns = pairs.T.copy()
    return dict(**arrays, rows=rows, columns=columns, block_size=block_size)


def long(num_blocks, num_pairs, under=()):
    """Blocks and heads so small that whatever is left of a square is a large part of the whole."""
    sizes = dict(num_blocks=num_blocks, num_pairs=num_pairs - 1, padding=1)
    return Case(**sizes, block_size=4, heads=2, head_dim=4, under=under)


def pieces(num_pairs, block_size, heads, head_dim, num_blocks, **_):
    """How many numbers the listed pairs of blocks have as scores, and the arrays."""
    return heads * (num_pairs * block_size * (block_size + head_dim) + num_blocks * block_size * head_dim)


def linear(where, cases):
    options = dict(length=lambda num_blocks, **_: num_blocks)
    return [
        Growth(
            f"linear work{where}",
            "With T and P doubled together the work doubles.",
            cases,
            of="flops",
            exponent=1.02,  # a binary search in sorted pairs may take one step more
            limit=lambda head_dim, **sizes: 24 * (head_dim + 2) * pieces(head_dim=head_dim, **sizes),
            **options,
        ),
        Growth(
            f"linear memory{where}",
            "With T and P doubled together the largest array doubles.",
            cases,
            of="largest",
            exponent=1.0,
            limit=lambda **sizes: 8 * pieces(**sizes),
            **options,
        ),
    ]


ONCE, VALUES, NO_GRADIENT = ("eager",), ("eager", "jit"), ("eager", "jit", "vmap")
# Of what is certain one draw is as good as another. (It counts as drawn, so that who draws too few is told by claims.)
CERTAIN = ("key", "the first draw each time")


def blocks(num_blocks, window=0, num_global=0, num_random=0, **options):
    """A pattern that has nothing of what is not said."""
    sizes = dict(num_blocks=num_blocks, window=window, num_global=num_global, num_random=num_random)
    return Case(**sizes, **options)


ENTRIES = [
    Function(
        "bigbird_blocks",
        pattern,
        cases={
            "one block": blocks(1, drawn=False, under=ONCE, idle=("window", "num_global", "num_random")),
            "a window": blocks(6, window=1, drawn=False, under=VALUES),
            "a window of the block alone": blocks(4, drawn=False, under=ONCE),
            "a window and global blocks": blocks(7, window=1, num_global=2, drawn=False, under=ONCE),
            "a window wider than all": blocks(4, window=7, drawn=False, under=ONCE, idle=("num_global", "num_random")),
            "more global blocks than there are": blocks(
                4, num_global=9, drawn=False, under=ONCE, idle=("window", "num_random")
            ),
            "one random block": blocks(4, num_random=1, under=NO_GRADIENT),
            "window, global and random blocks": blocks(7, window=1, num_global=1, num_random=2, under=NO_GRADIENT),
            "fewer left than asked for": blocks(8, window=2, num_global=1, num_random=3, under=ONCE),
            "more asked for than there are": blocks(
                5, num_global=1, num_random=8, under=VALUES, idle=("window", "num_global", *CERTAIN)
            ),
        },
        statistics=[
            each_pair("one random block"),
            rows_apart("one random block"),
            as_many("window, global and random blocks"),
            every_set("window, global and random blocks"),
            rows_apart("window, global and random blocks"),
            as_many("fewer left than asked for"),
            each_pair("fewer left than asked for"),
            as_many("more asked for than there are"),
        ],
    ),
    Function(
        "block_sparse_attention",
        inputs,
        cases={
            "one block": Case(sees=([0],), shuffled=False, under=("eager", "grad"), idle=("columns under eager",)),
            "each block sees itself": Case(sees=([0], [1], [2]), shuffled=False, under=ONCE),
            "each block sees another one": Case(sees=([2], [0], [0]), shuffled=False, under=("eager", "grad")),
            "rows with one, two and three blocks": Case(sees=RAGGED, shuffled=False),
            "in any order": Case(sees=RAGGED, under=ONCE),
            "padding": Case(sees=PADDED, padding=3, under=NO_GRADIENT),
            "padding, and pairs that it would double": Case(sees=DOUBLED, padding=2, under=ONCE),
            "blocks that see nothing": Case(sees=SOME_NOTHING, padding=2, under=("eager", "jit", "grad")),
            "nothing but padding": Case(
                sees=([], []), padding=3, under=("jit", "grad"), idle=("q", "k", "v", "columns", "block_size")
            ),
            "large logits": Case(sees=RAGGED, lift=200.0, under=("eager", "grad")),
            "blocks that score hundreds apart": Case(sees=RAGGED, apart=400.0, under=("eager", "grad")),
            "blocks that nobody sees score higher, by hundreds": Case(sees=PADDED, padding=2, hidden=300.0, under=ONCE),
            "blocks of one token": Case(
                sees=([1, 3], [], [0, 2, 3], [1]), padding=1, block_size=1, under=("eager", "grad")
            ),
            "every axis of length one": Case(
                sees=([0],),
                block_size=1,
                heads=1,
                head_dim=1,
                idle=("q", "k", "v under grad", "columns under jit", "block_size"),
                under=("jit", "grad"),
            ),
            "as many blocks, tokens in a block, heads and features": Case(
                sees=([2, 0], [1, 2], []), heads=3, head_dim=3, under=ONCE
            ),
            "bfloat16": Case(
                sees=RAGGED, padding=2, block_size=4, head_dim=16, dtype=ml_dtypes.bfloat16, under=("jit",)
            ),
            "dozens of tokens": Case(num_blocks=9, num_pairs=23, padding=4, block_size=5, heads=3, head_dim=6),
            "40 blocks, 61 pairs": long(40, 61, under=("jit",)),
            "80 blocks, 122 pairs": long(80, 122),
            "40 blocks, 122 pairs": long(40, 122),
        },
        proofs=[
            Growth(
                "no longer program for more pairs",
                "The program must not grow with P.",
                ["40 blocks, 61 pairs", "40 blocks, 122 pairs"],
                of="equations",
                exponent=0.0,
                length=lambda num_pairs, **_: num_pairs,
                limit=lambda **_: 900,
            ),
            *linear("", ["40 blocks, 61 pairs", "80 blocks, 122 pairs"]),
        ],
    ),
]
