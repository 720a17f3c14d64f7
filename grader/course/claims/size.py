"""Claims about how much there is: the largest array, what is kept between the passes, and how either grows."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

from grader.course.claims.proof import Broken, Proof, inside_of, shape_of


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
            f"{self.rule} There is an array of shape {shape_of(fact['shape'])} and type {fact['dtype']}, "
            f"{made}{inside_of(fact)}.",
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
            f"has shape {shape_of(fact['shape'])} and type "
            f"{fact['dtype']}, made by `{fact['by']}`{inside_of(fact)}.",
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
                f"{unrolled['copies']} times{inside_of(unrolled)}.",
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
