"""What a lesson takes of the student's own answers: those that are written and run, and no others."""

import pytest

from grader.student.own import own


@pytest.fixture
def written(tmp_path, monkeypatch):
    """A course with one problem, whose stub is then what a test writes."""
    folder = tmp_path / "problems/31_sum"
    folder.mkdir(parents=True)
    (tmp_path / "grader").mkdir()
    monkeypatch.chdir(tmp_path)
    (folder / ".stub.py").write_text("def total(x):\n    raise NotImplementedError\n")

    def write(source: str) -> None:
        (folder / "stub.py").write_text(source)

    return write


def test_an_answer_that_is_written_is_given(written, capsys):
    """It is the student's own object, and nothing is said."""
    written("import dataclasses\n\n@dataclasses.dataclass\nclass Pair:\n    one: 'int'\n\ntotal = sum\n")
    assert own(31, "total") is sum and own(31, "Pair")(1).one == 1
    assert capsys.readouterr().out == ""


def test_a_stub_as_it_came_is_none(written, capsys):
    """Also where an editor has changed the ends of its lines, and where the problem is not in this course."""
    written("def total(x):  \r\n    raise NotImplementedError\r\n\r\n")
    assert own(31, "total") is None and own(32, "total") is None
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("def total(x) return x", "line 1 is not Python"),
        ("total = summ", "NameError: name 'summ' is not defined"),
        ("raise SystemExit", "SystemExit"),
        ("other = sum", "KeyError: 'total'"),
        ("def total(x):\n    raise NotImplementedError  # later", "NotImplementedError"),
    ],
)
def test_what_fails_is_none_and_says_why(written, capsys, source, told):
    """The file, one name in it, or the use that the lesson makes of it."""
    written(source)
    assert own(31, "total", lambda total: total([1, 2])) is None
    said = capsys.readouterr().out
    assert said.startswith("problems/31_sum/stub.py does not run here: ") and told in said


def test_a_file_that_is_missing_is_told(written, capsys):
    """The lesson goes on without it."""
    assert own(31, "total") is None
    assert "there is no file problems/31_sum/stub.py" in capsys.readouterr().out
