"""When a file of a clone was committed last. The clone is not trusted: none of its settings is read, nothing in it is
run, and time and memory are bounded.

Git reads the clone's objects from an empty repository of ours, whose settings are ours. Only the name of the last
commit is read from the clone's other files. Of a clone that came packed, its objects and what names them are put into a
folder of ours for as long as Git reads them.
"""

from __future__ import annotations

import contextlib
import os
import re
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from grader.classroom.arrivals.files import HISTORY, File, Refused, opened

SECONDS, MEMORY = 20, 2 << 30
PACKED = 256 << 20  # bytes of a packed clone's history
NEEDED = re.compile(
    r"HEAD|packed-refs|shallow|refs/[\w/.-]+|objects/(?:[0-9a-f]{2}/[0-9a-f]{38}|pack/pack-[0-9a-f]{40}\.(?:pack|idx|rev))"
)
NAME = re.compile(r"[0-9a-f]{40}")
REF = re.compile(r"ref: (refs/[\w/.-]+)")


class Commits:
    """To be used in a `with` statement. Without Git on this machine, nothing is known."""

    def __enter__(self) -> Commits:
        self._stack = contextlib.ExitStack()
        self._own = ""
        # the packed clone that was asked for last, and where it lies now
        self._unpacked: tuple[Sequence[File], Path] | None = None
        return self

    def __exit__(self, *exception) -> None:
        self._stack.close()

    def when(self, clone: Path | Sequence[File], place: str) -> datetime | None:
        """The date of the last commit that changed the file at `place`, as whoever made it has it; None where nothing
        says it. A packed clone is its history's files."""
        git = shutil.which("git")
        store = clone / HISTORY if isinstance(clone, Path) else self._store(clone)
        ours = not store.is_symlink() and not (store / "objects").is_symlink() and (store / "objects").is_dir()
        if not git or not ours or not (head := _head(store)):
            return None
        shallow = {"GIT_SHALLOW_FILE": str(store / "shallow")} if (store / "shallow").is_file() else {}
        told = self._run(
            git,
            ["log", "-1", "--format=%cI", head, "--", place],
            GIT_OBJECT_DIRECTORY=str(store / "objects"),
            **shallow,
        )
        with contextlib.suppress(ValueError):
            return datetime.fromisoformat(told.strip())
        return None

    def _store(self, history: Sequence[File]) -> Path:
        """What Git needs of a packed clone, on the disk. A part that cannot be read is left out."""
        if self._unpacked and self._unpacked[0] is history:
            return self._unpacked[1]
        if self._unpacked:
            shutil.rmtree(self._unpacked[1], ignore_errors=True)
        store, left = (
            Path(self._stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)), "git"),
            PACKED,
        )
        self._unpacked = history, store
        for file in history:
            name = "/".join(file.parts)
            if NEEDED.fullmatch(name) and ".." not in name:
                with contextlib.suppress(Refused, OSError):
                    content = file.read(left)
                    left -= len(content)
                    (store / name).parent.mkdir(parents=True, exist_ok=True)
                    (store / name).write_bytes(content)
        return store

    def _run(self, git: str, words: list[str], **variables: str) -> str:
        if not self._own:
            self._own = self._stack.enter_context(tempfile.TemporaryDirectory())
            self._run(git, ["init", "--quiet", "--bare", f"{self._own}/git"])
        environment = dict(
            PATH=os.environ.get("PATH", os.defpath),
            HOME=self._own,
            GIT_DIR=f"{self._own}/git",
            LC_ALL="C",
            GIT_CONFIG_NOSYSTEM="1",
            GIT_CONFIG_GLOBAL=os.devnull,
            GIT_LITERAL_PATHSPECS="1",
            GIT_ALLOW_PROTOCOL="none",
            GIT_TERMINAL_PROMPT="0",
            **variables,
        )
        with subprocess.Popen(
            [git, "--no-pager", "--no-replace-objects", *words],
            env=environment,
            cwd=self._own,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as process:
            with contextlib.suppress(ProcessLookupError):
                resource.prlimit(process.pid, resource.RLIMIT_AS, (MEMORY, MEMORY))
            try:
                told, _ = process.communicate(timeout=SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                return ""
        return told.decode(errors="replace") if process.returncode == 0 else ""


def _head(store: Path) -> str:
    """The name of the commit that the clone stands at."""
    text = _text(store / "HEAD")
    found = REF.fullmatch(text)
    if not found or ".." in found[1]:
        return text if NAME.fullmatch(text) else ""
    loose = _text(store / found[1])
    packed = re.search(rf"^([0-9a-f]{{40}}) {re.escape(found[1])}$", _text(store / "packed-refs"), re.MULTILINE)
    return loose if NAME.fullmatch(loose) else packed[1] if packed else ""


def _text(path: Path) -> str:
    try:
        with opened(path) as stream:
            return stream.read(1 << 20).decode(errors="replace").strip()
    except (Refused, OSError):
        return ""
