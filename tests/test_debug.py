"""debug: the first failing case as a script in plain JAX, run in the student's own terminal."""

import contextlib
import io
import os
import runpy
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from grader.course.calls import Call, calls_for
from grader.course.cases import TRANSFORMS
from grader.course.problem import discover
from grader.course.verdict import Outcome
from grader.report.words import called
from grader.student.debug import _named
from grader.student.script import snippet
from tests.conftest import PROBLEMS, ROOT


def test_debug_runs_the_first_failing_case_and_keeps_the_script(course):
    """debug names the first failing case, runs it without a verdict, and its script runs in any Python."""
    done = subprocess.run(
        [sys.executable, "-m", "grader", "debug", "31", "--file", "problems/31_sdpa/attempt.py"],
        cwd=course,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "one query · eager   q (1, 8)  k (5, 8)  v (5, 4)"
    assert lines[1:3] == ["the same in any Python:", "python .grader/debug/31_one_query_eager.py"]
    again = subprocess.run(
        [sys.executable, "-I", ".grader/debug/31_one_query_eager.py"], cwd=course, capture_output=True, text=True
    )
    assert again.stdout.splitlines() == lines[4:]


def test_the_command_can_be_copied_whole(course, tmp_path):
    """However long the script's path is, the command stands on one line, and the shell takes it as one path."""
    elsewhere = tmp_path / ("a folder with a long name " * 4)
    elsewhere.mkdir()
    (elsewhere / "mine.py").write_text("def sdpa(q, k, v):\n    return v\n")
    shutil.move(course, elsewhere / "course")
    command = [sys.executable, "-m", "grader", "debug", "31", "one key", "--file", str(elsewhere / "mine.py")]
    done = subprocess.run(
        command,
        cwd=elsewhere / "course",
        env=os.environ | dict(COLUMNS="40", PYTHONPATH=str(elsewhere / "course")),
        capture_output=True,
        text=True,
    )
    line = done.stdout.split("the same in any Python:\n")[1].splitlines()[0]
    assert shlex.split(line) == ["python", ".grader/debug/31_one_key_eager.py"]
    outside = subprocess.run(
        command,
        cwd=elsewhere,
        env=os.environ | dict(COLUMNS="40", PYTHONPATH=str(elsewhere / "course")),
        capture_output=True,
        text=True,
    )
    word, script = shlex.split(outside.stdout.split("the same in any Python:\n")[1].splitlines()[0])
    assert word == "python" and (elsewhere / script).exists()


def test_breakpoint_and_input_work(course):
    """The student's code has the terminal to itself: what is typed reaches pdb."""
    (course / "mine.py").write_text("def sdpa(q, k, v):\n    breakpoint()\n    return q\n")
    done = subprocess.run(
        [sys.executable, "-m", "grader", "debug", "31", "one query", "--file", "mine.py"],
        cwd=course,
        input="p q.shape\nq\n",
        capture_output=True,
        text=True,
    )
    assert "(1, 8)" in done.stdout


def test_a_case_that_does_not_exist_is_answered_with_those_that_do(course):
    """A wrong case name gives exit code 2 and the names there are."""
    done = subprocess.run(
        [sys.executable, "-m", "grader", "debug", "31", "no such"], cwd=course, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "there is no case “no such” in problem 31; there are “one key”, “one query”" in done.stdout.replace(
        "\n", " "
    )


@pytest.mark.parametrize(
    "text, entry, case, kind",
    [
        ("one token", "causal_mask", "one token", "eager"),
        ("causal_sdpa one token", "causal_sdpa", "one token", "eager"),
        ("large", "causal_sdpa", "large logits", "eager"),
        ("large logits grad", "causal_sdpa", "large logits", "grad"),
    ],
)
def test_a_case_is_named_by_its_beginning(text, entry, case, kind):
    """The first letters of a case name it; the name of a function and the transform can be said as well."""
    check = _named(calls_for(PROBLEMS[33].entries), text).check
    assert (check.entry, check.case, check.kind) == (entry, case, kind)


def test_every_check_is_found_by_the_name_that_a_verdict_gives_it():
    """The command that a verdict prints runs the very check that failed, whatever it is: a case under a transform, a
    property, a claim, or what is asked of the whole."""
    for problem in (*PROBLEMS.values(), *TINY.values()):
        calls = calls_for(problem.entries)
        for call in calls:
            name = called(call.check)
            assert _named(calls, f"{call.check.entry} {name}").check == call.check
            if len(problem.names) == 1:
                assert _named(calls, name).check == call.check
            dotted = f"{call.check.entry} · {call.check.case} · {call.check.kind}"
            assert call.check.kind not in TRANSFORMS or _named(calls, dotted).check == call.check


@pytest.mark.parametrize("kind", ["eager", "jit", "vmap", "grad", "leaks", "again", "traces", "parameters"])
@pytest.mark.parametrize("number", [31, 32])
def test_every_transform_has_a_script(number, kind, tmp_path):
    """The script of every transform compiles, and names nothing of the grader."""
    call = next((c for c in calls_for(PROBLEMS[number].entries) if c.check.kind == kind), None)
    if call is None:
        return  # a function has no parameters
    text = snippet(call, tmp_path / "stub.py", number)
    compile(text, "snippet", "exec")
    assert "grader" not in text


def test_a_transform_that_fails_is_what_runs(course):
    """The command that a verdict on several names prints carries the transform."""
    (course / "mine.py").write_text(
        "import jax.numpy as jnp\ndef causal_mask(t_q, t_k):\n    return jnp.tri(t_q, t_k, t_k - t_q, dtype=bool)\n"
        "def causal_sdpa(q, k, v):\n    return v if (v > 0).any() else v\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "grader", "debug", "33", "causal_sdpa one token jit", "--file", "mine.py"],
        cwd=course,
        capture_output=True,
        text=True,
    )
    assert done.stdout.startswith("causal_sdpa · one token · jit ") and "TracerBoolConversionError" in done.stderr


@pytest.mark.parametrize("kind", ["eager", "jit"])
def test_a_property_is_shown_by_its_changes(kind, course):
    """The script of a property makes each change, and says which rows are others then."""
    calls = calls_for(PROBLEMS[33].entries)
    unchanged, *changes = [c for c in calls if (c.check.case, c.check.kind) == ("nothing later is seen", kind)]
    script = course / "script.py"
    script.write_text(
        snippet(unchanged, course / "solutions/33_causal_mask/reference.py", 33, changes=changes), encoding="utf-8"
    )
    printed = subprocess.run([sys.executable, str(script)], capture_output=True, text=True).stdout.splitlines()
    told = [line for line in printed if ": other rows " in line]
    assert [line.split(": other rows ")[0] for line in told] == [change.variant for change in changes]
    assert told[0].endswith(" [[4]]")  # the last of five queries sees the last key


def test_a_body_says_when_it_is_traced(course):
    """The script of "traced once" prints a line for each trace."""
    (course / "mine.py").write_text("def sdpa(q, k, v):\n    return q @ k.T @ v\n")
    done = subprocess.run(
        [sys.executable, "-m", "grader", "debug", "31", "traced once", "--file", "mine.py"],
        cwd=course,
        capture_output=True,
        text=True,
    )
    assert done.stdout.splitlines().count("traced") == 1, done.stderr


def test_a_modules_script_loads_the_cases_parameters(tmp_path, course):
    """For a module the script constructs it, loads the case's parameters, and gives what the reference gives."""
    call = next(c for c in calls_for(PROBLEMS[32].entries) if c.check.kind == "grad")
    script = tmp_path / "script.py"
    script.write_text(snippet(call, course / "solutions/32_multi_head_attention/reference.py", 32))
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "gradient for x" in done.stdout


TINY = {problem.number: problem for problem in discover(ROOT / "tests/tiny")}


def script_of(number: int, kind: str, case: str, tmp_path) -> tuple[Path, Call]:
    """The script of one call of a tiny problem, on its reference."""
    problem = TINY[number]
    call = next(c for c in calls_for(problem.entries) if (c.check.kind, c.check.case) == (kind, case))
    script = tmp_path / "script.py"
    script.write_text(
        snippet(
            call, problem.solutions / "reference.py", number, problem.folder / "driver.py" if problem.driver else None
        )
    )
    return script, call


def given(number: int, call: Call) -> Outcome:
    """What the reference gives in the grader's own hands."""
    from grader.authors.reference import driver_of
    from grader.course.problem import load
    from grader.run.evaluate import Evaluation

    reference, outcomes = load(TINY[number].solutions / "reference.py", "reference"), []
    Evaluation(
        lambda name: getattr(reference, name),
        lambda error: None,
        lambda call, outcome: outcomes.append(outcome),
        driver=driver_of(TINY[number]),
    ).run([call])
    return outcomes[0]


@pytest.mark.thorough
@pytest.mark.parametrize(
    "number, kind, case",
    [
        pytest.param(71, "eager", "a step", marks=pytest.mark.sample),
        (71, "vmap", "of Nesterov"),
        (72, "eager", "one row"),
        (72, "jit", "certain"),
        (72, "draws", "as often in a batch"),
        (73, "jit", "a prompt"),
        (73, "eager", "as often as said"),
        (74, "eager", "three updates"),
        (75, "eager", "in train"),
        (75, "draws", "half is dropped"),
    ],
)
def test_a_script_gives_what_the_call_gives(number, kind, case, tmp_path):
    """Trees, named tuples, dataclasses, keys, functions of the problem's driver, and modules in train: the script's
    output is the grader's."""
    from grader.run.evaluate import describe

    script, call = script_of(number, kind, case, tmp_path)
    assert "grader" not in script.read_text().replace(str(ROOT), "").replace("reference.py", "")
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        output = describe(runpy.run_path(str(script))["output"])
    expected = given(number, call)
    leaves = {
        leaf.removeprefix("output"): array
        for leaf, array in expected.leaves.items()
        if not leaf.startswith("variables.")
    }
    assert printed.getvalue().startswith("output ") and output.leaves.keys() == leaves.keys()
    assert all(np.allclose(array, leaves[leaf], rtol=1e-5, atol=1e-6) for leaf, array in output.leaves.items())


@pytest.mark.parametrize(
    "number, case, paths", [(71, "of Nesterov", {"state.mean.kernel", "gradients.bias", "settings.rate"})]
)
def test_a_script_of_a_gradient_names_each_part(number, case, paths, tmp_path):
    """The gradient for each floating array of an argument, by its path, and none for counts and tokens."""
    script, call = script_of(number, "grad", case, tmp_path)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        runpy.run_path(str(script))
    told = {
        line.removeprefix("gradient for ")
        for line in printed.getvalue().splitlines()
        if line.startswith("gradient for ")
    }
    assert told == {*given(number, call).leaves} and paths <= told and "state.count" not in told


def test_a_script_reads_like_the_call(tmp_path):
    """A person sees the argument as it is: a type with named fields, what its parts are, and what comes from the
    problem's driver."""
    text = script_of(71, "eager", "a step", tmp_path)[0].read_text()
    assert "Moments = collections.namedtuple('Moments', ['count', 'mean'])\n" in text
    assert (
        "return stub.momentum(Moments(count=state_count, mean={'kernel': state_mean_kernel, 'bias': state_mean_bias}), "
        in text
    )
    assert "Settings(rate=settings_rate, nesterov=False), ['kernel', 'bias'])\n" in text
    assert (
        "return stub.generate(driver.bigram, {'count': state_count, 'table': state_table}, prompt, 1)\n"
        in script_of(73, "eager", "one token", tmp_path)[0].read_text()
    )
    assert (
        "return driver.three_updates(stub, kernel=kernel, x=x, y=y, rate=0.1)\n"
        in script_of(74, "eager", "three updates", tmp_path)[0].read_text()
    )
    assert "module.train()\n" in script_of(75, "eager", "in train", tmp_path)[0].read_text()


def test_a_driven_script_runs_in_any_python(tmp_path):
    """It finds the student's file and the driver where they lie, without the course on its path."""
    script, _ = script_of(73, "eager", "as often as said", tmp_path)
    done = subprocess.run([sys.executable, "-I", str(script)], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith("output tuple"), done.stderr


@pytest.mark.parametrize(
    "array",
    [
        np.float32([np.inf, -np.inf, np.nan, 1.5]),
        np.zeros((0, 3), np.float32),
        np.float32(2),
        np.array([[True, False]]),
    ],
    ids=str,
)
def test_any_array_is_written_out(array):
    """Infinities, NaN, scalars and arrays without elements come back as they were."""
    import jax.numpy as jnp

    from grader.student.script import _values

    back = eval(_values(np.asarray(array)), {"jnp": jnp, "np": np})
    assert (back.shape, back.dtype) == (np.shape(array), array.dtype) and np.array_equal(
        back, array, equal_nan=array.dtype.kind == "f"
    )
