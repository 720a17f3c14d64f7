"""No limit of time is about the machine: what a process did with its time is measured, and what is slow is not
wrong."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time

import pytest

from grader.classroom.book.points import credit
from grader.course.verdict import Status
from grader.judge.grade import start_worker
from grader.process import clock, compiling
from grader.process.child import Limits
from grader.process.clock import Clock, Usage, usage_of
from tests.conftest import PROBLEMS

pytestmark = pytest.mark.thorough

TOP = """import jax, jax.numpy as jnp
def right(q, k, v): return jax.nn.softmax(q @ k.T / q.shape[-1] ** 0.5) @ v
"""
SHORT = Limits(cpu=3, idle=6)


@pytest.fixture
def watched(monkeypatch):
    """`watched(*looks)`: what a Clock says after looks, each of so many seconds that passed, of processor time, of
    waiting in a thread, and of spare processors."""

    def seen(*looks, queues=True) -> tuple[float, float]:
        now = ran = queued = spare = 0.0
        monkeypatch.setattr(clock.time, "monotonic", lambda: now)
        monkeypatch.setattr(clock, "_spare", lambda: spare)
        measured = Clock()
        # before the first look it did something else
        for passed, computed, waited, unused in [(0, 5, 7, 9), *looks]:
            now, ran, queued, spare = now + passed, ran + computed, queued + waited, spare + unused
            measured.look(Usage(ran, 0, {"1": queued} if queues else None))
        return round(measured.ran, 6), round(measured.idle, 6)

    return seen


def test_who_waits_for_a_processor_is_not_idle(watched):
    """A second of computing, of waiting for a processor and of sleep: the first is processor time, the last is idle,
    the second is neither."""
    assert watched((3.0, 1.0, 1.0, 0.0)) == (1.0, 1.0)
    assert watched((10.0, 0.1, 9.9, 0.0)) == (0.1, 0.0)
    assert watched((1.0, 2.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0)) == (2.0, 1.0), "two threads at once make up for no sleep"


def test_where_nobody_tells_who_waits(watched):
    """There a process is idle for as long as a processor had nothing to do, and on a machine without one to spare
    never."""
    assert watched((3.0, 0.5, 0.0, 6.0), queues=False) == (0.5, 2.5)
    assert watched((3.0, 0.5, 0.0, 0.0), queues=False) == (0.5, 0.0)


def test_a_sign_of_life_forgives_what_was_before(watched, monkeypatch):
    """What counts between two signs of life begins anew with each; what counts in all does not."""
    monkeypatch.setattr(clock, "_spare", lambda: 0.0)
    measured, now = Clock(), 0.0
    monkeypatch.setattr(clock.time, "monotonic", lambda: now)
    for ran in (0.0, 20.0, 40.0):
        now += 20
        measured.look(Usage(ran, 0, {}))
        measured.sign()
    now += 5
    measured.look(Usage(45.0, 0, {}))
    assert (measured.ran, measured.ran_since) == (45.0, 0.0)
    now += 5
    measured.look(Usage(50.0, 0, {}))
    assert (measured.ran, measured.ran_since) == (50.0, 5.0)


def test_a_process_that_is_gone_is_idle():
    """Of it nothing can be measured, and whoever it left behind is not waited for without end."""
    assert usage_of(2**22 + 1) is None
    measured = Clock()
    measured.look(None)
    time.sleep(0.01)
    measured.look(None)
    assert measured.idle > 0


# What is compiled is a sign of life.


def told_during(work, monkeypatch) -> int:
    told = []
    monkeypatch.setattr(compiling, "EVERY", 0.001)
    frames = sys._current_frames
    own = threading.get_ident()
    with monkeypatch.context() as patched:  # a thread that outlives the test looks at nothing
        patched.setattr(
            sys, "_current_frames", lambda: {own: frames().get(own)} if not told or told[-1] is not None else {}
        )
        compiling.tell_of_compiling(lambda: told.append(1), __file__)
        work()
        count = len(told)
        told.append(None)
    return count


def test_compiling_is_told_and_a_loop_is_not(monkeypatch):
    """A program that is lowered and compiled for long tells so again and again. A loop of a student's own does not,
    whatever it calls."""
    import jax

    def long(x):
        for _ in range(600):
            x = jax.numpy.sin(x) * 2
        return x

    def loops():
        until = time.monotonic() + 0.3
        while time.monotonic() < until:
            sum(range(100))

    assert told_during(loops, monkeypatch) == 0
    traced = jax.jit(long).trace(jax.numpy.ones(3))
    assert told_during(lambda: traced.lower().compile(), monkeypatch) > 0


# What is stopped takes nothing else with it.


def statuses(verdict) -> dict[Status, set[str]]:
    found: dict[Status, set[str]] = {}
    for entry in verdict.entries:
        for finding in entry.findings:
            found.setdefault(finding.status, set()).add(f"{finding.check.kind} · {finding.check.case}")
    return found


@pytest.mark.parametrize(
    "ends, told",
    [
        ("sum(0 for _ in iter(int, 1))", "line 4 was still running after N seconds of computing"),
        ("import os; os._exit(3)", "ended the Python process (exit code 3)"),
        ("return right(q, k, v) + sdpa(q, k, v)", "calls itself without end"),
    ],
)
def test_one_call_that_ends_its_worker(attempt, ends, told):
    """It is told as what it is, and every other check is made, by another worker."""
    verdict = attempt(
        f"{TOP}def sdpa(q, k, v):\n    if not isinstance(q, jax.core.Tracer) and len(k) == 5 and len(q) == 1: "
        f"{ends}\n    return right(q, k, v)\n",
        limits=SHORT,
        mistakes=False,
    )
    found = statuses(verdict)
    assert "eager · one query" in found[Status.FAILED] and all(
        what.endswith("one query") for status in found for what in found[status] if status != Status.PASSED
    )
    first = next(entry.first for entry in verdict.entries)
    assert all(part in first.summary for part in told.split("N"))
    assert verdict.stopped is ends.startswith("sum")


def test_one_call_that_hangs_where_many_run_together(attempt):
    """Compiled together, it cannot be told which of the calls hangs; then they are run one by one, and the one that
    does is told."""
    source = f"""{TOP}def sdpa(q, k, v):
    if type(q).__name__ == "DynamicJaxprTracer" and (len(q), len(k)) == (5, 5):
        v = jax.lax.while_loop(lambda v: v.sum() < jnp.inf, lambda v: 0.1 - v, v)
    return right(q, k, v)
