"""The command line: selection, exit codes, states, and the commands that run nothing."""

import json
import subprocess
import sys

import pytest

from grader.course.problem import discover
from grader.student import cli

RIGHT = "import jax\n\n\ndef sdpa(q, k, v):\n    return jax.nn.softmax(q @ k.T / q.shape[-1] ** 0.5, axis=-1) @ v\n"


@pytest.fixture
def run(course, monkeypatch, capsys):
    """Runs a command in a copy of the course: `run("31", "-q")` gives its exit code, output and errors."""
    monkeypatch.chdir(course)
    monkeypatch.setenv("COLUMNS", "80")

    def command(*arguments):
        code = cli.main(arguments)
        out, err = capsys.readouterr()
        return code, out, err

    return command


def stub_of(course, number=31):
    return next(p for p in discover(course) if p.number == number).stub


@pytest.mark.parametrize(
    "texts, numbers",
    [
        (["31"], [31]),
        (["31-33"], [31, 32, 33]),
        (["33,31"], [33, 31]),
        (["all"], [31, 32, 33]),
        (["31", "31"], [31]),
        (["31_sdpa"], [31]),
        (["32-99"], [32, 33]),
        (["-33"], None),
        (["x1"], None),
        (["40-50"], None),
    ],
)
def test_selection(course, texts, numbers):
    """A selection is a number, a range, a list or all, in the order given and once each; anything else is refused."""
    problems = [p for p in discover(course) if p.number in (31, 32, 33)]
    if numbers is None:
        with pytest.raises(cli.UsageError, match="there is no problem"):
            cli.select(texts, problems)
    else:
        assert [p.number for p in cli.select(texts, problems)] == numbers


def test_an_unknown_problem_exits_with_2(run):
    """A number that no problem has is the command's fault."""
    code, _, err = run("99")
    assert code == 2 and "there is no problem '99'; there are 31, 32, 33" in err


def test_an_unknown_command_names_the_commands(run):
    """A word that is no command is answered with those that are."""
    code, _, err = run("grad")
    assert code == 2
    assert (
        "there is no command 'grad'; try one of grade, showcase, demo, watch, debug, hint, lesson, reset, device, "
        "verify, new, publish, release, class, override, gradescope, bench" in err
    )


def test_file_wants_one_problem(run):
    """--file grades one file against one problem."""
    code, _, err = run("31-32", "--file", "x.py")
    assert code == 2 and "--file grades one file against one problem: name one" in err


def test_help_teaches_every_command():
    """--help shows the usual uses, every command and the exit codes."""
    shown = subprocess.run([sys.executable, "-m", "grader", "--help"], capture_output=True, text=True).stdout
    for word in (
        "python -m grader demo",
        "python -m grader 31 ",
        "python -m grader watch",
        "hint",
        "lesson",
        "reset",
        "debug",
        "verify",
        "new",
        "bench",
        "exit codes:",
    ):
        assert word in shown


def test_the_track_at_a_glance_follows_a_stub_through_its_states(run, course):
    """A problem is not started, changed, passed, passed but changed since, and failing, as its stub goes through
    these."""

    def state():
        return run()[1].splitlines()[2].split("  ")[-1].strip()

    stub = stub_of(course)
    assert state() == "not started"
    stub.write_text(RIGHT)
    assert state() == "changed, not graded yet"
    assert run("31", "-q")[0] == 0
    assert state() == "passed"
    stub.write_text(RIGHT.replace("** 0.5", "* 1"))
    assert state() == "passed, but changed since"
    assert run("31", "-q")[0] == 1
    assert state() == "failing"
    stub.unlink()
    assert state() == "the stub is missing"


def test_the_next_step_is_the_problem_under_way(run, course):
    """What is failing or changed goes before what is not started, and the advice is what helps there; a command is
    whole on its line."""

    def step():
        return run()[1].partition("next: ")[2].splitlines()

    assert step() == ["problem 31: python -m grader lesson 31", " then  fill in problems/31_sdpa/stub.py"]
    stub = stub_of(course, 33)
    stub.write_text("def causal_mask(t_q, t_k):\n    return None\n")
    assert step() == ["grade 33: python -m grader 33"]
    assert run("33", "-q")[0] == 1
    assert step() == ["grade 33 again: python -m grader 33   or   python -m grader hint 33"]
    stub.unlink()
    assert step() == ["put the stub of 33 back: python -m grader reset 33"]


