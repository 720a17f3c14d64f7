"""What the sandbox promises, looked at from inside by a submission that prints what it finds, and from outside."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from grader.classroom.grading.marker import LIMITS
from grader.classroom.walls import cgroup, room, trial, walls
from grader.classroom.walls.forkserver import REUSED
from grader.classroom.walls.room import Bounds, Room, Walls
from grader.course.problem import CourseError
from grader.course.select import UsageError
from grader.judge.grade import Run, ask
from grader.process.child import KEPT_ENVIRONMENT, Process
from grader.process.stub import stub_of
from tests import classroom
from tests.classroom import SEED
from tests.conftest import PROBLEMS, ROOT
from tests.test_hostile import RIGHT

pytestmark = pytest.mark.thorough

classroom.need_a_sandbox()

CLEAN = {
    *KEPT_ENVIRONMENT,
    *REUSED,
    "PYTHONPATH",
    "PYTHONUTF8",
    "PYTHONHASHSEED",
    "TF_CPP_MIN_LOG_LEVEL",
    "JAX_PLATFORMS",
    "LC_CTYPE",
}
PROBE = """
import json, os, socket, sys

found = {}

def trying(name, action):
    try:
        found[name] = action()
    except Exception as error:
        found[name] = type(error).__name__

def connects(kind, address):
    with socket.socket(kind) as ours:
        ours.settimeout(2)
        return ours.connect(address) or "connected"

def sends(address):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours:
        return ours.sendto(b"PROBE", address) and "sent"

def writes(folder):
    with open(os.path.join(folder, "attention-probe"), "w") as file:
        return file.write("here") and "written"

def spoils(path):
    for change in (lambda: os.unlink(path), lambda: os.rename(path, path + ".old"), lambda: os.chmod(path, 0o777), lambda: open(path, "r+b").close()):
        try:
            change()
            return "spoiled"
        except OSError:
            pass

def link(name):
    try:
        return os.readlink(f"/proc/self/fd/{name}")
    except OSError:
        return "/proc/self/fd"      # the listing's own, closed by now

own = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
WHERE = os.getcwd()
"""  # noqa: E501


def probe(body: str) -> bytes:
    """A right answer that looks around while it is imported, and prints what it found."""
    return (PROBE + textwrap.dedent(body) + "\nprint('PROBE', json.dumps(found))\n").encode() + RIGHT


@pytest.fixture(scope="module")
def kept():
    """A cache with a compiled program in it, results with a secret, and submissions, as a run has them."""
    with classroom.reachable() as folder:
        classroom.put(
            folder,
            {"cache/program": b"compiled", "results/gradebook.sqlite": b"CANARY", "submissions/eve/31.py": b"CANARY"},
        )
        yield folder


@pytest.fixture(scope="module")
def exam():
    from grader.classroom.grading.exam import exam_for

    return exam_for(PROBLEMS[31], SEED)


@pytest.fixture(scope="module")
def server():
    from grader.classroom.walls.forkserver import ForkServer

    os.environ["ATTENTION_SECRET"] = "CANARY"
    opened = ForkServer(flax=False)
    del os.environ["ATTENTION_SECRET"]
    yield opened
    opened.close()


@pytest.fixture(params=["namespaces", "landlock alone"])
def survey(request, server, kept, monkeypatch):
    """What the machine gives, as it is and without bubblewrap."""
    if request.param == "landlock alone":
        if os.geteuid():
            pytest.skip("a user of its own needs root")
        if folder := walls.closed(kept / "cache"):
            pytest.skip(f"a user of its own cannot read what is in {folder}")
        monkeypatch.setattr(walls, "_has_namespaces", lambda: False)
    return walls.survey(server, [kept / "results", kept / "submissions", ROOT / "solutions"], kept / "cache")


@pytest.fixture
def look(exam, server, survey):
    """Grades a probe in a room, and gives what it found. It passes: to look around is no mistake."""
    from grader.classroom.grading.marker import Marker

    def looked(body: str) -> dict:
        verdict = Marker(server, survey).mark(exam, probe(body))
        printed = "\n".join(text for _, text in verdict.prints)
        assert verdict.status.value == "passed", printed
        return json.loads(re.search(r"^PROBE (.*)$", printed, re.MULTILINE)[1])

    return looked


# From inside.


def test_what_can_be_seen(look, kept, survey):
    """Python, JAX and the grader can be read; solutions, keys, the gradebook, other submissions, tests, the names of
    compiled programs, and what is in home and /tmp cannot."""
    secret = [
        ROOT / "solutions",
        ROOT / "tests",
        ROOT / "problems",
        ROOT / ".git",
        ROOT / ".grader/keys",
        kept / "results",
        kept / "submissions",
        Path.home(),
        "/tmp",
        "/var",
        "/etc/passwd",
    ]
    secret += [kept / "cache"]
    files = [
        kept / "results/gradebook.sqlite",
        kept / "submissions/eve/31.py",
        ROOT / "solutions/31_sdpa/reference.py",
        ROOT / "solutions/31_sdpa/unseen.py",
    ]
    found = look(f"""
        for path in {[*map(str, secret)]!r}:
            trying(path, lambda: os.path.isdir(path) and os.listdir(path) or open(path).read())
        for path in {[*map(str, files)]!r}:
            trying(path, lambda: open(path).read())
        trying("grader", lambda: len(os.listdir({str(ROOT / "grader")!r})))
        trying("root", lambda: sorted(os.listdir("/")))
    """)
    assert found.pop("grader") > 10
    assert found.pop("root") == "PermissionError"
    # folders that only lead to what may be read
    above = {str(path): names for path, names in found.items() if isinstance(names, list)}
    assert all(
        Path(folder) in kept.parents or Path(folder) in ROOT.parents or Path(folder) in Path(sys.prefix).parents
        for folder in above
    ), above
    assert {told for path, told in found.items() if path not in above} <= {
        "FileNotFoundError",
        "PermissionError",
        "NotADirectoryError",
        "IsADirectoryError",
    }


def test_what_can_be_written(look, kept, survey):
    """One scratch folder, and nothing else: not the cache, the grader, Python, the devices, nor what all may write
    elsewhere."""
    places = [
        "/",
        "/tmp",
        "/var/tmp",
        "/dev",
        "/dev/shm",
        "/run",
        "/proc",
        "/sys",
        "/usr",
        "/usr/lib",
        sys.prefix,
        ROOT,
        ROOT / "grader",
        kept,
        kept / "cache",
        Path.home(),
    ]
    found = look(f"""
        for place in {[*map(str, places)]!r}:
            trying(place, lambda: writes(place))
        trying("scratch", lambda: writes(WHERE))
        trying("program", lambda: open({str(kept / "cache/program")!r}).read())
        trying("spoiled", lambda: spoils({str(kept / "cache/program")!r}) or spoils({str(ROOT / "grader/student/cli.py")!r}))
    """)  # noqa: E501
    assert found.pop("scratch") == "written" and found.pop("program") == "compiled" and found.pop("spoiled") is None
    assert {*found.values()} <= {"PermissionError", "OSError", "FileNotFoundError"}, found
    assert (kept / "cache/program").read_bytes() == b"compiled" and not [
        place for place in places if (Path(place) / "attention-probe").exists()
    ]


def test_no_network(look, survey):
    """Neither this machine's ports nor another process's sockets can be reached, by TCP or by name; by UDP only where
    namespaces are missing, which is then named."""
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_UNIX) as local,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
    ):
        local.bind("\0attention-test")
        local.listen()
        udp.bind(("127.0.0.1", 0))
        found = look(f"""
            trying("tcp", lambda: connects(socket.AF_INET, ("127.0.0.1", {tcp.getsockname()[1]})))
            trying("local", lambda: connects(socket.AF_UNIX, "\\0attention-test"))
            trying("outside", lambda: connects(socket.AF_INET, ("1.1.1.1", 53)))
            trying("udp", lambda: sends(("127.0.0.1", {udp.getsockname()[1]})))
            trying("interfaces", lambda: [name for _, name in socket.if_nameindex()])
        """)
        udp.setblocking(False)
        try:
            heard = udp.recv(64)
        except BlockingIOError:
            heard = b""
    assert "connected" not in found.values()
    assert (heard == b"") is ("network" not in survey.missing)
    if survey.walls.namespaces:
        assert found["interfaces"] == ["lo"]


def test_no_other_process(look, survey):
    """A submission sees and signals no process but its own; it is nobody, can gain nothing, and its open files are its
    own pipes."""
    found = look(f"""
        trying("processes", lambda: [int(name) for name in os.listdir("/proc") if name.isdigit()])
        trying("ours", lambda: open("/proc/{os.getpid()}/environ", "rb").read().decode(errors="replace"))
        trying("parent", lambda: open(f"/proc/{{os.getppid()}}/environ", "rb").read().decode(errors="replace"))
        trying("signal", lambda: os.kill({os.getpid()}, 0) or "sent")
        trying("root", lambda: os.setuid(0) or "root")
        found |= dict(files=[link(name) for name in os.listdir("/proc/self/fd")], environment=sorted(os.environ), own=own, uid=os.getuid(), argv=sys.argv[1:])
    """)  # noqa: E501
    assert found["ours"] in ("FileNotFoundError", "PermissionError") and found["parent"] in (
        "FileNotFoundError",
        "PermissionError",
    )
    assert found["signal"] in ("ProcessLookupError", "PermissionError") and found["root"] in (
        "PermissionError",
        "OSError",
    )
    own = found["own"]
    assert [own[name] for name in ("CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb")] == ["0" * 16] * 5 and own[
        "NoNewPrivs"
    ] == "1"
    assert found["uid"] == room.NOBODY if survey.walls.namespaces else found["uid"] >= room.FIRST_USER
    assert (
        not [file for file in found["files"] if not re.fullmatch(r"pipe:.*|/dev/null|/proc/.*", file)]
        and found["argv"] == []
    )
    assert "ATTENTION_SECRET" not in found["environment"]
    # these two are JAX's own doing
    assert {*found["environment"]} <= CLEAN | {"XLA_FLAGS", "TPU_SKIP_MDS_QUERY"}
    if survey.walls.namespaces:
        assert len(found["processes"]) <= 5 and os.getpid() not in found["processes"]


def test_a_worker_knows_nothing_that_judges(look):
    """In a worker's memory is no module that holds a key, a gradebook or an exam, and of the calls no answer."""
    found = look("""
        found["modules"] = sorted(name for name in sys.modules if name.startswith("grader"))
    """)
    assert "grader.run.worker" in found["modules"]
    judges = (
        "grader.key.",
        "grader.judge.",
        "grader.authors.",
        "grader.classroom.book.",
        "grader.classroom.grading.",
        "grader.classroom.run",
        "grader.classroom.walls.walls",
    )
    assert [name for name in found["modules"] if name.startswith(judges)] == []


