"""The claims that a problem may make about the program as JAX traces it, beside the values that it computes.

Each names cases of its entry, and is judged from facts that `read.py` and `lowering.py` read off the very programs
whose outputs are compared. NumPy and JAX are not needed here: a claim is data, and judging it is arithmetic.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from grader.course.complaints import explain_lowering

# Primitives by which the same copy is written.
WAYS_TO_COPY = {
    "broadcast_in_dim": "repeated",
    "tile": "repeated",
    "stack": "side by side",
    "concatenate": "side by side",
    "gather": "picked",
    "dynamic_slice": "picked",
}


class Broken(NamedTuple):
    """A claim that does not hold: `sign` is the way in which, the same for the same mistake; the rest is for the
    student."""

    sign: str
    sentence: str
    advice: str = ""
    line: Sequence | None = None


@dataclass(frozen=True)
class Proof:
    """A claim about the program of its first case, or about how that program changes from one case to the next.

    `rule` is the sentence for the student; `under` is the transform whose program is meant (jit, vmap or grad).
    """

    name: str
    rule: str
    cases: Sequence[str]
    under: str = "jit"

    def measure(self, sizes: Mapping[str, Any]) -> dict[str, Any]:
        """What to measure of a case's program, and with which options."""
        raise NotImplementedError

    def broken(self, facts: Sequence[Mapping[str, Any]]) -> Broken | None:
        """How the claim is broken by the facts, one mapping for each case."""
        try:
            for fact in facts:
                if fact.get("opaque"):
                    return Broken(
                        "opaque",
                        f"`{fact['opaque']}` leaves the program, so that nothing can be proved of it.",
                        "Compute with JAX alone, without callbacks.",
                    )
            return self.judge(facts)
        except (TypeError, KeyError, ValueError, AttributeError, ArithmeticError):
            return Broken("forged", "The facts about the program are none that the grader measures.")

    def judge(self, facts) -> Broken | None:
        raise NotImplementedError

    def reported(self, facts) -> str:
        """What is told beside a claim that holds."""
        return ""


@dataclass(frozen=True)
class Largest(Proof):
    """No array with `limit(**sizes)` elements or more exists: no result, constant or mask, in no loop, call or kernel.
    The inputs do not count."""

    limit: Callable[..., int] = None

    def measure(self, sizes):
        return dict(of="largest", limit=int(self.limit(**sizes)))

    def judge(self, facts):
        (fact,) = facts
        if fact["elements"] < fact["limit"]:
            return None
        made = "a constant" if fact["by"] == "a constant" else f"made by `{fact['by']}`"
        mask = fact["dtype"] == "bool" and fact["by"] != "a constant"  # by whichever comparison
        return Broken(
            "a mask" if mask else f"{fact['by']} {fact['dtype']}",
            f"{self.rule} There is an array of shape {_shape(fact['shape'])} and type {fact['dtype']}, "
            f"{made}{_inside(fact)}.",
            "What counts is the program as traced, without what nothing depends on; a mask counts like any other "
            "array.",
            fact["line"],
        )

    def reported(self, facts):
        return f"the largest array has {facts[0]['elements']} elements; fewer than {facts[0]['limit']} are allowed"


@dataclass(frozen=True)
class Kept(Proof):
    """Between the forward and the backward pass at most `limit(**sizes)` elements are kept. Inputs do not count; the
    output does, where the backward pass uses it."""

    under: str = "grad"
    limit: Callable[..., int] = None

    def measure(self, sizes):
        return dict(of="kept", limit=int(self.limit(**sizes)))

    def judge(self, facts):
        (fact,) = facts
        if fact["elements"] <= fact["limit"]:
            return None
        return Broken(
            f"kept {fact['by']}",
            f"{self.rule} {fact['elements']} elements are kept, where {fact['limit']} are enough; the largest array "
            f"has shape {_shape(fact['shape'])} and type "
            f"{fact['dtype']}, made by `{fact['by']}`{_inside(fact)}.",
            COUNTED["kept"][2],
            fact["line"],
        )

    def reported(self, facts):
        return f"{facts[0]['elements']} elements are kept; up to {facts[0]['limit']} are allowed"