def test_the_track_is_shown_in_its_parts(run, course):
    """Each problem stands under the part that its checks declare, in the order of the numbers; without one it stands
    alone."""
    for number, part in ((32, "Another"), (33, "")):
        checks = stub_of(course, number).with_name("checks.py")
        checks.write_text(checks.read_text().replace('PART = "The core"', f'PART = "{part}"'))
    told = [line.split("  ")[0].strip() or line.strip() for line in run()[1].splitlines()]
    assert (
        told.index("The core")
        < told.index("31")
        < told.index("34")
        < told.index("40")
        < told.index("Another")
        < told.index("32")
        < told.index("33")
    )


def test_a_pass_is_one_calm_line_and_what_comes_next(run, course):
    """A pass is told in one line, with the next lesson to read."""
    stub_of(course).write_text(RIGHT)
    code, out, _ = run("31")
    lines = out.splitlines()
    assert code == 0
    assert lines[0].startswith("✓ 31 · Scaled dot-product attention passed: 31 checks in ")
    assert lines[1:] == ["", " next: python -m grader lesson 32  (Multi-head attention as an NNX module)"]


def test_several_problems_give_one_line_each_and_the_worst_exit_code(run, course):
    """Over several problems each has its line under -q; a stub at fault gives 1, and the course at fault gives 2 and
    wins."""
    stub_of(course).write_text(RIGHT)
    code, out, _ = run("31,32", "-q")
    assert code == 1
    assert out.splitlines() == [
        "✓ 31 passed",
        "✗ 32 not written  the stub is as it came: nothing is written yet".replace("✗", "○"),
    ]
    (course / "solutions/31_sdpa/reference.py").unlink()
    (course / "problems/31_sdpa/stub.py").write_text(RIGHT + "# changed\n")
    code, out, _ = run("31,32", "-q")
    assert code == 2
    assert "solutions/31_sdpa/reference.py is missing" in out


def test_demo_shows_a_wrong_attempt_and_the_same_mended(run, course):
    """The attempt's verdict names the mistake, the mended line follows and passes, and then the way to a first verdict
    of one's own; all of it is as meant: 0. Nothing is remembered of either."""
    code, out, err = run("demo")
    assert code == 0, err
    places = [
        out.index(text)
        for text in (
            "An attempt at 31",
            "    scores = q @ k.T\n",
            "✗ one query · eager",
            "forgot the scale",
            "Mended",
            "  -     scores = q @ k.T\n",
            "  +     scores = q @ k.T / q.shape[-1] ** 0.5\n",
            "✓ 31 · Scaled dot-product attention passed",
            "next: ",
            "python -m grader lesson 31\n",
            "fill in problems/31_sdpa/stub.py\n",
            "python -m grader 31\n",
        )
    ]
    assert places == sorted(places) and "debug" not in out and "not started" in run()[1].splitlines()[2]


def test_a_demo_that_does_not_show_what_it_should_is_the_courses_fault(run, course):
    """An attempt that passes, or none, is told in a sentence, with exit code 2."""
    folder = stub_of(course).parent
    (folder / "attempt.py").write_text((folder / "mended.py").read_text())
    code, _, err = run("demo")
    assert code == 2 and err == "grader: problems/31_sdpa/attempt.py is to be seen failed, and is passed\n"
    (folder / "mended.py").unlink()
    assert run("demo")[::2] == (2, "grader: no problem here has an attempt to show\n")


def test_where_the_grader_itself_fails(run, course, monkeypatch):
    """An exception of the grader's own while it judges, or while it shows, is a sentence and exit code 2, and no
    traceback; the stub is not blamed."""

    def broken(*_, **__):
        raise ZeroDivisionError("a fault of ours")

    stub_of(course).write_text(RIGHT)
    with monkeypatch.context() as patched:
        patched.setattr("grader.judge.findings.findings_of", broken)
        code, out, err = run("31")
    told = (
        "! what came back from problems/31_sdpa/stub.py could not be checked: the grader failed on it "
        "(ZeroDivisionError in test_cli.py, line"
    )
    assert (
        code == 2
        and err == ""
        and told in " ".join(out.split())
        and "a fault of ours" in out
        and "This is not your mistake: tell whoever runs the course." in out
    )
    monkeypatch.setattr("grader.report.terminal.show", broken)
    code, _, err = run("31")
    assert (
        code == 2 and err == "grader: the verdict on 31 cannot be shown: the grader failed on it (ZeroDivisionError)\n"
    )


