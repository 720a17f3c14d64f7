"""60 · The ladders of cases for dropout on weights and for three penalties. Sources: Srivastava et al. 2014; Shannon
1948; Xu et al. 2015, section 4.2.1; Tachibana et al. 2017, section 4.1."""

import itertools

import ml_dtypes
import numpy as np

from grader.course import Case, Function, Key, Statistic

PART = "Before the transformer"


def weights_of(rng, shape, sums="one", kind="any", dtype=np.float32):
    """Weights over the last axis. `sums` says what rows sum to: "one", or "any" number, below 1 and above. Of `kind`
    "equal" all weights of a row are alike, "causal" hides later keys, "once" gives each key to one step."""
    powers = np.exp(rng.uniform(-1, 1, shape))
    if kind == "equal":
        powers[...] = 1.0
    elif kind == "causal":
        powers = np.tril(powers, shape[-1] - shape[-2])
    elif kind == "once":
        powers = np.eye(*shape)[:, rng.permutation(shape[-1])]
    weights = powers / powers.sum(-1, keepdims=True)
    if sums == "any":
        weights = weights * rng.uniform(0.3, 2.5, (*shape[:-1], 1))
    return dict(weights=weights.astype(dtype))


# Dropout


def with_key(rng, shape, rate, ones=False, **options):
    drawn = dict(weights=np.ones(shape, np.float32)) if ones else weights_of(rng, shape, **options)
    return dict(key=Key.drawn(rng), **drawn, rate=rate)


def of_chance(p):
    """The means of what happens with such probabilities, their variances and spans."""
    p = np.asarray(p, np.float64)
    return p, p * (1 - p), np.maximum(p, 1 - p)


def dropped(drawn):
    return np.asarray(drawn).astype(np.float64) == 0


def each_as_often(case):
    def told(place, mean, expected):
        return (
            f"The weight at {places(place)} is dropped in {100 * mean:.1f}% of all draws; it has to be in "
            f"{100 * expected:.1f}%."
        )

    return Statistic(
        f"each weight is dropped as often as asked: {case}",
        "Each weight is 0 with probability `rate`.",
        case,
        lambda drawn, inputs: dropped(drawn),
        lambda inputs: of_chance(np.full(inputs["weights"].shape, inputs["rate"])),
        told,
        advice="Each weight goes by a random number of its own. `jax.random.bernoulli(key, p, shape)` is True with "
        "probability `p`: with `rate` where True is to mean dropped, and with `1 - rate` where it is to mean kept.",
    )


def divided(case):
    """That what is not dropped is divided by 1 - rate. How it is not is told by two more: whether in a row that lost
    something the others are as they were, and whether they sum to what all of them did."""

    def of(drawn, inputs):
        came, weights = np.asarray(drawn).astype(np.float64), inputs["weights"].astype(np.float64)
        lost = (came == 0).any(-1, keepdims=True)
        right = (came == 0) | is_near(came, weights / (1 - inputs["rate"]))
        made_up = is_near(came.sum(-1, keepdims=True), weights.sum())
        return np.concatenate([right, is_near(came, weights) & lost, made_up & lost], axis=-1)

    def expected(inputs):
        # by chance what is left may sum to nearly the same: all that can be left is tried
        stays = np.array([*itertools.product([0.0, 1.0], repeat=ROW)])
        chances = np.prod(np.where(stays > 0, 1 - inputs["rate"], inputs["rate"]), axis=-1)
        made_up = of(stays * inputs["weights"].astype(np.float64) / (1 - inputs["rate"]), inputs)[:, -1]
        by_chance = of_chance(chances[made_up].sum())
        return tuple(
            np.append(np.repeat([for_right, 0.0], ROW), one) for for_right, one in zip((1.0, 0.0, 0.0), by_chance)
        )

    def told(place, mean, expected):
        if place[0] < ROW:
            return f"The weight at {place[0]} is something else in {100 * (1 - mean):.1f}% of all draws."
        if place[0] < 2 * ROW:
            return f"The weight at {place[0] - ROW} stays as it was in {100 * mean:.1f}% of all draws."
        return f"What is left sums to what the whole row summed to, in {100 * mean:.1f}% of all draws."

    return Statistic(
        f"0, or divided by 1 - rate: {case}",
        "A weight is either 0 or divided by `1 - rate`, whatever happens to the others of its row.",
        case,
        of,
        expected,
        told,
        advice="Divide what stays by `1 - rate`, and by nothing else: to normalise a row again moves expectations.",
    )


def is_near(came, right):
    return np.isclose(came, right, rtol=1e-4, atol=0.0)


