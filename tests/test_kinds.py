"""Every kind of thing that a problem may check, each with a tiny problem of its own (`tests/tiny/`): right styles pass,
mistakes are named, and the words are these."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from grader.course.problem import Problem, discover, mistakes
from grader.course.verdict import Status, Verdict
from grader.judge.grade import grade
from grader.key.answers import PATIENT
from grader.process.child import Child, Process
from grader.report import terminal

pytestmark = pytest.mark.thorough

TINY = {problem.number: problem for problem in discover(Path(__file__).parent / "tiny")}
RIGHT = [
    path
    for problem in TINY.values()
    for path in (problem.solutions / "reference.py", *sorted((problem.solutions / "right").glob("*.py")))
]
WRONG = [(problem, known.id) for problem in TINY.values() for known in mistakes(problem.solutions / "mistakes.py")]
STAND_IN = (
    "from pathlib import Path\nfrom grader.authors.stand_in import "
    "names\nglobals().update(names(Path({root!r}), {number}, {id!r}))\n"
)


def of(path: Path) -> Problem:
    return next(problem for problem in TINY.values() if problem.solutions in path.parents)


def graded(tmp_path: Path, problem: Problem, text: str) -> Verdict:
    path = tmp_path / "stub.py"
    path.write_text(text, encoding="utf-8")
    return grade(problem, path)


def standing_in(problem: Problem, id: str) -> str:
    return STAND_IN.format(root=str(problem.folder.parents[1]), number=problem.number, id=id)


def shown(verdict: Verdict) -> str:
    stream = io.StringIO()
    terminal.show(verdict, Console(file=stream, width=100, highlight=False))
    return stream.getvalue()


@pytest.mark.parametrize("path", RIGHT, ids=lambda path: f"{of(path).number}-{path.stem}")
def test_a_right_answer_passes_in_any_style(path):
    """The reference, and answers that put their values into other containers, draw in another way, or loop by hand."""
    verdict = grade(of(path), path)
    assert verdict.status == Status.PASSED, shown(verdict)


@pytest.mark.parametrize("problem, id", WRONG, ids=[f"{problem.number}-{id}" for problem, id in WRONG])
def test_a_mistake_is_named_as_itself(problem, id, tmp_path):
    """By what it gives: in trees of any kind, in how often it draws what, in what it leaves in a model, an optimizer or
    a stream."""
    verdict = graded(tmp_path, problem, standing_in(problem, id))
    assert [entry.mistake for entry in verdict.entries if entry.status == Status.FAILED] == [id.split()[0]], shown(
        verdict
    )


# What is said

MOMENTS = (TINY[71].solutions / "reference.py").read_text(encoding="utf-8")
WORDS = {
    "another container": (
        71,
        MOMENTS.replace("[ahead[name] for name in names]", "tuple(ahead[name] for name in names)"),
        "in what it returns, `[1]` is a tuple of 2; expected a list of 2",
    ),
    "a name too many": (
        71,
        MOMENTS.replace("mean=mean)", "mean=mean | {'more': state.count})"),
        "in what it returns, `[0].mean` is a dict with bias, kernel, more; expected a dict with bias, kernel",
    ),
    "a value within": (
        71,
        MOMENTS.replace("state.count + 1", "state.count + 2"),
        "1 of 1 values of `[0].count` of the output differs, by up to 1",
    ),
    "another type": (
        71,
        MOMENTS.replace("state.count + 1", "state.count + 1.0"),
        "`[0].count` of the output has dtype float32; expected int32",
    ),
    "never": (
        72,
        "import jax.numpy as jnp\ndef draw(key, logits, temperature):\n    return jnp.argmax(logits, "
        "-1).astype(jnp.int32)\n",
        "Each index is drawn as often as its probability says. Index 1 is drawn 100.00% of the time; it has to be "
        "drawn in 44.44% of all draws.",
    ),
    "another shape": (
        72,
        "import jax.numpy as jnp\ndef draw(key, logits, temperature):\n    return jnp.argmax(logits)\n",
        "the output has shape (); expected (3,)",
    ),
    "not from the key": (
        72,
        "import jax\nimport jax.numpy as jnp\ncount = [0]\ndef draw(key, logits, temperature):\n    count[0] += 1\n"
        "    return jax.random.categorical(jax.random.fold_in(key, count[0]), logits / "
        "temperature).astype(jnp.int32)\n",
        "the same key gives another result the second time",
    ),
    "a key for an index": (
        72,
        "import jax\ndef draw(key, logits, temperature):\n    return key\n",
        "it returns a key; expected an array",
    ),
    "one step too few": (
        73,
        (TINY[73].solutions / "right/plain_loop.py")
        .read_text(encoding="utf-8")
        .replace("for token in prompt:", "for token in prompt[:1]:"),
        "values of `[1].count` of the output differs, by up to 1",
    ),
    "weights kept": (
        76,
        "import jax\ndef exp_sum(x, y):\n    return jax.nn.logsumexp(x[:, None] * y, axis=1)\n",
        "Between the passes nothing of size rows × columns may be kept. 4352 elements are kept, where 512 are enough; "
        "the largest array has shape (64, 64) and type float32, "
        "made by `exp`.",
    ),
    "what is kept grows": (
        76,
        "import jax\ndef exp_sum(x, y):\n    return jax.nn.logsumexp(x[:, None] * y, axis=1)\n",
        "What is kept may grow no faster than the inputs. At a length of 64 it keeps 4352 elements between the "
        "passes; 1024 are enough.",
    ),
    "nothing dropped": (
        75,
        (TINY[75].solutions / "reference.py")
        .read_text(encoding="utf-8")
        .replace("self.dropout(self.linear(x))", "self.dropout(self.linear(x), deterministic=True)"),
        "In train each value is zero as often as the rate says. The value at (0, 0) is zero 0.0% of the time; it has "
        "to be 50%.",
    ),
}


@pytest.mark.parametrize("number, text, said", WORDS.values(), ids=WORDS)
def test_what_a_verdict_says_of_it(number, text, said, tmp_path):
    """The sentence names the part of a value, the claim about what is drawn, or the variable, in these words."""
    verdict = graded(tmp_path, TINY[number], text)
    summaries = [
        finding.summary for entry in verdict.entries for finding in entry.findings if finding.status == Status.FAILED
    ]
    assert any(said in summary for summary in summaries), summaries


def test_what_devices_exchange_is_told_where_it_can_be_proved(tmp_path):
    """A collective too many is named with how often it runs. In a class, where programs are carried to a process of
    their own, a program of several devices is none that can be, and no forgery."""
    gathered = (
        (TINY[77].solutions / "reference.py")
        .read_text(encoding="utf-8")
        .replace('psum(own.sum(0), "rows")', 'all_gather(own, "rows", tiled=True).sum(0)')
    )
    said = [f.summary for entry in graded(tmp_path, TINY[77], gathered).entries for f in entry.findings]
    assert "Devices exchange sums, and no rows. Here `all_gather` runs once; none is needed." in said
    verdict = grade(
        TINY[77],
        TINY[77].solutions / "reference.py",
        prover=lambda: Process(Child("grader.program.prover", devices=8), PATIENT),
    )
    told = {finding.summary for entry in verdict.entries for finding in entry.findings if finding.unproved}
    assert verdict.status == Status.UNCHECKED and told == {"could not be proved: `shard_map` cannot be sent as data"}


def test_rounding_that_decides_an_integer_is_the_courses_fault(tmp_path):
    """A case whose integers follow from rounding is found when its key is computed, and told with its place."""
    for path, text in {
        "problems/31_tiny/checks.py": "import numpy as np\nfrom grader.course import Case, Function\n"
        "ENTRIES = [Function('f', lambda rng: dict(x=np.float32([0.7])), {'near a tie': Case()})]\n",
        "problems/31_tiny/.stub.py": "def f(x):\n    raise NotImplementedError\n",
        "solutions/31_tiny/reference.py": "import jax.numpy as jnp\n\ndef f(x):\n    return jnp.floor(x * "
        "10.0).astype(jnp.int32)\n",
        "solutions/31_tiny/mistakes.py": "",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    from grader.authors import reference
    from grader.course.calls import calls_for
    from grader.course.problem import CourseError

    (problem,) = discover(tmp_path)
    with pytest.raises(
        CourseError, match="near a tie · eager rounding decides: .* Choose inputs that keep clear of it"
    ):
        reference.answer_key(problem, calls_for(problem.entries))


@pytest.mark.parametrize("shared", [(0, 1), (0, 3), (4, 5)])
def test_any_two_places_of_a_batch_that_fall_together_are_told(shared):
    """Not neighbours alone: a key that is split along one axis of a batch is used again along the other."""
    import numpy as np

    from grader.course import Apart

    claim = Apart("apart", "Each on its own.", "case", lambda inputs: np.full((2, 3, 4), 0.25))
    drawn = np.random.default_rng(0).integers(4, size=(4096, 2, 3))
    assert claim.broken({}, drawn) is None
    one, other = shared
    drawn.reshape(4096, 6)[:, other] = drawn.reshape(4096, 6)[:, one]
    broken = claim.broken({}, drawn)
    assert broken.sentence == (
        f"Each on its own. Places {one} and {other} agree in 100.0% of all draws; independent ones do in 25.0%."
    )
    assert broken.sign.count("+") == 1
