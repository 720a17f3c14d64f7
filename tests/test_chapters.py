"""Pages about a part of the track."""

import contextlib
import io
import re

import pytest

from grader.authors.lesson import section
from grader.authors.site import timeline
from grader.authors.site.build import HERE
from grader.authors.site.chapters import CHAPTERS, chapters, whole
from tests.conftest import PROBLEMS
from tests.test_overview import Elements

TITLE = "Before the transformer"
CHAPTER = CHAPTERS[TITLE]
PAGE = (HERE / f"pages/{CHAPTER.page}.md").read_text(encoding="utf-8")
LIST = """
- Ada First, Bob Second and Cy Third, "How, and Why", 2014, [arXiv:1401.00001](https://arxiv.org/abs/1401.00001),
  equation 3: the sum of 2014.
- Dee Fourth et al., *A Journal's Title*, Journal of Titles, 1989: by hand; and Eve Fifth, "Later", NeurIPS 2021, [arXiv:2101.00002](https://arxiv.org/abs/2101.00002).
- JAX documentation: `jax.numpy.where`, since 2018.
"""
LESSON = f"# 55 · A problem\n\n## Further reading\n{LIST}"


def test_a_lesson_s_papers():
    """In quotation marks or italics, with a journal or without, one or two of them in a line; what has no title and
    year of its own is none."""
    assert [(one.who, one.title, one.year, one.arxiv) for one in timeline.read(LIST)] == [
        ("Ada First, Bob Second and Cy Third", "How, and Why", 2014, "1401.00001"),
        ("Dee Fourth et al.", "A Journal's Title", 1989, ""),
        ("Eve Fifth", "Later", 2021, "2101.00002"),
    ]
    assert [*timeline.read("")] == []


@pytest.mark.parametrize("problem", [problem for problem in PROBLEMS.values() if problem.part == TITLE], ids=str)
def test_every_paper_of_the_part_stands_in_the_timeline(problem):
    """With its arXiv number, where the lesson gives one."""
    given = re.findall(r"arxiv\.org/abs/([\d.]+)", section(problem.lesson, "Further reading"))
    assert given and sorted({*given}) == sorted(one.arxiv for one in timeline.papers([problem]) if one.arxiv)


def test_a_paper_stands_once_with_all_its_problems(tmp_path):
    """The oldest first; its name leads to what it says, its problems to their lessons."""
    made = []
    for number, text in ((55, LESSON), (56, LESSON.replace("by hand", "by eye").replace("Later", "Earlier still"))):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "README.md").write_text(text, encoding="utf-8")
        made.append(Made(number, tmp_path / str(number) / "README.md"))
    found = timeline.papers(made)
    assert [(one.year, [problem.number for problem in one.problems]) for one in found] == [
        (1989, [55, 56]),
        (2014, [55, 56]),
        (2021, [55, 56]),
    ]
    page = Elements(timeline.put_into(f"a\n\n{timeline.MARK}\n", made))
    assert [attributes["href"] for tag, attributes in page.elements if tag == "a"] == [
        *("notebooks/55_it.html", "notebooks/56_it.html"),
        *("https://arxiv.org/abs/1401.00001", "notebooks/55_it.html", "notebooks/56_it.html"),
        *("https://arxiv.org/abs/2101.00002", "notebooks/55_it.html", "notebooks/56_it.html"),
    ]
    assert timeline.put_into("no mark", made) == "no mark"


class Made:
    """As much of a problem as a timeline asks for."""

    def __init__(self, number, lesson):
        self.number, self.lesson, self.title, self.name = number, lesson, "It", f"{number}_it"


def test_the_scores_on_the_page_are_what_the_code_prints():
    """And each problem of its tables is one that the chapter waits for."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (printed,) = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        exec(code, {})
    assert told.getvalue() == printed
    assert {int(number) for number in re.findall(r"\(notebooks/(\d+)_", PAGE)} == {*CHAPTER.numbers}
    assert {int(number) for number in re.findall(r'^    "(\d+) ', code, re.MULTILINE)} < {*CHAPTER.numbers}


def test_a_chapter_waits_for_all_its_problems():
    """Where one is missing, its links would lead nowhere."""
    parts = {TITLE: [Made(number, None) for number in range(55, 62)], "Core": [Made(n, None) for n in (31, 38, 43)]}
    assert [*chapters(parts)] == [TITLE]
    assert [*chapters({**parts, "Core": parts["Core"][:2]})] == [] == [*chapters({TITLE: parts[TITLE][:-1]})]


def test_nothing_is_left_of_the_marks():
    """Each page of a part is whole: its picture, its timeline, its script."""
    for title, chapter in CHAPTERS.items():
        text = (HERE / f"pages/{chapter.page}.md").read_text(encoding="utf-8")
        members = [problem for problem in PROBLEMS.values() if problem.part == title]
        assert "<!--" in text and "<!--" not in whole(text, chapter, members)
