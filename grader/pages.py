"""The pages of a problem in the terminal: its hints, one more each time, and its lesson."""

from __future__ import annotations

from rich.markdown import Markdown

from grader import state
from grader.problem import CourseError, Problem


def show_hint(problem: Problem, console, *, also_earlier: bool = False) -> None:
    """Shows the next hint (the last one again when there are no more), and remembers that it was shown."""
    root, hints = problem.folder.parents[1], problem.hints
    if not hints:
        raise CourseError(f"{problem.name} has no hints.md")
    shown = min(int(state.recall(root, problem.name).get("hints", 0)) + 1, len(hints))
    for index in range(0 if also_earlier else shown - 1, shown):
        console.print(f"hint {index + 1} of {len(hints)}", style="bold")
        console.print(Markdown(hints[index]))
    state.remember(root, problem.name, hints=shown)
    left = len(hints) - shown
    console.print(f"python -m grader hint {problem.number} shows the next" if left else "that was the last hint", style="dim")


def show_lesson(problem: Problem, console) -> None:
    """Shows the lesson."""
    try:
        text = problem.lesson.read_text(encoding="utf-8")
    except OSError as error:
        raise CourseError(f"{problem.name} has no README.md") from error
    console.print(Markdown(text))
