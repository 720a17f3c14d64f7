"""What the grader remembers between runs: answer keys, compiled programs, hints shown, which stub passed. All under
`.grader/`.

A checkout that cannot be written to gets a folder of the user's instead.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import tempfile
import time
from pathlib import Path

CACHE_LIMIT = 256 << 20


@functools.cache
def home(root: Path) -> Path | None:
    """The folder to remember things in, or None where nothing can be written at all."""
    import platformdirs

    fallback = platformdirs.user_state_path("attention-grader") / hashlib.sha256(str(root).encode()).hexdigest()[:12]
    for folder in (root / ".grader", fallback):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                return folder
        except OSError:
            continue
    return None


def folder(root: Path, *parts: str) -> Path | None:
    """A folder to keep files in, made when it is missing."""
    base = home(root)
    if base is None:
        return None
    try:
        path = base.joinpath(*parts)
        path.mkdir(parents=True, exist_ok=True)
        return path
    except OSError:
        return None


def recall(root: Path, problem: str) -> dict:
    """What is remembered of a problem: `hints` shown, `passed` (the digest of the stub that did), `status` and `digest`
    of the last verdict, `cell` (the digest of the stub that a notebook wrote last)."""
    base = home(root)
    try:
        kept = json.loads((base / "progress" / f"{problem}.json").read_text(encoding="utf-8"))
        return kept if isinstance(kept, dict) else {}
    except (OSError, ValueError, TypeError):
        return {}


def remember(root: Path, problem: str, **changes) -> bool:
    """Changes what is remembered of a problem; False when it could not be written. Two graders at once do not tear a
    file."""
    path = folder(root, "progress")
    if path is None:
        return False
    kept = recall(root, problem) | changes
    return write(path / f"{problem}.json", json.dumps(kept, indent=1).encode())


def write(path: Path, content: bytes, mode: int = 0o644) -> bool:
    """Writes a file under a temporary name and renames it. `mode` says who may read a new one; another stays as it
    is."""
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        os.chmod(temporary, path.stat().st_mode & 0o777 if path.exists() else mode)
        os.replace(temporary, path)
        return True
    except OSError:
        if temporary:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        return False


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def prune(path: Path | None) -> None:
    """Drops the oldest files of a cache that has outgrown CACHE_LIMIT; looks once an hour, since looking takes time."""
    if path is None:
        return
    with contextlib.suppress(OSError):
        looked = path / ".looked"
        if looked.exists() and time.time() - looked.stat().st_mtime < 3600:
            return
        looked.touch()
        files = sorted(
            (
                (entry.stat().st_mtime, entry.stat().st_size, entry.path)
                for entry in os.scandir(path)
                if entry.path != str(looked)
            ),
            reverse=True,
        )
        total = 0
        for _, size, name in files:
            total += size
            if total > CACHE_LIMIT:
                with contextlib.suppress(OSError):
                    os.unlink(name)
