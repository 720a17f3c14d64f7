"""Which limits this machine can put on a submission: found by trying them, named where they are missing, and waived
only by name."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import secrets
import shutil
import socket
import stat
import subprocess
import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from grader.classroom.walls.forkserver import Forked, ForkServer
from grader.classroom.walls.room import Bounds, Room, Walls, order_for, seen
from grader.classroom.walls.trial import ELSEWHERE
from grader.course.problem import CourseError
from grader.course.select import UsageError
from grader.process.child import ROOT

LIMITS = {
    "files": "it reads nothing but Python, JAX and the grader, and writes nothing but one scratch folder",
    "network": "it reaches no network and no socket of another process",
    "strangers": "it neither sees nor signals processes other than its own",
    "processes": "it has a bounded number of processes, and none outlives it",
    "memory": "all of its processes together have a bounded memory",
    "disk": "its files together have a bounded size",
}
TRIED = Bounds(processes=24, memory=96 << 20, disk=4 << 20, cpu=60)


@dataclass(frozen=True)
class Survey:
    """What keeps submissions in on this machine: the walls, and each limit that they do not give, with what was
    seen."""

    walls: Walls
    missing: dict[str, str]


def survey(server: ForkServer, hidden: Collection[Path], cache: Path | None = None) -> Survey:
    """Opens a room with the best walls there are, and tries each limit in it."""
    namespaces = _has_namespaces()
    needs_a_user = os.geteuid() == 0 and not namespaces
    shut = closed(cache) if needs_a_user else None
    landlock = _has_landlock()  # without it, a folder that can be read can be listed
    best = Walls(
        namespaces=namespaces,
        landlock=landlock,
        own_user=needs_a_user and not shut,
        hidden=tuple(hidden),
        cache=cache if landlock else None,
    )
    if not best.namespaces and not best.landlock:
        return Survey(best, dict.fromkeys(LIMITS, "neither bubblewrap's namespaces nor Landlock can be had here"))
    missing = _tried(server, best)
    if not best.namespaces:
        why = _why_no_namespaces() + (f"; a user of its own cannot read what is in {shut}" if shut else "")
        missing = {name: f"{told} ({why})" for name, told in missing.items()}
    return Survey(best, missing)


def known(waived: Collection[str]) -> None:
    """Raises UsageError where a limit is waived that does not exist."""
    unknown = [name for name in waived if name not in LIMITS]
    if unknown:
        raise UsageError(f"there is no limit {unknown[0]!r}; there are {', '.join(LIMITS)}")


def demand(survey: Survey, waived: Collection[str]) -> None:
    """Raises UsageError where a limit is missing that nobody waived."""
    unmet = {name: told for name, told in survey.missing.items() if name not in waived}
    if unmet:
        lines = [f"  {name}: {LIMITS[name]}; but here {told}" for name, told in unmet.items()]
        raise UsageError(
            "\n".join(
                [
                    "this machine cannot give every limit that untrusted submissions need:",
                    *lines,
                    f"To go on without, say so: {' '.join(f'--without {name}' for name in unmet)}. The other limits "
                    f"stay.",
                ]
            )
        )


def _tried(server: ForkServer, walls: Walls) -> dict[str, str]:
    token = f"attention-{secrets.token_hex(8)}"
    with contextlib.ExitStack() as stack:
        canary = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="grader-")), token)
        canary.parent.chmod(0o755)  # it is the walls that have to hide it
        canary.write_text(token)
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        udp.bind(("127.0.0.1", 0))
        udp.setblocking(False)
        local = stack.enter_context(socket.socket(socket.AF_UNIX))
        local.bind(f"\0{token}")
        local.listen()
        room = Room(walls, TRIED)
        stack.callback(room.close)
        forked: Forked = server.fork(room, order_for(room, "try"))
        hidden = [canary, *filter(None, (_some_file(folder, walls.cache) for folder in walls.hidden))]
        asked = dict(
            token=token,
            hidden=[*map(str, hidden)],
            unlisted=str(walls.cache or ""),
            course=str(ROOT / "grader"),
            tcp=tcp.getsockname()[1],
            udp=udp.getsockname()[1],
            pid=os.getpid(),
            processes=TRIED.processes,
            memory=TRIED.together,
            disk=TRIED.disk,
            outside=not walls.namespaces,
        )
        with contextlib.suppress(BrokenPipeError):  # it has ended already, and says why
            forked.stdin.write(json.dumps(asked).encode() + b"\n")
            forked.stdin.close()
        told = dict(json.loads(line) for line in forked.stdout)
        said = forked.stderr.read().decode(errors="replace").strip()
        forked.end()
        forked.clear()
        if {*told} != {*LIMITS}:
            raise CourseError(
                f"the limits could not be tried: {said.splitlines()[-1] if said else 'the room is empty'}"
            )
        seen = [folder for folder in (*ELSEWHERE, str(ROOT / "grader")) if (Path(folder) / token).exists()]
        for folder in seen:
            (Path(folder) / token).unlink(missing_ok=True)
        if seen:
            told["files"] = told["files"] or f"it can write into {seen[0]}"
        with contextlib.suppress(BlockingIOError):
            udp.recv(64)
            told["network"] = told["network"] or "it can send UDP packets"
    return {name: text for name, text in told.items() if text}


def _some_file(folder: Path, but: Path | None) -> Path | None:
    """A plain file below a folder, though not below `but`; or the file itself that hides instead of one."""
    if folder.is_file():
        return folder
    for at, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if Path(at, name) != but]
        for path in (Path(at, name) for name in names):
            if path.is_file() and not path.is_symlink():
                return path
    return None


def closed(cache: Path | None) -> Path | None:
    """A folder, at or above what a worker has to read, that only its owner may enter: often root's home."""
    return next(
        (
            folder
            for path in seen(cache)
            for folder in (path, *path.parents)
            if not folder.stat().st_mode & stat.S_IXOTH
        ),
        None,
    )


@functools.cache
def _has_namespaces() -> bool:
    if not shutil.which("bwrap"):
        return False
    try:
        Room(Walls(namespaces=True)).close()
        return True
    except (CourseError, OSError, ValueError):
        return False


@functools.cache
def _has_landlock() -> bool:
    try:
        from landlockpy import abi_version

        return abi_version() > 0
    except Exception:
        return False


def _why_no_namespaces() -> str:
    if not shutil.which("bwrap"):
        return "bubblewrap is not installed: `sudo apt install bubblewrap`"
    done = subprocess.run(["bwrap", "--unshare-all", "--ro-bind", "/", "/", "true"], capture_output=True, text=True)
    return f"bubblewrap says: {done.stderr.strip().splitlines()[-1] if done.stderr.strip() else 'nothing'}"
