"""The README says what is so."""

import io
import re
import shlex
from xml.etree import ElementTree

import pytest
from rich.console import Console

from grader.authors.readme import PICTURE
from grader.judge.grade import grade
from grader.report import terminal
from grader.student import cli
from tests.conftest import PROBLEMS, ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)\)")


def test_two_commands_stand_first():
    """The first two blocks are the two commands that matter, each in one line that begins with making the
    environment."""
    blocks = re.findall(r"^```bash\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    for block, last in zip(blocks[:2], ("grader demo\n", "pytest -n auto\n")):
        assert (
            block.count("\n") == 1
            and block.startswith("python3 -m venv .venv && .venv/bin/pip install")
            and block.endswith(last)
        )
    assert " -q" not in blocks[0], "pip says what it is doing"


def test_the_readme_begins_with_what_this_is_and_a_picture():
    """Two sentences and the picture of a verdict stand before the first command."""
    opening = README[: README.index("```bash")].split("\n\n")
    assert (
        len(re.findall(r"[.:](?=\s|$)", opening[1])) == 2
        and opening[2].startswith("![")
        and opening[2].endswith(f"]({PICTURE})")
        and len(opening) == 5
    )


def test_the_picture_of_a_verdict_is_current(sdpa):
    """What it shows is what the verdict on the attempt says now; it needs nothing from another host.
    `python -m grader publish --picture` draws it anew."""
    picture, shown = (ROOT / PICTURE).read_text(encoding="utf-8"), io.StringIO()
    terminal.show(grade(sdpa, sdpa.attempt), Console(file=shown, width=80, highlight=False))
    texts = [
        "".join(element.itertext())
        for element in ElementTree.fromstring(picture).iter("{http://www.w3.org/2000/svg}text")
    ]
    assert texts[0].replace("\xa0", " ") == "python -m grader 31 --file problems/31_sdpa/attempt.py"
    assert "".join("".join(texts[1:]).split()) == "".join(shown.getvalue().split())
    assert not re.search(r"https?:(?!//www\.w3\.org|//www\.textualize)", picture)


@pytest.mark.parametrize(
    "path", [ROOT / "README.md", *(p.lesson for p in PROBLEMS.values())], ids=lambda p: p.parent.name
)
def test_links_lead_somewhere(path):
    """Every relative link of the README and the lessons leads to a file."""
    for target in LINK.findall(path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), target


def test_an_arxiv_number_is_a_link():
    """In every lesson, and in the pages of the site."""
    for path in (
        *(problem.lesson for problem in PROBLEMS.values()),
        *(ROOT / "grader/authors/site/pages").glob("*.md"),
    ):
        text = path.read_text(encoding="utf-8")
        numbers = re.findall(r"(?i)arxiv:\s*(\d{4}\.\d{4,5})", text)
        assert sorted(re.findall(r"\[arXiv:(\d{4}\.\d{4,5})\]\(https://arxiv\.org/abs/\1\)", text)) == sorted(
            numbers
        ), path


def test_every_command_of_the_readme_exists():
    """What stands as `python -m grader ...` in README is understood by the command line."""
    parser, commands = cli._parsers()
    for text in re.findall(r"`python -m grader ([^`]*)`", README):
        words = shlex.split(text.replace("[", "").replace("]", ""))
        if words[0] not in commands and not words[0].startswith("-"):
            words = ["grade", *words]
        if "--help" not in words:
            parser.parse_args(words)


def test_nothing_names_a_machine_or_a_registry():
    """No file of the course holds a path of somebody's machine or the address of a package registry."""
    pattern = re.compile(r"/(?:home|root|Users)/\w|pypi\.org|files\.pythonhosted|index-url|extra-index")
    for folder in ("grader", "problems", "solutions", "tests", ".ci"):
        for path in (ROOT / folder).rglob("*"):
            if (
                path.is_file()
                and path.suffix in (".py", ".md", ".json", "")
                and {"__pycache__", ".grader"}.isdisjoint(path.parts)
                and path.name != "test_docs.py"
            ):
                assert not pattern.search(path.read_text(encoding="utf-8")), path
