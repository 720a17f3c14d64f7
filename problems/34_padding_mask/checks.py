"""34 · The ladder of cases for `padding_mask`, `bidirectional_attention` and `causal_attention`. Source: Vaswani et al.
2017, sections 3.1 and 3.2."""

import numpy as np

from grader.course import Case, Function, Relation

PART = "The core"


def lengths(rng, max_len, numbers=(), batch=0):
    """The `numbers` in any order, and `batch` lengths more; another draw each time, so that nothing can be learned from
    the first call."""
    drawn = [*numbers, *rng.integers(0, max_len + 1, batch)]
    return dict(lengths=rng.permutation(np.array(drawn, np.int32)), max_len=max_len)


def inputs(rng, batch, length, num_heads, head_dim=4, mask="all", lift=0.0, alike=False, junk=None):
    """`lift` is taken from the scores of the real keys of even queries and added to those of their padded ones, and the
    other way round for the odd queries; with `alike` there is nothing else in a score. `junk` is the size of what
    stands at padded keys."""

    def draw():
        return rng.standard_normal((batch, length, num_heads * head_dim)).astype(np.float32)

    q, k, v = draw(), draw(), draw()
    arguments = dict(q=q, k=k, v=v, num_heads=num_heads)
    if mask == "left out":
        return arguments
    if mask == "None":
        return arguments | dict(mask=None)
    real = MASKS[mask](rng, batch, length)
    if lift:
        # of each head: only this feature decides how large a score is
        first = np.arange(num_heads * head_dim) % head_dim == 0
        sign = np.where(np.arange(length) % 2, 1.0, -1.0)[:, None]
        arguments["q"] = np.where(first, head_dim**0.5 * sign, q * (not alike)).astype(np.float32)
        arguments["k"] = np.where(first, np.where(real, lift, -lift)[..., None], k * (not alike)).astype(np.float32)
    if junk:
        # A padded key lies along the query of its own place, so that it scores far above every real key there.
        arguments["k"] = np.where(real[..., None], arguments["k"], np.float32(junk) * np.sign(arguments["q"]))
        arguments["v"] = np.where(real[..., None], v, np.float32(junk) * np.sign(v))
    return arguments | dict(mask=real)


def all_real(rng, batch, length):
    return np.ones((batch, length), bool)


def padded_right(rng, batch, length):
    """Sequences of different lengths, one of them full, none empty."""
    count = 1 + rng.permutation(length - 1)[:batch]
    count[rng.integers(batch)] = length
    return np.arange(length) < count[:, None]


def padded_left(rng, batch, length):
    return padded_right(rng, batch, length)[:, ::-1].copy()


def with_holes(rng, batch, length):
    """Padding between real tokens; in the first sequence also at its end, in the last one also at its beginning."""
    real = rng.random((batch, length)) < 0.6
    for row in real:
        first, hole, last = sorted(rng.choice(np.arange(1, length - 1), 3, replace=False))
        row[[first, last]], row[hole] = True, False
    real[0, -1], real[-1, 0] = False, False
    return real


def with_an_empty_sequence(rng, batch, length):
    real = padded_right(rng, batch, length)
    real[rng.integers(batch)] = False
    return real


def everything(rng, batch, length):
    """Three sequences: padding on the left, holes, and no token at all."""
    real = np.stack([padded_left(rng, 2, length)[0], with_holes(rng, 2, length)[0], np.zeros(length, bool)])
    real[0, :2], real[0, -2:] = False, True
    return rng.permutation(real)


MASKS = {
    "all": all_real,
    "right": padded_right,
    "left": padded_left,
    "holes": with_holes,
    "empty": with_an_empty_sequence,
    "everything": everything,
}


