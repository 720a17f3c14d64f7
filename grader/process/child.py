"""Starts a worker with limits of time, memory and output, and knows how it ended. What differs between systems is
decided here and in `clock`.

Linux bounds a worker's memory in the kernel (RLIMIT_DATA); elsewhere the parent watches it and ends it. A Python
process that is stuck says where on SIGUSR1, which Windows does not have: there a hang is reported without its line.
"""

from __future__ import annotations

import contextlib
import os
import queue
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from grader.course.problem import CourseError
from grader.process.clock import Clock, Usage, usage_of

ROOT = Path(__file__).resolve().parents[2]
KEPT_ENVIRONMENT = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "TEMP",
    "TMP",
    "SYSTEMROOT",
    "USERPROFILE",
    "LD_LIBRARY_PATH",
    "VIRTUAL_ENV",
)
POSIX = os.name == "posix"
DEVICES = "GRADER_DEVICES"  # the name in the environment that tells how many
ONCE_MORE = 8.0  # seconds that a call has where another one was stopped already
# set by Ctrl-C, since its exception gets lost when it comes while Python imports a module
interrupted = threading.Event()


def cores_here() -> int:
    """How many processes may compute at the same time."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Limits:
    """`cpu` seconds of computing and `idle` ones of waiting for nothing that computes may pass between two signs of
    life, `work` of both in all. `total` seconds are what a machine has to give it them; `memory` bytes come on top of
    what JAX itself takes; `sent` bytes are what may come back."""

    cpu: float = 20.0
    idle: float = 40.0
    memory: int = 4 << 30
    output: int = 32 << 20
    sent: int = 1 << 30
    work: float = 300.0
    total: float = 1200.0

    def left(self, clock: Clock, granted: int) -> Limits:
        """What one that takes over has, when another was stopped: the rest of everything, and little time for each
        call."""
        return replace(
            self,
            cpu=min(self.cpu, ONCE_MORE),
            idle=min(self.idle, ONCE_MORE),
            work=self.work - clock.ran - clock.idle,
            total=self.total - clock.wall,
            sent=granted,
        )


@dataclass(frozen=True)
class Ended:
    """How a process ended: finished, timeout, starved, memory, flood, results, forged, exit or signal, with what is
    known of it."""

    how: str
    detail: str = ""
    line: int | None = None


def environment_for(platforms: str = "cpu") -> dict[str, str]:
    """The environment of a helper process: clean, so that a verdict is the same everywhere."""
    kept = {name: os.environ[name] for name in KEPT_ENVIRONMENT if name in os.environ}
    return (
        kept
        | dict(
            PYTHONPATH=str(ROOT),
            PYTHONUTF8="1",
            PYTHONHASHSEED="0",
            TF_CPP_MIN_LOG_LEVEL="3",
        )
        | (dict(JAX_PLATFORMS=platforms) if platforms else {})
    )


def of_devices(count: int) -> dict[str, str]:
    """What tells a process on how many devices its programs run, where it is not one."""
    return {DEVICES: str(count)} if count > 1 else {}


class Child(subprocess.Popen):
    """One of the grader's modules in a process of its own, in a group and a scratch folder of its own."""

    def __init__(self, module: str, *arguments: str, platforms: str = "cpu", devices: int = 1):
        self.scratch = tempfile.TemporaryDirectory(prefix="grader-", ignore_cleanup_errors=True)
        own_group = dict(start_new_session=True) if POSIX else dict(creationflags=subprocess.CREATE_NEW_PROCESS_GROUP)
        super().__init__(
            [sys.executable, "-W", "ignore", "-m", module, *arguments],
            cwd=self.scratch.name,
            env=environment_for(platforms) | of_devices(devices),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **own_group,
        )

    def usage(self) -> Usage | None:
        return usage_of(self.pid)

    def end(self) -> None:
        """Ends it, and what it started and did not send away."""
        try:
            if POSIX:
                os.killpg(self.pid, signal.SIGKILL)
            else:
                self.kill()
        except OSError:
            pass
        self.wait()

    def clear(self) -> None:
        """Once nobody reads from it any more: its scratch folder goes."""
        self.scratch.cleanup()


