"""A made-up class: verdicts written by hand, as the grader would give them, and a gradebook full of them. No worker, no
JAX."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np

from grader.classroom.arrivals.submission import Piece, Submission
from grader.classroom.book.entries import Circumstances, Record, Wanted, digest_of
from grader.classroom.book.gradebook import Gradebook
from grader.course.problem import Problem
from grader.course.verdict import Check, Difference, EntryVerdict, Finding, Status, Verdict
from grader.report import machine

PASSED, FAILED, UNCHECKED, NOT_WRITTEN, COURSE = (
    Status.PASSED,
    Status.FAILED,
    Status.UNCHECKED,
    Status.NOT_WRITTEN,
    Status.COURSE,
)
TITLES = {31: "Scaled dot-product attention", 33: "Causal masking", 39: "Blockwise attention"}
ENTRIES = {31: "sdpa", 33: "causal_mask", 39: "blockwise_attention"}
CASES = ("one key", "unequal lengths", "large logits")
PROPERTY = "no query sees the future"
PROPERTIES = {number: frozenset({(entry, PROPERTY)}) for number, entry in ENTRIES.items()}
KEYS = {number: f"key-{number}" for number in TITLES}
MISTAKES = {
    "forgot_the_scale": "The scores are `sqrt(d_k)` times too large: divide them by `sqrt(d_k)` before the softmax.",
    "softmax_over_queries": "The softmax runs over the queries. Each query shares out its weight over the keys: the "
    "last axis.",
    "mask_added_as_a_number": "The mask is added as 0 and 1. What must not be attended to needs minus infinity.",
    "diagonal_masked": "Each position is kept from seeing itself: the diagonal belongs to what may be attended to.",
    "whole_matrix": "The whole matrix of scores is built. A running maximum and a running sum need one block at a "
    "time.",
}
OF = {
    31: ("forgot_the_scale", "softmax_over_queries"),
    33: ("diagonal_masked", "mask_added_as_a_number"),
    39: ("whole_matrix", "forgot_the_scale"),
}


def problem(number: int, folder: Path = Path("course")) -> Problem:
    """A problem that has a number and a title, and no files."""
    made = Problem(
        number, ENTRIES.get(number, "thing"), folder / "problems" / f"{number}_{ENTRIES.get(number, 'thing')}", None
    )
    made.__dict__["title"] = TITLES.get(number, f"Problem {number}")
    return made


PROBLEMS = [problem(number) for number in TITLES]


def difference(expected, came, leaf: str = "", allowed: float = 1e-6) -> Difference:
    from grader.key.compare import differ

    return differ(leaf, np.asarray(expected), np.asarray(came), allowed)


def missed(expected, came, allowed: float = 1e-6, **fields) -> Finding:
    """A failing check of values, told as `explain` tells it."""
    found = difference(expected, came, allowed=allowed)
    return Finding(
        Check("f", "eager", "small"),
        FAILED,
        f"{int(found.wrong.sum())} of {found.wrong.size} values of the output differ{found.off_by}",
        difference=found,
        **fields,
    )


def findings(entry: str, failing=(), statuses=None) -> tuple[Finding, ...]:
    """The checks of a name: cases under each transform, a claim, the whole. `failing` are (kind, case); `statuses` says
    more of some."""
    checks = [Check(entry, kind, case) for kind in ("eager", "jit", "vmap", "grad") for case in CASES]
    checks += [
        Check(entry, "proof", "no array is as large as all scores"),
        *(Check(entry, kind, PROPERTY) for kind in ("eager", "jit")),
        Check(entry, "traces", CASES[-1]),
        Check(entry, "leaks", CASES[-1]),
    ]
    told = {which: FAILED for which in failing} | (statuses or {})
    return tuple(
        Finding(check, told.get((check.kind, check.case), PASSED), inputs="q (3, 8)  k (5, 8)  v (5, 6)")
        for check in checks
    )


def verdict(number: int, status: Status, *entries: EntryVerdict, **fields) -> Verdict:
    name = f"{number}_{ENTRIES.get(number, 'thing')}"
    return Verdict(
        number,
        name,
        TITLES.get(number, f"Problem {number}"),
        f"/srv/grading/scratch-7/problems/{name}/stub.py",
        status,
        entries,
        seconds=1.25,
        **fields,
    )


def passed(number: int = 31) -> Verdict:
    return verdict(number, PASSED, EntryVerdict(ENTRIES[number], PASSED, findings(ENTRIES[number])))


def wrong(number: int = 31, mistake: str = "", rng: random.Random | None = None, prints=()) -> Verdict:
    """A wrong answer: its values differ from the second case on."""
    values = np.random.default_rng(rng.randrange(99) if rng else 0)
    right = values.standard_normal((3, 6)).astype(np.float32)
    mine = right.copy()
    mine[1:] += values.standard_normal((2, 6)).astype(np.float32)
    entry = ENTRIES[number]
    checks = list(findings(entry, [(kind, case) for kind in ("eager", "jit", "vmap", "grad") for case in CASES[1:]]))
    found = difference(right, mine)
    checks[1] = replace(
        checks[1], difference=found, summary=f"{int(found.wrong.sum())} of 18 values of the output differ{found.off_by}"
    )
    return verdict(
        number, FAILED, EntryVerdict(entry, FAILED, tuple(checks), mistake, MISTAKES.get(mistake, "")), prints=prints
    )


def raises(number: int = 31, message: str = "boom") -> Verdict:
    entry = ENTRIES[number]
    checks = list(findings(entry, [(kind, case) for kind in ("jit", "vmap", "grad") for case in CASES]))
    checks[3] = replace(
        checks[3],
        summary=f"line 12 raises ValueError: {message}",
        lines=((9, entry, "    weights = softmax(scores)"), (12, "softmax", f"    raise ValueError({message!r})")),
    )
    return verdict(number, FAILED, EntryVerdict(entry, FAILED, tuple(checks)))


def uneconomical(number: int = 39) -> Verdict:
    """Right everywhere, and not as economical as is asked for."""
    entry = ENTRIES[number]
    checks = [
        replace(
            f,
            summary="No array may be as large as all scores. There is an array of shape (512, 512) and type float32, "
            "made by `dot_general`.",
            lines=((7, entry, "    scores = q @ k.T"),),
        )
        if f.status == FAILED
        else f
        for f in findings(entry, [("proof", "no array is as large as all scores")])
    ]
    return verdict(number, FAILED, EntryVerdict(entry, FAILED, tuple(checks), "whole_matrix", MISTAKES["whole_matrix"]))


def unproved(number: int = 39) -> Verdict:
    """Right everywhere, with a claim that could not be checked."""
    entry = ENTRIES[number]
    checks = findings(entry, statuses={("proof", "no array is as large as all scores"): UNCHECKED})
    return verdict(number, UNCHECKED, EntryVerdict(entry, UNCHECKED, checks))


def untouched(number: int = 31) -> Verdict:
    told = Finding(
        Check("", "import"),
        NOT_WRITTEN,
        "the stub is as it came: nothing is written yet",
        advice="Open the stub and fill in the TODO.",
    )
    return verdict(number, NOT_WRITTEN, EntryVerdict(ENTRIES[number], NOT_WRITTEN), trouble=told)


def no_python(number: int = 31) -> Verdict:
    told = Finding(
        Check("", "import"),
        FAILED,
        "line 3 is not Python: invalid syntax",
        lines=((3, "", "    return softmax(q @ k.T"),),
        advice="Python cannot read the file past this line; nothing was run.",
    )
    return verdict(number, FAILED, EntryVerdict(ENTRIES[number], FAILED), trouble=told)


def at_fault(number: int = 31) -> Verdict:
    return verdict(
        number,
        COURSE,
        trouble=Finding(
            Check("", "course"),
            COURSE,
            "solutions/31_sdpa/reference.py does not import: NameError: name 'jnp' is not defined",
        ),
    )


def record(student: str, shown: Verdict, content: bytes = b"def f(): ...", **under) -> Record:
    place = f"{student}/problems/{shown.name}/stub.py"
    circumstances = dict(
        key=KEYS.get(shown.number, ""),
        seed=2**61 + 1,
        course="c1",
        jax="0.12.0",
        grader="g1",
        python="3.13",
        seconds=1.25,
        graded_at="2025-03-01T10:00:00+00:00",
    )
    return Record(
        Wanted(student, shown.number, digest_of(Piece(shown.number, place, content))),
        machine.data(shown),
        content,
        place,
        Circumstances(**(circumstances | under)),
    )


FIRST = (
    "Ada",
    "Bela",
    "Chidi",
    "Dalia",
    "Emre",
    "Farah",
    "Gita",
    "Hana",
    "Ivo",
    "José",
    "Kiri",
    "Lars",
    "Mona",
    "Noor",
    "Omar",
    "Pia",
)
LAST = ("Abel", "Bakker", "Castro", "Díaz", "Engel", "Fischer", "García", "Horvath")


def fill(book: Gradebook, count: int = 60, seed: int = 1) -> None:
    """A class as it might be: most right, some mistakes more common than others, and a few of everything else."""
    rng = random.Random(seed)
    people = [f"{first} {last}" for last in LAST for first in FIRST][:count]
    arrived = []
    for index, name in enumerate(people):
        student = name.lower().replace(" ", "_")
        trouble = (
            "the zip file is broken: it breaks off in the middle. Make it again, and hand that in."
            if index == 17
            else ""
        )
        arrived.append(
            Submission(
                student,
                name,
                {"canvas_id": str(4000 + index), "email": f"{student}@example.org"},
                {},
                trouble,
                ("late",) if index % 9 == 0 else (),
            )
        )
    book.arrived(arrived)
    for index, one in enumerate(arrived):
        if one.trouble:
            continue
        for number in TITLES:
            odds = rng.random()
            mistakes = OF[number]
            shown = (
                passed(number)
                if odds < 0.5
                else wrong(number, mistakes[0], rng)
                if odds < 0.68
                else wrong(number, mistakes[1], rng)
                if odds < 0.75
                else wrong(number, "", rng)
                if odds < 0.80
                else raises(number)
                if odds < 0.84
                else untouched(number)
                if odds < 0.88
                else no_python(number)
                if odds < 0.9
                else None
                if odds < 0.95
                else unproved(number)
                if number == 39
                else passed(number)
            )
            if number == 39 and 0.5 <= odds < 0.68:
                shown = uneconomical()
            if shown is None:
                continue
            if rng.random() < 0.25 and shown.status == PASSED:
                book.record(record(one.student, wrong(number, mistakes[0], rng), b"first try"))
            waived = ("network",) if index % 30 == 0 else ()
            book.record(record(one.student, shown, f"{one.student} {number}".encode(), waived=waived))