# From outside.


def test_the_limits_hold_here(survey):
    """With bubblewrap every limit is given. Landlock and a user of its own leave those that are named, with what was
    seen and what would help."""
    if survey.walls.namespaces:
        assert survey.missing == {} and survey.walls.landlock
    else:
        assert survey.walls.own_user and survey.walls.landlock
        assert survey.missing == {
            "network": "it can send UDP packets (bubblewrap says: nothing)",
            "disk": "it can fill the disk with files (bubblewrap says: nothing)",
        }


def test_a_limit_that_is_missing_is_named(server, monkeypatch):
    """Where no control group can be made, what only it gives is named."""
    monkeypatch.setattr(cgroup, "make", lambda processes, memory: cgroup.Cgroup((), frozenset()))
    found = walls.survey(server, [ROOT / "solutions"])
    assert found.missing.pop("memory") == "all of its processes together can take as much memory as they like"
    assert found.missing == ({} if os.geteuid() else {"processes": "it can have more than 24 processes"}), (
        "RLIMIT_NPROC does not bind root"
    )


def test_a_course_that_is_closed_to_others(server, kept, monkeypatch):
    """Where there are no namespaces a folder that only root may enter leaves a submission root's own user: what that
    user can do is found out, and named with the folder."""
    monkeypatch.setattr(walls, "_has_namespaces", lambda: False)
    monkeypatch.setattr(walls, "closed", lambda cache: Path("/root"))
    found = walls.survey(server, [kept / "results"])
    assert not found.walls.own_user and "network" in found.missing
    assert re.fullmatch(
        r"it can change who may read \S+/attention-\w+ \(bubblewrap says: nothing(; a user of its own cannot read what is in /root)?\)",  # noqa: E501
        found.missing["files"],
    )
    assert ("/root" in found.missing["files"]) is (os.geteuid() == 0)