class Process:
    """A helper process that speaks `wire` frames. `prints` is what its standard error said, cut in the middle when it
    is long."""

    def __init__(self, child: Child, limits: Limits = Limits(), watched_file: str = ""):
        self.process, self.limits, self.watched_file = child, limits, watched_file
        self._frames: queue.Queue = queue.Queue()
        self._head, self._tail, self._printed = bytearray(), bytearray(), 0
        self._garbled, self._left = False, limits.sent
        self.clock = Clock()
        self._threads = [
            threading.Thread(target=target, daemon=True) for target in (self._read_frames, self._read_prints)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def send(self, frames: list[tuple], last: bool = True) -> None:
        """Sends the frames in the background: the process may still be importing. After the `last` ones it finds the
        end of its input.

        Raises CourseError where something in them cannot be sent.
        """
        # NumPy is imported here and below while the process already starts
        from grader.process import wire

        try:
            parts = [part for message, arrays in frames for part in wire.parts(message, arrays)]
        except (TypeError, ValueError, RecursionError) as error:
            raise CourseError(
                f"what is asked cannot be sent to the process that is to answer: {type(error).__name__}: {error}"
            ) from error
        self._head, self._tail, self._printed, self._left = bytearray(), bytearray(), 0, self.limits.sent
        self.clock = Clock()

        def write():
            try:
                self.process.stdin.writelines(parts)
                self.process.stdin.flush()
                if last:
                    self.process.stdin.close()
            except (OSError, ValueError):
                pass  # it died, or was killed before this began; its end says how

        threading.Thread(target=write, daemon=True).start()

    def frames(self, last: bool = True, waiting: Callable[[], None] = lambda: None):
        """Yields `(message, arrays)` until one of them is `done`; returns an Ended. After the `last` frames the process
        is ended.

        `waiting` is called again and again while nothing comes.
        """
        clock, heard = self.clock, False
        while True:
            try:
                frame = self._frames.get(timeout=0.05)
            except queue.Empty:
                frame = ()
            if clock.due:
                usage = self.process.usage()
                clock.look(usage)
                if ended := self._over(usage, heard, quiet=frame == ()):
                    return self._stop(ended)
            if frame == ():
                if interrupted.is_set():
                    raise KeyboardInterrupt from None
                if self._printed > self.limits.output:
                    return self._stop(Ended("flood", f"{self._printed >> 20} MB"))
                waiting()
                continue
            if frame is None:
                return self._stop(self._how_it_ended())
            heard = True
            clock.sign()
            yield frame
            if frame[0].get("done"):
                return self._stop(Ended("finished")) if last else Ended("finished")

    def _over(self, usage: Usage | None, heard: bool, quiet: bool) -> Ended | None:
        """How it ends, where a limit is passed. Until it is `heard` nothing of a student's runs, and what it does is
        the machine's affair."""
        clock, limits = self.clock, self.limits
        if usage and usage.memory > limits.memory + (1 << 30):
            return Ended("memory")
        spent = clock.ran + clock.idle
        if heard and quiet and clock.ran_since > limits.cpu:
            return Ended("timeout", f"{clock.ran_since:.0f} seconds of computing", self._where())
        if heard and quiet and clock.idle_since > limits.idle:
            return Ended("timeout", f"{clock.idle_since:.0f} seconds of waiting", self._where())
        if heard and spent > limits.work:
            return Ended("timeout", f"{spent:.0f} seconds in all", self._where())
        if clock.wall > limits.total:
            return Ended("starved", f"{clock.ran:.0f} seconds of processor time in {clock.wall:.0f}")
        return None

    @property
    def prints(self) -> str:
        """What was printed, decoded; the middle of a long text is left out."""
        return (bytes(self._head) + (b"\n...\n" + bytes(self._tail) if self._tail else b"")).decode("utf-8", "replace")

    def kill(self) -> None:
        self.process.end()
        for thread in self._threads:
            thread.join(0.5)
        with contextlib.suppress(OSError):
            # the readers close the others: a child that left the group may still hold them
            self.process.stdin.close()
        self.process.clear()

    def _stop(self, ended: Ended) -> Ended:
        self.kill()
        return ended

    def _read_frames(self):
        from grader.process import wire

        try:
            while (frame := wire.receive(self.process.stdout, self._may_send)) is not None:
                self._frames.put((wire.plain(frame[0]), wire.plain(frame[1])))
        except (OSError, ValueError):  # the pipe was closed
            pass
        except Exception:  # no frame, or one that there is no room for
            self._garbled = True
        self.process.stdout.close()
        self._frames.put(None)

    @property
    def granted(self) -> int:
        """How many bytes may still come back."""
        return max(self._left, 0)

    def _may_send(self, size: int) -> bool:
        self._left -= size
        return self._left >= 0

    def _read_prints(self):
        try:
            while chunk := os.read(self.process.stderr.fileno(), 1 << 16):
                self._printed += len(chunk)
                if len(self._head) < 1 << 16:
                    self._head += chunk
                else:
                    self._tail = (self._tail + chunk)[-(1 << 14) :]
        except (OSError, ValueError):
            pass
        self.process.stderr.close()

    def _where(self) -> int | None:
        """The student's line in which the process is stuck, from the stack that it prints on request."""
        if not POSIX:
            return None
        with contextlib.suppress(OSError):
            os.kill(self.process.pid, signal.SIGUSR1)
            time.sleep(0.3)
        return stuck_line(self.prints, self.watched_file)

    def _how_it_ended(self) -> Ended:
        try:
            # what had taken gigabytes is not gone in a moment
            code = self.process.wait(0.5 if self._garbled else 30)
        except subprocess.TimeoutExpired:
            code = None
        if self._left < 0:
            return Ended("results", f"{self.limits.sent >> 20} MB")
        if code is None or self._garbled and code >= 0:
            return Ended("forged")
        line = stuck_line(self.prints, self.watched_file)
        if code < 0:
            name = signal.Signals(-code).name if -code in {s.value for s in signal.Signals} else str(-code)
            out_of_memory = name == "SIGKILL" or "bad_alloc" in self.prints or "out of memory" in self.prints.lower()
            return Ended("memory" if out_of_memory else "signal", name, line)
        return Ended("exit", str(code), line)


def stuck_line(text: str, path: str) -> int | None:
    """The innermost line of `path` in a stack that faulthandler printed (its form differs from an ordinary traceback's
    by a comma)."""
    found = re.search(rf'File "{re.escape(path)}", line (\d{{1,9}}) in ', text, re.ASCII) if path else None
    return int(found.group(1)) if found else None


def on_request_tell_where() -> None:
    """In a worker: print the stack on SIGUSR1 and when the process crashes."""
    import faulthandler

    faulthandler.enable(all_threads=False)
    if POSIX:
        faulthandler.register(signal.SIGUSR1, all_threads=True)


def end_with_parent() -> None:
    """In a helper process: when the parent is gone, killed perhaps, a loop that never ends must not outlive it. Windows
    does not tell."""
    parent = os.getppid()

    def watch():
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def limit_this_process(memory: int) -> None:
    """In a worker, before student code: at most `memory` bytes more than now. Without RLIMIT_DATA the parent watches
    instead."""
    if not sys.platform.startswith("linux"):
        return
    import resource

    used = next(int(line.split()[1]) << 10 for line in open("/proc/self/status") if line.startswith("VmData"))
    resource.setrlimit(resource.RLIMIT_DATA, (used + memory,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