@dataclass(frozen=True)
class Growth(Proof):
    """From each case to the next and longer one, what `of` counts (equations, flops, memory, largest: the elements of
    the largest array, or kept: with under="grad", elements between the passes) grows at most as `length(**sizes)` to
    the power `exponent`, and in each it is at most `limit(**sizes)`: what is padded at a short length would grow slowly
    from there. Of equations that are `rolled` no loop is unrolled either, not even in part."""

    of: str = "memory"
    exponent: float = 1.5
    length: Callable[..., int] = None
    limit: Callable[..., int] = None
    rolled: bool = False

    def measure(self, sizes):
        return dict(of=self.of, length=int(self.length(**sizes)), limit=int(self.limit(**sizes)))

    def judge(self, facts):
        broken = self.too_much(facts)
        unrolled = next((fact for fact in facts if self.of == "equations" and fact.get("copies", 1) > 1), None)
        if unrolled and (self.rolled or broken):
            return Broken(
                "unrolled",
                f"{self.rule} At a length of {unrolled['length']} the body of a loop is written out "
                f"{unrolled['copies']} times{_inside(unrolled)}.",
                "Leave `unroll` out: the compiled program then has the body once, however often it runs.",
                unrolled["line"],
            )
        return broken

    def too_much(self, facts) -> Broken | None:
        what, unit, _ = COUNTED[self.of]
        for fact in facts:
            if self.amount(fact) > fact["limit"]:
                return Broken(
                    self.of,
                    f"{self.rule} At a length of {fact['length']} {what} {self.amount(fact)} {unit}; {fact['limit']} "
                    f"are enough.",
                    COUNTED[self.of][2],
                )
        for few, many in itertools.pairwise(facts):
            if self.power(few, many) > self.exponent:
                grows = (
                    ""
                    if self.of == "equations"
                    else f": it grows as the length to the power {self.power(few, many):.1f}"
                )
                return Broken(
                    self.of,
                    f"{self.rule} At a length of {few['length']} {what} {self.amount(few)} {unit}, and "
                    f"{self.amount(many)} at {many['length']}{grows}.",
                    COUNTED[self.of][2],
                )
        return None

    def amount(self, fact) -> int:
        return fact[{"equations": "count", "memory": "bytes", "flops": "flops"}.get(self.of, "elements")]

    def power(self, few, many) -> float:
        return math.log(max(self.amount(many), 1) / max(self.amount(few), 1), many["length"] / few["length"])

    def reported(self, facts):
        if self.of == "equations":
            return f"{max(map(self.amount, facts))} equations at any length"
        return (
            f"{'the largest array' if self.of == 'largest' else self.of} grows as the length to the power "
            f"{max(self.power(few, many) for few, many in itertools.pairwise(facts)):.2f}"
        )


# What is counted: as the beginning and the end of a sentence, and what to do about too much of it.
COUNTED = {
    "equations": (
        "it has",
        "equations",
        "A Python loop is unrolled when it is traced. A `lax.scan` or `lax.fori_loop` is one equation.",
    ),
    "memory": (
        "the compiled program takes",
        "bytes of temporary memory",
        "What stays alive until the end counts in full: combine each piece with what came before, and let go of it.",
    ),
    "largest": (
        "its largest array has",
        "elements",
        "Sum first what many rows share; what each row needs for itself alone is small.",
    ),
    "kept": (
        "it keeps",
        "elements between the passes",
        "What the backward pass can compute again from the inputs need not be kept: `jax.checkpoint`, or a "
        "`jax.custom_vjp` "
        "whose forward pass returns only that.",
    ),
    "flops": ("it takes", "arithmetic operations", "What is computed again at each step counts each time: keep it."),
}


@dataclass(frozen=True)
class Flops(Proof):
    """It takes at most `limit(**sizes)` arithmetic operations, as often as the loops around them run. Where that
    depends on values nothing is proved. With `of="products"` only the multiplications in products of matrices count."""

    limit: Callable[..., int] = None
    of: str = "flops"

    def measure(self, sizes):
        return dict(of=self.of, limit=int(self.limit(**sizes)))

    def judge(self, facts):
        (fact,) = facts
        if fact[self.of] <= fact["limit"]:
            return None
        return Broken(
            self.of,
            f"{self.rule} It takes {fact[self.of]} {OPERATIONS[self.of]}; {fact['limit']} are enough.",
            line=fact["line"],
        )

    def reported(self, facts):
        return f"{facts[0][self.of]} {OPERATIONS[self.of]}; up to {facts[0]['limit']} are allowed"


OPERATIONS = {"flops": "arithmetic operations", "products": "multiplications in products of matrices"}


@dataclass(frozen=True)
class Turns(Proof):
    """No loop takes more than `limit(**sizes)` turns, one that is inside another counted for each turn of that. Where
    their number depends on values nothing is proved."""

    limit: Callable[..., int] = None

    def measure(self, sizes):
        return dict(of="turns", limit=int(self.limit(**sizes)))

    def judge(self, facts):
        (fact,) = facts
        if fact["turns"] <= fact["limit"]:
            return None
        return Broken(
            "turns",
            f"{self.rule} A loop takes {fact['turns']} turns{_inside(fact)}; {fact['limit']} are enough.",
            "Turns wait for one another. What can be done at once belongs into one of them, as products of matrices.",
            fact["line"],
        )

    def reported(self, facts):
        return f"{facts[0]['turns']} turns; up to {facts[0]['limit']} are allowed"


