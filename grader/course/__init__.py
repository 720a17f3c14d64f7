"""What a problem is, as data. This page is all that a problem's `checks.py` and `mistakes.py` may import of the grader."""

from grader.course.cases import Case, Function, Given, Key, Module, ModuleInputs, Relation, mistake
from grader.course.claims import Copies, Flops, Growth, Kept, Kernel, Largest, Lowers, Precision, Races
from grader.course.statistics import Apart, Frequencies, Statistic

__all__ = ["Apart", "Case", "Copies", "Flops", "Frequencies", "Function", "Given", "Growth", "Kept", "Kernel", "Key", "Largest", "Lowers", "Module", "ModuleInputs",
           "Precision", "Races", "Relation", "Statistic", "mistake"]
