"""41 · The ladder of cases for `filter_logits` and `sample_token`. Sources: Fan et al. 2018; Holtzman et al. 2020."""

import ml_dtypes
import numpy as np

from grader.course import Apart, Case, Frequencies, Function, Key, Relation, Statistic, drawn_until

PART = "A language model"
CLEAR = 0.01  # how far the sums keep from `top_p`: no rounding decides


def inputs(rng, vocabulary=6, batch=(), temperature=1.0, dtype=np.float32, clear=CLEAR, alike=False, **options):
    """Filters are passed where a case names them. A temperature may be a range, and is then another one in each draw.
    The rows of a batch that is `alike` are one."""
    if isinstance(temperature, tuple):
        temperature = rng.uniform(*temperature)
    filters = {name: options.pop(name) for name in ("top_k", "top_p") if name in options}
    if "top_p" in filters:
        filters = {"top_k": None, **filters}
    # at temperature 0 the filters make no difference, and there is nothing to divide by
    warm = {"temperature": temperature or 1.0, **filters}
    count = int(np.prod(batch))
    rows = [row(rng, vocabulary, number, warm, clear, **options) for number in range(1 if alike else count)]
    if filters.get("top_p"):
        filters["top_p"] = np.float32(filters["top_p"])
    logits = np.resize(rows, (count, vocabulary)).reshape(*batch, vocabulary).astype(dtype)
    return dict(logits=logits, temperature=np.float32(temperature), **filters)


def with_key(rng, temperatures=(), **sizes):
    """A key as well; and several temperatures in the place of one, for a driver that draws at each of them."""
    drawn = dict(key=Key.drawn(rng), **inputs(rng, **sizes))
    if temperatures:
        del drawn["temperature"]
        drawn["temperatures"] = rng.permutation(temperatures).astype(np.float32)
    return drawn


def row(rng, vocabulary, number, filters, clear, levels=(), steps=8, gain=1.5, shift=0.0, hidden=0):
    """The logits of one row: `levels` in any order, all of them as many `steps` higher or lower, or other numbers for
    each entry; `hidden` of them are -inf. `shift` is added to those of every second row, and taken from those of the
    others. Drawn until the row tells what each filter does, and no rounding decides."""

    def draw():
        found = rng.permutation(levels) if levels else gain * rng.standard_normal(vocabulary)
        found = (found + 0.25 * rng.integers(-steps, steps + 1) + (-1) ** number * shift).astype(np.float32)
        found[rng.choice(vocabulary, hidden, replace=False)] = -np.inf
        return found

    def is_clear_and_telling(found):
        return is_clear(found, clear, **filters) and (levels or tells(found, **filters))

    return drawn_until(is_clear_and_telling, draw)


def is_clear(logits, clear, temperature, top_k=None, top_p=None):
    """Whether every sum that is compared with `top_p` is far enough from it."""
    left = kept(logits, temperature, top_k)
    return top_p is None or (np.abs(larger(logits / temperature, left)[left] - top_p) > clear).all()


def tells(logits, temperature, top_k=None, top_p=None):
    """Whether another set is left without each filter, without the temperature, with the two filters the other way
    round, or by place where the entries are sorted."""
    left, others = kept(logits, temperature, top_k, top_p), []
    by_number = top_k is not None and top_k < np.isfinite(logits).sum()
    by_sum = top_p is not None and top_p < 1
    if by_number:
        others.append(kept(logits, temperature, None, top_p))
    if by_sum:
        others.append(kept(logits, temperature, top_k))
    if by_sum and temperature != 1:
        others.append(kept(logits, 1.0, top_k, top_p))
    if by_number and by_sum:
        others.append(kept(logits, temperature, top_k) & kept(logits, temperature, None, top_p))
    if by_number or by_sum:
        others.append(np.arange(len(logits)) < left.sum())
    return all((other != left).any() for other in others)


def kept(logits, temperature, top_k=None, top_p=None):
    """What stays of one row, by the words of the contract."""
    left = np.isfinite(logits)
    if top_k is not None:
        left = left & (logits >= np.sort(logits)[-min(top_k, len(logits))])
    if top_p is not None:
        left = left & (larger(logits / temperature, left) < top_p)
    return left