def test_what_is_closed_to_others(tmp_path):
    """A folder that only its owner may enter, above what has to be read, is found; one that all may enter is none."""
    with classroom.reachable() as folder:
        (folder / "mine/cache").mkdir(parents=True)
        before = walls.closed(folder / "mine/cache")
        (folder / "mine").chmod(0o700)
        assert walls.closed(folder / "mine/cache") == (before or folder / "mine")


def test_neither_namespaces_nor_landlock(server, monkeypatch):
    """Without both every limit is missing, and nothing is tried."""
    monkeypatch.setattr(walls, "_has_namespaces", lambda: False)
    monkeypatch.setattr(walls, "_has_landlock", lambda: False)
    assert walls.survey(server, []).missing == dict.fromkeys(
        walls.LIMITS, "neither bubblewrap's namespaces nor Landlock can be had here"
    )


def test_what_a_missing_limit_asks_for():
    """Word for word; a limit that was waived is not asked for again, and one that does not exist cannot be waived."""
    found = walls.Survey(
        Walls(),
        {
            "network": "it can send UDP packets",
            "memory": "all of its processes together can take as much memory as they like",
        },
    )
    with pytest.raises(UsageError) as refusal:
        walls.demand(found, [])
    assert (
        str(refusal.value)
        == """this machine cannot give every limit that untrusted submissions need:
  network: it reaches no network and no socket of another process; but here it can send UDP packets
  memory: all of its processes together have a bounded memory; but here all of its processes together can take as much memory as they like
To go on without, say so: --without network --without memory. The other limits stay."""  # noqa: E501
    )
    with pytest.raises(UsageError, match="To go on without, say so: --without memory. The other limits stay."):
        walls.demand(found, ["network"])
    walls.demand(found, ["memory", "network"])
    with pytest.raises(
        UsageError, match="^there is no limit 'gravity'; there are files, network, strangers, processes, memory, disk$"
    ):
        walls.known(["network", "gravity"])


def test_a_hidden_folder_below_a_readable_one(server, kept, monkeypatch):
    """It stays hidden in namespaces. Landlock cannot hide it, and that is found out and named."""
    tmp_path = kept / "nested"
    classroom.put(
        tmp_path,
        {
            "cache/program": b"compiled",
            "cache/results/gradebook.sqlite": b"CANARY",
            "cache/more/solution.py": b"CANARY",
        },
    )
    hidden = [tmp_path / "cache/results", tmp_path / "cache/more"]
    assert walls.survey(server, hidden, tmp_path / "cache").missing == {}
    monkeypatch.setattr(walls, "_has_namespaces", lambda: False)
    for order in (hidden, hidden[::-1], [tmp_path / "other", *hidden[1:]]):
        (tmp_path / "other").mkdir(exist_ok=True)
        assert "files" in walls.survey(server, order, tmp_path / "cache").missing
    assert {path.name for path in (tmp_path / "cache/results").iterdir()} == {"gradebook.sqlite"}, (
        "nothing of the trial is left"
    )


def test_the_fork_server_holds_nothing(server, exam, survey):
    """What every worker is forked from has a clean environment, and in its memory neither the seed nor an expected
    value, also after it has served."""
    from grader.classroom.grading.marker import Marker

    assert Marker(server, survey).mark(exam, RIGHT).status.value == "passed"
    process = psutil.Process(server.process.pid)
    assert {*process.environ()} <= CLEAN
    assert str(SEED) not in " ".join(process.cmdline())
    if os.geteuid():
        pytest.skip("only root reads another process's memory")
    answers = [
        array.tobytes()
        for answer in exam.key.expected().values()
        for array in answer.outcome.leaves.values()
        if array.dtype == "float32" and array.size >= 16
    ]
    needles = {str(SEED).encode(), SEED.to_bytes(8, "little"), *answers}
    assert len(needles) > 10
    assert not {needle for memory in _memory(server.process.pid) for needle in needles if needle in memory}


