"""Similar submissions: copies are found however they are dressed, answers that are alike by nature are not, and nothing
of a student's text is run or gets into the page."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.classroom.arrivals.submission import Piece, Submission
from grader.classroom.pages import side_by_side
from grader.classroom.pages import similar as similarity
from grader.course.select import UsageError
from tests.conftest import PROBLEMS

pytest.importorskip("copydetect")


def handed_in(texts: dict[str, str], number=39) -> list[Submission]:
    return [
        Submission(student, pieces={number: Piece(number, "stub.py", text.encode())}) for student, text in texts.items()
    ]


def styles(number: int) -> dict[str, str]:
    return {
        path.stem: path.read_text(encoding="utf-8")
        for path in sorted((PROBLEMS[number].solutions / "right").glob("*.py"))
    }


def found(texts, number=39, **options):
    return similarity.similar(handed_in(texts, number), [PROBLEMS[number]], **options)


def dressed(text: str) -> str:
    """The same program with other names, comments and blanks."""
    names = {
        word
        for word in re.findall(r"\b([a-z_]{3,})\b(?= =)|def (\w+)", text)
        for word in word
        if word and word not in PROBLEMS[39].names
    }
    for name in names:
        text = re.sub(rf"\b{name}\b", f"my_{name}", text)
    return "# all my own\r\n\r\n" + re.sub(
        r'""".*?"""', '"""Mine."""', text.replace("\n", "   # so\r\n"), flags=re.DOTALL
    )


@pytest.mark.parametrize("number", sorted(set(PROBLEMS) - {38}))
def test_right_answers_are_alike_by_nature(number):
    """The bank's answers in different styles, all by one author, make no pair. (Two of 38 differ in a cast alone, and
    do.)"""
    assert found(styles(number), number) == []


@pytest.mark.parametrize("number", [33, 36, 39, 40])
def test_a_copy_with_other_names_is_found(number):
    """Renamed variables, other comments, blanks and line ends hide nothing: both texts are shared whole."""
    texts = styles(number)
    name = sorted(texts)[0]
    [pair] = found(texts | {"zoe": dressed(texts[name])}, number)
    assert (pair.problem, pair.students, pair.same) == (number, (name, "zoe"), False)
    assert pair.share > 0.95 and all(side.share > 0.8 for side in pair.sides) and pair.length >= similarity.LEAST


def test_a_part_that_was_copied():
    """A helper of six lines that two have, each among work of their own: the lines are told on both sides."""
    helper = "".join(
        f"    x{i} = jnp.tensordot(a[{i}:], b, axes=({i}, 0)).sum(axis={i}, keepdims=True)\n" for i in range(6)
    )
    one, other = (
        "import jax.numpy as jnp\n\n\ndef helper(a, b):\n" + helper.replace("x", name) + f"    return {name}5\n"
        for name in ("x", "y")
    )
    other = "# first line\n\n\n" + other
    [pair] = found({"ada": one, "bob": other, **styles(39)})
    assert (
        pair.students == ("ada", "bob")
        and set(range(5, 11)) <= set(pair.sides[0].lines)
        and set(range(8, 14)) <= set(pair.sides[1].lines)
    )
    assert 1 not in pair.sides[1].lines


def test_short_answers_are_not_told_of():
    """Three right lines are the same lines, letter for letter too: too short to say anything. So is the untouched
    stub."""
    stub = PROBLEMS[31].pristine.read_text(encoding="utf-8")
    short = stub.replace(
        "    raise NotImplementedError",
        "    scores = q @ k.T / q.shape[-1] ** 0.5\n    weights = jax.nn.softmax(scores)\n    return weights @ v",
    ).replace("from jax", "import jax\nfrom jax", 1)
    assert found({"ada": short, "bob": short, "carl": stub, "dan": stub}, 31) == []
    long = PROBLEMS[40].pristine.read_text(encoding="utf-8")
    assert found({"ada": long, "bob": long}, 40) == []


def test_what_many_have_is_common():
    """A passage that more of the class have than `common` says, each in a text of its own, makes no pair."""
    style = styles(39)["own_gradient"]
    many = {f"s{i}": style + f"\n\nextra_{i} = {i}\n" for i in range(5)}
    assert found(many) == [] and len(found(dict(list(many.items())[:3]))) == 3
    assert [similarity.common(students) for students in (2, 20, 60, 100, 1000)] == [3, 3, 3, 5, 10]


def test_a_copy_that_went_around_is_not_common():
    """The same text letter for letter counts once: those who have it are told of together, and the first of them beside
    another."""
    style = styles(39)["own_gradient"]
    same, other = found({f"s{i:02}": style for i in range(12)} | {"zoe": dressed(style)})
    assert same.same and same.students == tuple(f"s{i:02}" for i in range(12)) and same.share == 1
    assert same.sides[0].lines and other.students == ("s00", "zoe")


def test_same_each_time_and_in_any_order():
    """The result depends neither on the order in which the class is read nor on the run."""
    texts = styles(39)
    texts["zoe"] = dressed(texts["own_gradient"])
    assert found(texts) == found(dict(reversed(texts.items()))) == found(texts)


def test_what_is_not_compared():
    """What could not be read, what is empty or far too long to be an answer, and problems that were not asked for."""
    long = "x = 1\n" * 10_000
    submissions = [
        Submission(name, pieces={39: Piece(39, "", trouble="31.py is empty"), 40: Piece(40, "", long.encode())})
        for name in ("ada", "bob")
    ]
    assert similarity.similar(submissions, [PROBLEMS[39], PROBLEMS[40]]) == []
    style = styles(39)["own_gradient"]
    assert similarity.similar(handed_in({"ada": style, "bob": style}), [PROBLEMS[40]]) == []


def test_nothing_is_run(tmp_path):
    """A text is only cut into tokens."""
    mark = tmp_path / "ran"
    text = f"open({str(mark)!r}, 'w')\nraise SystemExit\n" + styles(39)["own_gradient"]
    assert len(found({"ada": text, "bob": dressed(text)})) == 1 and not mark.exists()


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.binary(max_size=300) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")),
        min_size=2,
        max_size=4,
    )
)
def test_no_text_breaks_it(contents):
    """Whatever was handed in as an answer, there are pairs or none, and a page."""
    style = styles(39)["own_gradient"].encode()
    class_ = [Submission(f"s{i}", pieces={39: Piece(39, "", style + content)}) for i, content in enumerate(contents)]
    for pair in similarity.similar(class_, [PROBLEMS[39]], least_share=0):
        assert 0 < pair.share <= 1 and all(
            0 < line <= side.text.count("\n") + 1 for side in pair.sides for line in side.lines
        )
        assert side_by_side.page([pair]).startswith("<!doctype html>")


def test_without_the_library(monkeypatch):
    """Where copydetect is not installed, the extra that brings it is named."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"copydetect is not installed; this needs the extra class"):
        similarity.similar([], [PROBLEMS[39]])


