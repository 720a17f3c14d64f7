"""46 · The ladders of cases for `generate` and `beam_search`. Sources: Graves 2013, section 1; Sutskever et al. 2014,
section 3.2."""

import collections
import functools
import itertools

import numpy as np

from grader.course import Case, Frequencies, Function, Given, Growth, Key, Statistic, drawn_until

PART = "A language model"
ROWS = 31  # of a table, a prime number
# With it no difference of two counts is close to a whole number, and those of logits that are in order are whole ones.
PENALTY = 0.618
CLEAR = 2e-5  # between the sums of any two sequences: far above a rounding

Counts = collections.namedtuple("Counts", "seen")


def walker(rng, vocabulary, rows, penalty):
    """A state of `walk` in driver.py. The rows of its table are whole numbers in another order each (`ordered`), two
    zeros above the rest (`tied`: no rounding of an input unties them), any numbers (`any`), the same with rows that are
    hundreds apart (`lifted`) or hundreds within a row (`steep`), two different numbers far above the rest (`peaked`),
    or zeros (`level`)."""
    order = np.argsort(rng.random((ROWS, vocabulary))) - vocabulary // 2
    numbers = 1.5 * rng.standard_normal((ROWS, vocabulary))
    table = {
        "ordered": order,
        "tied": np.minimum(order - order.max() + 1, 0),
        "any": numbers,
        "lifted": numbers + 200.0 * rng.choice([-1, 1], (ROWS, 1)),
        "steep": 100.0 * numbers,
        "peaked": np.choose(np.clip(order.max() - order, 0, 2), [0.0, -0.5, -6.0]),
        "level": 0.0 * order,
    }[rows]
    return {
        "place": np.int32(rng.integers(1, ROWS)),
        "seen": (rng.permutation(vocabulary) % 3 * {"level": 0, "peaked": 100}.get(rows, 1)).astype(np.float32),
        "penalty": np.float32(penalty),
        "table": table.astype(np.float32),
    }


def logits_after(state, histories):
    """The logits of `walk` after each of some sequences of one length, at once."""
    place = np.full(len(histories), state["place"])
    for tokens in histories.T:
        place = (3 * place + tokens + 1) % ROWS
    came = (histories[:, :, None] == np.arange(len(state["seen"]))).sum(1)
    return state["table"][place].astype(np.float64) - state["penalty"] * (state["seen"] + came)


def log_shares(logits):
    below = logits - logits.max(-1, keepdims=True)
    return below - np.log(np.exp(below).sum(-1, keepdims=True))


def sums_of_all(state, prompt, num_tokens, temperature=1.0):
    """For each length up to `num_tokens` the sums of log-probabilities of all sequences that may follow, in order."""
    histories, sums, vocabulary = prompt[None], np.zeros(1), len(state["seen"])
    for _ in range(num_tokens):
        sums = (sums[:, None] + log_shares(logits_after(state, histories) / temperature)).ravel()
        following = np.tile(np.arange(vocabulary), len(histories))[:, None]
        histories = np.hstack([histories.repeat(vocabulary, axis=0), following])
        yield sums


def are_clear(sums, clear):
    return len(sums) == 1 or np.diff(np.sort(sums)).min() > clear


def likeliest(state, prompt, num_tokens):
    """What follows where the largest logit is taken each time."""
    history = prompt
    for _ in range(num_tokens):
        history = np.append(history, logits_after(state, history[None]).argmax())
    return [*history[len(prompt) :]]


def as_step(step, state):
    """The state as this step has it."""
    if step == "nested_walk":
        return state["place"], ({"table": state["table"], "penalty": state["penalty"]}, Counts(state["seen"]))
    return () if step == "bigrams" else state


# generate


def generating(
    rng,
    prompt,
    num_tokens,
    vocabulary=6,
    temperatures=(0.0,),
    step="walk",
    rows="ordered",
    penalty=PENALTY,
    height=1,
    eos=None,
    eos_at=None,
    eos_before=False,
):
    """With `eos_at` the text ends at that token: `eos` is the likeliest there, not before, and not everywhere behind.
    With `eos_before` the prompt ends with it."""

    def draw():
        state = walker(rng, vocabulary, rows, penalty)
        state["table"] *= np.float32(height)
        fed = 1 + rng.permutation(vocabulary - 1)[np.arange(prompt) % (vocabulary - 1)]
        if eos_before:
            fed[-1] = eos
        return state, fed

    def ends_there(found):
        text = likeliest(*found, num_tokens)
        return eos in text and text.index(eos) == eos_at and {*text[eos_at:]} != {eos}

    state, fed = drawn_until(ends_there, draw) if eos_at is not None else draw()
    arguments = dict(
        step=Given(step),
        state=as_step(step, state),
        prompt=fed.astype(np.int32),
        num_tokens=num_tokens,
        key=Key.drawn(rng),
        temperature=np.float32(rng.choice(temperatures)),
    )
    return arguments if eos is None else arguments | dict(eos=eos)