@dataclass(frozen=True)
class Copies(Proof):
    """No array made of one of the `groups` of inputs alone (by name, parameters and arguments) has more than
    `limit(**sizes)` elements."""

    groups: Sequence[Sequence[str]] = ()
    limit: Callable[..., int] = None

    def measure(self, sizes):
        return dict(of="copies", groups=[list(group) for group in self.groups], limit=int(self.limit(**sizes)))

    def judge(self, facts):
        (fact,) = facts
        if not fact["by"]:
            return None
        return Broken(
            WAYS_TO_COPY.get(fact["by"], fact["by"]),
            f"{self.rule} `{fact['by']}` makes an array of shape {_shape(fact['shape'])} of them{_inside(fact)}: "
            f"{fact['elements']} elements, where {fact['limit']} are enough.",
            line=fact["line"],
        )


@dataclass(frozen=True)
class Precision(Proof):
    """With half-precision inputs, no product of matrices, exponential or running sum is in half precision, nor is a
    score rounded to it before it is exponentiated, or a sum before it is added to."""

    def measure(self, sizes):
        return dict(of="precision")

    def judge(self, facts):
        (fact,) = facts
        if not fact["by"]:
            return None
        if fact["rounded"]:
            return Broken(
                f"{fact['rounded']} {fact['dtype']}",
                f"{self.rule} `{fact['by']}` takes a {fact['rounded']} that was rounded to "
                f"{fact['dtype']}{_inside(fact)}.",
                "What a loop carries, or a kernel keeps, from one block to the next stays in float32; only the output "
                "is cast, at the end.",
                fact["line"],
            )
        return Broken(
            f"{fact['by']} {fact['dtype']}",
            f"{self.rule} `{fact['by']}` gives {fact['dtype']}{_inside(fact)}.",
            "Ask for it: `preferred_element_type=jnp.float32` in a product, `.astype(jnp.float32)` before an "
            "exponential or a sum.",
            fact["line"],
        )


@dataclass(frozen=True)
class Denominators(Proof):
    """With half-precision inputs, what each norm (`within` "norms") or each softmax ("softmax") divides by is computed
    in float32: neither what is added up, nor the sum or its root, is in half precision or was rounded to it. Products
    of matrices and activations may be. It is about the programs of all its cases."""

    within: str = "norms"

    def measure(self, sizes):
        return dict(of="denominators", within=self.within)

    def judge(self, facts):
        fact = next((fact for fact in facts if fact["by"]), None)
        if fact is None:
            return None
        does = (
            f"takes a {fact['rounded']} that was rounded to {fact['dtype']}"
            if fact["rounded"]
            else f"gives {fact['dtype']}"
        )
        return Broken(
            f"{self.within} {fact['dtype']}",
            f"{self.rule} `{fact['by']}` {does}{_inside(fact)}.",
            "Cast what goes in, `.astype(jnp.float32)`, and cast the result back at the end; `jnp.mean` and `jnp.sum` "
            "round what they give to the type of what they got.",
            fact["line"],
        )


@dataclass(frozen=True)
class Kernel(Proof):
    """One `pallas_call` does the work: it runs once, over a grid of `grid(**sizes)` steps, exponentiates inside, and
    nothing outside multiplies matrices, exponentiates, reduces or loops."""

    grid: Callable[..., int] = None

    def measure(self, sizes):
        return dict(of="kernel", grid=int(self.grid(**sizes)))

    def judge(self, facts):
        (fact,) = facts
        if fact["calls"] != 1:
            count = (
                "never"
                if fact["calls"] == 0
                else f"{fact['calls']} times"
                if fact["calls"] > 0
                else "as often as values say"
            )
            return Broken(
                f"calls {fact['calls']}",
                f"{self.rule} Here a `pallas_call` runs {count}.",
                "One call with a grid over heads and query blocks covers everything.",
            )
        if fact["outside"]:
            return Broken(
                f"outside {fact['outside']}",
                f"{self.rule} Here `{fact['outside']}` is outside of it.",
                "Padding, reshaping and slicing may stay outside; products, exponentials, sums and loops belong into "
                "the kernel.",
                fact["line"],
            )
        if not fact["works"]:
            return Broken(
                "idle", f"{self.rule} Here the kernel computes no exponential: it does nothing of the softmax."
            )
        if fact["steps"] != fact["grid"]:
            return Broken(
                "grid",
                f"{self.rule} Its grid has {fact['steps']} steps; one for each block of queries of each head would be "
                f"{fact['grid']}.",
                "The key blocks are a loop inside the kernel: as an axis of the grid their steps would run at once on "
                "a GPU, and race for the output.",
            )
        return None


