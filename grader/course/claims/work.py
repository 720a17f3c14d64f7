"""Claims about how much is computed, and how often: operations, turns of a loop, exchanges between devices."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from grader.course.claims.proof import Broken, Proof, inside_of


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
            f"{self.rule} A loop takes {fact['turns']} turns{inside_of(fact)}; {fact['limit']} are enough.",
            "Turns wait for one another. What can be done at once belongs into one of them, as products of matrices.",
            fact["line"],
        )

    def reported(self, facts):
        return f"{facts[0]['turns']} turns; up to {facts[0]['limit']} are allowed"


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