def _memory(pid: int):
    """What a process has written into its memory, piece by piece."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            place, rights, *_ = line.split()
            start, end = (int(number, 16) for number in place.split("-"))
            if rights.startswith("rw") and "[v" not in line:
                try:
                    memory.seek(start)
                    yield memory.read(end - start)
                except OSError:
                    pass


def test_no_worker_is_told_the_seed(exam, tmp_path):
    """What a worker is sent holds neither the seed nor an answer, nor where anything lies."""
    sent = []

    class Told:
        limits = Process.__init__.__defaults__[0]
        watched_file = ""

        def send(self, frames, last):
            sent.extend(frames)

    ask(
        Run(
            PROBLEMS[31],
            stub_of(PROBLEMS[31], Path("stub.py"), RIGHT),
            Told(),
            exam.calls,
            exam.calls,
            Path("/cache"),
            writes=False,
        )
    )
    from grader.process import wire

    content = b"".join(wire.pack(message, arrays) for message, arrays in sent)
    answers = [
        array.tobytes()
        for answer in exam.key.expected().values()
        for array in answer.outcome.leaves.values()
        if array.dtype == "float32" and array.size >= 16
    ]
    assert len(answers) > 10 and not any(
        needle in content
        for needle in [str(SEED).encode(), str(SEED // 2).encode(), str(ROOT).encode(), b"solutions", *answers]
    )


# Rooms come and go.


def test_nothing_is_left_of_a_room(tmp_path):
    """A room that is closed leaves no process, no control group, no open file and no folder; closing it twice does no
    harm."""

    def there():
        rooms = [path for path in Path("/sys/fs/cgroup").rglob(f"attention-{os.getpid()}-*")]
        return (
            len(os.listdir("/proc/self/fd")),
            rooms,
            {
                process.pid
                for process in psutil.Process().children(recursive=True)
                if process.name() in ("bwrap", "cat")
            },
        )

    if os.geteuid() == 0:
        Room(Walls(own_user=True)).close()  # the file of the users that are taken stays open
    before = there()
    for kind in (Walls(namespaces=True), Walls(landlock=True), Walls(landlock=True, own_user=os.geteuid() == 0)):
        opened = Room(kind)
        assert there() != before
        scratch = Path(opened.scratch)
        assert kind.namespaces or scratch.is_dir()
        opened.close()
        opened.close()
        assert there() == before and (kind.namespaces or not scratch.exists())


def adopted() -> dict[int, tuple[str, str]]:
    """Name and status of this process's children, those that are dead included."""
    return {process.pid: (process.name(), process.status()) for process in psutil.Process().children(recursive=True)}


def test_a_class_leaves_nothing_to_the_machines_first_process(exam, kept, adopting):
    """What is marked leaves neither a process nor a zombie behind, to whoever inherits them: whether it passes, forks
    as often as it can, or is stopped."""
    from grader.classroom.grading.marker import Marker
    from grader.classroom.walls.forkserver import ForkServer

    before, server = {*adopted()}, ForkServer(flax=False)
    try:
        marker = Marker(server, walls.survey(server, [kept / "results"]), replace(LIMITS, idle=4))
        inherited = {*adopted()}
        for text in (RIGHT, classroom.HOSTILE["detached_child"], b"import time\ntime.sleep(1000)\n" + RIGHT):
            marker.mark(exam, text)
            assert {*adopted()} == inherited
    finally:
        server.close()
    assert {*adopted()} == before


