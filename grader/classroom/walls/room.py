"""A room for one submission: what its process can see, and how much it can take.

bubblewrap builds it: user, process, network, mount, IPC and host namespaces of its own, with Python, JAX and the grader
to be read and one scratch folder to be written. It stays open as long as `cat` in it waits for our end of a pipe; when
that goes, even by `kill -9`, the kernel ends whatever runs in it. Processes enter it from the fork server, which has
JAX imported already (see `confine.py`).
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
from dataclasses import dataclass
from pathlib import Path

from grader.classroom.walls import cgroup
from grader.course.problem import CourseError
from grader.process.child import ROOT

SPACES = ("pid", "net", "ipc", "uts", "cgroup", "mnt")
OWNER = 0xB701  # ioctl NS_GET_USERNS: the user namespace that owns another namespace
NOBODY = 65534
LIBRARIES = ("/bin", "/sbin", "/lib", "/lib32", "/lib64")
SCRATCH = "/scratch"
PATIENCE = 30  # seconds for the kernel to end what was killed
FIRST_USER, USERS = 61184, 4000  # ids that distributions leave free
TAKEN = "/run/attention-users"  # of which the byte at each id that a room has is locked
_count = itertools.count()


@dataclass(frozen=True)
class Bounds:
    """How much one submission may take: processes and threads, bytes of memory in each process and in all, bytes on its
    scratch, seconds of CPU."""

    processes: int = 64 + 8 * (os.cpu_count() or 1)
    memory: int = 4 << 30
    disk: int = 256 << 20
    # beyond what `sandbox.Limits` gives: a process that this ends cannot say why
    cpu: int = 600

    @property
    def together(self) -> int:
        """Bytes of memory that all of its processes may have."""
        return self.memory + self.memory // 2


@dataclass(frozen=True)
class Walls:
    """What this machine has to keep a submission in: bubblewrap's namespaces, Landlock, a user of its own (for root,
    where there are no namespaces).

    `hidden` are folders and files that no submission may see, whatever else is seen. `cache` holds compiled programs,
    each under a name that only who has the very program can compute: a submission may open them and may not list them,
    or it could run the reference's.
    """

    namespaces: bool = False
    landlock: bool = False
    own_user: bool = False
    hidden: tuple[Path, ...] = ()
    cache: Path | None = None


class Room:
    """One room, from `bwrap`'s start to its end. `spaces` are the open namespaces that a process has to enter,
    outermost user namespace first."""

    def __init__(self, walls: Walls, bounds: Bounds = Bounds()):
        self.walls, self.bounds = walls, bounds
        self.cgroup = cgroup.make(bounds.processes, bounds.together)
        self.user = _free_user() if walls.own_user else None
        self.spaces: list[int] = []
        self.holder = self.inner = self._own = None
        try:
            if walls.namespaces:
                self.scratch = SCRATCH
                self._build()
            else:
                self._own = tempfile.TemporaryDirectory(prefix="grader-", ignore_cleanup_errors=True)
                if self.user is not None:
                    os.chown(self._own.name, self.user, self.user)
                self.scratch = self._own.name
        except BaseException:
            self.close()
            raise

    def _build(self) -> None:
        # A file in memory, and no pipe: bubblewrap tells of its child before it lets it go on. Were we killed by then,
        # a pipe would end the one, and leave the other waiting for ever.
        with os.fdopen(os.memfd_create("room"), "rb") as told:
            self.holder = subprocess.Popen(
                bubblewrap(self.walls, self.bounds, told.fileno()),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=[told.fileno()],
                start_new_session=True,
            )
            with contextlib.suppress(BrokenPipeError):  # it has ended already, and says why
                self.holder.stdin.write(b"\n")
                self.holder.stdin.flush()
            if self.holder.stdout.read(1) != b"\n":
                why = self.holder.stderr.read().decode(errors="replace").strip()
                raise CourseError(f"bubblewrap gives no room: {why}")
            told.seek(0)
            pid = json.load(told)["child-pid"]
        self.inner = os.pidfd_open(pid)
        spaces = [os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC) for name in SPACES]
        # bubblewrap nests two user namespaces: the outer one owns the others
        owner = fcntl.ioctl(spaces[-1], OWNER)
        self.spaces = [owner, *spaces, os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)]

    def empty(self) -> None:
        """Ends everything in the room, which is gone then. bubblewrap, outside, ends by itself once it has reaped what
        was inside: killed before, it would leave a zombie to the machine's first process, which may reap nothing."""
        if self.inner is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.inner, signal.SIGKILL)
        if self.holder is not None:
            with contextlib.suppress(OSError):
                self.holder.stdin.close()
            try:
                self.holder.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.holder.kill()
                self.holder.wait()
        self.cgroup.kill()
        if self.user is not None:
            _end_all_of(self.user)

    def close(self) -> None:
        """Gives back what the room took."""
        self.empty()
        for descriptor in [*self.spaces, *([self.inner] if self.inner is not None else [])]:
            os.close(descriptor)
        self.spaces, self.inner = [], None
        if self.holder is not None:
            for stream in (self.holder.stdin, self.holder.stdout, self.holder.stderr):
                with contextlib.suppress(OSError):
                    stream.close()
        self.cgroup.remove()
        if self._own:
            self._own.cleanup()
        if self.user is not None:
            fcntl.lockf(_taken(), fcntl.LOCK_UN, 1, self.user)
            self.user = None


