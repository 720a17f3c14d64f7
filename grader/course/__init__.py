"""What a problem is, as data. This page is all that a problem's `checks.py` and `mistakes.py` may import of the
grader."""

from grader.course.cases import Case, Function, Given, Key, Module, ModuleInputs, Part, Relation, mistake
from grader.course.claims import (
    Collectives,
    Copies,
    Denominators,
    Flops,
    Growth,
    Kept,
    Kernel,
    Largest,
    Lowers,
    Precision,
    Races,
    Turns,
)
from grader.course.until import drawn_until

__all__ = [
    "Apart",
    "Case",
    "Collectives",
    "Copies",
    "Denominators",
    "Flops",
    "Frequencies",
    "Function",
    "Given",
    "Growth",
    "Kept",
    "Kernel",
    "Key",
    "Largest",
    "Lowers",
    "Module",
    "ModuleInputs",
    "Part",
    "Precision",
    "Races",
    "Relation",
    "Statistic",
    "Turns",
    "drawn_until",
    "mistake",
]


def __getattr__(name: str):
    """What is about draws needs NumPy, which the verdict on an untouched stub does without."""
    if name in ("Apart", "Frequencies", "Statistic"):
        from grader.course import statistics

        return getattr(statistics, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
