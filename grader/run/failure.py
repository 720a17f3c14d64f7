"""Turns an exception into data inside the process where it happened, with the traceback cut to the student's own
lines."""

from __future__ import annotations

import linecache
import traceback

from grader.course.verdict import LONGEST, MOST, Failure, cut, word


def failure_of(error: BaseException, path: str) -> Failure:
    """`path` is the file whose lines count; frames of every other file are left out."""
    frames = traceback.extract_tb(error.__traceback__) if error.__traceback__ else []
    lines = [
        (frame.lineno or 0, cut(frame.name), cut((frame.line or linecache.getline(path, frame.lineno or 0)).strip()))
        for frame in frames
        if frame.filename == path
    ]
    if len(lines) > MOST:
        lines = lines[: MOST // 2] + lines[-MOST // 2 :]
    if isinstance(error, SyntaxError) and error.filename == path:
        lines = [(error.lineno or 0, "", cut((error.text or "").rstrip()))]
    try:
        message = error.msg if isinstance(error, SyntaxError) else str(error)
    except Exception:
        message = "(its message could not be read)"
    bases = [word(cls.__name__) for cls in type(error).__mro__[1:] if cls not in (object, BaseException, Exception)]
    return Failure(word(type(error).__name__), tuple(bases), cut(message, LONGEST), tuple(lines))
