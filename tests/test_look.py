"""Before a class is graded, `--look` says what arrived; nothing is run, and nothing written."""

from __future__ import annotations

import io

from rich.console import Console

from grader.classroom.look import look
from grader.classroom.orders import Orders
from grader.student.cli import main
from tests.conftest import PROBLEMS

ANSWER = b"def sdpa(q, k, v):\n    return v\n"


def looked_at(tmp_path, files: dict[str, bytes], **options) -> list[str]:
    for name, content in files.items():
        path = tmp_path / "submissions" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    console = Console(file=io.StringIO(), width=100, highlight=False)
    problems = [PROBLEMS[31], PROBLEMS[33]]
    assert look(Orders(tmp_path / "submissions", tmp_path / "results", problems, problems, **options), console) == 0
    assert {path.name for path in tmp_path.iterdir()} <= {"submissions", "roster.csv"}
    return console.file.getvalue().splitlines()


def test_what_arrived_is_told(tmp_path):
    """A row for each: what can be graded, what cannot be read, and which of two files counts; nothing is written."""
    assert looked_at(
        tmp_path,
        {
            "ada/31.py": ANSWER,
            "ada/33.py": b"def causal_mask(t_q, t_k):\n    return t_q\n",
            "bob/31.py": ANSWER,
            "bob/31_old.py": ANSWER + b"# older\n",
            "eve/31.pdf": b"%PDF",
        },
    ) == [
        "student  can be graded  to know",
        "ada      31, 33",
        "bob      31             31: 31.py counts, not 31_old.py.",
        "eve      –              31.pdf is a PDF file, and no Python: hand in the file with your code.",
        "3 submissions, 3 answers: 2 to 31, 1 to 33. Nothing was graded; the same command without --look grades it.",
    ]


def test_who_is_missing_is_told(tmp_path):
    """With a roster, who is on it and handed in nothing, and who handed in and is not on it."""
    (tmp_path / "roster.csv").write_text(
        "identifier,github_username,github_id,name\nada@example.org,ada,1,Ada\nzoe@example.org,zoe,2,Zoe\n"
    )
    told = looked_at(tmp_path, {"ada/31.py": ANSWER, "odd/31.py": ANSWER}, roster=tmp_path / "roster.csv")
    assert "on the roster, and nothing arrived: Zoe" in told and "arrived, and is not on the roster: odd" in told


def test_the_command(tmp_path, capsys):
    """It needs no sandbox, and what is wrong with the folder is told as in a run."""
    (tmp_path / "submissions/ada").mkdir(parents=True)
    (tmp_path / "submissions/ada/31.py").write_bytes(ANSWER)
    assert main(["class", str(tmp_path / "submissions"), "--out", str(tmp_path / "out"), "--look"]) == 0
    assert "1 submission, 1 answer: 1 to 31." in capsys.readouterr().out and not (tmp_path / "out").exists()
    assert main(["class", str(tmp_path / "nowhere"), "--out", str(tmp_path / "out"), "--look"]) == 2
