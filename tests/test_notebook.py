"""The magics of a notebook, in a real IPython shell: what they show, what they write, and what they say of what is
wrong."""

from __future__ import annotations

import functools
import os
import signal
import threading
import types
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from grader.judge import grade as stages
from grader.process.child import Limits
from tests.browser import needed
from tests.conftest import PROBLEMS

needed("IPython")

RIGHT = (PROBLEMS[31].solutions / "reference.py").read_text(encoding="utf-8")
FORGOT = (PROBLEMS[31].folder / "attempt.py").read_text(encoding="utf-8")
ENDLESS = "def sdpa(q, k, v):\n    while True:\n        pass\n"
STOPPED = "stopped; what was graded before stays as it was"


@dataclass
class Shown:
    """What a cell showed: the last state of its output in both forms, every state before it, and what it wrote to
    standard error."""

    html: str = ""
    text: str = ""
    states: list[str] = field(default_factory=list)
    errors: str = ""


@pytest.fixture(scope="module")
def shell():
    """An IPython shell that remembers no history, and does not take the place of this program's `__main__`."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    return InteractiveShell.instance(
        config=Config(HistoryManager=dict(enabled=False)), user_module=types.ModuleType("cells")
    )


@pytest.fixture
def run(shell, course, monkeypatch, capsys):
    """Runs a cell in a copy of the course, from its notebooks: `run("%%grade 31\\n...")` gives what it shows."""
    from IPython.core.displaypub import CapturingDisplayPublisher

    (course / "notebooks").mkdir()
    monkeypatch.chdir(course / "notebooks")
    shell.run_cell("%load_ext grader")

    def ran(source: str) -> Shown:
        monkeypatch.setattr(shell, "display_pub", CapturingDisplayPublisher())
        capsys.readouterr()
        result = shell.run_cell(source)
        outputs, (out, errors) = shell.display_pub.outputs, capsys.readouterr()
        assert result.error_in_exec is None and result.error_before_exec is None and "Traceback" not in out + errors
        assert len({output["transient"]["display_id"] for output in outputs}) <= 1  # one output, that changes
        last = outputs[-1]["data"] if outputs else {"text/html": "", "text/plain": ""}
        return Shown(
            last["text/html"], last["text/plain"], [output["data"]["text/plain"] for output in outputs], errors
        )

    return ran


def stub_of(course: Path) -> Path:
    return course / "problems/31_sdpa/stub.py"


def kept(course: Path) -> list[str]:
    """The texts of the stub that were kept."""
    return [path.read_text(encoding="utf-8") for path in sorted(course.glob(".grader/kept/31_sdpa/*"))]


def test_nothing_is_imported_until_the_extension_is_loaded():
    """`import grader` alone imports nothing else: not IPython, and no other part of the grader."""
    import subprocess
    import sys

    code = "import sys; before = {*sys.modules}; import grader; print({*sys.modules} - before)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "{'grader'}"


def test_a_right_answer_passes(run, course):
    """A cell with a right answer passes, is remembered as passed, and the next problem is named."""
    shown = run(f"%%grade 31\n{RIGHT}")
    assert "31 · Scaled dot-product attention passed</strong>: 31 checks in " in shown.html
    assert "32 · Multi-head attention as an NNX module" in shown.html and "hint" not in shown.html.split("</style>")[1]
    assert shown.text.startswith("✓ 31 · Scaled dot-product attention passed: 31 checks in ")
    assert '"passed"' in (course / ".grader/progress/31_sdpa.json").read_text()
    assert stub_of(course).read_text(encoding="utf-8") == RIGHT


def test_a_known_mistake_is_named(run):
    """A cell with a known mistake is told by its sentence, in HTML with three pictures and hints, and in the terminal's
    words beside it."""
    shown = run(f"%%grade 31\n{FORGOT}")
    assert (
        "divide by sqrt(d_k) before the softmax." in shown.html
        and shown.html.count('role="img" aria-label="expected') == 1
    )
    assert shown.html.count("<svg role") == 3 and "hint 4 of 4" in shown.html
    assert (
        "─ forgot the scale ─" in shown.text
        and "expected                       yours" in shown.text
        and "\x1b" not in shown.text
    )


def test_the_output_says_what_goes_on_and_then_the_verdict(run):
    """One output says that it is grading, and becomes the verdict."""
    shown = run(f"%%grade 31\n{RIGHT}")
    assert shown.states[0] == "grading 31 · Scaled dot-product attention" and shown.states[-1] == shown.text


def test_nothing_of_the_cell_runs_in_the_kernel(run, shell):
    """The cell runs in a process of the grader's, also with JAX imported here: it leaves no name and has another
    process's number."""
    import jax  # noqa: F401

    shown = run(f"%%grade 31\nimport os\nprint('pid', os.getpid())\n{RIGHT}")
    assert "passed" in shown.text and "pid" in shown.text and str(os.getpid()) not in shown.text
    assert "sdpa" not in shell.user_ns


