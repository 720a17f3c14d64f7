"""One run at a time: the lock of a gradebook, which is gone with its process, however that went."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from grader.course.select import UsageError

_held: set[str] = set()  # by this process, which its own lock does not keep out


def locked(path: Path) -> Callable[[], None]:
    """Keeps other runs out until the function that it returns is called, or this process is gone, however it went. No
    child of it inherits the lock.

    To close the lock's file once more would give the lock up, so that this process looks in `_held` first.
    """
    import fcntl

    lock, name = path.with_name(f"{path.name}.lock"), str(path.resolve())
    if name in _held:
        raise _taken(path, str(os.getpid()))
    handle = os.open(lock, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(handle, 0)
        os.write(handle, str(os.getpid()).encode())
    except OSError as error:
        who = os.read(handle, 20).decode(errors="replace")
        os.close(handle)
        if isinstance(error, (BlockingIOError, PermissionError)):
            raise _taken(path, who) from error
        raise
    _held.add(name)

    def release() -> None:
        _held.discard(name)
        os.close(handle)

    return release


def _taken(path: Path, who: str) -> UsageError:
    return UsageError(
        f"another run{f' (process {who})' if who.isdigit() else ''} is writing to {path}; wait until it is done, or "
        f"stop it"
    )
