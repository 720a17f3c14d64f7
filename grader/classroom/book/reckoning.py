"""How the points of a problem came about, in rows that can be added up by hand: the same for a page, for Markdown and
for Gradescope."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from grader.classroom.book.marks import Mark
from grader.classroom.book.points import MOST, WORTH, Part, shown
from grader.classroom.book.rules import Grading
from grader.report import words

HEAD = ("part", "checks passed", "that count", "worth", "earned")
CALLED = {
    "values": "values: each case, as it is and under `jit`, `vmap`, `grad`",
    "claims": "claims about the program",
    "whole": "what is asked of the whole",
    "all": "all of it",
    "none": "not written",
}
PARTS = {"values": "values", "claims": "claims about the program", "whole": "what is asked of the whole"}
UNCOUNTED = (
    "A plain call (eager) is wrong. So properties, claims and what is asked of the whole do not count, also "
    "where they passed."
)
MISSING = f" {words.NO_CHECK} adds nothing: it was not handed in."
CAPPED = f"What did not pass has {MOST} at most."


@dataclass(frozen=True)
class Reckoning:
    """A table under `HEAD`, whose last row is the sum, and what follows from it in sentences. Code stands between
    backticks."""

    rows: tuple[tuple[str, ...], ...]
    sentences: tuple[str, ...]


def reckoning(mark: Mark) -> Reckoning | None:
    """How a mark's points follow from its checks. None where there is nothing to add up: it passed, has no points yet,
    or nothing of it was judged."""
    parts = mark.credit.parts
    if not parts or mark.blank:
        return None
    several = len({part.name for part in parts}) > 1
    rows = [
        (
            f"`{part.name}`: {CALLED[part.kind]}" if several else CALLED[part.kind],
            f"{part.passed} of {part.checks}",
            str(part.counted),
            thousandths(part.worth),
            thousandths(part.earned),
        )
        for part in parts
    ]
    passed, checks, counted = (sum(getattr(part, of) for part in parts) for of in ("passed", "checks", "counted"))
    whole = sum(part.earned for part in parts)
    rows.append(("sum", f"{passed} of {checks}", str(counted), "1", thousandths(whole)))
    return Reckoning(tuple(rows), tuple(_sentences(mark, parts, whole)))


def _sentences(mark: Mark, parts: tuple[Part, ...], whole: float):
    yield from _shared_out(parts)
    if any(part.counted < part.passed for part in parts):
        yield UNCOUNTED
    share = mark.credit.share
    if share == MOST < whole:
        yield CAPPED
    rounded = f"{thousandths(whole)} is rounded to {shown(share)}. " if thousandths(whole) != shown(share) else ""
    product = f"{shown(share)} × {shown(mark.weight)} = {shown(mark.by_checks)}"
    yield f"{rounded}The problem is worth {worth(mark.weight)}: {product}."


def _shared_out(parts: tuple[Part, ...]):
    """How the worth of a part comes about, where it is not what it is of ten: among several names, and where a name
    has no claims, say."""
    by_name: dict[str, dict[str, float]] = {}
    for part in parts:
        by_name.setdefault(part.name, {})[part.kind] = part.worth
    names = len(by_name)
    if names > 1:
        yield f"Each of the {names} names is worth 1 / {names} = {thousandths(1 / names)}."
    alike: dict[tuple[str, ...], list[str]] = {}
    for name, worths in by_name.items():
        if {*worths} < {*WORTH}:
            alike.setdefault((*worths,), []).append(name)
    for kinds, of in alike.items():
        whose = f" of {' and '.join(f'`{name}`' for name in of)}" if names > 1 else ""
        missing = " and ".join(told for kind, told in PARTS.items() if kind not in kinds)
        all_of_them = sum(WORTH[kind] for kind in kinds)
        shares = ", ".join(
            f"{PARTS[kind]} {WORTH[kind]} / {all_of_them}{f' / {names}' if names > 1 else ''} = "
            f"{thousandths(by_name[of[0]][kind])}"
            for kind in kinds
        )
        yield (
            f"Of the {sum(WORTH.values())} parts{whose} those for {missing} are not asked for, and are shared out: "
            f"{shares}."
        )


def total(marks: Mapping[int, Mark], grading: Grading) -> str:
    """How the points of the problems become the total, which is blank as long as one of them is not known."""
    counting = [mark for mark in marks.values() if mark.weight]
    whole, earned = sum(grading.weights.values()), sum(mark.points for mark in counting)
    if len(counting) < 2 and whole == grading.maximum or not whole:
        return ""
    summed = " + ".join(words.NO_CHECK if mark.blank else shown(mark.points) for mark in counting)
    if any(mark.undecided for mark in counting):
        return f"{summed}: there is no total until each of them has points."
    if all(mark.missing for mark in counting):
        return f"{summed}: nothing that counts was handed in, so there is no total."
    points = grading.total({mark.problem: mark.points for mark in counting})
    scaled = f", and {shown(earned)} × {shown(grading.maximum)} / {shown(whole)} = {shown(points)}"
    missing = MISSING if any(mark.missing for mark in counting) else ""
    return f"{summed} = {shown(earned)} of {worth(whole)}{scaled if whole != grading.maximum else ''}.{missing}"


def worth(weight: float) -> str:
    return f"{shown(weight)} point{'' if weight == 1 else 's'}"


def thousandths(share: float) -> str:
    """A share as precise as a sum of a few needs."""
    return f"{share:.3f}".rstrip("0").rstrip(".")