# The page.


def test_the_page_shows_both_texts():
    """Each pair has both texts with the shared lines marked; what the figure means and that it proves nothing is on the
    page; it needs no other file."""
    style = styles(39)["own_gradient"]
    pairs = found(
        {
            "ada": style,
            "zoe": dressed(style),
            **{name: text for name, text in styles(39).items() if name != "own_gradient"},
        }
    )
    html = side_by_side.page(pairs)
    assert (
        "no proof of anything" in html
        and 'href="#alike-1"' in html
        and 'id="alike-1"' in html
        and html.count('class="shared"') == sum(len(side.lines) for side in pairs[0].sides)
    )
    assert (
        "<bdi>ada</bdi> and <bdi>zoe</bdi>" in html
        and "<bdi>Ada L.</bdi> and <bdi>zoe</bdi>" in side_by_side.page(pairs, {"ada": "Ada L."})
        and "http" not in html.replace("http-equiv", "")
        and "<script" not in html
    )


def test_hostile_texts_and_names_stay_text():
    """Nothing that a student writes or is called becomes markup."""
    text = "# </pre><script>alert(1)</script>\n" + styles(39)["own_gradient"].replace(
        '"""', '"""<img src=x onerror=alert(2)>', 1
    )
    html = side_by_side.page(found({"<b onload=alert(3)>": text, "zoe\u202e\x1b[31m": text}))
    assert (
        "<script" not in html
        and "<img" not in html
        and "<b " not in html
        and "\x1b" not in html
        and "&lt;script&gt;" in html
    )


def test_a_page_without_pairs_and_one_with_many():
    """That nothing is alike is said so; of many the first have their texts."""
    assert "No two answers are alike." in side_by_side.page([])
    side = similarity.Side(("ada",), "x\n", 1.0, (1,))
    html = side_by_side.page([similarity.Alike(39, (side, side), 200)] * (side_by_side.SHOWN + 1))
    assert html.count("<section") == side_by_side.SHOWN and "The texts of the first 100 are below." in html
