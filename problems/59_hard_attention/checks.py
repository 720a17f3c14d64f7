"""59 · The ladders of cases for hard attention and two ways to its gradient. Sources: Xu et al. 2015, section 4.1;
Williams 1992; Bengio et al. 2013."""

import ml_dtypes
import numpy as np

from grader.course import Case, Frequencies, Function, Given, Key, Statistic, drawn_until

PART = "Before the transformer"

HALF = ml_dtypes.bfloat16
# Probabilities none of which is 1/4, nor what a softmax of minus the scores, or of these, would make of it.
LEVELS = (0.45, 0.3, 0.2, 0.05)
BLOCKS = 8


# What the highest scores are, and the range of all others.
HIGHEST = {
    "any": ((), (-1.5, 1.5)),
    "far": ((60.0,), (-60.0, -50.0)),  # no other has a probability in float32
    "extreme": ((1e4,), (-1e4, -5e3)),
    "two": ((1e4, 1e4 - 0.5), (-1e4, -5e3)),
}


def of_scores(rng, keys, kind):
    """Scores in any order, with some at the HIGHEST; or all `alike`; or `every second` one; or logarithms of the
    LEVELS, `large` in a thousand more."""
    if kind == "alike":
        return np.full(keys, rng.uniform(-1.5, -0.5))
    if kind == "every second":
        return np.resize(rng.uniform(-60, 60) - np.array([0.0, 120.0]), keys)
    if kind in ("levels", "large"):
        return rng.permutation(np.log(LEVELS)) + (1000.0 if kind == "large" else rng.uniform(-1, 2))
    highest, others = HIGHEST[kind]
    return rng.permutation([*highest, *rng.uniform(*others, keys - len(highest))])


