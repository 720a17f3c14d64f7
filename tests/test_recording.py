"""A file that has not changed since it ran is judged again, and not run again."""

import json

import pytest

from grader.judge import grade as stages
from grader.judge import recording
from grader.process import store
from grader.student import cli
from tests.test_cli import RIGHT, run, stub_of  # noqa: F401

WRONG = RIGHT.replace("    return", "    print('hello')\n    return").replace(" / q.shape[-1] ** 0.5", "")


@pytest.fixture
def workers(monkeypatch):
    """A list that grows by one with each worker that is started."""
    started, start = [], stages.start_worker

    def counted(problem, *limits, **more):
        started.append(problem.number)
        return start(problem, *limits, **more)

    monkeypatch.setattr(stages, "start_worker", counted)
    monkeypatch.setattr(stages, "start_beside", start)  # the other of the two, where there are two cores or one
    return started


def test_an_unchanged_file_is_judged_again_and_not_run_again(course, run, workers):  # noqa: F811
    """The second verdict is the first, prints and mistake included, says so, and starts nothing; a change or `--again`
    starts a worker."""
    stub_of(course).write_text(WRONG)
    (first, told, _), (again, told_again, _) = run("31"), run("31")
    assert (first, again, workers) == (1, 1, [31])
    assert "hello" in told_again and "forgot the scale" in told_again
    assert recording.UNCHANGED.split(": ")[0] in " ".join(told_again.split()) and "as it was" not in told
    one, other = (json.loads(run("31", "--json", *more)[1])["problems"][0] for more in ((), ("--again",)))
    assert workers == [31, 31]
    for verdict in (one, other):
        verdict.pop("seconds")
        verdict.pop("notes")
    assert one == other
    stub_of(course).write_text(RIGHT)
    assert run("31", "-q")[0] == 0 and len(workers) == 3
    stub_of(course).write_text(WRONG)
    assert run("31", "-q")[0] == 1 and len(workers) == 3, "a change that is undone was run before"


@pytest.mark.thorough
def test_what_the_answers_follow_from_is_asked(course, run, workers):  # noqa: F811
    """Other checks, and half a recording, have the file run again."""
    stub_of(course).write_text(RIGHT)
    run("31")
    (kept,) = store.folder(course, "attempts").iterdir()
    kept.write_bytes(kept.read_bytes()[:-9])
    assert run("31", "-q")[0] == 0 and workers == [31, 31]
    checks = stub_of(course).with_name("checks.py")
    checks.write_text(checks.read_text() + "\n# another check\n")
    assert run("31", "-q")[0] == 0 and workers == [31, 31, 31]


def test_only_a_few_are_kept(tmp_path, course):
    """Each problem keeps what was recorded last, and no more than a few."""
    from grader.course.problem import discover
    from grader.course.verdict import Outcome
    from grader.judge.attempt import Attempt
    from grader.process.child import Ended
    from grader.process.stub import stub_of as read

    problem = discover(course)[0]
    attempt = Attempt({0: Outcome("None")}, {"found": {}}, None, Ended("finished"))
    stubs = [read(problem, problem.stub, f"{RIGHT}# {number}\n".encode()) for number in range(recording.FEW + 3)]
    for stub in stubs:
        recording.keep(problem, stub, attempt, [], {})
    assert len([*store.folder(course, "attempts").iterdir()]) == recording.FEW
    assert recording.recall(problem, stubs[-1]) and not recording.recall(problem, stubs[0])


@pytest.mark.parametrize(
    "source, kept",
    [
        (RIGHT, True),
        ("import jax.numpy as jnp\nfrom flax import nnx\nimport numpy as np, math\nx = np.ones(3)\n", True),
        ("import jax\nkey = jax.random.key(0)\n", True),
        ("from helper import sdpa\n", False),
        ("from . import helper\n", False),
        ("import time\n", False),
        ("import random\n", False),
        ("import numpy as np\nx = np.random.normal()\n", False),
        ("from numpy.random import normal\n", False),
        ("import numpy\nx = numpy.load('x.npy')\n", False),
        ("x = open('/tmp/x').read()\n", False),
        ("x = __import__('time').time()\n", False),
        ("import jax\nx = getattr(jax, 'config')\n", False),
        ("x = __builtins__\n", False),
        ("a file that is no Python", False),
    ],
)
def test_what_follows_from_more_than_the_file_is_run_each_time(source, kept):
    """A file that imports another, reads one, or looks at the clock may answer otherwise next time."""
    assert recording.alone(source) == kept


@pytest.mark.thorough
def test_what_did_not_come_to_its_end_is_run_again(course, run, workers):  # noqa: F811
    """A file that cannot be imported, or ends its worker, is not judged from memory."""
    for text in ("import jax\nraise ImportError('einops is not here')\n", RIGHT.replace("return", "assert 1 / 0;")):
        stub_of(course).write_text(text)
        run("31", "-q")
    stub_of(course).write_text("import jax\nraise ImportError('einops is not here')\n")
    run("31", "-q")
    assert workers.count(31) == 3


def test_the_option_is_told(capsys):
    """`--help` says how to have it run again."""
    with pytest.raises(SystemExit):
        cli.main(["grade", "--help"])
    assert "--again" in capsys.readouterr().out
