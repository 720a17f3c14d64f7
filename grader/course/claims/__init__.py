"""The claims that a problem may make about the program as JAX traces it, beside the values that it computes.

Each names cases of its entry, and is judged from facts that `read.py` and `lowering.py` read off the very programs
whose outputs are compared. NumPy and JAX are not needed here: a claim is data, and judging it is arithmetic.
"""

from grader.course.claims.copies import Copies
from grader.course.claims.kernel import Kernel, Lowers, Races
from grader.course.claims.numbers import Denominators, Precision
from grader.course.claims.proof import Broken, Proof
from grader.course.claims.size import Growth, Kept, Largest
from grader.course.claims.work import Collectives, Flops, Turns

__all__ = [
    "Broken",
    "Collectives",
    "Copies",
    "Denominators",
    "Flops",
    "Growth",
    "Kept",
    "Kernel",
    "Largest",
    "Lowers",
    "Precision",
    "Proof",
    "Races",
    "Turns",
]
