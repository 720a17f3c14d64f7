"""Claims about kernels: that one does the work, lowers for a device, and has no races."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from grader.course.claims.proof import Broken, Proof
from grader.course.complaints import explain_lowering


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