def test_a_run_that_is_killed_leaves_what_the_kernel_lets_it(kept, adopting, tmp_path):
    """After `kill -9` everything ends by itself. What is left to be reaped by the machine's first process is what the
    run itself had started, and nothing of what that started."""
    classroom.put(tmp_path / "submissions", {"sleeps/31.py": classroom.HOSTILE["sleeps"]})
    classroom.begun(tmp_path / "results")
    before = {*adopted()}
    run = classroom.start(
        ROOT, tmp_path / "mark", tmp_path / "submissions", "--out", tmp_path / "results", "--problems", "31"
    )
    deadline = time.monotonic() + 300
    while (
        run.poll() is None
        and time.monotonic() < deadline
        and not any("cat" == process.name() for process in psutil.Process(run.pid).children(recursive=True))
    ):
        time.sleep(0.05)
    mine = [process.pid for process in psutil.Process(run.pid).children()]
    run.kill()
    run.communicate()
    while (left := {pid: told for pid, told in adopted().items() if pid not in before}) and time.monotonic() < deadline:
        if {status for _, status in left.values()} == {psutil.STATUS_ZOMBIE}:
            break
        time.sleep(0.1)
    assert mine and {*left} <= {*mine} and {status for _, status in left.values()} <= {psutil.STATUS_ZOMBIE}


KILLED_ON_THE_WAY = """
import os, signal, subprocess
from grader.classroom.walls import room

class Last(subprocess.Popen):
    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        print(self.pid, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

room.subprocess.Popen = Last
room.Room(room.Walls(namespaces=True))
"""


