"""Exercises of lessons: a blank runs as it is, says how it stands, and is right with its answer."""

import contextlib
import io

import pytest
from rich.console import Console

from grader.authors.lesson import cells_of
from grader.student import exercise, pages
from grader.student.exercise import NotFilledIn, answers_last, blank, check, filled_in
from tests.conftest import EACH, PROBLEMS

WITH_EXERCISES = [
    problem for problem in PROBLEMS.values() if exercise.TITLE.search(problem.lesson.read_text(encoding="utf-8"))
]
QUICKEST = PROBLEMS[56]
LESSON = """# 7 · A title

```python exercise="twice"
check(lambda: blank("two"), 2)
```
```text
Not filled in yet. Missing: two.
```

<details><summary>Answer</summary>

```python .noeval
check(lambda: 2, 2)
```

</details>

After it.
"""


def told(capsys, attempt, expected) -> str:
    check(attempt, expected)
    return capsys.readouterr().out.strip()


def wrapped():
    try:
        blank("the rest")
    except NotFilledIn as error:
        raise TypeError("something else") from error


def test_an_exercise_says_in_a_sentence_how_it_stands(capsys):
    """A blank, a value, a shape, an error: none of them ends the lesson."""
    assert told(capsys, lambda: blank("a number"), 1) == "Not filled in yet. Missing: a number."
    assert told(capsys, wrapped, 1) == "Not filled in yet. Missing: the rest."
    assert told(capsys, lambda: [1.0, 2.0], [1, 2]) == "Right."
    assert (
        told(capsys, lambda: [1.0, 3.0], [1, 2])
        == "Not yet: 1 of 2 values differ. The first at [1] is 3, and 2 is right."
    )
    assert told(capsys, lambda: 3.0, 2) == "Not yet: 1 of 1 values differ. The first is 3, and 2 is right."
    assert told(capsys, lambda: [1.0], [1, 2]) == "Not yet: it gives the shape (1,), and (2,) is right."
    assert told(capsys, lambda: {}["x"], 1) == "Not yet: it raises KeyError: 'x'"
    assert told(capsys, lambda: None, [1.0]).startswith("Not yet: ")


def test_an_exercise_is_a_cell_with_its_answer_folded_under_it(tmp_path):
    """The answer is prose, which a notebook does not run, in a fence that every renderer knows as Python."""
    (tmp_path / "README.md").write_text(LESSON, encoding="utf-8")
    title, cell, answer = cells_of(tmp_path / "README.md")
    assert (cell.exercise, cell.answer) == ("twice", "check(lambda: 2, 2)\n") and cell.shown.startswith(
        "Not filled in yet"
    )
    assert (
        not answer.code
        and answer.source.startswith("<details><summary>Answer</summary>\n\n```python\ncheck")
        and answer.source.endswith("After it.")
    )
    assert filled_in(cell.source, cell.answer) == "check(lambda: 2, 2)"


def test_the_terminal_shows_answers_at_the_end():
    """Nothing can be folded there, and an answer under its blank would be read with it."""
    text = answers_last(LESSON)
    assert "<details>" not in text and text.index("After it.") < text.index("For twice:") < text.index(
        "check(lambda: 2, 2)"
    )
    assert answers_last("# A lesson\n") == "# A lesson\n"


@pytest.mark.thorough
@pytest.mark.parametrize(
    "problem",
    [
        pytest.param(problem, marks=pytest.mark.sample if problem == QUICKEST else ())
        for problem in WITH_EXERCISES
        if problem.number in EACH or problem == QUICKEST
    ],
    ids=lambda problem: problem.name,
)
def test_every_exercise_runs_as_it_is_and_is_right_with_its_answer(problem):
    """The cells are run in order, as in the notebook, up to the last exercise: each unfilled, which says what the
    lesson shows, and then with its answer."""
    names, cells = {}, [cell for cell in cells_of(problem.lesson) if cell.code and not cell.alt]
    last = max(place for place, cell in enumerate(cells) if cell.exercise)
    for cell in cells[: last + 1]:
        if cell.exercise:
            assert cell.source.count("blank(") == cell.answer.count("\n") > 0
            for source, said in ((cell.source, cell.shown), (filled_in(cell.source, cell.answer), "Right.\n")):
                with contextlib.redirect_stdout(io.StringIO()) as printed:
                    exec(source, names)
                assert printed.getvalue() == said, cell.exercise
        elif "plt." not in cell.source:
            with contextlib.redirect_stdout(io.StringIO()):
                exec(cell.source, names)


@pytest.mark.parametrize("problem", WITH_EXERCISES, ids=lambda problem: problem.name)
def test_a_lesson_with_exercises_keeps_to_the_terminal(problem):
    """80 columns, no tag in sight, and its answers last."""
    console = Console(file=io.StringIO(), width=80, force_terminal=False)
    pages.show_lesson(problem, console)
    text = console.file.getvalue()
    assert (
        max(map(len, text.splitlines())) <= 80
        and "details" not in text
        and text.index("Further reading") < text.index("Answers to the exercises")
    )
