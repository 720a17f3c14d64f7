"""The answer key as the reference computes it: what is allowed follows from what float32 misses, and no student's code
is near."""

from __future__ import annotations

import ast
import shutil

import jax
import numpy as np
import pytest

from grader.authors import reference
from grader.authors.reference import MARGIN, NEIGHBOURS, _answer, _nudge
from grader.course import Case, Function, Largest
from grader.course.calls import DRAWS, Call, calls_for
from grader.course.cases import Mistake
from grader.course.problem import CourseError, discover
from grader.course.verdict import Check, Failure, Outcome
from tests.conftest import PROBLEMS, ROOT

jax.config.update("jax_platforms", "cpu")
EPS = float(np.finfo(np.float32).eps)


@pytest.fixture(scope="module")
def computed(tmp_path_factory):
    """Problem 31's calls, its key, and every float32 evaluation that the key follows from. No stub is there, not even
    the shipped one."""
    root = tmp_path_factory.mktemp("course")
    for part in ("problems/31_sdpa/checks.py", "solutions/31_sdpa/reference.py"):
        (root / part).parent.mkdir(parents=True)
        shutil.copy(ROOT / part, root / part)
    (problem,) = discover(root)
    calls = calls_for(problem.entries)
    ran = []

    def recorded(find, plain, driver=None, *, double=False, eagerly=False, run=reference._run):
        outcomes = run(find, plain, driver, double=double, eagerly=eagerly)
        if not double:
            ran.extend((call, outcomes[call.id]) for call in plain)
        return outcomes

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reference, "_run", recorded)
        key = reference.answer_key(problem, calls)
    return calls, key, ran


def exact(q, k, v):
    """Problem 31 in float64 NumPy, written anew: the output, the weights and the scores."""
    q, k, v = (array.astype(np.float64) for array in (q, k, v))
    scores = np.einsum("...qd,...kd->...qk", q, k) / q.shape[-1] ** 0.5
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    return np.einsum("...qk,...kd->...qd", weights, v), weights, scores


def exact_gradients(q, k, v, seed):
    """The gradients of the output's product with the cotangent, by the formulas of the lesson."""
    output, p, _ = exact(q, k, v)
    g = np.random.default_rng([seed, *output.shape]).standard_normal(output.shape).astype(np.float32)
    q, k, v = (array.astype(np.float64) for array in (q, k, v))
    dp = g @ v.T
    ds = p * (dp - (p * dp).sum(-1, keepdims=True)) / q.shape[-1] ** 0.5
    return {"q": ds @ k, "k": ds.T @ q, "v": p.T @ g}


def truth(call: Call) -> dict[str, np.ndarray]:
    if call.transform == "again":
        one, two = ({name: array[draw] for name, array in call.arrays.items()} for draw in (0, 1))
        return {"other": exact(**{**two, "q": one["q"]})[0], "again": exact(**one)[0]}
    return exact_gradients(**call.arrays, seed=call.seed) if call.transform == "grad" else {"": exact(**call.arrays)[0]}


def test_the_key_holds_the_exact_values(computed):
    """Every expected array is the float64 answer, rounded once to the call's dtype."""
    calls, key, _ = computed
    compared = 0
    for call in calls:
        if call.transform in ("eager", "jit", "vmap", "grad"):
            for leaf, values in truth(call).items():
                came = key[call.id].outcome.leaves[leaf]
                assert came.dtype == np.float32
                np.testing.assert_allclose(came, values, rtol=EPS, atol=1e-12 * (1 + np.abs(values).max()))
                compared += 1
    assert compared == len(PROBLEMS[31].entries[0].cases) * (1 + 1 + 1 + 3)


def test_at_least_sixteen_times_the_observed_error_is_allowed(computed):
    """For every call and array: 16 times the largest error of float32 at the inputs and near them, by an independent
    float64 answer."""
    calls, key, ran = computed
    places = [place for _, place in reference._plain_calls(calls)]
    assert len(ran) == len(places) == (len(PROBLEMS[31].entries[0].cases) * (1 + 1 + DRAWS + 1) + 1) * (1 + NEIGHBOURS)
    observed: dict[tuple, float] = {}
    for (plain, outcome), (id, _, _) in zip(ran, places):
        for leaf, values in truth(plain).items():
            observed[id, leaf] = max(observed.get((id, leaf), 0.0), np.abs(outcome.leaves[leaf] - values).max())
    for (id, leaf), error in observed.items():
        assert key[id].allowed[leaf] >= 16 * error * (1 - 1e-6)
    assert len(observed) == len(PROBLEMS[31].entries[0].cases) * (1 + 1 + 1 + 3) + 2 and max(observed.values()) > 0