def chances(inputs):
    """The probability of each sequence that may be drawn, with an axis for each token."""
    state, count = inputs["state"], inputs["num_tokens"]
    *_, sums = sums_of_all(state, inputs["prompt"], count, inputs["temperature"])
    return np.exp(sums).reshape((len(state["seen"]),) * count)


def of_each(inputs):
    """The probability of each token, at each place of what is drawn."""
    joint = chances(inputs)
    return np.array([joint.sum(tuple({*range(joint.ndim)} - {place})) for place in range(joint.ndim)])


def pairs(count):
    return [*itertools.combinations(range(count), 2)]


def agreeing(drawn, inputs):
    return np.stack([drawn[:, one] == drawn[:, other] for one, other in pairs(inputs["num_tokens"])], axis=1)


def agreement(inputs):
    joint = chances(inputs)
    alike = np.array([np.trace(joint.sum(tuple({*range(joint.ndim)} - {*pair}))) for pair in pairs(joint.ndim)])
    return alike, alike * (1 - alike), np.maximum(alike, 1 - alike)


def told_agreement(place, mean, expected):
    one, other = pairs(3)[place[0]]
    return (
        f"The new tokens {one} and {other} are the same in {100 * mean:.1f}% of all draws; they have to be in "
        f"{100 * expected:.1f}%."
    )


RANKS = ("of the largest logit", "of the second largest logit", "with a logit below these two")


def ranks(inputs):
    """Of each token: whether its logit is the largest, the second largest, or another."""
    logits = logits_after(inputs["state"], inputs["prompt"][None])[0]
    return np.minimum(np.argsort(np.argsort(-logits)), 2)


def ranked(drawn, inputs):
    return ranks(inputs)[drawn.reshape(len(drawn))][:, None] == np.arange(len(RANKS))


def ranks_expected(inputs):
    p = np.bincount(ranks(inputs), weights=chances(inputs))
    return p, p * (1 - p), np.maximum(p, 1 - p)


def told_rank(place, mean, expected):
    return (
        f"At temperature 4 a token {RANKS[place[0]]} is drawn in {100 * mean:.1f}% of all draws; it has to be in "
        f"{100 * expected:.1f}%."
    )


# at temperature 0 the key decides nothing
certain = functools.partial(Case, drawn=False)


def no_longer_program(of, cases):
    return Growth(
        f"the same program for a longer {of}",
        f"The program must not grow with {'P' if of == 'prompt' else 'num_tokens'}.",
        cases,
        of="equations",
        exponent=0.0,
        length=lambda prompt, num_tokens, **_: prompt if of == "prompt" else num_tokens,
        limit=lambda **_: 1000,
    )


GENERATE = Function(
    "generate",
    generating,
    cases={
        "one token after one": certain(
            prompt=1, num_tokens=1, idle=("state.seen", "temperature"), under=("eager", "jit")
        ),
        "one token after several": certain(
            prompt=4, num_tokens=1, idle=("state.penalty", "state.seen"), under=("eager",)
        ),
        "several tokens": certain(prompt=3, num_tokens=5, under=("eager", "jit", "vmap")),
        "equal logits": certain(
            prompt=2, num_tokens=6, rows="tied", penalty=0.0, idle=("state.seen",), under=("eager", "vmap")
        ),
        "steps are counted": certain(prompt=3, num_tokens=9, driver="counted", under=("eager",)),
        "the text ends": certain(prompt=2, num_tokens=7, eos=4, eos_at=2, under=("eager", "vmap")),
        "the text ends with token 0, and so does the prompt": certain(
            prompt=3, num_tokens=6, eos=0, eos_at=3, eos_before=True, under=("eager", "jit")
        ),
        "steps are counted, the text ends at once": certain(
            prompt=2,
            num_tokens=6,
            eos=2,
            eos_at=0,
            driver="counted",
            # one token and its repetitions: what is asked for is how many steps there are
            idle=("prompt", "state.penalty", "state.place", "state.seen", "temperature"),
            under=("eager",),
        ),
        "a state of nested parts": certain(prompt=3, num_tokens=9, step="nested_walk", height=0.25, under=("jit",)),
        "no state at all": certain(
            prompt=2, num_tokens=9, vocabulary=5, step="bigrams", idle=("temperature",), under=("jit",)
        ),
        "bfloat16 logits": certain(prompt=2, num_tokens=9, step="walk_in_bfloat16", penalty=7 / 16, under=("jit",)),
        "drawn, and certain at any temperature": certain(
            prompt=3,
            num_tokens=4,
            temperatures=(0.0, 0.5, 2.0),
            penalty=0.0,
            height=200,
            idle=("state.penalty", "state.seen"),
            under=("vmap",),
        ),
        "one draw": Case(
            prompt=3,
            num_tokens=1,
            vocabulary=10,
            temperatures=(4.0,),
            rows="peaked",
            penalty=0.0,
            idle=("state.seen",),
            under=("eager",),
        ),
        "three draws": Case(
            prompt=3,
            num_tokens=3,
            vocabulary=4,
            temperatures=(0.5,),
            rows="level",
            penalty=-0.625,
            idle=("state.place",),
            under=("jit", "vmap"),
        ),
        "dozens of tokens": certain(prompt=12, num_tokens=20, under=("jit",)),
        "a prompt of 24": certain(prompt=24, num_tokens=20, under=()),
        "40 new tokens": certain(prompt=12, num_tokens=40, under=()),
    },
    proofs=[
        no_longer_program("prompt", ["dozens of tokens", "a prompt of 24"]),
        no_longer_program("text", ["dozens of tokens", "40 new tokens"]),
    ],
    statistics=[
        Statistic(
            "as often as the softmax says",
            "A token is drawn from the softmax of logits / temperature.",
            "one draw",
            ranked,
            ranks_expected,
            told_rank,
        ),
        Frequencies(
            "as often after what was drawn",
            "Each token is drawn from the logits that follow the tokens before it.",
            "three draws",
            of_each,
        ),
        Statistic(
            "each draw by itself",
            "Nothing but the logits ties one draw to another.",
            "three draws",
            agreeing,
            agreement,
            told_agreement,
            "A key serves one draw: split it into as many as there are draws. What is drawn is what is fed in.",
        ),
    ],
)


