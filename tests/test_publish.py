"""Lessons as notebooks: what is in them, that they run, and what is said when one does not."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from grader.authors import notebooks, proofread, publish
from grader.authors.lesson import builds_on, cells_of
from grader.authors.site import place
from grader.course.problem import CourseError, discover
from tests.conftest import PROBLEMS, ROOT

pytestmark = pytest.mark.thorough

LESSON = """# 7 · A title

## Why it matters
It does. Problem 31 comes before, and so does 32 in 33.

```python
x = 2
print(x)
```
```text
2
```

More prose.
## The formula
$x$

```python caption="A dot alone." alt="A dot."
import matplotlib.pyplot as plt

plt.plot([1], [1], "o")
plt.show()
```
## What it is not yet
Problem 40.
"""


@pytest.fixture
def lesson(tmp_path):
    path = tmp_path / "README.md"
    path.write_text(LESSON, encoding="utf-8")
    return path


@pytest.fixture
def small(course):
    """A course whose only problem is 31, with the short lesson."""
    for half in ("problems", "solutions"):
        for folder in (course / half).iterdir():
            if not folder.name.startswith("31_"):
                shutil.rmtree(folder)
    (course / "problems/31_sdpa/README.md").write_text(LESSON, encoding="utf-8")
    return course


def run(course, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "grader", "publish", *arguments], cwd=course, capture_output=True, text=True
    )


def test_a_lesson_is_cut_where_it_runs_and_where_it_is_headed(lesson):
    """Prose begins anew at each section; the output that is shown goes with its cell; each piece knows its line; a
    figure, its description."""
    cells = cells_of(lesson)
    assert [(cell.code, cell.source.split("\n")[0], cell.line) for cell in cells] == [
        (False, "# 7 · A title", 1),
        (False, "## Why it matters", 3),
        (True, "x = 2", 7),
        (False, "More prose.", 14),
        (False, "## The formula", 15),
        (True, "import matplotlib.pyplot as plt", 19),
        (False, "## What it is not yet", 24),
    ]
    assert cells[2].shown == "2\n" and cells[5].alt == "A dot."


def test_what_a_lesson_builds_on_is_what_it_names_before_what_comes_later(lesson, sdpa):
    """Earlier numbers only, code and later sections aside."""
    assert {number: builds_on(problem) for number, problem in PROBLEMS.items()}[33] == [31]
    for number, problem in PROBLEMS.items():
        assert all(before in PROBLEMS and before < number for before in builds_on(problem)), number
        assert number == 31 or builds_on(problem), f"{number} names no problem that it builds on"


@pytest.mark.parametrize("number", PROBLEMS)
def test_a_notebook_has_the_lesson_the_stub_and_the_hints(number):
    """Every cell of the lesson in order, the stub under its magic, a cell that grades the file, hints and answers that
    unfold, and no output that is shown twice."""
    problem = PROBLEMS[number]
    notebook = notebooks.compose(problem, "https://example.org/course")
    nbformat.validate(notebook)
    texts = [cell.source for cell in notebook.cells]
    lesson = [cell.source for cell in cells_of(problem.lesson)]
    assert [text for text in texts if text in lesson] == lesson
    assert "https://example.org/course" in texts[1] and texts[1].endswith("%load_ext grader")
    assert f"%%grade {number}\n{problem.stub.read_text(encoding='utf-8').strip()}" in texts
    assert any(text.startswith(f"%grade {number} ") for text in texts)
    answers = sum(bool(cell.exercise) for cell in cells_of(problem.lesson))
    assert sum(text.count("<details>") for text in texts) == len(problem.hints) + answers
    assert len({cell.id for cell in notebook.cells}) == len(texts)


@pytest.mark.parametrize("number", PROBLEMS)
def test_the_notebooks_match_their_lessons(number):
    """What lies in notebooks/ has the sources of today's lesson, stub and hints, was executed, and holds a described
    figure."""
    problem = PROBLEMS[number]
    assert not [fault for fault in publish.stale(ROOT, [problem]) if "belongs to no problem" not in fault]
    there = nbformat.read(ROOT / "notebooks" / f"{problem.name}.ipynb", as_version=4)
    ran = [
        cell
        for cell in there.cells
        if cell.cell_type == "code" and notebooks.NOT_RUN not in cell.metadata.get("tags", [])
    ]
    assert all(cell.execution_count for cell in ran)
    described = [
        output.metadata["image/png"]["alt"]
        for cell in ran
        for output in cell.outputs
        if "image/png" in output.get("data", {})
    ]
    assert described and all(len(text) > 40 for text in described)


def test_no_notebook_is_left_over():
    assert not publish.stale(ROOT, list(PROBLEMS.values()))


def test_a_build_runs_what_changed_and_only_that(small):
    """The first build runs the lesson, the second nothing, and one after a change runs it again; the notebook holds
    what came."""
    assert "ran 1 lesson (31)" in run(small, "--notebooks").stdout
    made = nbformat.read(small / "notebooks/31_sdpa.ipynb", as_version=4)
    assert [
        output.text for cell in made.cells for output in cell.get("outputs", []) if output.output_type == "stream"
    ] == ["2\n"]
    figure = next(
        output for cell in made.cells for output in cell.get("outputs", []) if "image/png" in output.get("data", {})
    )
    assert figure.metadata["image/png"]["alt"] == "A dot."
    assert "ran 0 lessons; 1 unchanged since they ran" in run(small, "--notebooks").stdout
    path = small / "problems/31_sdpa/README.md"
    path.write_text(LESSON.replace("x = 2", "x = 3"), encoding="utf-8")
    assert (
        "notebooks/31_sdpa.ipynb does not match its lesson, stub or hints, from cell 3 on"
        in run(small, "--check").stdout
    )
    assert "ran 1 lesson (31)" in run(small, "--notebooks").stdout
    done = run(small, "--check")
    assert done.returncode == 0 and "every notebook matches" in done.stdout


def test_a_site_is_built_after_a_build_that_was_cut_short(small):
    """What Sphinx left behind half done is done anew."""
    assert run(small, "--site", "out").returncode == 0
    work = small / ".grader/site/students"
    (work / "whole").unlink()
    (work / "html/searchindex.js").unlink()
    path = small / "problems/31_sdpa/README.md"
    path.write_text(LESSON.replace("More prose", "Still more prose"), encoding="utf-8")
    done = run(small, "--site", "out")
    assert done.returncode == 0, done.stderr
    assert (
        "Still more prose" in (small / "out/notebooks/31_sdpa.html").read_text(encoding="utf-8")
        and (small / "out/searchindex.js").exists()
    )


@pytest.mark.parametrize(
    "cell, told",
    [
        (
            "def f():\n    return 1 / 0\n\nf()",
            "README.md line 8 (cell-3, line 2): `return 1 / 0` fails: ZeroDivisionError: division by zero",
        ),
        ("x = 1\nx = = 2", "README.md line 8 (cell-3, line 2): `x = = 2` fails: SyntaxError: invalid syntax"),
        (
            "import warnings\nwarnings.warn('old')",
            "README.md line 8 (cell-3, line 2): `warnings.warn('old')` fails: UserWarning: old",
        ),
        ("import os\nos._exit(3)", "README.md line 7: the process dies in this cell"),
    ],
    ids=["error", "syntax", "warning", "death"],
)
def test_a_lesson_that_fails_fails_the_build_with_its_line(small, cell, told):
    """The cell, the line of the lesson and the error are told; the exit code is 2, and nothing was written."""
    (small / "problems/31_sdpa/README.md").write_text(LESSON.replace("x = 2\nprint(x)", cell), encoding="utf-8")
    done = run(small, "--notebooks", "--html", "pages")
    assert done.returncode == 2 and told in done.stdout and done.stdout.endswith("nothing was written\n")
    assert not (small / "notebooks").exists() and not any((small / "pages").iterdir())


@pytest.mark.parametrize(
    "text, told", [(None, "README.md is missing"), ("", "README.md is empty")], ids=["missing", "empty"]
)
def test_a_lesson_that_is_not_there_is_told(small, text, told):
    lesson = small / "problems/31_sdpa/README.md"
    lesson.unlink() if text is None else lesson.write_text(text)
    done = run(small, "--notebooks")
    assert done.returncode == 2 and f"31_sdpa: {told}" in done.stdout and "Traceback" not in done.stderr


def test_a_notebook_whose_problem_is_gone_is_told_and_taken_away(small):
    """--check names it; the next build removes it, and nothing else in the folder."""
    folder = small / "notebooks"
    folder.mkdir()
    for name in ("29_gone.ipynb", "notes.txt"):
        (folder / name).write_text("{}", encoding="utf-8")
    assert "notebooks/29_gone.ipynb belongs to no problem" in run(small, "--check").stdout
    assert run(small, "--notebooks").returncode == 0
    assert sorted(path.name for path in folder.iterdir()) == ["31_sdpa.ipynb", "notes.txt"]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", json.dumps(dict(nbformat=4, nbformat_minor=5))], ids=["empty", "torn", "list", "no cells"]
)
def test_a_torn_notebook_is_told(small, text):
    (small / "notebooks").mkdir()
    (small / "notebooks/31_sdpa.ipynb").write_text(text, encoding="utf-8")
    done = run(small, "--check")
    assert done.returncode == 2 and "notebooks/31_sdpa.ipynb is no notebook" in done.stdout and not done.stderr


@pytest.mark.parametrize(
    "arguments, told",
    [
        ([], "say what to make: --notebooks, --picture, --site OUT or --html OUT"),
        (["--solutions"], "--solutions is an edition of the site: add --site OUT"),
        (
            ["--site", "problems"],
            "problems holds something that is no site of this course, and would be lost; name an empty folder",
        ),
        (["--site", "pyproject.toml"], "pyproject.toml is a file; name a folder"),
        (["--site", "problems/.."], "problems/.. holds the course itself; name another folder"),
        (["--html", "pyproject.toml"], "pyproject.toml cannot be made"),
        (["--check", "--site", "out"], "--check makes nothing"),
    ],
)
def test_what_cannot_be_made_is_told(small, arguments, told):
    """Exit code 2, a sentence, and nothing lost; before any lesson runs."""
    done = run(small, *arguments)
    assert "ran" not in done.stdout
    assert done.returncode == 2 and told in done.stderr and "Traceback" not in done.stderr
    assert (small / "problems/31_sdpa/stub.py").exists()


@pytest.fixture
def built(tmp_path):
    """A folder as Sphinx leaves it, and a place that holds the site."""
    (tmp_path / "built/_static").mkdir(parents=True)
    for name in ("index.html", "_static/track.css"):
        (tmp_path / "built" / name).write_text("new", encoding="utf-8")
    place.replace(tmp_path / "built", tmp_path / "out", "students' site")
    return tmp_path / "built", tmp_path / "out"


def files(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_site_replaces_the_one_before_it_and_leaves_nothing_beside_it(built, tmp_path):
    """A page that is gone goes; nothing but the site is left, also through a path with dots and a link."""
    source, out = built
    (source / "index.html").rename(source / "home.html")
    (tmp_path / "link").symlink_to(out, target_is_directory=True)
    for path in (out, tmp_path / "x" / ".." / "out", tmp_path / "link"):
        place.refuse(ROOT, path, "students' site")
        place.replace(source, path, "students' site")
        assert files(out) == {"home.html", "_static/track.css", ".nojekyll", place.MARK}
    assert {path.name for path in tmp_path.iterdir()} == {"built", "out", "link"}


@pytest.mark.parametrize(
    "spoil, told",
    [
        (
            lambda out: (out / "notes.txt").write_text("mine"),
            "holds what no build wrote, and it would be lost: notes.txt",
        ),
        (lambda out: (out / place.MARK).unlink(), "holds something that is no site of this course"),
        (
            lambda out: (out / place.MARK).write_text("instructors' edition\n"),
            "holds the instructors' edition; give the students' site a folder of its own",
        ),
    ],
    ids=["a file of one's own", "no mark", "the other edition"],
)
def test_what_would_be_lost_is_not_written_over(built, spoil, told):
    _, out = built
    spoil(out)
    before = files(out)
    with pytest.raises(CourseError, match=told):
        place.refuse(ROOT, out, "students' site")
    assert files(out) == before


@pytest.mark.parametrize("step", ["copytree", "rename"])
def test_a_site_that_cannot_be_written_leaves_the_one_before_it(built, monkeypatch, step):
    """A full disk is told with its reason, and the old site is still whole."""
    source, out = built
    full = OSError(28, "No space left on device")
    if step == "copytree":

        def fill(source, new, **_):
            new.mkdir()
            raise shutil.Error([("a", "b", str(full))])

        monkeypatch.setattr(shutil, step, fill)
    else:
        monkeypatch.setattr(Path, step, lambda *_: (_ for _ in ()).throw(full))
    before = files(out)
    with pytest.raises(CourseError, match="could not be written to .*No space left on device"):
        place.replace(source, out, "students' site")
    assert files(out) == before and {path.name for path in out.parent.iterdir()} == {"built", "out"}


def test_a_fault_of_a_page_is_told_by_the_lessons_line(small):
    """A link that leads nowhere: Sphinx tells a line of the notebook, the author reads that of the lesson."""
    path = small / "problems/31_sdpa/README.md"
    path.write_text(LESSON.replace("Problem 40.", "Some text.\n\nSee [there](nowhere.md)."), encoding="utf-8")
    done = run(small, "--site", "out")
    line = path.read_text(encoding="utf-8").splitlines().index("See [there](nowhere.md).") + 1
    assert (
        done.returncode == 2
        and f"problems/31_sdpa/README.md:{line}: WARNING" in done.stderr
        and not (small / "out").exists()
    )


def test_a_course_without_a_repository_says_which_setting_is_missing(small):
    text = (small / "pyproject.toml").read_text(encoding="utf-8")
    (small / "pyproject.toml").write_text(re.sub(r"^Repository.*$", "", text, flags=re.MULTILINE), encoding="utf-8")
    assert "set Repository under [project.urls]" in run(small, "--notebooks").stderr


@pytest.mark.parametrize(
    "change, told",
    [
        (("2\n```", "3\n```"), "README.md line 7: the cell prints\n2\nbut the lesson shows\n3"),
        (
            (' caption="A dot alone." alt="A dot."', ""),
            "README.md line 19: the cell draws 1 figures; a cell that draws one says what it shows",
        ),
        (("x = 2", "x = 1/0"), "README.md line 7 (cell-3, line 1): `x = 1/0` fails: ZeroDivisionError"),
        (("```python caption", "```text caption"), "README.md has no figure"),
        ((' caption="A dot alone."', ""), "README.md line 19: the figure has no caption"),
        (("x = 2", "x = 2  # " + "x" * 90), "README.md line 7: 99 columns; a page has room for 96"),
        (
            ("2\n```", "2\n```\n\n```text\n" + "x" * 77 + "\n```"),
            "README.md line 15: 77 columns; a page has room for 76",
        ),
    ],
    ids=["output", "no description", "error", "no figure", "no caption", "wide code", "wide picture"],
)
def test_verify_reads_the_proofs_of_a_lesson(small, change, told):
    """A cell that prints something else, fails, or draws what nobody describes is a fault with its line; so is a line
    that leaves the column."""
    (small / "problems/31_sdpa/README.md").write_text(LESSON.replace(*change), encoding="utf-8")
    faults = proofread.faults_of(discover(small)[0])
    assert [fault for fault in faults if told in fault], faults