def order_for(room: Room, do: str, flax: bool = False, devices: int = 1) -> dict:
    """What the fork server is asked to do in a room: "work" as a worker, "prove" as a prover, or "try" its limits."""
    walls, bounds = room.walls, room.bounds
    return dict(
        do=do,
        flax=flax,
        devices=devices,
        confine=dict(
            readable=[str(path) for path in (*readable(), *map(Path, LIBRARIES))],
            by_name=[str(walls.cache)] if walls.cache else [],
            scratch=room.scratch,
            landlock=walls.landlock,
            inside=walls.namespaces,
            user=room.user,
            cpu=bounds.cpu,
            disk=bounds.disk,
            processes=bounds.processes if walls.namespaces or walls.own_user else None,
        ),
    )


def _free_user() -> int:
    """A user that no room of another run has, since all processes of a room's user are ended with it. A run's locks go
    when it ends, however it does."""
    taken = _taken()
    while True:
        user = FIRST_USER + next(_count) % USERS
        with contextlib.suppress(BlockingIOError):
            fcntl.lockf(taken, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, user)
            _end_all_of(user)  # of a run that was killed
            return user


@functools.cache
def _taken() -> int:
    return os.open(TAKEN, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _end_all_of(user: int) -> None:
    import psutil

    while True:
        living = [
            process
            for process in psutil.process_iter(["uids", "status"])
            if process.info["uids"]
            and process.info["uids"].real == user
            and process.info["status"] != psutil.STATUS_ZOMBIE
        ]
        if not living:
            return
        for process in living:
            with contextlib.suppress(psutil.Error):
                process.kill()


def readable() -> list[Path]:
    """What a worker has to read: Python, the packages and the grader. `/usr` holds the C library."""
    paths = [
        Path("/usr"),
        Path("/etc/fonts"),  # of a plotting library that a stub may import, which complains without
        Path(sys.base_prefix),
        Path(sys.prefix),
        *(Path(sysconfig.get_path(name)) for name in ("purelib", "platlib")),
        ROOT / "grader",
    ]
    found: list[Path] = []
    for path in sorted({path.resolve() for path in paths} | {*paths}, key=lambda path: len(path.parts)):
        if path.exists() and not any(path.is_relative_to(other) for other in found):
            found.append(path)
    return found


def seen(cache: Path | None) -> list[Path]:
    """What is in a room beside its scratch folder: what can be read, and the programs that can be opened."""
    return [*readable(), *([cache] if cache else [])]


def bubblewrap(walls: Walls, bounds: Bounds, told: int) -> list[str]:
    """The command that builds a room and tells its process to the descriptor `told`. That process is the first in its
    namespace: bubblewrap's own, there, would tell of its end before it has ended, and be left to whoever inherits
    it."""
    command = ["bwrap", "--unshare-all", "--unshare-user", "--disable-userns", "--new-session", "--as-pid-1"]
    command += [
        "--uid",
        str(NOBODY),
        "--gid",
        str(NOBODY),
        "--hostname",
        "room",
        "--cap-drop",
        "ALL",
        "--clearenv",
        "--info-fd",
        str(told),
    ]
    command += ["--size", str(bounds.disk), "--tmpfs", SCRATCH]
    for path in seen(walls.cache):
        command += ["--ro-bind", str(path), str(path)]
    for place in map(Path, LIBRARIES):
        if place.is_symlink():
            command += ["--symlink", os.readlink(place), str(place)]
        elif place.is_dir():
            command += ["--ro-bind", str(place), str(place)]
    for hidden in walls.hidden:
        if any(hidden.resolve().is_relative_to(path.resolve()) for path in seen(walls.cache)):
            command += (
                ["--size", "4096", "--tmpfs", str(hidden)]
                if hidden.is_dir()
                else ["--ro-bind", "/dev/null", str(hidden)]
                if hidden.is_file()
                else []
            )
    command += [
        "--proc",
        "/proc",
        "--dev",
        "/dev",
        "--size",
        str(1 << 20),
        "--tmpfs",
        "/dev/shm",
        "--remount-ro",
        "/dev",
        "--remount-ro",
        "/",
    ]
    return [*command, "--chdir", SCRATCH, "--", shutil.which("cat") or "cat"]