def test_an_endless_loop_ends_with_a_verdict(run, monkeypatch):
    """A cell that never ends is stopped and told with its line; the shell computes on."""
    monkeypatch.setattr(stages, "start_worker", functools.partial(stages.start_worker, limits=Limits(cpu=2, idle=6)))
    shown = run(f"%%grade 31\n{ENDLESS}")
    assert "was still running after" in shown.html and "Look for a loop" in shown.html
    assert run("1 + 1").errors == ""


def test_an_interrupt_stops_the_grading_in_a_line(run, monkeypatch):
    """Interrupting the kernel leaves one line and no process, and the next cell is graded as ever."""
    workers, grade = [], stages.grade

    def interrupted(problem, *, worker, **more):
        frames = worker.frames

        def interrupting(*asked):
            heard = frames(*asked)
            yield next(heard)  # it is under way
            threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
            return (yield from heard)

        workers.append(worker)
        worker.frames = interrupting
        return grade(problem, worker=worker, **more)

    before = signal.getsignal(signal.SIGINT)
    with monkeypatch.context() as patch:
        patch.setattr(stages, "grade", interrupted)
        shown = run(f"%%grade 31\n{ENDLESS}")
    assert shown.text == STOPPED and f"<p>{STOPPED}</p>" in shown.html and shown.errors == ""
    assert workers[0].process.poll() is not None and signal.getsignal(signal.SIGINT) is before
    assert "passed" in run(f"%%grade 31\n{RIGHT}").text


def test_ipythons_own_syntax_is_no_python(run):
    """A line that only IPython understands is told as what it is in a file."""
    assert "line 1 is not Python: invalid syntax" in run("%%grade 31\n!ls\n").text
    assert "line 2 is not Python" in run("%%grade 31\ndef sdpa(q, k, v):\n    %time x = q\n").text


def test_an_unwritten_cell_is_told_where_to_write(run, course):
    """The stub as it came is not written yet, and the next step is the cell, not a file."""
    pristine = (course / "problems/31_sdpa/.stub.py").read_text(encoding="utf-8")
    shown = run(f"%%grade 31\n{pristine}")
    assert "fill in the TODO in the cell above, and run it again" in shown.html and "hint 1 of 4" in shown.html
    assert kept(course) == []


# The file of the stub


def test_what_stood_in_the_file_is_kept(run, course):
    """A text from an editor is kept and the output says where; texts from cells are kept too, the shipped one is
    not."""
    stub_of(course).write_text("# from an editor\n", encoding="utf-8")
    assert (
        "What stood in problems/31_sdpa/stub.py before is kept as .grader/kept/31_sdpa/stub-"
        in run("%%grade 31\n!one\n").html
    )
    assert kept(course) == ["# from an editor\n"]
    assert "is kept as" not in run("%%grade 31\n!two\n").html
    assert sorted(kept(course)) == ["!one\n", "# from an editor\n"] and stub_of(course).read_text() == "!two\n"
    assert "is kept as" not in run("%%grade 31\n!two").html and len(kept(course)) == 2  # the same again


def test_an_untouched_cell_does_not_overwrite_work(run, course):
    """ "Run All" in a fresh notebook leaves a stub that was filled in elsewhere as it is, and says what to do."""
    stub = course / "problems/31_sdpa/stub.py"
    stub.write_text(RIGHT)
    shown = run("%%grade 31\n" + (course / "problems/31_sdpa/.stub.py").read_text(encoding="utf-8"))
    assert (
        "the cell is as it came, and problems/31_sdpa/stub.py holds work of yours, which was left as it is; `%grade "
        "31` grades it" in shown.errors
    )
    assert stub.read_text() == RIGHT and not kept(course)