# beam_search


def last_of_the_likeliest(sums, count):
    """The log-probabilities of the last tokens of the likeliest sequences."""
    *_, before, whole = sums
    return (whole.reshape(len(before), -1) - before[:, None]).ravel()[np.argsort(-whole)[:count]]


def searching(
    rng,
    prompt,
    num_tokens,
    num_beams,
    vocabulary=5,
    step="walk",
    rows="any",
    penalty=PENALTY,
    clear=CLEAR,
    last_below=None,
):
    """No two sequences of tokens have sums closer than `clear`; None leaves that to the case. With `last_below` one of
    the likeliest sequences ends with a token whose log-probability is below that."""

    def draw():
        return walker(rng, vocabulary, rows, penalty), rng.integers(1, vocabulary, size=prompt)

    def is_clear(found):
        sums = [*sums_of_all(*found, num_tokens)] if clear is not None else []
        return all(are_clear(of_length, clear) for of_length in sums) and (
            last_below is None or last_of_the_likeliest(sums, num_beams).min() < last_below
        )

    state, fed = drawn_until(is_clear, draw)
    return dict(
        step=Given(step),
        state=as_step(step, state),
        prompt=fed.astype(np.int32),
        num_tokens=num_tokens,
        num_beams=num_beams,
    )


BEAM_SEARCH = Function(
    "beam_search",
    searching,
    cases={
        "one beam, one token": Case(prompt=1, num_tokens=1, num_beams=1, vocabulary=3, under=("eager", "jit")),
        "three beams, one token": Case(prompt=2, num_tokens=1, num_beams=3, under=("eager",)),
        "one beam": Case(prompt=2, num_tokens=3, num_beams=1, under=("eager", "jit")),
        "two beams": Case(prompt=3, num_tokens=4, num_beams=2, vocabulary=4, under=("eager", "vmap", "grad")),
        "three beams": Case(prompt=2, num_tokens=4, num_beams=3, under=("eager", "jit")),
        "as many beams as tokens": Case(prompt=1, num_tokens=4, num_beams=4, vocabulary=4, under=("eager",)),
        "rows of logits that are hundreds apart": Case(
            prompt=2, num_tokens=3, num_beams=2, vocabulary=4, rows="lifted", clear=1e-3, under=("eager", "grad")
        ),
        "tokens that are all but impossible": Case(
            prompt=2, num_tokens=1, num_beams=4, vocabulary=4, rows="steep", clear=1.0, under=("eager", "grad")
        ),
        "a last token that is all but impossible": Case(
            prompt=2,
            num_tokens=2,
            num_beams=4,
            vocabulary=4,
            rows="steep",
            clear=1.0,
            last_below=-120.0,
            under=("eager",),
        ),
        "a state of nested parts": Case(
            prompt=2, num_tokens=3, num_beams=3, vocabulary=4, step="nested_walk", under=("jit", "vmap")
        ),
        "two tokens, and no sequence is cut off": Case(
            prompt=2, num_tokens=2, num_beams=5, step="bigrams", clear=None, under=("jit",)
        ),
        "bfloat16 logits, two dozen tokens": Case(
            prompt=1,
            num_tokens=24,
            num_beams=1,
            step="walk_in_bfloat16",
            rows="ordered",
            penalty=0.0,
            clear=None,
            idle=("state.seen",),
            under=("eager",),
        ),
        "16 tokens": Case(prompt=8, num_tokens=16, num_beams=3, clear=None, under=()),
        "a prompt of 16": Case(prompt=16, num_tokens=16, num_beams=3, clear=None, under=()),
        "32 tokens": Case(prompt=8, num_tokens=32, num_beams=3, clear=None, under=()),
    },
    proofs=[
        no_longer_program("prompt", ["16 tokens", "a prompt of 16"]),
        no_longer_program("text", ["16 tokens", "32 tokens"]),
    ],
)

ENTRIES = [GENERATE, BEAM_SEARCH]
