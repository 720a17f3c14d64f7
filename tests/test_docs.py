"""The README says what is so."""

import re
import shlex

import pytest

from grader import cli
from tests.conftest import PROBLEMS, ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)\)")


def test_two_commands_stand_first():
    """The first two blocks are the two commands that matter, each in one line that begins with making the environment."""
    blocks = re.findall(r"^```bash\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    for block, last in zip(blocks[:2], ("grader 31 --file problems/31_sdpa/attempt.py\n", "pytest -n auto\n")):
        assert block.count("\n") == 1 and block.startswith("python3 -m venv .venv && .venv/bin/pip install") and block.endswith(last)


@pytest.mark.parametrize("path", [ROOT / "README.md", *(p.lesson for p in PROBLEMS.values())], ids=lambda p: p.parent.name)
def test_links_lead_somewhere(path):
    """Every relative link of the README and the lessons leads to a file."""
    for target in LINK.findall(path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), target


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
            if path.is_file() and path.suffix in (".py", ".md", ".json", "") and "__pycache__" not in path.parts and path.name != "test_docs.py":
                assert not pattern.search(path.read_text(encoding="utf-8")), path