def larger(scaled, left):
    """For each entry the probabilities, among those that are `left`, of all that are strictly larger."""
    weights = softmax(np.where(left, scaled.astype(np.float64), -np.inf))
    return np.array([weights[scaled > entry].sum() for entry in scaled])


def softmax(scaled):
    weights = np.exp(scaled - scaled.max())
    return weights / weights.sum()


def probabilities(inputs):
    """The exact distribution at each place of a batch."""
    options = [inputs.get(name) for name in ("top_k", "top_p")]
    logits = inputs["logits"].astype(np.float64)
    rows = [distribution(one, float(inputs["temperature"]), *options) for one in logits.reshape(-1, logits.shape[-1])]
    return np.reshape(rows, logits.shape)


def distribution(logits, temperature, top_k=None, top_p=None):
    if temperature == 0:
        return np.eye(len(logits))[np.argmax(logits)]
    return softmax(np.where(kept(logits, temperature, top_k, top_p), logits / temperature, -np.inf))


def at_each(inputs):
    return [distribution(inputs["logits"].astype(np.float64), float(one)) for one in inputs["temperatures"]]


def often(name, case, of=probabilities, draws=16384):
    """That each index of a case is drawn as often as it has to be."""
    return Frequencies(name, "Each index is drawn as often as its probability says.", case, of, draws=draws)


def only_what_is_left(name, case):
    """That nothing is drawn, not once, that a filter has taken."""

    def taken(drawn, inputs):
        left = probabilities(inputs) > 0
        places = np.broadcast_to(np.asarray(drawn)[..., None], (*np.shape(drawn), left.shape[-1]))
        return ~np.take_along_axis(np.broadcast_to(left, places.shape), places, axis=-1)[..., 0]

    return Statistic(
        name,
        "What is filtered is never drawn.",
        case,
        taken,
        lambda inputs: (np.zeros(inputs["logits"].shape[:-1]), 0.0, 0.0),
        told=lambda place, mean, expected: f"An index that is filtered came in {100 * mean:.2f}% of all draws.",
    )


def cooled(rng, inputs):
    yield "temperature 0", inputs | dict(temperature=np.float32(0.0))


def not_the_largest(arrays, output, label, cold, drawn):
    return drawn != np.argmax(cold["logits"], axis=-1)


VALUES, NO_GRADIENT = ("eager", "jit"), ("eager", "jit", "vmap")
ONCE = ("eager",)
# Of 64 tokens 17 have 0.8917 of the probability: a sum of probabilities in bfloat16 says 0.889 or less.
GROUPS = (6.25,) * 17 + (0.0,) * 47
# One token has 0.854 of the probability, beside 511 others: noise of eight bits is never large enough for those.
ONE_OF_MANY = (16.0,) + (0.0,) * 511

