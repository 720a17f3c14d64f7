"""A process that has imported JAX, and nothing else of anybody: it forks a worker into each room, so that no submission
waits for an import.

It holds no key, no seed and no student's work, since what is forked inherits its memory. JAX's backend, which has
threads, starts in the worker only.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import replace

from grader.classroom.walls.room import PATIENCE
from grader.course.problem import CourseError
from grader.process.child import environment_for, of_devices
from grader.process.clock import Usage, usage_of

LONGEST = 1 << 16
ADOPT = 36  # prctl's PR_SET_CHILD_SUBREAPER
# The C library keeps freed memory rather than giving it back: a worker lives for a second, and would only ask for it
# again.
REUSED = dict(MALLOC_MMAP_THRESHOLD_=str(1 << 30), MALLOC_TRIM_THRESHOLD_=str(1 << 30), MALLOC_TOP_PAD_=str(16 << 20))


class ForkServer:
    """The server, seen from the run: `fork` gives a child in a room. It can be used from several threads."""

    def __init__(self, flax: bool = True):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket, self._lock = ours, threading.Lock()
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-W", "ignore", "-m", __name__, str(theirs.fileno()), *(["flax"] if flax else [])],
                pass_fds=[theirs.fileno()],
                env=environment_for() | REUSED,
                cwd="/",
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def fork(self, room, order: dict) -> Forked:
        """A worker in the room, which does what `order` names.

        Raises CourseError where there is none: the server is gone, or the room cannot be entered.
        """
        ends = [os.pipe() for _ in range(4)]  # standard input, output, error, and the news of how it fares
        (stdin_read, stdin), (stdout, stdout_write), (stderr, stderr_write), (news, news_write) = ends
        theirs = [stdin_read, stdout_write, stderr_write, news_write]
        entrances = room.cgroup.entrances()
        message = json.dumps(order | dict(spaces=len(room.spaces), entrances=len(entrances))).encode()
        try:
            with self._lock:
                socket.send_fds(self._socket, [message], [*theirs, *room.spaces, *entrances])
        except OSError as error:
            for descriptor in (stdin, stdout, stderr, news):
                os.close(descriptor)
            raise CourseError(f"the process that workers are forked from is gone: {error.strerror}") from error
        finally:
            for descriptor in [*theirs, *entrances]:
                os.close(descriptor)
        return Forked(room, stdin, stdout, stderr, news)

    def close(self) -> None:
        """The server ends once everything has that it forked, so that it leaves nothing to the machine's first process,
        which may reap nothing."""
        self._socket.close()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Forked:
    """A worker in a room, with what a Process needs of a child: its streams, its id, how it ended."""

    def __init__(self, room, stdin: int, stdout: int, stderr: int, news: int):
        self.room, self.scratch = room, room.scratch
        self.stdin, self.stdout, self.stderr = os.fdopen(stdin, "wb"), os.fdopen(stdout, "rb"), os.fdopen(stderr, "rb")
        self._news, self.returncode, self._told = os.fdopen(news, "rb"), None, threading.Event()
        first = json.loads(self._news.readline() or '{"trouble": "it ended"}')
        if first["trouble"]:
            for stream in (self.stdin, self.stdout, self.stderr, self._news):
                stream.close()
            raise CourseError(f"a worker cannot be put into its room: {first['trouble']}")
        self.pid = first["pid"]
        threading.Thread(target=self._follow, daemon=True).start()

    def _follow(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            for line in self._news:
                self.returncode = json.loads(line)["code"]
        if self.returncode is None:
            self.returncode = -signal.SIGKILL
        self._told.set()

    def poll(self) -> int | None:
        return self.returncode if self._told.is_set() else None

    def wait(self, timeout: float | None = None) -> int:
        if not self._told.wait(timeout):
            raise subprocess.TimeoutExpired("a worker", timeout)
        return self.returncode

    def usage(self) -> Usage | None:
        """Processor time of everything in the room, where a control group tells it, and the worker's own memory."""
        own = usage_of(self.pid)
        return own and replace(own, seconds=max(own.seconds, self.room.cgroup.seconds()))

    def end(self) -> None:
        """Ends it and everything that it started: the room is emptied."""
        self.room.empty()
        self._told.wait(5)

    def clear(self) -> None:
        for stream in (self.stdin, self.stdout, self.stderr, self._news):
            with contextlib.suppress(OSError):
                stream.close()
        self.room.close()


