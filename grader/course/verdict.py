"""The nouns that come out: an Outcome is what one call gave, a Finding what a check says of it, a Verdict all findings
of a problem."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from grader.course.trees import WITH_FIELDS, named_tuple, put_together, within

if TYPE_CHECKING:  # an untouched stub gets its verdict without NumPy
    import numpy as np


# characters of a text, lines of a traceback, containers in each other: what a process may say of an outcome
LONGEST, MOST, DEEPEST = 4000, 20, 100
AXES, LARGEST = 64, 1 << 40  # of a shape that it tells
# what a structure without parts may be
SIMPLE = re.compile(r"array|key|None|tracer|NumPy array|Python \S+|\S+ object")


class Status(str, enum.Enum):
    """What became of a check, a name or a problem."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_WRITTEN = "not written"
    UNCHECKED = "could not be checked"
    COURSE = "course at fault"


@dataclass(frozen=True)
class Failure:
    """An exception as data: its type, its bases, what it said, and the student's own lines in its traceback."""

    type: str
    bases: tuple[str, ...] = ()
    message: str = ""
    lines: tuple[tuple[int, str, str], ...] = ()  # (line number, function, source text), outermost first

    def is_a(self, name: str) -> bool:
        return name == self.type or name in self.bases

    @property
    def out_of_memory(self) -> bool:
        return self.is_a("MemoryError") or "RESOURCE_EXHAUSTED" in self.message or "Out of memory" in self.message

    @property
    def exhausting(self) -> bool:
        """Whether it took all the memory or stack that there is: what comes after it would only do so again."""
        return self.type == "RecursionError" or self.out_of_memory


@dataclass(frozen=True)
class Outcome:
    """What one call gave: a structure with its arrays, or a Failure."""

    structure: Any = None  # "array", "None", ["tuple", [...]], ["dict", {...}], ...
    leaves: dict[str, np.ndarray] = field(default_factory=dict)
    failure: Failure | None = None

    @property
    def value(self) -> Any:
        """What was returned, with NumPy's arrays in it."""
        return put_together(self.structure, lambda kind, path: self.leaves.get(path), dataclass=named_tuple_of_fields)

    def to_wire(self):
        if self.failure:
            return {
                "failure": [
                    self.failure.type,
                    list(self.failure.bases),
                    self.failure.message,
                    [list(line) for line in self.failure.lines],
                ]
            }, {}
        return {"structure": self.structure}, self.leaves

    @classmethod
    def from_wire(cls, message, arrays) -> Outcome:
        if "failure" in message:
            type_, bases, text, lines = message["failure"]
            return cls(
                failure=Failure(
                    word(type_),
                    tuple(map(word, bases[:MOST])),
                    cut(_text(text), LONGEST),
                    tuple(
                        (_size(number), cut(_text(function)), cut(_text(source)))
                        for number, function, source in lines[:MOST]
                    ),
                )
            )
        found = set()
        for path in leaf_paths(message["structure"]):
            # told at once: the paths together can be far longer than what was sent
            if path not in arrays:
                raise ValueError(f"no array for {cut(path)!r}")
            found.add(path)  # `{"a": {"b": x}, "a.b": y}` says one twice
        if len(found) < len(arrays):
            raise ValueError("an array that is nowhere in the structure")
        return cls(message["structure"], arrays)


def named_tuple_of_fields(name: str, fields: tuple[str, ...], static=()):
    return named_tuple(name, fields)


def cut(text, longest: int = 200) -> str:
    """What a process said, no longer than anybody reads."""
    return str(text)[:longest]


def word(text) -> str:
    """A name as a process tells it, in one word that nobody takes for a sentence."""
    return re.sub(r"[^\w.<>-]+", "_", cut(_text(text)))


def named(text: str) -> str:
    """A name that a file chose, within a sentence: what is not one word is told as a quotation."""
    return text if word(text) == text and len(text) <= 60 else f"`{' '.join(text.replace('`', chr(39)).split())[:60]}`"


def _text(value) -> str:
    if not isinstance(value, str):
        raise ValueError("no text")
    return value


def _size(value) -> int:
    if not _is_size(value):
        raise ValueError("no such number")
    return value


def leaf_paths(structure, path: str = "", depth: int = 0) -> Iterator[str]:
    """The paths of the arrays in a structure, in its order; ValueError when it is none."""
    if isinstance(structure, str) and len(structure) <= LONGEST and SIMPLE.fullmatch(structure):
        if structure in ("array", "key"):
            yield path
        return
    if not isinstance(structure, (list, tuple)) or len(structure) != 2 or depth > DEEPEST:
        raise ValueError("no structure")
    kind, parts = structure
    if kind == "facts":
        if not isinstance(parts, dict) or not _is_plain(parts):
            raise ValueError("no facts")
        return
    if not isinstance(parts, (list, tuple)):
        raise ValueError("no parts")
    if kind == "variables":
        if not all(
            len(part) in (4, 5)
            and all(_is_name(part[i]) for i in (0, 1, 3))
            and len(part[2]) <= AXES
            and all(map(_is_size, part[2]))
            for part in parts
        ):
            raise ValueError("no variables")
        yield from (part[0] for part in parts if len(part) == 5)
    # of what a second trace found otherwise: its name, what it was, what it is
    elif kind == "change":
        if len(parts) != 3 or not all(map(_is_name, parts)):
            raise ValueError("no change")
    elif kind == "dict":
        for name, part in parts:
            if not _is_name(name):
                raise ValueError("no name")
            yield from leaf_paths(part, within(path, name), depth + 1)
    elif kind in WITH_FIELDS:
        name, fields = parts
        if not _is_name(name) or not isinstance(fields, (list, tuple)):
            raise ValueError("no fields")
        yield from leaf_paths(["dict", fields], path, depth)
    elif kind in ("tuple", "list"):
        for i, part in enumerate(parts):
            yield from leaf_paths(part, f"{path}[{i}]", depth + 1)
    else:
        raise ValueError(f"no structure: {kind!r}")


