"""Tells whoever waits that JAX is compiling, which can take long and is no hang: in a process that runs programs, a
thread looks once a second where the others are."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from types import FrameType

LOWERS, COMPILES = "/jax/_src/interpreters/mlir.py", "/jax/_src/compiler.py"
EVERY = 1.0


def tell_of_compiling(tell: Callable[[], None], path: str = "") -> None:
    """Calls `tell` once a second while a thread lowers or compiles a program. `path` is the file whose own code is
    neither, wherever it was called from."""
    sleep, frames = time.sleep, sys._current_frames  # before a stub can put others in their places

    def watch():
        own = threading.get_ident()
        while True:
            sleep(EVERY)
            if any(compiles(frame, path) for thread, frame in frames().items() if thread != own):
                tell()

    threading.Thread(target=watch, daemon=True).start()


def compiles(frame: FrameType | None, path: str) -> bool:
    """Whether the innermost of what a thread does is JAX's compiler, with nothing of `path` called by it."""
    while frame and frame.f_code.co_filename != path:
        if frame.f_code.co_filename.replace("\\", "/").endswith((LOWERS, COMPILES)):
            return True
        frame = frame.f_back
    return False
