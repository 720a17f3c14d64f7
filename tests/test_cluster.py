"""A class graded by a real Dask cluster on this machine: one scheduler and two workers."""

from __future__ import annotations

import contextlib
import json
import pickle
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from grader.bench.loop import environment
from grader.classroom.book.entries import Wanted
from grader.classroom.book.gradebook import NAME, Gradebook
from grader.classroom.grading import cluster
from grader.classroom.grading.hands import Job
from grader.course.problem import CourseError
from grader.course.select import UsageError
from tests import classroom
from tests.browser import needed
from tests.classroom import SEED
from tests.conftest import PROBLEMS, ROOT
from tests.site_text import opened
from tests.test_hostile import RIGHT

pytestmark = pytest.mark.thorough

classroom.need_a_sandbox()
needed("distributed")


class Dask:
    """A scheduler, and workers of one thread each without the nanny that would start them again."""

    def __init__(self, folder: Path):
        self.folder, self.running = folder, []
        folder.mkdir()
        scheduler = self._start(
            "scheduler", "--host", "127.0.0.1", "--port", "0", "--dashboard-address", ":0", "--no-dashboard"
        )
        self.scheduler, self.address = (
            scheduler,
            next(word for word in self._said(scheduler, "tcp://").split() if word.startswith("tcp://")),
        )
        self.workers = [self.worker() for _ in range(2)]

    def worker(self) -> subprocess.Popen:
        made = self._start(
            "worker", self.address, "--nthreads", "1", "--no-nanny", "--no-dashboard", "--local-directory", self.folder
        )
        self._said(made, "Registered to")
        return made

    def _start(self, what: str, *words: object) -> subprocess.Popen:
        said = self.folder / f"{what}-{len(self.running)}"
        with said.open("w") as file:
            self.running.append(
                subprocess.Popen(
                    [sys.executable, "-m", f"distributed.cli.dask_{what}", *map(str, words)],
                    cwd=ROOT,
                    env=environment(ROOT) | dict(TMPDIR=str(self.folder)),
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=file,
                )
            )
        self.running[-1].said = said
        return self.running[-1]

    @staticmethod
    def _said(process: subprocess.Popen, what: str) -> str:
        while process.poll() is None:
            found = next((line for line in process.said.read_text().splitlines() if what in line), None)
            if found:
                return found
            time.sleep(0.05)
        raise AssertionError(process.said.read_text())

    def close(self) -> None:
        for process in self.running:
            process.kill()
            process.wait()


@pytest.fixture
def dask(tmp_path):
    with contextlib.closing(Dask(tmp_path / "dask")) as opened:
        yield opened


@pytest.fixture
def small(tmp_path) -> Path:
    """A class of eight, and not graded yet."""
    folder = tmp_path / "small"
    for name in ("forgot_the_scale", "no_softmax", "softmax_over_queries"):
        classroom.put(folder / "submissions", {f"{name}/31.py": classroom.wrong(31, name)})
    for name in ("exits_hard", "huge_result", "right_for_known_inputs"):
        classroom.put(folder / "submissions", {f"hostile_{name}/31.py": classroom.HOSTILE[name]})
    classroom.put(folder / "submissions", {"right_einsum/31.py": classroom.right(31)["einsum"], "nothing/31.py": b""})
    classroom.begun(folder / "results")
    return folder


def asked(folder: Path, address: str) -> list:
    return [folder / "submissions", "--out", folder / "results", "--problems", "31", "--dask", address, "--json"]


def test_the_same_verdicts_as_here(dask, small):
    """A cluster gives the verdicts that this machine gives, under the same seed and key; in the next round its workers
    grade on the next inputs."""
    report = json.loads(classroom.run(ROOT, small / "mark", *asked(small, dask.address))[0])
    assert (
        classroom.unlike(classroom.rows(report), classroom.expected_of(small)) == []
        and report["graded"] == 7
        and report["waived"] == []
    )
    (small / "submissions/right_einsum/31.py").write_bytes(classroom.right(31)["by_hand"])
    again = json.loads(classroom.run(ROOT, small / "mark", *asked(small, dask.address))[0])
    assert again["graded"] == 1 and classroom.unlike(classroom.rows(again), classroom.expected_of(small)) == []
    with Gradebook(small / "results" / NAME, write=False) as book:
        first, second = book.history("right_einsum", 31)
        rounds = {grade.under.seed for grade in book.grades() if grade.under.key}
    from grader.classroom.grading.exam import course_version
    from grader.key.answers import key_digest

    assert len(rounds) == 2 and first.under.seed != second.under.seed
    for grade in (first, second):
        assert (grade.under.key, grade.under.course) == (key_digest(PROBLEMS[31], grade.under.seed), course_version())


def test_a_worker_that_dies_loses_nothing(dask, small):
    """One worker is killed with -9 while it grades, and another comes: every verdict is there, each once. Nothing is
    left in rooms."""
    run = classroom.start(ROOT, small / "mark", *asked(small, dask.address))
    while run.poll() is None and classroom.recorded(small) < 2:  # what could not be read is one
        time.sleep(0.02)
    dask.workers[0].kill()
    dask.worker()
    printed, said = run.communicate()
    assert run.returncode == 0, said
    report = json.loads(printed)
    assert (
        classroom.unlike(classroom.rows(report), classroom.expected_of(small)) == []
        and report["graded"] == 7
        and classroom.recorded(small) == 8
    )
    with contextlib.closing(sqlite3.connect(f"file:{small / 'results' / NAME}?mode=ro", uri=True)) as book:
        assert book.execute("SELECT count(*), count(DISTINCT attempt) FROM verdicts").fetchone() == (8, 8)


