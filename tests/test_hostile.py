"""Each hostile submission ends in a right verdict, in a plain sentence, and without effect on the next one. The
submissions are kept in `hostile/`."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil
import pytest

from grader.bench.soak import expectations, told
from grader.process.child import Limits
from tests.classroom import SEED
from tests.conftest import PROBLEMS, ROOT

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the class run needs Linux"),
]

FOLDER = Path(__file__).with_name("hostile")
HOSTILE = {path.stem: path for path in sorted(FOLDER.glob("*.py"))}
RIGHT = b"import jax\ndef sdpa(q, k, v): return jax.nn.softmax(q @ k.T / q.shape[-1] ** 0.5) @ v\n"
WAS_HERE = "attention-was-here"
LIMITS = Limits(cpu=3, idle=4, output=8 << 20, memory=1 << 30, work=15, sent=64 << 20)


@pytest.fixture(scope="module")
def exam(once):
    """Problem 31, as a class gets it."""
    from grader.classroom.grading.compiled import compile_ahead
    from grader.classroom.grading.exam import exam_for

    once("exam", lambda folder: compile_ahead(ROOT, exam_for(PROBLEMS[31], SEED), 10))
    return exam_for(PROBLEMS[31], SEED)  # kept


def children() -> list[tuple[int, str]]:
    """What this process has started or inherited, dead or alive."""
    return [(process.pid, process.name()) for process in psutil.Process().children(recursive=True)]


@pytest.fixture(scope="module")
def marker(tmp_path_factory, adopting):
    """A marker with a gradebook nearby that nobody may see."""
    from grader.classroom.grading.compiled import compiled
    from grader.classroom.grading.marker import Marker
    from grader.classroom.walls.forkserver import ForkServer
    from grader.classroom.walls.walls import survey

    results = tmp_path_factory.mktemp("results")
    (results / "canary").write_text("CANARY")
    (results / "gradebook.sqlite").write_text("CANARY")
    server = ForkServer(flax=False)
    found = survey(server, [ROOT / "solutions", ROOT / ".grader", results], compiled(ROOT))
    assert found.missing == {}, "the machine that runs the tests has every limit: apt install bubblewrap"
    yield Marker(server, found, LIMITS)
    server.close()


def traces() -> list[str]:
    """What hostile code left outside of its room: files, and processes that nobody waits for."""
    places = [
        ROOT / "grader",
        ROOT,
        Path("/"),
        Path("/tmp"),
        Path("/usr"),
        Path("/etc"),
        Path("/dev/shm"),
        Path("/var/tmp"),
        Path("/run"),
        Path(sys.prefix),
        Path.home(),
    ]
    return [str(place / WAS_HERE) for place in places if (place / WAS_HERE).exists()]


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.sample) if name == "reads_solutions" else name for name in HOSTILE]
)
def test_a_hostile_submission_gets_a_right_verdict_and_leaves_nothing(name, marker, exam):
    """Its verdict is the expected one, nothing secret is in what it printed, nothing of it is left, and the next
    student's right answer passes."""
    before = children()
    verdict = marker.mark(exam, HOSTILE[name].read_bytes())
    line, printed = told(verdict), "\n".join(text for _, text in verdict.prints)
    assert any(expected in line for expected in expectations(HOSTILE[name])), f"{line}\n{printed}"
    assert "forged" not in line
    for secret in ("LEAK", "CANARY", str(SEED)):
        assert secret not in printed
    assert traces() == []
    assert children() == before
    assert told(marker.mark(exam, RIGHT)) == "passed"
