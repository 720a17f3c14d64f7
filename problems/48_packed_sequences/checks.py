"""48 · The ladder of cases for `segment_ids`, `packed_attention` and `packed_blockwise_attention`. Sources: Krell et
al. 2021; Dao 2023, and the layout of its variable-length call."""

import ml_dtypes
import numpy as np

from grader.course import Case, Denominators, Function, Growth, Largest, Precision, Relation

PART = "Long sequences"


def begins(rng, lengths):
    """Where sequences of these lengths begin, in another order each time; those that are empty stay in their places."""
    lengths = np.array(lengths)
    lengths[lengths > 0] = rng.permutation(lengths[lengths > 0])
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)


def places(rng, lengths, tail=0):
    """`tail` rows stand behind the last sequence."""
    return dict(cu_seqlens=begins(rng, lengths), total=sum(lengths) + tail)


def inputs(
    rng,
    lengths,
    tail=0,
    block_size=None,
    causal=None,
    heads=2,
    head_dim=3,
    lift=0.0,
    rise=0.0,
    swing=0.0,
    apart=0.0,
    spread=1.0,
    dtype=np.float32,
):
    """`block_size` and `causal` are left out where they are None. `lift` is added to every score of the even rows and
    taken from those of the odd ones. With `rise` each pair of rows scores that much more than the one before, and all
    scores are far below 0; with `swing` that much more for the even queries, and that much less for the odd ones.
    With `apart` the scores within a sequence are that far below 0, and those with its neighbours that far above."""
    total = sum(lengths) + tail
    cu_seqlens = begins(rng, lengths)
    q, k, v = (rng.standard_normal((total, heads, head_dim)) for _ in range(3))
    q, k = spread * q, spread * k
    row, root = np.arange(total)[:, None], head_dim**0.5
    if lift or swing:
        q[:, :, 0], k[:, :, 0] = root * (-1.0) ** row, lift + swing * (row // 2)
    if rise:
        q[:, :, 0], k[:, :, 0] = root, rise * (row // 2 - total)
    if apart:
        # of sequences that have rows every second one points the other way
        sign = (-1.0) ** (np.unique(cu_seqlens)[:, None] <= row.T).sum(0)[:, None]
        q[:, :, 0], k[:, :, 0] = root * sign, -apart * sign
    arguments = dict(q=q.astype(dtype), k=k.astype(dtype), v=v.astype(dtype), cu_seqlens=cu_seqlens)
    arguments |= {} if block_size is None else dict(block_size=block_size)
    return arguments if causal is None else arguments | dict(causal=causal)


def change_what_nobody_owns(rng, inputs):
    """Changes rows behind the last sequence, up to sizes whose scores overflow to inf. A key along a query of a
    sequence scores far above that query's own keys."""
    end = inputs["cu_seqlens"][-1]

    def draw():
        return rng.standard_normal(inputs["k"][end:].shape)

    def after(**rows):
        changed = {name: inputs[name].copy() for name in rows}
        for name, array in rows.items():
            changed[name][end:] = array
        return inputs | changed

    signs, along = np.sign(draw()), np.resize(inputs["q"][:end], inputs["k"][end:].shape)
    yield "other keys and values in rows that nobody owns", after(k=draw(), v=draw())
    yield "other queries in rows that nobody owns", after(q=draw())
    yield "every value there is 1e38 or -1e38", after(v=1e38 * signs)
    # Finite scores, far above the -1e9 or -1e30 that people add to hide a key.
    yield "each key there is a sequence's query, times 1e36", after(k=1e36 * along)
    # Here scores overflow. Only one product in a score is not 0, so that the order of summing does not decide where.
    spike = 3e38 * (np.arange(along.shape[-1]) == 0) * signs
    yield "each key and each query there is 3e38 in its first feature", after(k=spike, q=spike, v=1e38 * signs)


def rows_that_differ(arrays, output, label, changed_arrays, changed_output):
    """Each row that differs in any bit from what it was; NaN is the same as NaN."""
    one, other = (np.ascontiguousarray(o).view(np.uint8).reshape(len(o), -1) for o in (output, changed_output))
    return (one != other).any(axis=1)


HALF = ml_dtypes.bfloat16
SEVERAL = dict(lengths=(0, 3, 0, 0, 2, 0), tail=2)
MANY = dict(lengths=(9, 0, 13, 1, 6), tail=4, heads=3, head_dim=5, causal=True)


def nothing_from_nobody(case, under):
    return Relation(
        "what nobody owns reaches nothing",
        "What stands in rows that nobody owns must not change any row of the output.",
        change_what_nobody_owns,
        rows_that_differ,
        case=case,
        under=under,
    )


def long(total, block_size=64, under=("jit",)):
    """Far above every width and block: half of the rows are one sequence's, and most of the others another's."""
    lengths = (total // 2, 0, total - total // 2 - 7)
    return Case(lengths=lengths, tail=7, block_size=block_size, heads=2, head_dim=8, causal=True, under=under)


def rows(lengths, tail=0, **_):
    return sum(lengths) + tail


# Those with a last block that is not full, and the longest, are only traced; of the others values are compared, too.
LONGER, RAGGED = ["512 rows", "1024 rows", "4096 rows"], ["515 rows", "1027 rows"]

ENTRIES = [
    Function(
        "segment_ids",
        places,
        cases={
            "one sequence": Case(lengths=(3,)),
            "several sequences": Case(lengths=(1, 2, 4, 3)),
            "rows that nobody owns": Case(lengths=(1, 3), tail=3),
            "empty sequences": Case(lengths=(0, 2, 0, 0, 3, 0)),
            "empty sequences and rows that nobody owns": Case(lengths=(2, 0, 1, 0, 0), tail=4),
            "no sequence has a row": Case(lengths=(0, 0, 0), tail=2),
            "every axis of length one": Case(lengths=(1,)),
            "dozens of rows": Case(lengths=(7, 0, 12, 1, 5, 0, 8), tail=6),
        },
    ),
    Function(
        "packed_attention",
        inputs,
        cases={
            "one sequence": Case(lengths=(3,)),
            "two sequences": Case(lengths=(3, 4), causal=False),
            "rows that nobody owns": Case(lengths=(2, 3), tail=2),
            "empty sequences": Case(**SEVERAL, under=("eager", "jit", "vmap")),
            "causal within each sequence": Case(lengths=(3, 4), causal=True),
            "causal, empty sequences, rows that nobody owns": Case(**SEVERAL, causal=True, under=("eager", "grad")),
            "other sequences score higher, by hundreds": Case(
                lengths=(3, 1, 2), tail=1, apart=1500.0, under=("eager", "jit", "grad")
            ),
            "causal, later keys score higher, by hundreds": Case(
                lengths=(4, 3), causal=True, rise=150.0, under=("eager", "grad")
            ),
            "large logits": Case(lengths=(3, 4), lift=200.0, under=("eager", "grad")),
            "as many heads as rows": Case(lengths=(3, 1), heads=4, head_dim=4, under=("eager", "jit")),
            "one row each": Case(lengths=(1,) * 7, idle=("q", "k", "v under grad"), under=("eager", "grad")),
            "every axis of length one": Case(
                lengths=(1,), heads=1, head_dim=1, idle=("q", "k", "v under grad"), under=("jit", "grad")
            ),
            "bfloat16": Case(lengths=(9, 0, 6), tail=2, head_dim=16, dtype=HALF, under=("jit",)),
            "dozens of rows, causal": Case(**MANY),
        },
        relations=[nothing_from_nobody("rows that nobody owns", ("eager", "jit"))],
        proofs=[
            Denominators(
                "softmax in float32",
                "The softmax is computed in float32, whatever the inputs are.",
                ["bfloat16"],
                within="softmax",
            )
        ],
    ),
    Function(
        "packed_blockwise_attention",
        inputs,
        cases={
            "one block": Case(lengths=(3,), block_size=3, under=("eager", "jit", "grad")),
            "two whole blocks, one sequence": Case(lengths=(6,), block_size=3, under=("jit", "grad")),
            "sequences that end within a block": Case(lengths=(4, 2), block_size=3, causal=False),
            "a last block that is not full": Case(lengths=(3, 4), block_size=3, under=("eager", "jit", "grad")),
            "rows that nobody owns": Case(lengths=(2, 3), tail=2, block_size=3, under=("eager", "jit", "grad")),
            "empty sequences, a block longer than the pack": Case(**SEVERAL, block_size=11, under=("jit",)),
            "causal within each sequence": Case(lengths=(3, 4), block_size=3, causal=True),
            "other sequences score higher, by hundreds": Case(
                lengths=(3, 1, 2), tail=1, block_size=3, apart=1500.0, under=("eager", "jit", "grad")
            ),
            "causal, later keys score higher, by hundreds": Case(
                lengths=(4, 3), block_size=3, causal=True, rise=150.0, under=("eager", "grad")
            ),
            "scores that rise and fall by hundreds, pair by pair": Case(
                lengths=(4, 3), block_size=1, swing=150.0, under=("eager", "jit")
            ),
            "every axis of length one": Case(
                lengths=(1,),
                block_size=1,
                heads=1,
                head_dim=1,
                idle=("q", "k", "v under grad"),
                under=("jit", "grad"),
            ),
            "bfloat16": Case(lengths=(9, 0, 6), tail=2, block_size=4, head_dim=16, dtype=HALF, under=("jit",)),
            "dozens of rows, causal": Case(**MANY, block_size=8, under=("eager", "jit", "vmap", "grad")),
            # Far above every width and block.
            "a thousand rows in small blocks": long(1000, 16),
            "a thousand rows, the last block not full": long(1003, 16, under=()),
            "512 rows": long(512),
            "1024 rows": long(1024),
            "4096 rows": long(4096, under=()),
            "515 rows": long(515, under=()),
            "1027 rows": long(1027, under=()),
        },
        relations=[nothing_from_nobody("rows that nobody owns", ("jit",))],
        proofs=[
            Growth(
                "no longer program for more rows",
                "The program must not grow with `total`.",
                LONGER,
                of="equations",
                exponent=0.0,
                length=rows,
                limit=lambda **_: 600,
            ),
            Growth(
                "no longer program for more rows, the last block not full",
                "The program must not grow with `total`.",
                RAGGED,
                of="equations",
                exponent=0.0,
                length=rows,
                limit=lambda **_: 900,
            ),
            Largest(
                "nothing of size total × total",
                "Nothing of size total × total may exist, not even a mask.",
                ["a thousand rows in small blocks"],
                limit=lambda **sizes: rows(**sizes) ** 2,
            ),
            Largest(
                "nothing of size total × total, the last block not full",
                "Nothing of size total × total may exist, not even a mask.",
                ["a thousand rows, the last block not full"],
                limit=lambda **sizes: rows(**sizes) ** 2,
            ),
            Precision("float32 where it sums", "Scores, softmax and running sums are kept in float32.", ["bfloat16"]),
            Growth(
                "compiled, no more than linear memory",
                "Compiled, the program's memory may grow with the length, not with its square.",
                LONGER,
                of="memory",
                exponent=1.5,
                length=rows,
                limit=lambda block_size, heads, head_dim, **sizes: (
                    24 * rows(**sizes) * heads * (block_size + 2 * head_dim)
                ),
            ),
        ],
        idle=("block_size",),
    ),
]