def test_a_scheduler_that_dies_is_nobodys_fault(dask, small):
    """The run ends with 2 and says what is not graded and why; the same command, here, goes on."""
    run = classroom.start(ROOT, small / "mark", *asked(small, dask.address)[:-1])
    while run.poll() is None and classroom.recorded(small) < 2:
        time.sleep(0.02)
    dask.scheduler.send_signal(signal.SIGKILL)
    printed, said = run.communicate()
    assert run.returncode == 2 and "Traceback" not in said
    assert (
        f"the cluster at {dask.address} did not do it: " in printed
        and "missing, by no student's fault; the same command tries again\n" in printed
    )
    kept = classroom.recorded(small)
    report = json.loads(classroom.run(ROOT, small / "mark", *asked(small, dask.address)[:5], "--json")[0])
    assert (
        classroom.unlike(classroom.rows(report), classroom.expected_of(small)) == []
        and classroom.recorded(small) == 8
        and report["graded"] == 8 - kept
    )


def test_nobody_answers(monkeypatch):
    """Without a scheduler, or without a worker, a sentence says what to start."""
    monkeypatch.setattr(cluster, "ANSWERS", 1)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(
        UsageError,
        match=f"^no Dask scheduler answers at tcp://127.0.0.1:{port}: start one with `dask scheduler`, and workers "
        f"with `dask worker tcp://127.0.0.1:{port}`$",
    ):
        cluster.Cluster(f"tcp://127.0.0.1:{port}", {}, SEED)
    with pytest.raises(UsageError, match="^no Dask scheduler answers at nonsense://here"):
        cluster.Cluster("nonsense://here", {}, SEED)


def test_no_worker_and_another_version(dask, monkeypatch):
    """A worker with another version of the course, or of what decides a verdict, is told apart before anything is sent;
    so is a cluster without any worker."""
    for name, told in (("course", "the course"), ("jax", "jax")):
        mine = cluster.versions() | {name: "0-other"}
        with monkeypatch.context() as patched:
            patched.setattr(cluster.Cluster, "_look_at_the_workers", lambda self: None)
            ours = cluster.Cluster(dask.address, {}, SEED)
        with pytest.raises(
            UsageError,
            match=rf"^a worker of the cluster has version .+ of {told}, not 0-other: update it there, and start the worker again$",  # noqa: E501
        ):
            ours.client.submit(cluster.grade_there, 31, b"", RIGHT, mine, (), pure=False).result()
        ours.close()
    for worker in dask.workers:
        worker.kill()
        worker.wait()
    monkeypatch.setattr(cluster, "JOINS", 1)
    with pytest.raises(
        UsageError,
        match=f"^the scheduler at {dask.address} has no worker: start some with `dask worker {dask.address}`, in this "
        f"course's folder and environment$",
    ):
        cluster.Cluster(dask.address, {}, SEED)


def test_what_travels(monkeypatch):
    """To the cluster go calls, keys, sentences and the submission; no solution, no seed, and nothing of who the student
    is."""
    import distributed

    from grader.classroom.grading.exam import exam_for

    sent = []

    class Client:
        status = "running"

        def __init__(self, *words, **options):
            pass

        def wait_for_workers(self, number, timeout):
            pass

        def run(self, function, on_error):
            return {"tcp://there": function()}

        def submit(self, function, *words, **options):
            sent.append((function, words, options))
            return self

        def add_done_callback(self, function):
            function(self)

        def result(self):
            raise RuntimeError("lost\nin space")

        def __reduce__(self):
            return str, ("a future",)

    monkeypatch.setattr(distributed, "Client", Client)
    there = cluster.Cluster("tcp://there:1", {31: exam_for(PROBLEMS[31], SEED)}, SEED)
    came = there.submit(Job(Wanted("ada_lovelace", 31, "digest"), RIGHT, "ada_lovelace/31.py"))
    with pytest.raises(CourseError, match="^the cluster at tcp://there:1 did not do it: lost in space$"):
        came.result()
    content = b"".join(
        [*map(pickle.dumps, sent), *(opened(word) for _, words, _ in sent for word in words if isinstance(word, bytes))]
    )
    assert len(sent) == 2 and RIGHT in content and b"sqrt(d_k)" in content
    lines = {
        line.strip().encode()
        for path in PROBLEMS[31].solutions.rglob("*.py")
        for line in path.read_text().split('"""')[-1].splitlines()
    }
    statements = [
        line
        for line in lines
        if len(line) > 30 and line not in RIGHT and not line.startswith((b"#", b"import", b"from"))
    ]
    assert len(statements) > 10
    for secret in [str(SEED).encode(), SEED.to_bytes(8, "little"), b"ada_lovelace", str(ROOT).encode(), *statements]:
        assert secret not in content, secret
