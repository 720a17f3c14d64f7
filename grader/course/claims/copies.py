"""The claim that some inputs are not copied."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from grader.course.claims.proof import Broken, Proof, inside_of, shape_of

# Primitives by which the same copy is written.
WAYS_TO_COPY = {
    "broadcast_in_dim": "repeated",
    "tile": "repeated",
    "stack": "side by side",
    "concatenate": "side by side",
    "gather": "picked",
    "dynamic_slice": "picked",
}


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
            f"{self.rule} `{fact['by']}` makes an array of shape {shape_of(fact['shape'])} of them{inside_of(fact)}: "
            f"{fact['elements']} elements, where {fact['limit']} are enough.",
            line=fact["line"],
        )
