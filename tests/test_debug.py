"""debug: the first failing case as a script in plain JAX, run in the student's own terminal."""

import os
import shlex
import shutil
import subprocess
import sys

import pytest

from grader.course.calls import calls_for
from grader.student.debug import _named, snippet


def test_debug_runs_the_first_failing_case_and_keeps_the_script(course):
    """debug names the first failing case, runs it without a verdict, and its script runs in any Python."""
    done = subprocess.run([sys.executable, "-m", "grader", "debug", "31", "--file", "problems/31_sdpa/attempt.py"], cwd=course,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "one query · eager   q (1, 8)  k (5, 8)  v (5, 4)"
    assert lines[1:3] == ["the same in any Python:", "python .grader/debug/31_one_query_eager.py"]
    again = subprocess.run([sys.executable, "-I", ".grader/debug/31_one_query_eager.py"], cwd=course, capture_output=True, text=True)
    assert again.stdout.splitlines() == lines[4:]


def test_the_command_can_be_copied_whole(course, tmp_path):
    """However long the script's path is, the command stands on one line, and the shell takes it as one path."""
    elsewhere = tmp_path / ("a folder with a long name " * 4)
    elsewhere.mkdir()
    (elsewhere / "mine.py").write_text("def sdpa(q, k, v):\n    return v\n")
    shutil.move(course, elsewhere / "course")
    command = [sys.executable, "-m", "grader", "debug", "31", "one key", "--file", str(elsewhere / "mine.py")]
    done = subprocess.run(command, cwd=elsewhere / "course", env=os.environ | dict(COLUMNS="40", PYTHONPATH=str(elsewhere / "course")), capture_output=True, text=True)
    line = done.stdout.split("the same in any Python:\n")[1].splitlines()[0]
    assert shlex.split(line) == ["python", ".grader/debug/31_one_key_eager.py"]
    outside = subprocess.run(command, cwd=elsewhere, env=os.environ | dict(COLUMNS="40", PYTHONPATH=str(elsewhere / "course")), capture_output=True, text=True)
    word, script = shlex.split(outside.stdout.split("the same in any Python:\n")[1].splitlines()[0])
    assert word == "python" and (elsewhere / script).exists()


def test_breakpoint_and_input_work(course):
    """The student's code has the terminal to itself: what is typed reaches pdb."""
    (course / "mine.py").write_text("def sdpa(q, k, v):\n    breakpoint()\n    return q\n")
    done = subprocess.run([sys.executable, "-m", "grader", "debug", "31", "one query", "--file", "mine.py"], cwd=course,
                          input="p q.shape\nq\n", capture_output=True, text=True)
    assert "(1, 8)" in done.stdout


def test_a_case_that_does_not_exist_is_answered_with_those_that_do(course):
    """A wrong case name gives exit code 2 and the names there are."""
    done = subprocess.run([sys.executable, "-m", "grader", "debug", "31", "no such"], cwd=course, capture_output=True, text=True)
    assert done.returncode == 2
    assert "there is no case “no such” in problem 31; there are “one key”, “one query”" in done.stdout.replace("\n", " ")


@pytest.mark.parametrize("text, entry, case, kind", [
    ("one token", "causal_mask", "one token", "eager"), ("causal_sdpa one token", "causal_sdpa", "one token", "eager"),
    ("large", "causal_sdpa", "large logits", "eager"), ("large logits grad", "causal_sdpa", "large logits", "grad")])
def test_a_case_is_named_by_its_beginning(text, entry, case, kind):
    """The first letters of a case name it; the name of a function and the transform can be said as well."""
    from tests.conftest import PROBLEMS

    check = _named(calls_for(PROBLEMS[33].entries), text).check
    assert (check.entry, check.case, check.kind) == (entry, case, kind)


@pytest.mark.parametrize("kind", ["eager", "jit", "vmap", "grad", "leaks", "again"])
@pytest.mark.parametrize("number", [31, 32])
def test_every_transform_has_a_script(number, kind, tmp_path):
    """The script of every transform compiles, and names nothing of the grader."""
    from tests.conftest import PROBLEMS

    call = next(c for c in calls_for(PROBLEMS[number].entries) if c.check.kind == kind)
    text = snippet(call, tmp_path / "stub.py", number)
    compile(text, "snippet", "exec")
    assert "grader" not in text


def test_a_modules_script_loads_the_cases_parameters(tmp_path, course):
    """For a module the script constructs it, loads the case's parameters, and gives what the reference gives."""
    from tests.conftest import PROBLEMS

    call = next(c for c in calls_for(PROBLEMS[32].entries) if c.check.kind == "grad")
    script = tmp_path / "script.py"
    script.write_text(snippet(call, course / "solutions/32_multi_head_attention/reference.py", 32))
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "gradient for x" in done.stdout