def main() -> None:
    """Imports, then forks for each message until the run is gone."""
    control = socket.socket(fileno=int(sys.argv[1]))
    import jax  # noqa: F401

    if "flax" in sys.argv:
        from flax import nnx  # noqa: F401
    import jax.export  # noqa: F401
    import landlockpy  # noqa: F401

    import grader.program.lowering
    import grader.program.rebuild
    import grader.program.settings
    import grader.run.evaluate
    import grader.run.worker  # noqa: F401

    # the kernel reaps its children, and those of them that it adopts
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(ADOPT, 1, 0, 0, 0)
    gc.collect()
    gc.freeze()  # what is never looked at again stays shared with every child
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, LONGEST, 64)
        if not message:
            with contextlib.suppress(ChildProcessError):
                os.wait()  # until the last of them is gone
            os._exit(0)
        if os.fork() == 0:
            with contextlib.suppress(BaseException):
                _lead(control, json.loads(message), descriptors)
            os._exit(70)
        for descriptor in descriptors:
            os.close(descriptor)


def _lead(control: socket.socket, order: dict, descriptors: list[int]) -> None:
    """In the first child: enters the room, forks the worker there, and tells from outside how it fares."""
    from grader.classroom.walls.confine import enter

    control.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    *streams, news = descriptors[:4]
    spaces, entrances = descriptors[4 : 4 + order["spaces"]], descriptors[4 + order["spaces"] :]
    try:
        enter(spaces, entrances)
    except OSError as error:
        os.write(news, json.dumps({"trouble": str(error)}).encode() + b"\n")
        return
    settled, trouble = os.pipe()
    worker = os.fork()
    if worker == 0:
        _become_worker(order, streams, trouble)
    for descriptor in [*streams, *spaces, *entrances, trouble]:
        os.close(descriptor)
    with os.fdopen(settled) as told:  # it ends before student code begins, so that nobody else can tell it
        os.write(news, json.dumps({"pid": worker, "trouble": told.read()}).encode() + b"\n")
    _wait(worker, news, order["confine"]["user"])
    _, status = os.waitpid(worker, 0)
    os.write(news, json.dumps({"code": os.waitstatus_to_exitcode(status)}).encode() + b"\n")
    os._exit(0)


def _wait(worker: int, news: int, user: int | None) -> None:
    """Waits for the worker's end. Where nobody hears the news any more, the run was killed: then it is ended here, with
    all that its user runs."""
    watch, ended = select.poll(), os.pidfd_open(worker)
    watch.register(ended, select.POLLIN)
    watch.register(news, 0)
    if ended not in dict(watch.poll()):
        os.kill(worker, signal.SIGKILL)
        if user is not None and os.fork() == 0:
            os.setresuid(user, user, user)
            os.kill(-1, signal.SIGKILL)  # but for itself
            os._exit(0)


def _become_worker(order: dict, streams: list[int], trouble: int) -> None:
    """Settles and works, or tells `trouble` why it cannot."""
    from grader.classroom.walls.confine import settle

    for number, descriptor in enumerate([*streams, trouble]):
        os.dup2(descriptor, number)
    os.closerange(4, 1 << 16)
    try:
        settle(**order["confine"])
    except BaseException as error:
        os.write(3, f"{type(error).__name__}: {error}".encode())
        os._exit(71)
    os.close(3)
    sys.argv[1:] = []
    os.environ.update(of_devices(order["devices"]))
    if order["do"] == "work":
        from grader.run.worker import serve

        serve(order["flax"])
    elif order["do"] == "prove":
        from grader.program.prover import serve as prove

        prove()
    else:
        from grader.classroom.walls import trial

        trial.main()
    os._exit(0)


if __name__ == "__main__":
    main()