def test_evaluations_are_at_the_inputs_and_near_them(computed):
    """Each case is evaluated at its own inputs, draw by draw, and at neighbours that are a rounding away and differ
    from each other."""
    calls, _, _ = computed
    for plain, (id, draw, neighbour) in reference._plain_calls(calls):
        own = {name: array if draw is None else array[draw] for name, array in calls[id].arrays.items()}
        for name, array in plain.arrays.items():
            if neighbour == 0 or array.size > 8:  # of a few numbers, none may have moved
                assert np.array_equal(array, own[name]) == (neighbour == 0)
            assert (np.abs(array - own[name]) <= 2 * EPS * np.abs(own[name])).all()


def test_what_is_allowed_has_a_floor(computed):
    """However lucky float32 was, never less than eps * (1 + max|score|) * max|v| is allowed."""
    calls, key, _ = computed
    for call in calls:
        if call.transform in ("eager", "jit", "vmap", "grad"):
            draws = (
                [{n: a[i] for n, a in call.arrays.items()} for i in range(DRAWS)]
                if call.transform == "vmap"
                else [call.arrays]
            )
            floor = max(
                EPS * (1 + np.abs(exact(**draw)[2]).max()) * np.abs(draw["v"].astype(np.float64)).max()
                for draw in draws
            )
            assert min(key[call.id].allowed.values()) >= floor * (1 - 1e-12)


def test_what_is_allowed_is_little(computed):
    """No tolerance is so wide that a mistake would fit in: a ten-thousandth of the values, and half a hundredth where
    logits are large."""
    calls, key, _ = computed
    for call in calls:
        if call.transform in ("eager", "jit", "vmap"):
            limit = 5e-3 if call.check.case == "large logits" else 1e-4
            assert key[call.id].allowed[""] <= limit * np.abs(call.arrays["v"]).max()


def test_structural_checks_expect_one_trace_and_no_leak(computed):
    """The key for traces and leaks of a function is a count that nobody has to compute."""
    calls, key, _ = computed
    found = {
        call.transform: (key[call.id].outcome, key[call.id].allowed)
        for call in calls
        if call.transform in ("traces", "leaks")
    }
    assert found["traces"][0].structure == ["dict", [["traces", "array"]]] and found["traces"][0].leaves["traces"] == 1
    assert found["leaks"][0].structure == ["dict", [["leaked", "array"]]] and found["leaks"][0].leaves["leaked"] == 0
    assert found["traces"][1] == found["leaks"][1] == {}


# The allowed error of one call, from given evaluations


def array(values, dtype) -> Outcome:
    return Outcome("array", {"": np.asarray(values, dtype)})


def allowed(runs, scale=None, dtype="float32", kind="eager", given=None, **fields) -> float:
    """`runs`: (neighbour, value in single, value in double) each. What comes in has the dtype of what comes out, or
    that which is `given`."""
    arrays = {"x": np.ones(1, given or dtype)}
    call = Call(0, Check("f", kind, "c"), arrays=arrays, order=("x", *fields.get("static", ())), **fields)
    made = [
        (None, neighbour, call, array([single], dtype), array([double], "float64"))
        for neighbour, single, double in runs
    ]
    return _answer(call, made, scale).allowed[""]


def test_the_unluckiest_neighbour_decides():
    """16 times the largest error over the inputs and all neighbours, each against its own exact value."""
    assert MARGIN == 16
    assert allowed([(0, 1.0, 1.0), (1, 2.0, 2.0), (2, 3.5, 3.0), (3, 1.25, 1.0)]) == 16 * 0.5