def test_a_run_that_is_killed_while_a_room_is_built_leaves_nothing(tmp_path):
    """bubblewrap tells of its child before the child goes on: what it writes to then must not end with the run."""
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    run = subprocess.run([sys.executable, "-c", KILLED_ON_THE_WAY], env=environment, cwd=ROOT, capture_output=True)
    assert run.stdout.strip().isdigit() and run.returncode == -signal.SIGKILL
    deadline = time.monotonic() + 60
    while (left := classroom.processes(tmp_path)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left == {}


def test_a_room_that_cannot_be_built_says_why(tmp_path, monkeypatch):
    """What bubblewrap says is handed on as the machine's fault, not a student's; whether it speaks before or after it
    was asked does not matter."""
    for script in (
        "echo 'bwrap: setting up uid map: Permission denied' >&2; exit 1",
        "sleep 0.2; echo 'bwrap: setting up uid map: Permission denied' >&2; exit 1",
    ):
        fake = tmp_path / "bwrap"
        fake.write_text(f"#!/bin/sh\n{script}\n")
        fake.chmod(stat.S_IRWXU)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        with pytest.raises(
            CourseError, match="^bubblewrap gives no room: bwrap: setting up uid map: Permission denied$"
        ):
            Room(Walls(namespaces=True))
    assert "bubblewrap says: bwrap: setting up uid map: Permission denied" in walls._why_no_namespaces()


def test_a_worker_that_gets_no_room_is_nobodys_fault(server, survey, exam, monkeypatch):
    """Where a process cannot settle in its room, or the server is gone, no student is blamed."""
    from grader.classroom.grading import marker
    from grader.classroom.walls.forkserver import ForkServer

    real = room.order_for
    with monkeypatch.context() as patched:
        patched.setattr(
            marker,
            "order_for",
            lambda *args, **options: (
                (order := real(*args, **options)) | dict(confine=order["confine"] | dict(scratch="/nowhere"))
            ),
        )
        with pytest.raises(CourseError, match="^a worker cannot be put into its room: FileNotFoundError: .*/nowhere"):
            marker.Marker(server, survey).mark(exam, RIGHT)
    other = ForkServer(flax=False)
    other.process.kill()
    other.process.wait()
    with pytest.raises(
        CourseError,
        match="^the process that workers are forked from is gone|^a worker cannot be put into its room: it ended",
    ):
        marker.Marker(other, survey).mark(exam, RIGHT)
    other.close()
    assert marker.Marker(server, survey).mark(exam, RIGHT).status.value == "passed"


# Control groups, by files: a machine has one version only.


@pytest.fixture
def hierarchy(tmp_path, monkeypatch):
    """A made-up /sys/fs/cgroup: `hierarchy({"path": "text"}, ["0::/run"])`."""

    def made(files: dict[str, str], own: list[str]) -> Path:
        classroom.put(tmp_path / "cgroup", {path: text.encode() for path, text in files.items()})
        monkeypatch.setattr(cgroup, "HIERARCHY", tmp_path / "cgroup")
        monkeypatch.setattr(cgroup, "_own", lambda: own)
        return tmp_path / "cgroup"

    return made


def written(folder: Path) -> dict[str, str]:
    """What was written into new groups, by path with the group's name left out."""
    return {
        re.sub(r"attention-[^/]+", "*", str(path.relative_to(folder))): path.read_text()
        for path in folder.rglob("attention-*/*")
    }


def test_version_2(hierarchy):
    """One group bounds processes, memory and swap, and the controllers are asked for where they are not enabled."""
    folder = hierarchy(
        {
            "cgroup.controllers": "cpu io memory pids",
            "run/cgroup.controllers": "cpu memory pids",
            "run/cgroup.subtree_control": "",
        },
        ["0::/run"],
    )
    made = cgroup.make(80, 1 << 30)
    # Files do not answer as the kernel does: what was asked for stands in subtree_control as it was written.
    asked = {*(folder / "run/cgroup.subtree_control").read_text().split()}
    assert {"+memory", "+pids"} <= asked and made.folders == ()
    (folder / "run/cgroup.subtree_control").write_text("cpu memory pids")
    made = cgroup.make(80, 1 << 30)
    assert len(made.folders) == 1 and {"processes", "memory"} <= made.bounds
    told = written(folder)
    assert (told["run/*/pids.max"], told["run/*/memory.max"], told["run/*/memory.swap.max"]) == (
        "80",
        str(1 << 30),
        "0",
    )


def test_version_2_where_the_own_group_holds_processes(hierarchy):
    """There the kernel gives groups in it no controllers, and the group above is taken."""
    folder = hierarchy(
        {
            "cgroup.controllers": "memory pids",
            "cgroup.subtree_control": "memory pids",
            "run/cgroup.controllers": "memory pids",
            "run/cgroup.subtree_control/not": "a file: writing fails",
        },
        ["0::/run"],
    )
    assert {"processes", "memory"} <= cgroup.make(80, 1 << 30).bounds and {"*/pids.max", "*/memory.max"} <= {
        *written(folder)
    }


def test_version_1(hierarchy):
    """Each controller has a hierarchy and a group of its own."""
    folder = hierarchy({"pids/tasks": "", "memory/job/tasks": ""}, ["8:pids:/", "4:memory:/job", "1:name=systemd:/"])
    made = cgroup.make(80, 1 << 30)
    assert {"processes", "memory"} <= made.bounds and {path.parent for path in made.folders} >= {
        folder / "pids",
        folder / "memory/job",
    }
    told = written(folder)
    assert (told["pids/*/pids.max"], told["memory/job/*/memory.limit_in_bytes"]) == ("80", str(1 << 30))


def test_no_control_groups(hierarchy):
    """Where there are none, nothing is bounded, and nothing raises."""
    hierarchy({"readme": ""}, [])
    made = cgroup.make(80, 1 << 30)
    assert made.bounds == frozenset() and made.folders == ()
    made.kill()
    made.remove()


def test_groups_of_dead_runs_are_swept(hierarchy, monkeypatch):
    """What a killed run left is removed by the next one; a living run's groups stay."""
    folder = hierarchy({"pids/tasks": "", "memory/tasks": ""}, ["8:pids:/", "4:memory:/"])
    for name in ("attention-999999999-dead", f"attention-{os.getpid()}-mine", "another"):
        (folder / "pids" / name).mkdir()
    ended = []
    monkeypatch.setattr(cgroup.Cgroup, "kill", lambda group: ended.extend(path.name for path in group.folders))
    cgroup.sweep()
    assert ended == ["attention-999999999-dead"]
    assert {path.name for path in (folder / "pids").iterdir()} == {"tasks", f"attention-{os.getpid()}-mine", "another"}


def test_what_is_tried_is_what_is_promised():
    """There is a try for each limit that is named."""
    assert [*trial.TRIES] == [*walls.LIMITS]
    assert Bounds().together < 16 << 30 and shutil.which("bwrap")