@dataclass(frozen=True)
class Lowers(Proof):
    """The kernel lowers for a `platform` ("tpu" or "gpu") that need not be here. `interpret` is False for it, whatever
    the case says."""

    platform: str = "tpu"

    def measure(self, sizes):
        return dict(of="lowering", platform=self.platform)

    def judge(self, facts):
        (fact,) = facts
        if not fact["complaint"]:
            return None
        sign, sentence, advice = explain_lowering(self.platform, fact["complaint"])
        return Broken(sign, f"{self.rule} {sentence}", advice, fact["line"])


@dataclass(frozen=True)
class Collectives(Proof):
    """Devices exchange no more than `most` says: by each kind of collective, such as "psum" or "all_gather", how often
    at most. A kind that it does not name may not be there."""

    most: Mapping[str, int] = field(default_factory=dict)

    def measure(self, sizes):
        return dict(of="collectives")

    def judge(self, facts):
        (fact,) = facts
        for name, count in sorted(fact["collectives"].items()):
            if count > (enough := self.most.get(name, 0)):
                told = "as often as values say" if count == math.inf else "once" if count == 1 else f"{count} times"
                allowed = "none is needed" if not enough else f"{enough} {'is' if enough == 1 else 'are'} enough"
                return Broken(
                    name,
                    f"{self.rule} Here `{name}` runs {told}; {allowed}.",
                    "Reduce on each device first, and exchange the results: every device pays for what is exchanged.",
                    fact["line"],
                )
        return None

    def reported(self, facts):
        counted = [f"{name} {count}" for name, count in sorted(facts[0]["collectives"].items())]
        return ", ".join(counted) or "no collective"


@dataclass(frozen=True)
class Races(Proof):
    """Interpreted as a TPU would run it, the kernel reads nothing outside of its arrays; and no two steps of its grid
    race, were they to run at once as on a GPU."""

    def measure(self, sizes):
        return dict(of="races")

    def judge(self, facts):
        (fact,) = facts
        if fact["race"]:
            return Broken(
                "race",
                f"{self.rule} Two steps of the grid touch the same memory, one of them writing.",
                "Each block of the output belongs to one step of the grid.",
            )
        if "block index" in fact["complaint"]:
            return Broken(
                "block out of bounds",
                f"{self.rule} TPU interpret mode says: {fact['complaint']}",
                "An index map gave the number of a block that the array does not have. It returns numbers of blocks, "
                "not of rows; a block that is a whole axis has the number 0 there.",
                fact["line"],
            )
        if fact["complaint"]:
            return Broken(
                "out of bounds" if "bounds" in fact["complaint"] else "complaint",
                f"{self.rule} TPU interpret mode says: {fact['complaint']}",
                "Pad outside the kernel, or clamp the start of the block and mask what was read twice.",
                fact["line"],
            )
        return None


def settle(entry, calls, outcomes) -> dict[str, tuple[list[int], str]]:
    """What the outcomes say of each claim of an entry, about a program or about what is drawn: the ids of its calls,
    and the sign of how it is broken, "" where it holds."""
    found = {}
    for name, proof in entry.claims.items():
        group = [
            call.id
            for call in calls
            if (call.check.entry, call.check.kind, call.check.case) == (entry.name, "proof", name)
        ]
        facts = [outcomes[id].structure[1] for id in group if id in outcomes and not outcomes[id].failure]
        if group and len(facts) == len(group):
            broken = proof.broken(facts)
            found[name] = group, broken.sign if broken else ""
    for call in calls:
        if (
            call.check.entry == entry.name
            and call.check.kind == "draws"
            and call.id in outcomes
            and not outcomes[call.id].failure
        ):
            broken = entry.frequencies[call.check.case].broken(call.known, drawn_of(outcomes[call.id]))
            found[call.check.case] = [call.id], broken.sign if broken else ""
    return found


def drawn_of(outcome):
    """What was drawn: of a module that holds more than its parameters, the output alone."""
    value = outcome.value
    return value["output"] if isinstance(value, dict) and {*value} == {"output", "variables"} else value


def settled(entry, calls, outcomes) -> dict:
    """The outcomes with each proof's facts reduced to what they say of it, so that two programs that break it in the
    same manner agree."""
    reduced = dict(outcomes)
    for group, sign in settle(entry, calls, outcomes).values():
        reduced |= {id: type(outcomes[id])(f"broken: {sign}" if sign else "holds") for id in group}
    return reduced


def _shape(shape) -> str:
    return str(tuple(shape))


def _inside(fact) -> str:
    loops = [name for name in fact["inside"] if name not in ("jit", "pjit")]
    return f" inside `{loops[-1]}`" if loops else ""