@pytest.mark.parametrize(
    "dtype, eps", [("float32", 2.0**-23), ("float16", 2.0**-10), ("bfloat16", 2.0**-8), ("float64", 2.0**-52)]
)
def test_the_floor_is_in_units_of_the_dtype(dtype, eps):
    """Without any error the floor is eps times the scale that the reference gives, 1 without one, or the largest
    value."""
    assert allowed([(0, 0.0, 0.0)], dtype=dtype) == eps
    assert allowed([(0, 0.0, 0.0)], scale=lambda x: 50.0, dtype=dtype) == 50 * eps
    assert allowed([(0, 4.0, 4.0)], dtype=dtype) == 4 * eps


def test_what_is_not_finite_allows_nothing_more():
    """NaN and infinities, right or wrong, leave the tolerance as it is."""
    assert allowed([(0, np.inf, np.inf), (1, np.nan, 1.0)]) == EPS


def test_the_scale_is_asked_in_float64():
    """`error_scale` gets the call's floating arrays in float64, where nothing overflows, and static arguments as they
    are."""

    def scale(x, n):
        assert (x.dtype, n) == (np.float64, 3)
        return 1.0

    assert allowed([(0, 0.0, 0.0)], scale=scale, static=dict(n=3)) == EPS


@pytest.mark.parametrize("dtype, eps", [("float32", 2.0**-23), ("bfloat16", 2.0**-8)])
def test_a_scale_that_asks_is_told_the_rounding_of_the_dtype(dtype, eps):
    """What is computed in float32, whatever comes in, is off by as much for every dtype."""

    def scale(x, eps):
        return 2.0**-6 / eps

    assert allowed([(0, 0.0, 0.0)], scale=scale, dtype=dtype) == 2.0**-6


@pytest.mark.parametrize("given, eps", [("float32", 2.0**-23), ("bfloat16", 2.0**-8)])
def test_a_scale_that_asks_is_told_the_rounding_of_what_comes_in(given, eps):
    """A result in float32 may be made of what was rounded to half precision."""

    def scale(x, eps, inputs_eps):
        return 4 * inputs_eps / eps

    assert allowed([(0, 0.0, 0.0)], scale=scale, given=given) == 4 * eps


def test_integers_are_exact():
    """An array of integers or booleans has no tolerance."""
    call = Call(0, Check("f", "eager", "c"))
    answer = _answer(call, [(None, 0, call, array([3], "int32"), array([3], "int64"))], None)
    assert answer.allowed == {} and answer.outcome.leaves[""].dtype == np.int32


def test_a_failure_is_an_answer():
    """Where the case asks for an error and the reference raises it, the key expects that error."""
    call, failed = (
        Call(0, Check("f", "eager", "c"), raises="ValueError"),
        Outcome(failure=Failure("ValueError", (), "no")),
    )
    assert _answer(call, [(None, 0, call, failed, failed)], None).outcome == failed


@pytest.mark.parametrize("dtype, step", [("float32", EPS), ("bfloat16", 2.0**-8)])
def test_neighbours_are_one_rounding_away(dtype, step):
    """A neighbour differs by about one rounding in some places and not at all in others; integers have none."""
    values = np.linspace(-5, 5, 101).astype(np.dtype(jax.numpy.dtype(dtype)))
    near = _nudge(np.random.default_rng(0), values)
    off = np.abs(near.astype(np.float64) - values.astype(np.float64)) / np.maximum(
        np.abs(values.astype(np.float64)), 1e-9
    )
    assert near.dtype == values.dtype and 0 < off.max() <= 2 * step and (off == 0).any()
    ids = np.arange(5)
    assert _nudge(np.random.default_rng(0), ids) is ids


# What solutions may import

ALLOWED = {
    "ml_dtypes",
    "jax",
    "numpy",
    "flax",
    "einops",
    "math",
    "functools",
    "inspect",
    "contextlib",
    "grader",
    "optax",
}


@pytest.mark.parametrize(
    "path", sorted((ROOT / "solutions").rglob("*.py")), ids=lambda path: path.relative_to(ROOT / "solutions").as_posix()
)
def test_solutions_import_no_student_code(path):
    """References, mistakes and right solutions import libraries and `grader.course` alone, and load nothing in another
    way."""
    names, used = [], set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            names.append(node.module)
        elif isinstance(node, ast.Name):
            used.add(node.id)
    assert {name.split(".")[0] for name in names} <= ALLOWED
    assert {name for name in names if name.startswith("grader")} <= {"grader.course"}
    assert not used & {"exec", "eval", "compile", "open", "__import__", "importlib", "runpy"}


