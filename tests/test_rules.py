"""grading.toml: what its lines mean, what is told of one that means nothing, and what it says of itself."""

from __future__ import annotations

import re
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.classroom.book import amend
from grader.classroom.book.rules import FIRST, OF_AN_AUTOGRADER, read_grading
from grader.course.select import UsageError
from tests import made_up


@pytest.fixture
def path(tmp_path):
    return tmp_path / "grading.toml"


def read(path, text: str = ""):
    if text:
        path.write_text(text, encoding="utf-8")
    return read_grading(path, made_up.PROBLEMS, made_up.PROBLEMS)


# Names


@pytest.mark.parametrize(
    "table, line, instead",
    [
        ("late.extensions", "Ada Lovelace = 3  # by mail", '"Ada Lovelace" = 3'),
        ("late.extensions", "O'Neil = 3", '"O\'Neil" = 3'),
        ("late.extensions", "ada@example.org = 3", '"ada@example.org" = 3'),
        ("late.extensions", "José = 3", '"José" = 3'),
        ("late.extensions", "“Ada L” = 3", '"Ada L" = 3'),
        ("late.extensions", 'Ann "Annie" Li = 3', "'Ann \"Annie\" Li' = 3"),
        ("late.extensions", "ada.lovelace = 3", '"ada.lovelace" = 3'),
        ("late.days", "a.b.c = 2", '"a.b.c" = 2'),
        ("late.extensions", '"ada = 3', "ada = 3"),
        ("late.extensions", "ada: 3", "ada = 3"),
        ("late.extensions", "Ada L = 3 days", '"Ada L" = 3'),
        ("late.extensions", 'ada = "3"', "ada = 3"),
        ("late.extensions", '"Ada L" = "3"', '"Ada L" = 3'),
        ("groups", 'Team 7 = ["ada"]', '"Team 7" = ["ada"]'),
        ("groups", 'team.7 = ["ada"]', '"team.7" = ["ada"]'),
        ("groups", "team_7 = [ada, Jo O'Neil]", 'team_7 = ["ada", "Jo O\'Neil"]'),
        ("groups", 'team_7 = ["ada", "bela"', 'team_7 = ["ada", "bela"]'),
        ("groups", 'team_7 = "ada, bela"', 'team_7 = ["ada", "bela"]'),
        ("late", "due = 2025-03-01 23:59", "due = 2025-03-01T23:59:00"),
        ("late", "grace = 30 minutes", "grace = 30"),
        ("late", "per_day = 10%", "per_day = 10"),
    ],
)
def test_a_name_that_needs_quotes(path, table, line, instead):
    """A name with a blank, a dot, a quote, an accent or an `@`, or a number with its unit, is told with its line and
    with what to write instead, which then holds. The file is left as it is."""
    text = f"# mine\n[weights]\n31 = 1\n\n[{table}]\n{line}\n"
    with pytest.raises(UsageError) as error:
        read(path, text)
    assert re.search(r"\bat line 6\b", str(error.value)) and f"write `{instead}`" in str(error.value)
    assert path.read_text(encoding="utf-8") == text
    read(path, text.replace(line, instead))


@pytest.mark.parametrize(
    "lines, told",
    [
        ("[late.extensions]\nada = 3\nada = 4", "at line 3, `ada = 4`: it is said a second time"),
        ("[late.extensions]\nada", "at line 2, `ada`: Expected '=' after a key"),
        ('[groups]\na = [\n  ada,\n "b"]', 'at line 3, `ada,`: write `"ada",`'),
        ("[weights\n31 = 1", "at line 1, `[weights`: Expected ']'"),
        ("partial = True", "at line 1, `partial = True`: write `partial = true`"),
    ],
)
def test_what_is_no_toml(path, lines, told):
    """The line is told, and what is wrong with it where no better line can be seen."""
    with pytest.raises(UsageError) as error:
        read(path, lines)
    assert f"{path} is no TOML {told}" in str(error.value)


@given(st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), min_size=1, max_size=12))
def test_any_name_can_be_written(name):
    """What is told to be written before `=` is TOML for that name, and in a list too."""
    assert tomllib.loads(f"{amend.key_of(name)} = 3") == {name: 3}
    assert tomllib.loads(f"a = [{amend.key_of(name) if not amend.BARE.fullmatch(name) else repr(name)}]") == {
        "a": [name]
    }


# What it says of itself


@pytest.mark.parametrize("first", [FIRST, OF_AN_AUTOGRADER], ids=["a class", "an autograder"])
def test_its_examples_can_be_taken(path, first):
    """With each example's `#` taken away the file is read, and its names are those of the examples, quotes and all."""
    text = re.sub(r'^# (?=\[|[a-z_]+ = |"[^"]+" = )', "", first, flags=re.MULTILINE)
    grading = read(path, text + "31 = 1\n")
    assert grading.late.per_day == 0.1 and {"Dr. Bela O'Neil"} < {*grading.late.extensions} and grading.late.days
    assert bool(grading.groups) == (first == FIRST)


def test_an_autograder_has_no_words_of_a_class_run():
    """What stands in its file holds on Gradescope: no file of results, no groups, no other system, no second run."""
    told = OF_AN_AUTOGRADER.casefold()
    assert not [
        word for word in ("grades.csv", "same command", "canvas", "moodle", "group", "git") if word in told.split()
    ]
    assert "build it again" in told and "gradescope" in told
