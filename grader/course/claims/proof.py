"""What every claim about a program is: data, and a judgement of facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple


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


def shape_of(shape) -> str:
    return str(tuple(shape))


def inside_of(fact) -> str:
    loops = [name for name in fact["inside"] if name not in ("jit", "pjit")]
    return f" inside `{loops[-1]}`" if loops else ""