def change_what_is_padded(rng, inputs):
    """Changes keys and values at padded places of every sequence, up to sizes whose scores overflow to inf."""
    q, k, v, padded = inputs["q"], inputs["k"], inputs["v"], ~inputs["mask"]

    def draw():
        return rng.standard_normal(k.shape).astype(np.float32)

    def after(keys=k, values=v, where=padded):
        where = where[..., None]
        return inputs | dict(
            k=np.where(where, keys, k).astype(np.float32), v=np.where(where, values, v).astype(np.float32)
        )

    signs = np.sign(draw())
    last = padded & (np.arange(padded.shape[1]) == [[np.flatnonzero(row)[-1]] for row in padded])
    yield "other keys at padded places", after(keys=draw())
    yield "other values at padded places", after(values=draw())
    yield "other keys and values at the last padded place of each sequence", after(draw(), draw(), last)
    yield "every padded value is 1e38 or -1e38", after(values=np.float32(1e38) * signs)
    # Finite scores, far above the -1e9 or -1e30 that people add to hide a key.
    yield "each padded key is the query of its place, times 1e36", after(keys=np.float32(1e36) * q)
    # Here scores overflow. Only one product in a score is not 0, so that neither the order nor the way of summing
    # decides where.
    spike = (np.arange(k.shape[2]) % (k.shape[2] // inputs["num_heads"]) == 0) * np.float32(3e38)
    yield "each padded key is 3e38 in the first feature of each head", after(keys=spike * np.sign(q))
    yield (
        "the same with other signs, and every padded value is 1e38 or -1e38",
        after(spike * signs, np.float32(1e38) * signs),
    )


def change_what_is_later(rng, inputs):
    """Changes real keys and values near the end of each sequence, which earlier queries do not see. Their scores stay
    finite."""
    q, k, v = inputs["q"], inputs["k"], inputs["v"]
    length = k.shape[1]

    def draw():
        return rng.standard_normal(k.shape).astype(np.float32)

    def after(first, keys=k, values=v):
        later = (inputs["mask"] & (np.arange(length) >= first))[..., None]
        return inputs | dict(
            k=np.where(later, keys, k).astype(np.float32), v=np.where(later, values, v).astype(np.float32)
        )

    middle = length // 2
    yield f"other keys and values from place {middle} on", after(middle, draw(), draw())
    yield f"other keys and values from place {length - 2} on", after(length - 2, draw(), draw())
    yield (
        f"every real value from place {middle} on is 1e38 or -1e38",
        after(middle, values=np.float32(1e38) * np.sign(draw())),
    )
    yield (
        f"each real key from place {middle} on is the query before it, times 1e36",
        after(middle, keys=np.float32(1e36) * np.roll(q, 1, axis=1)),
    )


def any_row_changed(arrays, output, label, changed_arrays, changed_output):
    """Each row that is another number in any place."""
    return _unlike(output, changed_output)


def earlier_rows_changed(arrays, output, label, changed_arrays, changed_output):
    """Each row that comes before the first changed key of its sequence, where it is another number in any place."""
    moved = (arrays["k"] != changed_arrays["k"]).any(axis=-1) | (arrays["v"] != changed_arrays["v"]).any(axis=-1)
    return ~np.logical_or.accumulate(moved, axis=1) & _unlike(output, changed_output)


def _unlike(output, other):
    """To the last bit, but for two things that are no other number: NaN is NaN, and the sign of a zero may be
    either."""
    return ~((output == other) | (np.isnan(output) & np.isnan(other))).all(axis=-1)


VALUES = ("eager", "jit")  # where the cases around it have the gradient and the batch

# Two sequences and three heads, or three of each, where a mask on the wrong axis makes no error. Every other case
# passes its arguments by name, and that makes a program of its own.
MASKED = {
    "one token": Case(batch=1, length=1, num_heads=1, under=VALUES, idle=("q", "k", "num_heads", "mask: all True")),
    "one head, and None for a mask": Case(batch=1, length=3, num_heads=1, mask="None", under=VALUES),
    "several heads, and no mask given": Case(batch=2, length=5, num_heads=3, mask="left out"),
    "every token is real": Case(batch=2, length=5, num_heads=3, under=VALUES, idle=("mask: all True",)),
    "padding on the right": Case(batch=3, length=5, num_heads=3, mask="right", under=VALUES),
    "padding on the left": Case(batch=2, length=5, num_heads=3, mask="left", under=VALUES),
    "holes": Case(batch=3, length=5, num_heads=3, mask="holes"),
    "a sequence of length 0": Case(batch=2, length=5, num_heads=3, mask="empty"),
    "large logits, those of padded keys hundreds above the others": Case(
        batch=3, length=5, num_heads=3, mask="holes", lift=200.0, under=("eager", "jit", "grad")
    ),
    # Any number of ordinary size in the place of a hidden score wins here. Real scores are equal, so that nothing is
    # rounded.
    "real scores of -500 000": Case(
        batch=2, length=5, num_heads=3, mask="right", lift=5e5, alike=True, under=VALUES, idle=("q", "num_heads")
    ),
    "one feature": Case(batch=2, length=3, num_heads=1, head_dim=1, mask="right", under=VALUES, idle=("num_heads",)),
    "padded keys and values of 1e18": Case(
        batch=2, length=5, num_heads=3, mask="left", junk=1e18, under=("eager", "jit", "grad")
    ),
    "dozens of tokens": Case(batch=3, length=11, num_heads=4, head_dim=6, mask="everything"),
}

PADDING_NEVER_MATTERS = Relation(
    name="padding never matters",
    rule="What stands at a padded key never reaches any row, however large a finite number it is.",
    vary=change_what_is_padded,
    broken=any_row_changed,
    case="dozens of tokens",
)

ENTRIES = [
    Function(
        "padding_mask",
        lengths,
        cases={
            "one sequence with padding": Case(numbers=[2], max_len=5),
            "several lengths": Case(numbers=[3, 1, 5], batch=4, max_len=9),
            "one sequence that is full": Case(numbers=[4], max_len=4),
            "one place": Case(numbers=[1, 0], max_len=1),
            "a sequence of length 0": Case(numbers=[2, 0, 3], max_len=3),
            "more room than the longest needs": Case(numbers=[3, 1, 2, 4], max_len=7),
            "as many sequences as places": Case(numbers=[3, 0, 4, 1], max_len=4),
        },
    ),
    Function("bidirectional_attention", inputs, cases=MASKED, relations=[PADDING_NEVER_MATTERS]),
    Function(
        "causal_attention",
        inputs,
        cases=MASKED,
        relations=[
            PADDING_NEVER_MATTERS,
            Relation(
                name="nothing later is seen",
                rule="A change of a later key or value never changes an earlier row, not even in its last bit.",
                vary=change_what_is_later,
                broken=earlier_rows_changed,
                case="dozens of tokens",
            ),
        ],
    ),
]