"""
    found = statuses(attempt(source, limits=SHORT, mistakes=False))
    assert found.pop(Status.FAILED) == {"jit · the same array as q, k and v"} and {*found} == {Status.PASSED}


def test_a_file_that_always_hangs_is_given_up(attempt, monkeypatch):
    """A few workers are tried and no more; that it hangs is told of the first call."""
    from grader.judge import grade as stages

    started = []
    monkeypatch.setattr(
        stages, "start_worker", lambda *args, **options: started.append(start_worker(*args, **options)) or started[-1]
    )
    verdict = attempt(TOP + "def sdpa(q, k, v):\n    while True: pass\n", limits=Limits(cpu=1, idle=6), mistakes=False)
    assert (
        verdict.status == Status.FAILED
        and "still running" in verdict.entries[0].first.summary
        and verdict.entries[0].first.check.case == "one key"
    )
    assert len(started) == 4 and all(worker.process.poll() is not None for worker in started)


# The machine is never the file's fault.


def test_a_machine_that_has_no_time(attempt):
    """Where a machine does not give a file its time, that is said; nothing of it is failed, and it may still be worth
    everything."""
    verdict = attempt(TOP + "sdpa = right\n", limits=Limits(total=0.1), mistakes=False)
    assert (verdict.status, verdict.trouble.status, verdict.stopped) == (Status.UNCHECKED, Status.UNCHECKED, True)
    assert "this machine had too little time for it: 0 seconds of processor time in" in verdict.trouble.summary
    assert (credit(verdict).share, credit(verdict).possible) == (0.0, 1.0)


@contextlib.contextmanager
def busy(processes: int):
    """A machine with so many others that compute without end."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def test_a_right_answer_on_a_busy_machine(attempt):
    """With every processor taken several times over, a right answer that takes its time passes."""
    loops = (PROBLEMS[31].solutions / "right/one_query_at_a_time.py").read_text() + "sum(range(3 * 10 ** 7))\n"
    with busy(6):
        assert attempt(loops, mistakes=False).status == Status.PASSED


def test_who_waits_is_told_what_is_going_on(attempt):
    """What takes long is named, once: which call, and whether it runs or is compiled."""
    told = []
    source = (
        TOP + "import time\ndef sdpa(q, k, v):\n    if len(q) == 1 and len(k) == 5 and not isinstance(q, "
        "jax.core.Tracer): time.sleep(8)\n    return right(q, k, v)\n"
    )
    assert attempt(source, mistakes=False, progress=told.append).status == Status.PASSED
    assert "running ‘one query’ (eager), which takes long" in told and len(told) == len({*told})
