"""Scaffolds both halves of a problem. It runs at once, and `verify` finds fault with it until it is written."""

from __future__ import annotations

import re
from pathlib import Path

from grader.authors.lesson import HEADINGS
from grader.course.problem import CourseError, discover

STUB = '''"""{number} · {title}. The lesson stands in README.md; `python -m grader {number}` gives the verdict."""

from jaxtyping import Array, Float


def {name}(x: Float[Array, "T d"]) -> Float[Array, "T d"]:
    """What it computes (authors and year, equation).

    Args:
        x: what it means.

    Returns:
        What it means.
    """
    # TODO: what to do first.
    raise NotImplementedError
'''

CHECKS = '''"""{number} · The ladder of cases for `{name}`, simplest first. Source: TODO."""

import numpy as np

from grader.course import Case, Function

PART = "TODO: the part of the track, as its other problems call it"


def inputs(rng, length, width=8):
    """TODO: what the sizes mean. Arrays are drawn here with NumPy; anything else is static under `jit`."""
    return dict(x=rng.standard_normal((length, width)).astype(np.float32))


ENTRIES = [
    Function(
        "{name}",
        inputs,
        cases={{
            "one token": Case(length=1),
            "several tokens": Case(length=5),
        }},
    ),
]
'''

REFERENCE = '''"""{number} · The reference. Source: TODO."""


def {name}(x):
    raise NotImplementedError("TODO")


def error_scale(x):
    """How large the intermediate values are: (1 + max |score|) max |v|."""
    return 1.0
'''

MISTAKES = '''"""{number} · Wrong answers that people really give, each with its sentence."""

from grader.course import mistake


@mistake
def todo_name_it(ref, x):
    """TODO: what is wrong, why people do it, and what to do instead."""
    return ref(2 * x)
'''


def scaffold(root: Path, number: int, topic: str, console) -> int:
    """Writes problems/NN_topic and solutions/NN_topic; touches nothing that exists."""
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", topic):
        raise CourseError(f"{topic!r} is no topic: use lower-case words joined by _, such as sliding_window")
    taken = next((p for p in discover(root) if p.number == number), None)
    if taken:
        raise CourseError(f"the number {number} is taken by {taken.name}")
    folder = f"{number}_{topic}"
    for half in ("problems", "solutions"):
        if (root / half / folder).exists():
            raise CourseError(f"{half}/{folder} is there already")
    words = dict(number=number, name=topic, title=topic.replace("_", " ").capitalize())
    lesson = f"# {number} · {words['title']}\n\n" + "\n".join(f"## {heading}\nTODO\n" for heading in HEADINGS)
    lesson = lesson.replace(
        "## A worked example\nTODO\n", "## A worked example\nTODO\n\n```python\nprint(1 + 1)\n```\n\n```text\n2\n```\n"
    )
    lesson = lesson.replace(
        "## A picture\nTODO\n",
        '## A picture\nTODO\n\n```python caption="TODO: what to look at" alt="TODO: what the figure shows, for those '
        'who cannot see it."\n'
        'import matplotlib.pyplot as plt\n\nplt.plot([1, 2, 4])\nplt.xlabel("TODO")\nplt.show()\n```\n',
    )
    files = {
        f"problems/{folder}/README.md": lesson,
        f"problems/{folder}/stub.py": STUB.format(**words),
        f"problems/{folder}/.stub.py": STUB.format(**words),
        f"problems/{folder}/checks.py": CHECKS.format(**words),
        f"problems/{folder}/hints.md": "## A nudge\nTODO\n\n## More\nTODO\n\n## Nearly the answer\nTODO\n",
        f"solutions/{folder}/reference.py": REFERENCE.format(**words),
        f"solutions/{folder}/mistakes.py": MISTAKES.format(**words),
    }
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
        console.print(name, markup=False)
    (root / "solutions" / folder / "right").mkdir()
    console.print(f"solutions/{folder}/right/   (at least three correct solutions in other styles)", markup=False)
    console.print(f"\nnext: write them, then python -m grader verify {number}", style="dim", markup=False)
    return 0