def each_pair(case):
    """That what happens to one weight says nothing of another one: whether both are dropped."""

    def pairs(count):
        return np.triu_indices(count, 1)

    def of(drawn, inputs):
        flat = dropped(drawn).reshape(len(drawn), -1)
        one, other = pairs(flat.shape[1])
        return flat[:, one] & flat[:, other]

    def expected(inputs):
        one, _ = pairs(inputs["weights"].size)
        return of_chance(np.full(len(one), inputs["rate"] ** 2))

    return Statistic(
        f"any two weights are independent: {case}",
        "Each weight is dropped by itself, whatever its batch, head, row and key.",
        case,
        of,
        expected,
        lambda place, mean, expected: (
            f"Two of them are dropped together in {100 * mean:.1f}% of all draws; independent ones are in "
            f"{100 * expected:.1f}%."
        ),
        advice="Draw one number for each weight, and let no other one have a say in it: the shape of the draw is the "
        "shape of all weights, and one key serves them all at once.",
        draws=DRAWS,
    )


def as_many(case):
    """That the number of weights that are dropped is left to chance as well: how far it is from its mean, squared."""

    def squares(counts, inputs):
        return (counts - inputs["weights"].size * inputs["rate"]) ** 2

    def of(drawn, inputs):
        return squares(dropped(drawn).reshape(len(drawn), -1).sum(-1), inputs)

    def expected(inputs):
        # the chances of each number, one weight after another
        chances, rate = np.ones(1), inputs["rate"]
        for _ in range(inputs["weights"].size):
            chances = np.append(chances * (1 - rate), 0.0) + np.append(0.0, chances * rate)
        each = squares(np.arange(len(chances)), inputs)
        mean = chances @ each
        return mean, chances @ (each - mean) ** 2, abs(each - mean).max()

    return Statistic(
        f"how many are dropped is left to chance: {case}",
        "Each weight is dropped by itself, so that their number is another one in each draw.",
        case,
        of,
        expected,
        lambda place, mean, expected: (
            f"Its variance is {mean:.2f}; of weights that know nothing of one another it is {expected:.2f}."
        ),
        advice="A share of all weights is not what `rate` is: it is the probability of each.",
        draws=DRAWS,
    )


def share_in_half_precision(case):
    """That a small rate is what it is: of random numbers of 7 or 8 bits too many, or too few, are below it. The same
    again with wide bounds tells who is off by more than that."""

    def of(drawn, inputs):
        share = dropped(drawn).reshape(len(drawn), -1).mean(-1, keepdims=True)
        return share.repeat(2, axis=-1)

    def expected(inputs):
        mean, variance, span = of_chance(inputs["rate"])
        return mean, variance / inputs["weights"].size, span * np.array([1, FEW_BITS])

    return Statistic(
        f"a small rate: {case}",
        "Also weights of half precision are 0 with probability `rate`.",
        case,
        of,
        expected,
        lambda place, mean, expected: (
            f"{100 * mean:.2f}% of the weights are dropped; it has to be {100 * expected:.2f}%."
        ),
        advice="A random number of the weights' dtype has a few bits only. Draw float32 numbers, as "
        "`jax.random.bernoulli` does for a Python float.",
        draws=4 * DRAWS,
    )


def places(place):
    return place[0] if len(place) == 1 else tuple(place)


DRAWS = 4096
ROW = 6
FEW_BITS = 8  # times as wide: of 128 numbers 1 or 2 are below 0.012, which is off by 0.004
VALUES = ("eager", "jit")
NO_GRADIENT = ("eager", "jit", "vmap")
# A softmax over one key gives 1. The driver draws with many keys: some drop it, and some do not.
ONE_KEY = dict(shape=(1,), rate=0.3, ones=True, drawn=False)
# a claim about what is dropped does not look at weights
UNSEEN = ("weights under draws",)

# Penalties

LINEAR = ("weights under grad",)  # of a weighted mean the gradient is the same for all weights


def of_scores(rng, shape):
    """Scores, and a causal mask with some more keys hidden; each row sees one key at least."""
    mask = np.tril(np.ones(shape[-2:], bool), shape[-1] - shape[-2])
    mask = mask & (rng.random(shape) < 0.8) | np.eye(*shape[-2:], dtype=bool)
    return dict(scores=rng.standard_normal(shape).astype(np.float32), mask=mask)


def entropy_inputs(rng, shape, scores=False, **options):
    return of_scores(rng, shape) if scores else weights_of(rng, shape, **options)


def with_width(rng, shape, width, **options):
    return dict(**weights_of(rng, shape, **options), width=width)