def _is_name(name) -> bool:
    return isinstance(name, str) and len(name) <= LONGEST


def _is_size(value) -> bool:
    return type(value) is int and 0 <= value <= LARGEST


def _is_plain(value) -> bool:
    if isinstance(value, dict):
        return all(_is_name(key) and _is_plain(part) for key, part in value.items())
    return (
        all(map(_is_plain, value))
        if isinstance(value, (list, tuple))
        else isinstance(value, (bool, int, float, type(None))) or _is_name(value)
    )


@dataclass(frozen=True)
class Check:
    """One thing that is tried: a case or relation of an entry under a transform (or one of the structural checks)."""

    entry: str
    # eager, jit, vmap, grad, parameters, state, proof, traces, leaks, again, or "import"
    kind: str
    case: str = ""


@dataclass(frozen=True)
class Plane:
    """The last two axes of an array at its first wrong value, as they are shown: of each block of a large one the value
    that is furthest off."""

    size: tuple[int, int]  # of the whole plane
    tops: tuple[int, ...]  # where each row of blocks begins
    lefts: tuple[int, ...]
    rows: np.ndarray  # where each shown value stands
    columns: np.ndarray
    expected: np.ndarray | None  # None: not to be shown
    came: np.ndarray
    wrong: np.ndarray


@dataclass(frozen=True)
class Told:
    """What is told of a Difference: how many values are wrong, where, and the first of them. Numbers are as JSON has
    them."""

    shape: tuple[int, ...]
    wrong: int
    first: tuple[int, ...]
    expected: float | str | None  # None: not to be told
    came: float | str
    where: str  # which rows and columns, in words
    plane: Plane | None = None  # None: only the first failing check of a name is shown


@dataclass(frozen=True)
class Difference:
    """How an array misses the expected one. Of one that was kept the arrays are gone, and what is told of them
    remains."""

    leaf: str
    expected: np.ndarray | None
    came: np.ndarray | None
    wrong: np.ndarray | None  # boolean, of the array's shape
    largest: float
    allowed: float
    told: Told | None = None

    @property
    def off_by(self) -> str:
        """How far off the values are, as a part of the sentence; nothing where that has no size."""
        allowed = f" (allowed: {self.allowed:.1g})" if self.allowed else ""
        return f", by up to {self.largest:.2g}{allowed}" if self.largest else ""


UNPROVED = "could not be proved: "  # how a claim is told whose facts could not be derived
UNJUDGED = "judging"  # the kind of check that says that the grader itself failed


@dataclass(frozen=True)
class Finding:
    """What one check says: its status, and for a failure the rule, what came, and the next step. No text of it is
    longer than anybody reads."""

    check: Check
    status: Status
    summary: str = ""  # one sentence: the rule and what came
    detail: str = ""  # more lines, such as a table of parameters
    inputs: str = ""  # the shapes of the case's inputs
    difference: Difference | None = None
    lines: tuple[tuple[int, str, str], ...] = ()  # the student's own lines
    advice: str = ""

    def __post_init__(self):
        for name, longest in (("summary", LONGEST // 4), ("detail", 4 * LONGEST), ("advice", LONGEST // 4)):
            if len(text := getattr(self, name)) > longest:
                object.__setattr__(self, name, text[:longest] + " …")

    @property
    def unproved(self) -> bool:
        """Whether this is a claim about a program that could not be read: neither a pass nor a failure, and one for a
        person to look at."""
        return self.status == Status.UNCHECKED and self.summary.startswith(UNPROVED)


@dataclass(frozen=True)
class Named:
    """A known mistake by its name and sentence. One that explains `first`, the first failing case, and not all of the
    rest, tells a case that it does not explain."""

    name: str
    sentence: str
    first: str = ""
    unexplained: str = ""


@dataclass(frozen=True)
class EntryVerdict:
    """The findings for one name, in the order in which causes come before effects.

    `mistake` and its sentence explain all of it, alone or with a `second` one. Where none does, `partly` is what
    explains the beginning; where that is not known either, `uses` is another name that is wrong, and that this one is
    made of.
    """

    name: str
    status: Status
    findings: tuple[Finding, ...] = ()
    mistake: str = ""
    sentence: str = ""
    second: Named | None = None
    partly: Named | None = None
    uses: str = ""

    @property
    def first(self) -> Finding | None:
        return next((f for f in self.findings if f.status in (Status.FAILED, Status.NOT_WRITTEN)), None)


@dataclass(frozen=True)
class Verdict:
    """Everything that is said about one problem."""

    number: int
    name: str
    title: str
    path: str
    status: Status
    entries: tuple[EntryVerdict, ...] = ()
    trouble: Finding | None = None  # what keeps every check from running: no file, a syntax error, ...
    prints: tuple[tuple[str, str], ...] = ()  # (where, text) of what the student's code printed
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    # whether some of it was, by the clock; for who may try again, and not kept
    stopped: bool = False

    @property
    def unjudged(self) -> bool:
        """Whether the grader failed on what came back: neither a pass nor a failure, and one for a person to look
        at."""
        return bool(self.trouble and self.trouble.check.kind == UNJUDGED)

    @property
    def exit_code(self) -> int:
        return {Status.PASSED: 0, Status.COURSE: 2}.get(self.status, 1)
