"""What a problem is, as data. This page is all that a problem's `checks.py` and `mistakes.py` may import of the grader."""

from grader.course.cases import Case, Function, Module, ModuleInputs, Relation, mistake
from grader.course.claims import Copies, Flops, Growth, Kernel, Largest, Lowers, Precision, Races

__all__ = ["Case", "Copies", "Flops", "Function", "Growth", "Kernel", "Largest", "Lowers", "Module", "ModuleInputs", "Precision", "Races", "Relation", "mistake"]
