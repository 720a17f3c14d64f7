"""What takes a while for each problem, done for as many of them at once as there are cores, with a progress bar; where
there is no terminal, with a line.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from grader.course.problem import Problem

Found = TypeVar("Found")


def on_all_cores(work: Callable[[Problem], Found], problems: Sequence[Problem], what: str, console) -> Iterator[Found]:
    """What comes of the work, in the order of the problems. The work is mostly waiting for a process of its own."""
    from rich.progress import track

    if not console.is_terminal:  # where no bar can move
        console.print(what, markup=False)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from track(
            pool.map(work, problems),
            what,
            total=len(problems),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
