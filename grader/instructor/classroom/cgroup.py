"""A control group for one submission: how many processes it may have, and how much memory they may take together. Version 1 or 2, whichever the machine has."""

from __future__ import annotations

import contextlib
import os
import signal
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

HIERARCHY = Path("/sys/fs/cgroup")
# What is written where: (controller, file in version 2, file in version 1).
KNOBS = {"processes": ("pids", "pids.max", "pids.max"), "memory": ("memory", "memory.max", "memory.limit_in_bytes")}


@dataclass(frozen=True)
class Cgroup:
    """The folders of one group, one for each hierarchy, and what it bounds."""

    folders: tuple[Path, ...]
    bounds: frozenset[str]

    def entrances(self) -> list[int]:
        """Open files: a process that writes `0` into each of them has entered, and so has what it forks."""
        return [os.open(folder / "cgroup.procs", os.O_WRONLY | os.O_CLOEXEC) for folder in self.folders]

    def kill(self) -> None:
        """Ends every process in the group. It may fork meanwhile, but not for ever: its number is bounded."""
        for folder in self.folders:
            with contextlib.suppress(OSError):
                (folder / "cgroup.kill").write_text("1")
                continue
            while living := _processes(folder):
                for process in living:
                    with contextlib.suppress(OSError):
                        os.kill(process, signal.SIGKILL)
                time.sleep(0.005)

    def remove(self) -> None:
        """Once its processes are dead. The kernel takes a moment to see that."""
        for folder in self.folders:
            for _ in range(50):
                try:
                    folder.rmdir()
                except FileNotFoundError:
                    pass
                except OSError:
                    time.sleep(0.01)
                    continue
                break


def _processes(folder: Path) -> list[int]:
    """Those that live: a dead one stays listed until its parent has asked for it."""
    def lives(process: str) -> bool:
        try:
            return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
        except OSError:
            return False

    try:
        return [int(process) for process in (folder / "cgroup.procs").read_text().split() if lives(process)]
    except OSError:
        return []


def make(processes: int, memory: int) -> Cgroup:
    """A new group. What this machine does not let us bound is missing from its `bounds`."""
    folders: dict[Path, None] = {}
    bounds = set()
    name = f"attention-{os.getpid()}-{uuid.uuid4().hex[:12]}"
    for bound, amount in (("processes", processes), ("memory", memory)):
        controller, *files = KNOBS[bound]
        for base, knob in zip((_unified(), _separate(controller)), files):
            if base is None:
                continue
            folder = base / name
            try:
                folder.mkdir(exist_ok=True)
                (folder / knob).write_text(str(amount))
                with contextlib.suppress(OSError):
                    (folder / knob.replace(".max", ".swap.max")).write_text("0") if bound == "memory" and knob == "memory.max" else None
            except OSError:
                with contextlib.suppress(OSError):
                    if folder not in folders:
                        folder.rmdir()
                continue
            folders[folder] = None
            bounds.add(bound)
            break
    return Cgroup(tuple(folders), frozenset(bounds))


def _unified() -> Path | None:
    """Our own group in the hierarchy of version 2. Its children have a controller only where the group itself holds no process, or is the root."""
    mount = HIERARCHY if (HIERARCHY / "cgroup.controllers").exists() else HIERARCHY / "unified"
    own = next((line[3:] for line in _own() if line.startswith("0::")), None)
    if own is None or not mount.is_dir():
        return None
    folder = mount / own.strip("/")
    for base in (folder, folder.parent):
        try:
            enabled = (base / "cgroup.subtree_control").read_text().split()
            wanted = {"pids", "memory"} & {*(base / "cgroup.controllers").read_text().split()} - {*enabled}
            if wanted:
                (base / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in sorted(wanted)))
        except OSError:
            continue
        if {"pids", "memory"} & {*(base / "cgroup.subtree_control").read_text().split()} and os.access(base, os.W_OK):
            return base
    return None


def _separate(controller: str) -> Path | None:
    """Our own group in the hierarchy of version 1 that has the controller."""
    for line in _own():
        _, controllers, own = line.split(":", 2)
        if controller in controllers.split(","):
            folder = HIERARCHY / controller / own.strip("/")
            return folder if folder.is_dir() else HIERARCHY / controller if (HIERARCHY / controller).is_dir() else None
    return None


def _own() -> list[str]:
    try:
        return Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
