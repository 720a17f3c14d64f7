"""What the tests share: the course as it is, a copy of it to write in, and a way to grade a piece of text."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import shutil
import sys
from pathlib import Path

import pytest

from grader.course.problem import Problem, discover
from grader.judge.grade import grade
from grader.process import child
from grader.process.child import Limits

os.environ["JAX_PLATFORMS"] = "cpu"  # before any test imports JAX

ROOT = Path(__file__).resolve().parents[1]
PROBLEMS = {problem.number: problem for problem in discover(ROOT)}
EACH = [*PROBLEMS]  # which of them a test goes through that is dear and repeated for each: all, or some with --since


# The short run tries every kind of thing once, and leaves out what repeats it.

LEFT_OUT = pytest.StashKey[int]()


def pytest_addoption(parser) -> None:
    parser.addoption(
        "--everything",
        action="store_true",
        help="also the tests that repeat a thing for each mistake, submission, screen or problem",
    )
    parser.addoption(
        "--since",
        metavar="COMMIT",
        help="what is dear and repeated for each problem only for those that could have changed since a commit, and a "
        "few of the rest, other ones with each commit",
    )
    parser.addoption("--at-most", type=int, metavar="N", help="with --since: for so many, new ones first")


def pytest_configure(config) -> None:
    if commit := config.getoption("--since"):
        from grader.authors.ledger import changed_since

        chosen = changed_since(ROOT, [*PROBLEMS.values()], commit, config.getoption("--at-most"))
        EACH[:] = [problem.number for problem in chosen]


def pytest_collection_modifyitems(config, items) -> None:
    """A test marked `thorough`, itself or by its file, runs with `--everything`, or where its file is asked for; one
    marked `sample` stands for its like in the short run."""
    thorough = {item for item in items if item.get_closest_marker("thorough") and not item.get_closest_marker("sample")}
    asked_for = config.getoption("--everything") or any(
        argument.partition("::")[0].endswith(".py") for argument in config.args
    )
    if thorough and not asked_for:
        config.hook.pytest_deselected(items=[*thorough])
        items[:] = [item for item in items if item not in thorough]
        config.stash[LEFT_OUT] = len(thorough)


def pytest_sessionfinish(session) -> None:
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left out"] = session.config.stash.get(LEFT_OUT, 0)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error) -> None:
    node.config.stash[LEFT_OUT] = getattr(node, "workeroutput", {}).get("left out", 0)


def pytest_terminal_summary(terminalreporter, config) -> None:
    if count := config.stash.get(LEFT_OUT, 0):
        terminalreporter.write_line(
            f"left out: {count} tests that repeat for each mistake, submission, screen or problem what was tried "
            f"once. To run them too: "
            "python -m pytest -n auto --everything"
        )


@pytest.fixture(autouse=True)
def nobody_stays_interrupted():
    """What one test interrupts must not stop the workers of the next one."""
    yield
    left, _ = child.interrupted.is_set(), child.interrupted.clear()
    assert not left, "Ctrl-C of this test was left behind: `interruptible` forgets it at its end"


@pytest.fixture(scope="session")
def sdpa() -> Problem:
    """Problem 31, the simplest one."""
    return PROBLEMS[31]


@pytest.fixture(scope="session")
def once(tmp_path_factory, worker_id):
    """A folder that one of the tests' processes makes for all of them: `once("released", make)` calls `make(folder)` if
    nobody has."""
    from filelock import FileLock

    own = tmp_path_factory.getbasetemp()
    shared = own if worker_id == "master" else own.parent

    def made(name: str, make) -> Path:
        whole = shared / f"{name}.whole"
        with FileLock(shared / f"{name}.lock"):
            if not whole.exists():
                make(shared / name)
                whole.touch()
        return shared / name

    return made


@pytest.fixture(scope="module")
def adopting():
    """Makes this process the one that inherits what is left behind, as a machine's first process does."""
    if not sys.platform.startswith("linux"):
        pytest.skip("who inherits a process is told on Linux alone")
    adopt = functools.partial(ctypes.CDLL(None).prctl, 36)  # PR_SET_CHILD_SUBREAPER
    adopt(1, 0, 0, 0)
    yield
    adopt(0, 0, 0, 0)
    with contextlib.suppress(ChildProcessError):
        while os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG):
            pass


@pytest.fixture
def attempt(tmp_path):
    """Grades a text as the stub of a problem: `attempt("def sdpa(q, k, v): ...")` gives its Verdict. The file is named
    stub.py."""

    def graded(source: str | bytes, number: int = 31, limits: Limits = Limits(), **options):
        path = tmp_path / "stub.py"
        path.write_bytes(source if isinstance(source, bytes) else source.encode())
        return grade(PROBLEMS[number], path, limits=limits, **options)

    return graded


@pytest.fixture
def course(tmp_path) -> Path:
    """A copy of the course that a test may write in."""
    copy = tmp_path / "course"
    for part in ("grader", "problems", "solutions"):
        shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    (copy / ".grader").mkdir()
    for part in ("keys", "xla"):  # what is there is named by all that it follows from, so that no copy finds another's
        shared = ROOT / ".grader" / part
        shared.mkdir(parents=True, exist_ok=True)
        (copy / ".grader" / part).symlink_to(shared, target_is_directory=True)
    return copy