def test_json_holds_the_same_data(run, course):
    """--json prints one document with the exit code and each problem's verdict."""
    code, out, _ = run("31", "--json")
    report = json.loads(out)
    assert code == report["exit_code"] == 1
    assert [p["number"] for p in report["problems"]] == [31]
    assert report["problems"][0]["status"] == "not written"


def test_an_untouched_stub_needs_no_jax(course):
    """The verdict on a stub as it came is given without importing JAX, Flax or NumPy."""
    code = (
        "import sys; from grader.student.cli import main; main(['31']); print([m for m in ('jax', 'flax', 'numpy') "
        "if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], cwd=course, capture_output=True, text=True).stdout
    assert shown.splitlines()[-1] == "[]"


def test_what_a_worker_imports_is_compiled_once(course):
    """Where nobody has compiled what is imported, the first worker leaves it compiled for the next, as an installer
    other than pip expects; beside a problem nothing is left."""
    stub_of(course).write_text(RIGHT)
    subprocess.run([sys.executable, "-m", "grader", "31"], cwd=course, capture_output=True, check=True)
    left = {path.parent.relative_to(course).as_posix() for path in course.rglob("__pycache__")}
    assert "grader/run" in left and all(folder.startswith("grader") for folder in left)


def test_an_interrupt_within_exec_still_exits_with_130(course):
    """CPython run with `-m` remembers an interrupt that met an exec(), such as a dataclass on import, and dies of it at
    the end; the grader does not."""
    (course / "rich.py").write_text("exec('raise KeyboardInterrupt')")
    done = subprocess.run([sys.executable, "-m", "grader"], cwd=course, capture_output=True, text=True)
    assert done.returncode == 130 and "stopped; what was graded before" in done.stderr


def test_a_missing_package_is_told_without_a_traceback(run, monkeypatch):
    """Outside the environment the message says what to activate, and the exit code is 2."""
    monkeypatch.delitem(sys.modules, "grader.student.pages", raising=False)
    monkeypatch.setitem(sys.modules, "rich.markdown", None)
    code, _, err = run("hint", "31")
    assert (
        code == 2
        and "is not installed for" in err
        and "activate the environment that README's first command makes" in err
    )


def test_hints_come_one_at_a_time(run, course):
    """Each call of hint shows one more; after the last it stays there; --all shows all of them."""
    heads = [run("hint", "31")[1].splitlines()[0] for _ in range(5)]
    assert heads == ["hint 1 of 4", "hint 2 of 4", "hint 3 of 4", "hint 4 of 4", "hint 4 of 4"]
    assert run("hint", "31", "--all")[1].count(" of 4") == 4


def test_lesson_is_printed(run):
    """lesson prints the page."""
    code, out, _ = run("lesson", "31")
    assert code == 0 and "Why it matters" in out and "Further reading" in out and "√d_k" in out


def test_reset_puts_the_stub_back_and_keeps_a_copy(run, course):
    """reset restores the shipped text and says where the student's text is kept."""
    stub = stub_of(course)
    original = stub.read_bytes()
    assert run("reset", "31")[1] == "problems/31_sdpa/stub.py is as it came; nothing to put back\n"
    stub.write_text(RIGHT)
    code, out, _ = run("reset", "31")
    assert code == 0 and stub.read_bytes() == original
    kept = next((course / ".grader/kept/31_sdpa").iterdir())
    assert kept.read_text() == RIGHT
    assert out.splitlines() == [
        f"what was there is kept as .grader/kept/31_sdpa/{kept.name}",
        "problems/31_sdpa/stub.py is as it came",
    ]


def test_reset_begins_again_with_the_first_hint(run, course):
    """Who starts anew is not told the last hint first, whether or not there was anything to put back."""
    assert [run("hint", "31")[1].splitlines()[0] for _ in range(2)] == ["hint 1 of 4", "hint 2 of 4"]
    assert run("reset", "31")[1].splitlines() == [
        "the hints begin again at the first",
        "problems/31_sdpa/stub.py is as it came; nothing to put back",
    ]
    assert run("hint", "31")[1].startswith("hint 1 of 4") and run("reset", "32")[1].count("\n") == 1


def test_reset_leaves_the_stub_when_it_cannot_keep_a_copy(run, course, monkeypatch):
    """A full disk costs nothing: without a copy the stub is left as it is."""
    stub = stub_of(course)
    stub.write_text(RIGHT)
    monkeypatch.setattr("grader.process.store.write", lambda path, content: False)
    code, _, err = run("reset", "31")
    assert code == 2 and stub.read_text() == RIGHT
    assert "your problems/31_sdpa/stub.py could not be copied to a safe place, so it was left as it is" in err