def test_the_reference_process_never_meets_a_stub():
    """No module that the reference's process imports from the grader is one that reads or runs a student's file."""
    seen, waiting = set(), ["grader.authors.reference"]
    while waiting:
        name = waiting.pop()
        path = ROOT / f"{name.replace('.', '/')}.py"
        if name in seen or not path.exists():
            continue
        seen.add(name)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "grader":
                waiting += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    assert {"grader.run.evaluate", "grader.course.calls", "grader.course.problem"} <= seen
    assert not seen & {"grader.run.worker", "grader.process.stub", "grader.judge.grade", "grader.key.answers"}


def test_every_problem_has_a_scale():
    """Each reference says how large its intermediate values are, so that no tolerance follows from luck alone."""
    for problem in PROBLEMS.values():
        tree = ast.parse((problem.solutions / "reference.py").read_text(encoding="utf-8"))
        assert "error_scale" in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


# What a reference may raise


def told(tmp_path, body: str, **case):
    """The key of a course of one function, or what is said against it."""
    for path, text in {
        "problems/31_tiny/checks.py": "import numpy as np\nfrom grader.course import Case, Function\n"
        f"ENTRIES = [Function('f', lambda rng: dict(x=rng.standard_normal(3).astype(np.float32)), cases={{'case': "
        f"Case(**{case!r})}})]\n",
        "problems/31_tiny/.stub.py": "def f(x):\n    raise NotImplementedError\n",
        "solutions/31_tiny/reference.py": f"import jax.numpy as jnp\n\ndef f(x):\n    {body}\n",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    (problem,) = discover(tmp_path)
    try:
        return reference.answer_key(problem, calls_for(problem.entries))
    except CourseError as error:
        return str(error)


def test_a_reference_that_fails_is_the_courses_fault(tmp_path):
    """What the reference cannot do is no part of the contract, whatever it raises."""
    assert (
        told(tmp_path, "raise ValueError('a fault of the harness')")
        == "at f, case · eager the reference fails: ValueError: a fault of the harness"
    )


def test_a_case_names_the_exception_that_it_asks_for(tmp_path):
    """It is expected by the name that the case gives, not by the type that happens to be raised."""
    key = told(tmp_path, "raise UnicodeError('of a kind')", raises="ValueError", under=("eager",))
    assert key[0].outcome.failure.type == "ValueError" and key[0].outcome.failure.message == "of a kind"


@pytest.mark.parametrize(
    "body, said", [("return x", "raises nothing"), ("raise TypeError('another')", "raises TypeError: another")]
)
def test_a_case_that_asks_for_an_exception_gets_it(tmp_path, body, said):
    """A reference that raises nothing there, or something else, is the course's fault."""
    assert (
        told(tmp_path, body, raises="ValueError", under=("eager",))
        == f"at f, case · eager the case asks for ValueError, and the reference {said}"
    )


def test_two_mistakes_that_break_a_claim_in_one_manner_are_asked_more():
    """Of two programs with too large an array, the one's larger than the other's, the claim tells nobody which it is:
    their values have to."""
    entry = Function(
        "double",
        lambda rng: dict(x=rng.standard_normal(3).astype(np.float32)),
        cases={"some": Case(under=("eager", "grad"))},
        proofs=[Largest("nothing large", "Nothing large may exist.", ["some"], limit=lambda: 4)],
    )
    calls = calls_for([entry])
    (proof,) = [call for call in calls if call.check.kind == "proof"]

    def known(name, elements, by="mul"):
        fact = dict(elements=elements, limit=4, by=by, shape=[elements], dtype="float32", inside=[], line=None)
        mistake = Mistake(name, "double", "", written=name, make=None)
        return reference._Known(
            mistake, None, None, None, calls, None, outcomes={proof.id: Outcome(["facts", fact])}, stages=[None]
        )

    some, more, otherwise = known("some", 5), known("more", 50), known("otherwise", 5, by="broadcast_in_dim")
    assert reference._alike([some, more, otherwise], {"double": entry}, {}) == [some, more]
    assert reference._alike([some, otherwise], {"double": entry}, {}) == []