ENTRIES = [
    Function(
        "attention_dropout",
        with_key,
        cases={
            "a rate of 0": Case(
                shape=(5,), rate=0.0, drawn=False, under=("eager", "jit", "grad"), idle=("weights under grad",)
            ),
            "a row": Case(shape=(ROW,), rate=0.2, under=NO_GRADIENT),
            "a row of one key, many times": Case(**ONE_KEY, driver="smallest_and_largest", under=NO_GRADIENT),
            "a high rate": Case(shape=(6,), rate=0.9, under=("eager",), idle=UNSEEN),
            "the gradient, many times": Case(**ONE_KEY, driver="slopes", under=VALUES, idle=("weights",)),
            "every axis of length one": Case(shape=(1, 1, 1), rate=0.4, under=("eager",), idle=UNSEEN),
            "batch, queries and keys": Case(shape=(2, 3, 4), rate=0.3, under=NO_GRADIENT, idle=UNSEEN),
            "bfloat16": Case(shape=(4, 16), rate=0.012, dtype=ml_dtypes.bfloat16, under=VALUES, idle=UNSEEN),
            "a rate of 0 in bfloat16, rows of any sum": Case(
                shape=(2, 3, 4), rate=0.0, sums="any", dtype=ml_dtypes.bfloat16, drawn=False, under=("eager",)
            ),
        },
        statistics=[
            each_as_often("a row"),
            divided("a row"),
            each_as_often("a high rate"),
            each_as_often("every axis of length one"),
            each_as_often("batch, queries and keys"),
            each_pair("batch, queries and keys"),
            as_many("batch, queries and keys"),
            share_in_half_precision("bfloat16"),
        ],
    ),
    Function(
        "attention_entropy",
        entropy_inputs,
        cases={
            "four equal weights": Case(shape=(4,), kind="equal", under=("eager",)),
            "a row that sums to 1": Case(shape=(5,)),
            "every axis of length one": Case(shape=(1, 1), sums="any", under=("eager", "grad")),
            "as many rows as keys": Case(shape=(4, 4), under=("eager", "grad")),
            "rows of any sum": Case(shape=(3, 5), sums="any", under=("eager", "grad")),
            "weights of 0": Case(shape=(4, 4), kind="causal", under=NO_GRADIENT),
            "the gradient where weights are 0": Case(
                shape=(4, 4), kind="causal", driver="slopes_of_entropy", under=VALUES
            ),
            "scores behind a mask": Case(shape=(2, 3, 4), scores=True, driver="entropy_of_scores", under=("grad",)),
            "batch, heads and queries": Case(shape=(2, 3, 4, 6)),
            "bfloat16, many keys": Case(shape=(2, 64), dtype=ml_dtypes.bfloat16, under=VALUES),
        },
    ),
    Function(
        "doubly_stochastic_penalty",
        weights_of,
        cases={
            "two steps, three keys": Case(shape=(2, 3)),
            "more steps than keys": Case(shape=(7, 4), under=("eager", "grad")),
            "as many steps as keys": Case(shape=(4, 4), under=("eager", "grad")),
            "one step": Case(shape=(1, 5), under=("eager",)),
            "one key": Case(shape=(5, 1), sums="any", under=("eager", "grad")),
            "every axis of length one": Case(shape=(1, 1), sums="any", under=("eager", "grad")),
            "rows of any sum": Case(shape=(3, 6), sums="any", under=("eager", "vmap", "grad")),
            "each key once": Case(shape=(4, 4), kind="once", under=("eager", "grad")),
            "bfloat16, many steps": Case(shape=(48, 16), dtype=ml_dtypes.bfloat16, under=VALUES),
        },
    ),
    Function(
        "guided_attention_loss",
        with_width,
        cases={
            "one query": Case(shape=(1, 4), width=0.5, under=("eager", "grad"), idle=LINEAR),
            "one key": Case(shape=(5, 1), width=0.5, sums="any", under=("eager", "grad"), idle=LINEAR),
            "as many queries as keys": Case(shape=(4, 4), width=0.3, idle=LINEAR),
            "more keys than queries": Case(shape=(3, 7), width=0.2, sums="any", idle=LINEAR),
            "more queries than keys": Case(shape=(6, 4), width=0.1, under=("eager", "grad"), idle=LINEAR),
            "every axis of length one": Case(
                shape=(1, 1, 1), width=0.2, sums="any", under=("eager", "grad"), idle=("weights",)
            ),
            "wide": Case(shape=(5, 3), width=4.0, under=("eager", "grad"), idle=LINEAR),
            "narrow": Case(shape=(4, 6), width=0.02, under=("eager", "grad"), idle=LINEAR),
            "as many sequences as queries": Case(shape=(3, 3, 5), width=0.25, under=("eager",)),
            "batch and heads": Case(shape=(2, 3, 4, 6), width=0.15, sums="any", idle=LINEAR),
            "bfloat16": Case(shape=(2, 24, 20), width=0.5, dtype=ml_dtypes.bfloat16, under=VALUES),
        },
    ),
]
