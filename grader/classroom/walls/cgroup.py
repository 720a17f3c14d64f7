"""A control group for one submission: how many processes it may have, how much memory and which share of the processors
they take together, and how long they computed. Version 1 or 2, whichever the machine has."""

from __future__ import annotations

import contextlib
import os
import signal
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

HIERARCHY = Path("/sys/fs/cgroup")
# What is bounded or told by which controller: its file in version 2 and in version 1. A share is had by being in a
# group: groups get equal ones.
KNOBS = {
    "processes": ("pids", "pids.max", "pids.max"),
    "memory": ("memory", "memory.max", "memory.limit_in_bytes"),
    "share": ("cpu", "", ""),
    "time": ("cpuacct", "", ""),
}
UNIFIED = ("pids", "memory", "cpu")  # version 2 tells the time without a controller


@dataclass(frozen=True)
class Cgroup:
    """The folders of one group, one for each hierarchy, and what it bounds."""

    folders: tuple[Path, ...]
    bounds: frozenset[str]

    def seconds(self) -> float:
        """The processor time that all of its processes took, dead ones too; 0 where that is not known."""
        for folder in self.folders:
            with contextlib.suppress(OSError, ValueError):
                if (folder / "cpuacct.usage").exists():
                    return int((folder / "cpuacct.usage").read_text()) / 1e9
                if (folder / "cpu.stat").exists() and "usage_usec" in (text := (folder / "cpu.stat").read_text()):
                    return int(text.split("usage_usec", 1)[1].split()[0]) / 1e6
        return 0.0

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
    for bound, amount in (("processes", processes), ("memory", memory), ("share", 0), ("time", 0)):
        controller, *knobs = KNOBS[bound]
        for base, knob in zip((_unified(controller), _separate(controller)), knobs):
            if base is not None and _bound(base / name, knob, amount):
                folders[base / name] = None
                bounds.add(bound)
                break
    return Cgroup(tuple(folders), frozenset(bounds))


def sweep() -> None:
    """Removes what runs that were killed left behind, and ends what is still in it."""
    for controller in {controller for controller, *_ in KNOBS.values()}:
        for base in filter(None, (_unified(controller), _separate(controller))):
            for folder in base.glob("attention-*-*"):
                if not Path("/proc", folder.name.split("-")[1]).exists():
                    left = Cgroup((folder,), frozenset())
                    left.kill()
                    left.remove()


def _bound(folder: Path, knob: str, amount: int) -> bool:
    """Makes the folder if need be, and writes the amount; False, with nothing left, where that is not allowed."""
    new = not folder.exists()
    try:
        folder.mkdir(exist_ok=True)
        if knob:
            (folder / knob).write_text(str(amount))
    except OSError:
        if new:
            with contextlib.suppress(OSError):
                folder.rmdir()
        return False
    if knob == "memory.max":
        with contextlib.suppress(OSError):
            (folder / "memory.swap.max").write_text("0")
    return True


def _unified(controller: str) -> Path | None:
    """Our own group in the hierarchy of version 2, or the one above it, if groups in it have the controller: only where
    it holds no process, or is the root."""
    if controller not in UNIFIED:
        return None
    mount = HIERARCHY if (HIERARCHY / "cgroup.controllers").exists() else HIERARCHY / "unified"
    own = next((line[3:] for line in _own() if line.startswith("0::")), None)
    if own is None or not mount.is_dir():
        return None
    folder = mount / own.strip("/")
    for base in (folder, folder.parent):
        try:
            enabled = (base / "cgroup.subtree_control").read_text().split()
            wanted = {*UNIFIED} & {*(base / "cgroup.controllers").read_text().split()} - {*enabled}
            if wanted:
                (base / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in sorted(wanted)))
        except OSError:
            continue
        if controller in (base / "cgroup.subtree_control").read_text().split() and os.access(base, os.W_OK):
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
