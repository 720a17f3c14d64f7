"""What a process does with its time: how long it computed, and how long it could have computed and did not.

A process that waits for a processor does neither, so that a busy machine is held against nobody. Linux tells how long
each thread has waited; elsewhere a process counts as idle only while the machine has a processor to spare.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

# seconds from one look to the next: short beside a limit, long beside a thread's wait for a processor
EVERY = 0.5


@dataclass(frozen=True)
class Usage:
    """Seconds of processor time and bytes of memory; `queued` are the seconds for which each thread has waited for a
    processor, None where nothing tells."""

    seconds: float
    memory: int
    queued: dict[str, float] | None = None


def usage_of(pid: int) -> Usage | None:
    """None of a process that is gone."""
    import psutil

    try:
        process = psutil.Process(pid)
        times = process.cpu_times()
        return Usage(times.user + times.system, process.memory_info().rss, queued_by_thread(pid))
    except psutil.Error:
        return None


def queued_by_thread(pid: int) -> dict[str, float] | None:
    try:
        told = {path.name: (path / "schedstat").read_text().split() for path in Path(f"/proc/{pid}/task").iterdir()}
        return (
            {thread: int(queued) / 1e9 for thread, (_, queued, _) in told.items()}
            if any(ran != "0" for ran, _, _ in told.values())
            else None
        )
    except (OSError, ValueError):  # not Linux, not told by this kernel, or a thread that has just ended
        return None


class Clock:
    """The time of one process from the first look at it: `ran` seconds of processor time, `idle` ones in which it
    neither ran nor waited for a processor."""

    def __init__(self):
        self.began = self._looked = time.monotonic()
        self.ran = self.idle = 0.0
        self._ran_then = self._idle_then = 0.0
        self._fresh = False
        self._seconds = self._queued = self._spare = None

    @property
    def wall(self) -> float:
        return time.monotonic() - self.began

    @property
    def due(self) -> bool:
        return time.monotonic() - self._looked >= EVERY

    def look(self, usage: Usage | None) -> None:
        """Notes what it has done since the last look. One that is gone, and has left others behind, is idle."""
        now = time.monotonic()
        passed, self._looked = now - self._looked, now
        first, before = self._seconds is None, self._seconds or 0.0
        self._seconds = max(before, usage.seconds) if usage else before
        waited = self._waited(usage, passed)
        if not first:
            ran = self._seconds - before
            self.ran += ran
            self.idle += max(0.0, passed - ran - waited)
        if self._fresh:
            self._fresh, self._ran_then, self._idle_then = False, self.ran, self.idle

    def sign(self) -> None:
        """It gave a sign of life: what is measured since then begins anew."""
        self._fresh = True

    @property
    def ran_since(self) -> float:
        """Seconds of processor time since the last sign of life."""
        return self.ran - self._ran_then

    @property
    def idle_since(self) -> float:
        return self.idle - self._idle_then

    def _waited(self, usage: Usage | None, passed: float) -> float:
        """For how long it may have waited for a processor since the last look."""
        before, self._queued = self._queued, usage and usage.queued
        if self._queued is not None:
            return sum(seconds - (before or {}).get(thread, 0.0) for thread, seconds in self._queued.items())
        before, self._spare = self._spare, _spare()
        return max(0.0, passed - (self._spare - before)) if usage and before is not None else 0.0


def _spare() -> float:
    """The seconds that this machine's processors had nothing to do."""
    import psutil

    return psutil.cpu_times().idle