ENTRIES = [
    Function(
        "filter_logits",
        inputs,
        cases={
            "one token": Case(vocabulary=1, temperature=2.0, under=ONCE),
            "the temperature alone": Case(temperature=(0.3, 0.9), top_k=None, top_p=None),
            "top-k": Case(temperature=(1.5, 2.5), top_k=2, under=VALUES),
            "top-k, more than there are": Case(temperature=2.0, top_k=9, under=ONCE),
            "top-p": Case(top_p=0.8, under=VALUES),
            "top-p, less than the largest has": Case(top_p=0.15, under=ONCE),
            "top-p of one": Case(temperature=2.0, top_p=1.0, under=ONCE, idle=("top_p",)),
            "a temperature, then top-p": Case(temperature=0.5, top_p=0.8, under=ONCE),
            "top-k, then top-p": Case(temperature=2.0, top_k=3, top_p=0.6, under=NO_GRADIENT),
            "equals at the k-th place": Case(top_k=3, levels=(3.0, 2.0, 2.0, 2.0, 1.0, 0.0), under=ONCE),
            "equals where top-p ends": Case(top_p=0.55, levels=(2.0, 1.0, 1.0, 1.0, 0.0, -1.0), under=ONCE),
            "all are equal": Case(
                temperature=0.5, top_k=2, top_p=0.3, levels=(1.0,) * 6, under=ONCE, idle=("top_k", "top_p")
            ),
            "every axis of length one": Case(
                vocabulary=1, batch=(1, 1), top_k=1, top_p=0.5, levels=(1.0,), under=VALUES, idle=("top_k", "top_p")
            ),
            "entries of -inf": Case(temperature=2.0, top_k=5, top_p=0.8, hidden=2, under=ONCE),
            "a batch, large logits of either sign": Case(
                batch=(2,), temperature=0.5, top_k=3, top_p=0.8, gain=1.0, shift=1000.0, under=ONCE
            ),
            "logits that are far apart": Case(temperature=0.25, gain=100.0, under=("eager", "grad")),
            "bfloat16": Case(
                vocabulary=64,
                temperature=2.0,
                top_p=0.89,
                levels=GROUPS,
                clear=1e-3,
                dtype=ml_dtypes.bfloat16,
                under=VALUES,
            ),
            "a batch of two axes": Case(batch=(2, 3), temperature=2.0, top_k=4, top_p=0.8, under=NO_GRADIENT),
            "the gradient of what a softmax makes of it": Case(
                batch=(2,), temperature=0.6, top_k=3, top_p=0.85, gain=1.0, driver="probabilities", under=("grad",)
            ),
        },
    ),
    Function(
        "sample_token",
        with_key,
        cases={
            "one token": Case(
                vocabulary=1,
                batch=(1, 1),
                temperature=0.75,
                drawn=False,
                under=ONCE,
                idle=("logits", "temperature"),
            ),
            "temperature 0": Case(
                batch=(3,), temperature=0.0, levels=(2.5, 1.5, 0.5, 0.0, -0.5, -1.5), drawn=False, under=NO_GRADIENT
            ),
            "temperature 0, equals for the largest, and filters": Case(
                batch=(3,),
                temperature=0.0,
                top_k=2,
                top_p=0.5,
                levels=(0.0, 0.0, 0.0, -1.0, -2.0, -3.0),
                steps=0,  # the key is asked for inputs that are one rounding away, and these are still equal
                drawn=False,
                under=VALUES,
                idle=("top_k", "top_p"),
            ),
            "one row": Case(temperature=(0.5, 0.7), under=NO_GRADIENT),
            "top-k, then top-p": Case(temperature=2.0, top_k=3, top_p=0.6, under=VALUES),
            "equals where both filters end": Case(
                temperature=2.0,
                top_k=3,
                top_p=0.5,
                levels=(3.0, 2.0, 2.0, 2.0, 1.0, 0.0),
                under=ONCE,
                idle=("top_p",),  # equals stay together, so that top-p takes none of what top-k left
            ),
            "large logits, and entries of -inf": Case(
                batch=(2,), temperature=0.5, top_p=0.9, shift=1000.0, hidden=2, under=ONCE
            ),
            "bfloat16": Case(vocabulary=512, temperature=2.0, levels=ONE_OF_MANY, dtype=ml_dtypes.bfloat16, under=ONCE),
            "a temperature for each draw": Case(
                temperatures=(0.0, 0.6, 2.0), driver="at_each_temperature", under=VALUES
            ),
            "a batch of rows that are alike": Case(batch=(2, 2), alike=True, under=ONCE),
            "a batch": Case(batch=(2, 3), temperature=(1.0, 2.0), top_k=None, top_p=None, under=NO_GRADIENT),
        },
        statistics=[
            often("as often as the softmax says", "one row"),
            often("as often as what is left says", "top-k, then top-p"),
            only_what_is_left("only what is left", "top-k, then top-p"),
            often("equals are drawn equally often", "equals where both filters end"),
            often("as often where logits are large", "large logits, and entries of -inf"),
            only_what_is_left("never an entry of -inf", "large logits, and entries of -inf"),
            often("as often in bfloat16", "bfloat16", draws=4096),
            often("as often at each temperature", "a temperature for each draw", at_each),
            often("as often at each place of a batch", "a batch", draws=4096),
            Apart(
                "places of a batch are independent",
                "Each place of a batch is drawn on its own.",
                "a batch of rows that are alike",
                probabilities,
            ),
        ],
        relations=[
            Relation(
                name="one program for every temperature",
                rule="The program that draws at one temperature takes the largest logit at 0.",
                vary=cooled,
                broken=not_the_largest,
                case="a batch",
                under=("jit",),
            )
        ],
    ),
]