@pytest.mark.parametrize(
    "fails, told",
    [
        ("kept", "your problems/31_sdpa/stub.py could not be copied to a safe place, so it was left as it is"),
        ("problems", "problems/31_sdpa/stub.py cannot be written to; it was left as it is"),
    ],
)
def test_a_file_that_cannot_be_written_is_left(run, course, monkeypatch, fails, told):
    """Without room for the copy, or for the stub, the sentence says so and what was there stays."""
    from grader.process import store

    stub_of(course).write_text("# mine\n", encoding="utf-8")
    write = store.write
    monkeypatch.setattr(store, "write", lambda path, content: fails not in path.parts and write(path, content))
    shown = run(f"%%grade 31\n{RIGHT}")
    assert shown.errors == f"grader: {told}\n" and shown.html == ""
    assert stub_of(course).read_text() == "# mine\n"


def test_comments_and_blank_lines_may_stand_above(run, course):
    """A comment or a blank line above `%%grade` belongs to the answer."""
    assert "is not Python" in run("\n# My answer\n\n%%grade 31\n!one\n").text
    # a line of the cell is the same line of the file, but for one
    assert stub_of(course).read_text() == "\n# My answer\n\n!one\n"
    assert run("# only a comment\n1 + 1\n").errors == ""


def test_the_line_magic_grades_files(run, course):
    """`%grade 31` grades the stub as it stands, `--file` another file, from here or from the course's folder; neither
    writes anything."""
    assert "nothing is written yet" in run("%grade 31").text
    shown = run("%grade 31 --file problems/31_sdpa/attempt.py   # the first attempt")
    assert "forgot the scale" in shown.text and "problems/31_sdpa/attempt.py" in shown.html
    Path("a b.py").write_text("!x\n")
    assert "notebooks/a b.py" in run("%grade 31 --file 'a b.py'").text
    assert "there is no file notebooks/nope.py" in run("%grade 31 --file nope.py").text
    assert kept(course) == []


# Hints


def test_hints_unfold(run):
    """`%hint` has all hints, one inside the other; as text one more each time."""
    shown = run("%hint 31")
    assert shown.html.count("<details") == 4 and "hint 4 of 4" in shown.html
    assert shown.text.startswith("hint 1 of 4\n") and run("%hint 31").text.startswith("hint 2 of 4\n")


# What is wrong with the command


@pytest.mark.parametrize(
    "source, told",
    [
        ("%%grade 99\nx", "there is no problem '99'; there are 31, 32, "),
        ("%%grade 31-33\nx", "name one problem, such as 31"),
        ("%%grade 31 32\nx", "unrecognized arguments: 32; write `%%grade 31`"),
        ("%%grade\nx", "the following arguments are required: problem; write `%%grade 31`"),
        ("%%grade 31 --file x.py\nx", "unrecognized arguments: --file x.py; write `%%grade 31`"),
        ("%%grade 31\n  \n\n", "the cell is empty: write your answer below the line `%%grade 31`"),
        ("%grade", "the following arguments are required: problem; write `%grade 31`"),
        ("%grade 'a", "No closing quotation in `%grade 'a`"),
        ("%hint sdpa", "there is no problem 'sdpa'; there are 31, 32, "),
    ],
)
def test_a_wrong_command_is_told_in_a_sentence(run, course, source, told):
    """No traceback, nothing written: a sentence says what would be right."""
    before = stub_of(course).read_bytes()
    shown = run(source)
    assert shown.errors.startswith(f"grader: {told}") and shown.errors.count("\n") == 1 and shown.html == ""
    assert stub_of(course).read_bytes() == before


def test_a_fault_of_the_course_is_a_verdict(run, course):
    """When the course is at fault the output says that it is not the student's mistake."""
    (course / "solutions/31_sdpa/reference.py").unlink()
    shown = run(f"%%grade 31\n{RIGHT}# changed\n")
    assert "solutions/31_sdpa/reference.py is missing" in shown.html and "This is not your mistake" in shown.html