def of_values(rng, keys, width, kind, scores):
    """Values of which each row is known by itself: quarters, with rows that differ by half at least. Of other kinds all
    rows are `alike`, or those in one of the `blocks`; of other `sizes` are the rows, whole numbers and one of up to a
    million; `hidden` are all rows but one from a root."""
    if kind == "alike":
        return np.tile(rng.integers(2, 9, width) / 4, (keys, 1))
    if kind == "blocks":
        return np.repeat(1.0 + np.arange(BLOCKS), keys // BLOCKS)[:, None]
    if kind == "sizes":
        found = apart(rng, keys, width, 1.0)
        large = found[np.argsort(scores)[-2]]
        large *= 1e6 / np.abs(large).max()
        return found
    found = apart(rng, keys, width, 0.25)
    if kind == "hidden":
        found = -np.abs(found)
        found[np.argmax(scores)] = rng.integers(2, 9, width) / 4
    return found


def apart(rng, keys, width, step):
    """Rows of multiples of a step, none of them zeros, that differ by half at least somewhere."""
    return drawn_until(are_apart, lambda: step * rng.integers(-8, 9, (keys, width)))


def are_apart(rows):
    farthest = np.abs(rows[:, None] - rows).max(-1) + np.eye(len(rows))
    return farthest.min() >= 0.5 and rows.any(-1).all()


def inputs(rng, keys=4, width=3, scores="levels", values="any", dtype=np.float32, dtype_of_scores=None):
    key, drawn = Key.drawn(rng), of_scores(rng, keys, scores)
    rows = of_values(rng, keys, width, values, drawn)
    return dict(key=key, scores=drawn.astype(dtype_of_scores or dtype), values=rows.astype(dtype))


def with_loss(rng, loss="curved", baseline="any", **sizes):
    """A loss, and a baseline: `any`, or what the loss of one `row` is and that of no other, which no rounding
    decides."""

    def draw():
        drawn = inputs(rng, **sizes)
        return drawn, curved(drawn["values"]), rng.integers(len(drawn["scores"]))

    def tells_the_row(found):
        _, losses, number = found
        return np.abs(np.delete(losses, number) - losses[number]).min(initial=9) > 0.2

    telling = baseline == "row" and sizes.get("values") != "alike"
    drawn, losses, number = drawn_until(tells_the_row, draw) if telling else draw()
    level = losses[number] if baseline == "row" else losses.mean() + rng.choice([-1, 1]) * rng.uniform(0.7, 1.5)
    return dict(**drawn, loss=Given(loss), baseline=np.float32(level))


def curved(rows):
    """The loss of that name in driver.py, of each row."""
    return 0.5 * (away(rows) ** 2).sum(-1)


def away(rows):
    return rows.astype(np.float64) - 0.5 * np.arange(rows.shape[-1])


# What is claimed of draws


def softmax(inputs):
    scores = inputs["scores"].astype(np.float64)
    weights = np.exp(scores - scores.max())
    return weights / weights.sum()


def of_chance(p):
    """The means of what happens with such probabilities, their variances and spans."""
    return p, p * (1 - p), np.maximum(p, 1 - p)


RULE = "Each key is drawn as often as `softmax(scores)` says."
ADVICE = "`jax.random.categorical(key, logits)` takes the scores themselves and adds noise to them."


def index_as_often(case):
    return Frequencies(f"as often as the softmax says: {case}", RULE, case, softmax, draws=DRAWS, advice=ADVICE)


def row_as_often(case):
    """The same where the row comes alone: it is one of the values up to rounding."""

    def of(drawn, inputs):
        values = inputs["values"].astype(np.float64)
        rounding = 4 * float(ml_dtypes.finfo(inputs["values"].dtype).eps) * np.abs(values).max()
        return np.abs(np.asarray(drawn, np.float64)[:, None] - values).max(-1) <= rounding

    return Statistic(
        f"the row of a key, as often as the softmax says: {case}",
        f"What comes is `values[i]`. {RULE}",
        case,
        of,
        lambda inputs: of_chance(softmax(inputs)),
        lambda place, mean, expected: (
            f"Row {place[0]} comes in {100 * mean:.1f}% of all draws; it has to come in {100 * expected:.1f}%."
        ),
        advice="Forward the row of one key comes, which is drawn, and nothing of any other.",
        draws=DRAWS,
    )


def parts(keys):
    """(keys, BLOCKS + 4): whether a key is in each of some blocks of neighbours, and which one of four."""
    key = np.arange(keys)[:, None]
    return np.hstack([key * BLOCKS // keys == np.arange(BLOCKS), key % 4 == np.arange(4)])


def parts_as_often(case, of, count):
    """That half precision draws each of the first `count` parts as often as any other of its kind. `of` tells from what
    was drawn in which it is."""
    return Statistic(
        f"each part as often as the softmax says: {case}",
        RULE,
        case,
        of,
        lambda inputs: of_chance((softmax(inputs) @ parts(len(inputs["scores"])))[:count]),
        lambda place, mean, expected: (
            f"Of the keys {part(place[0])} is drawn in {100 * mean:.1f}% of all draws; it has to be drawn in "
            f"{100 * expected:.1f}%."
        ),
        advice="Cast the scores to float32 before the draw, and before a softmax that it takes: random numbers of "
        "bfloat16 are few, and many of them equal.",
        draws=DRAWS // 4,  # of 256 keys, which take long; half precision is off by four times what is allowed
    )


def part(number):
    return f"block {number} of {BLOCKS}" if number < BLOCKS else f"every fourth from {number - BLOCKS} on"


def parts_of_index(case):
    def of(drawn, inputs):
        return parts(len(inputs["scores"]))[np.asarray(drawn).astype(int)]

    return parts_as_often(case, of, BLOCKS + 4)


def blocks_of_row(case):
    """Where the row comes alone: in a block all have its number, counted from 1."""

    def of(drawn, inputs):
        return np.rint(np.asarray(drawn, np.float64)) == 1 + np.arange(BLOCKS)

    return parts_as_often(case, of, BLOCKS)


def each_draw(inputs):
    """(keys, keys, 1 + width): for each key that may be drawn the gradients for all scores and all rows."""
    p, rows, one = softmax(inputs), inputs["values"], np.eye(len(inputs["scores"]))
    of_scores = (curved(rows) - float(inputs["baseline"]))[:, None] * (one - p)
    return np.concatenate([of_scores[..., None], one[..., None] * away(rows)], axis=-1)


def unbiased(case):
    def expected(inputs):
        p, found = softmax(inputs)[:, None, None], each_draw(inputs)
        mean = (p * found).sum(0)
        return mean, (p * (found - mean) ** 2).sum(0), np.abs(found - mean).max(0)

    def told(place, mean, expected):
        what = f"score {place[0]}" if place[1] == 0 else f"number {place[1] - 1} of row {place[0]} of the values"
        return f"The gradient for {what} is {mean:.3f} on average; that of the expected loss is {expected:.3f}."

    return Statistic(
        f"right on average: {case}",
        "Over the keys the gradients have the mean that `E[loss(values[i])]` has as its gradient.",
        case,
        lambda drawn, inputs: np.asarray(drawn, np.float64),
        expected,
        told,
        advice="For scores: the loss of the row, less the baseline, a number, times the gradient of the logarithm of "
        "its probability. For values: the gradient of the loss, at the row that was drawn.",
        draws=DRAWS,
    )


def nothing_to_learn(case):
    """That a draw whose loss is the baseline moves no score: the share of draws that move none."""

    def expected(inputs):
        return of_chance(softmax(inputs)[curved(inputs["values"]) == inputs["baseline"]].sum(keepdims=True))

    return Statistic(
        f"no gradient where the loss is the baseline: {case}",
        "A draw whose loss equals `baseline` gives the scores no gradient.",
        case,
        lambda drawn, inputs: np.abs(np.asarray(drawn, np.float64)[..., 0]).max(-1, keepdims=True) < 1e-4,
        expected,
        lambda place, mean, expected: (
            f"No score has a gradient in {100 * mean:.1f}% of all draws; it has to be so in {100 * expected:.1f}%."
        ),
        advice="The factor of the logarithm is the loss less the baseline.",
        draws=DRAWS,
    )


DRAWS = 16384
VALUES, NO_GRADIENT = ("eager", "jit"), ("eager", "jit", "vmap")
ONCE = ("eager",)
CERTAIN = dict(drawn=False)
MANY = dict(keys=256, width=1, scores="alike", values="blocks", dtype=HALF)
NO_VALUES = ("values under draws",)  # a claim about indices does not look at values
SAME_PARTS = "scores under draws"  # other scores in any order give many keys together about as much
LINEAR = ("values under grad",)  # a row has the same gradient whatever stands in it
NO_BASELINE = ("baseline",)

ENTRIES = [
    Function(
        "hard_attention",
        inputs,
        cases={
            "one key": Case(keys=1, scores="any", **CERTAIN, under=("eager", "grad"), idle=("scores", *LINEAR)),
            "one score far above": Case(keys=5, width=5, scores="far", **CERTAIN, idle=LINEAR),
            "scores of ten thousand, one feature": Case(
                keys=3, width=1, scores="extreme", **CERTAIN, under=("eager", "vmap")
            ),
            "four keys": Case(driver="drawn_index", under=NO_GRADIENT, idle=NO_VALUES),
            "scores that are all alike": Case(scores="alike", driver="drawn_index", under=ONCE, idle=NO_VALUES),
            "scores of a thousand": Case(scores="large", driver="drawn_index", under=ONCE, idle=NO_VALUES),
            "the row that was drawn, and its gradient": Case(
                driver="hard_slopes", **CERTAIN, under=NO_GRADIENT, idle=("scores", "values")
            ),
            "values in bfloat16": Case(
                keys=7,
                scores="far",
                dtype=HALF,
                dtype_of_scores=np.float32,
                **CERTAIN,
                under=("eager", "grad"),
                idle=LINEAR,
            ),
            "bfloat16, many keys": Case(**MANY, driver="drawn_index", under=VALUES, idle=(*NO_VALUES, SAME_PARTS)),
        },
        statistics=[
            index_as_often("four keys"),
            index_as_often("scores that are all alike"),
            index_as_often("scores of a thousand"),
            parts_of_index("bfloat16, many keys"),
        ],
    ),
    Function(
        "straight_through_attention",
        inputs,
        cases={
            "one key": Case(keys=1, scores="any", **CERTAIN, under=("eager", "grad"), idle=("scores", *LINEAR)),
            "one score far above": Case(keys=5, width=5, scores="far", **CERTAIN, idle=LINEAR),
            "scores of ten thousand, one feature": Case(
                keys=4, width=1, scores="extreme", **CERTAIN, under=("eager", "vmap")
            ),
            "four keys": Case(under=NO_GRADIENT),
            "the row that was drawn, and its gradient": Case(
                driver="slopes_of_values", **CERTAIN, under=NO_GRADIENT, idle=("scores", "values")
            ),
            "the gradient for scores": Case(
                keys=5, scores="any", driver="slope_of_scores", **CERTAIN, under=NO_GRADIENT
            ),
            "the gradient, as many keys as features": Case(
                scores="large", width=4, driver="slope_of_scores", **CERTAIN, under=ONCE
            ),
            "the gradient, two scores of ten thousand": Case(
                keys=5, scores="two", driver="slope_of_scores", **CERTAIN, under=ONCE
            ),
            "values that are far apart in size": Case(values="sizes", under=ONCE),
            "scores in bfloat16": Case(
                keys=7,
                scores="far",
                dtype_of_scores=HALF,
                **CERTAIN,
                under=("eager", "grad"),
                idle=LINEAR,
            ),
            "bfloat16, the gradient for scores": Case(
                scores="any", dtype=HALF, driver="slope_of_scores", **CERTAIN, under=VALUES
            ),
            "bfloat16, many keys": Case(**MANY, under=VALUES, idle=(SAME_PARTS,)),
        },
        statistics=[
            row_as_often("four keys"),
            row_as_often("values that are far apart in size"),
            blocks_of_row("bfloat16, many keys"),
        ],
    ),
    Function(
        "reinforce_surrogate",
        with_loss,
        cases={
            "one key": Case(
                keys=1, scores="any", driver="slopes", **CERTAIN, under=VALUES, idle=("scores", *NO_BASELINE)
            ),
            "one score far above, and no loss elsewhere": Case(
                keys=5,
                width=5,
                scores="far",
                values="hidden",
                loss="roots",
                driver="slopes",
                **CERTAIN,
                under=NO_GRADIENT,
                idle=(*NO_BASELINE, "again"),
            ),
            "scores of ten thousand, one feature": Case(
                keys=3, width=1, scores="extreme", driver="slopes", **CERTAIN, under=ONCE, idle=NO_BASELINE
            ),
            "a loss that is the baseline": Case(
                scores="alike",
                values="alike",
                baseline="row",
                driver="slopes_in_turn",
                **CERTAIN,
                under=ONCE,
                idle=("scores",),
            ),
            "rows that are all alike, every second one far below": Case(
                keys=6, scores="every second", values="alike", driver="slopes_in_turn", **CERTAIN, under=NO_GRADIENT
            ),
            "four keys": Case(baseline="row", driver="slopes_of_a_draw", under=NO_GRADIENT),
            "another baseline": Case(
                keys=3, width=2, scores="any", driver="slopes_of_a_draw", under=ONCE, idle=("baseline under draws",)
            ),
            "scores of a thousand": Case(
                scores="large", width=4, baseline="row", driver="slopes_of_a_draw", under=ONCE
            ),
            "bfloat16": Case(
                keys=5, scores="far", dtype=HALF, driver="slopes", **CERTAIN, under=VALUES, idle=NO_BASELINE
            ),
            "bfloat16, many keys": Case(
                **MANY, driver="row_drawn", under=VALUES, idle=("values under draws", "baseline under draws")
            ),
        },
        statistics=[
            unbiased("four keys"),
            nothing_to_learn("four keys"),
            unbiased("another baseline"),
            unbiased("scores of a thousand"),
            nothing_to_learn("scores of a thousand"),
            parts_of_index("bfloat16, many keys"),
        ],
    ),
]
