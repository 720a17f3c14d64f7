"""How processes talk: frames of one JSON message and raw arrays over a pipe. Nothing is ever unpickled."""

from __future__ import annotations

import json
import math
import os
import re
import struct
from collections.abc import Callable, Iterator
from typing import BinaryIO

import numpy as np

BODY, HEADER = 1 << 30, 64 << 20  # bytes
# what each byte of a header may take once it is read: decoded, as a string, and as what `plain` makes of it
AS_TEXT = 16
AS_OBJECT = 256  # and each container and part of one
DTYPES = {
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float16",
    "float32",
    "float64",
    "complex64",
    "complex128",
}


class WireError(Exception):
    """What came is no frame: the other side broke off or wrote something else."""


def dtype_of(name: str) -> np.dtype:
    if name in DTYPES:
        return np.dtype(name)
    import ml_dtypes  # bfloat16, and the small floats and integers that JAX has

    kind = getattr(ml_dtypes, name, None)
    if not (isinstance(kind, type) and issubclass(kind, np.generic)):
        raise WireError(f"unknown dtype {name!r}")
    return np.dtype(kind)


def parts(message, arrays: dict[str, np.ndarray] | None = None) -> Iterator[bytes | memoryview]:
    """A frame piece by piece, without a copy of its arrays."""
    arrays = {name: np.asarray(array) for name, array in (arrays or {}).items()}
    table = [[name, array.dtype.name, list(array.shape)] for name, array in arrays.items()]
    header = json.dumps([message, table]).encode()
    yield struct.pack("<QQ", len(header), sum(array.nbytes for array in arrays.values())) + header
    for array in arrays.values():
        yield np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def pack(message, arrays: dict[str, np.ndarray] | None = None) -> bytes:
    return b"".join(parts(message, arrays))


def send(stream: BinaryIO, message, arrays=None) -> None:
    stream.writelines(parts(message, arrays))
    stream.flush()


def sender() -> Callable[..., None]:
    """Takes standard output for frames alone, and gives what sends one. What is printed goes to standard error; where
    nobody reads the frames any more, the process ends."""
    stream = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)

    def send_here(message, arrays=None) -> None:
        try:
            send(stream, message, arrays)
        except BrokenPipeError:  # whoever asked has seen enough
            os._exit(1)

    return send_here


def plain(value):
    """The value with its texts in a form that can be shown: without what commands a terminal, and without halves of
    surrogate pairs."""
    if isinstance(value, str):
        return (
            re.sub("\x1b\\[[0-?]*[ -/]*[@-~]|[\0-\x08\x0b-\x1f\x7f-\x9f]", "", value)
            .encode("utf-8", "replace")
            .decode()
        )
    if isinstance(value, list):
        return [plain(part) for part in value]
    return {plain(name): plain(part) for name, part in value.items()} if isinstance(value, dict) else value


def _count(shape) -> int:
    """How many elements; no number on the way is longer than a few words, whatever the shape says."""
    if (
        not isinstance(shape, list)
        or len(shape) > 64
        or any(type(size) is not int or not 0 <= size <= BODY for size in shape)
    ):
        raise ValueError("a shape that no array has")
    return math.prod(shape)


def objects(header: bytes) -> int:
    """The bytes of memory that the objects of a header may take, from the signs that begin one; those within texts
    count too."""
    return AS_OBJECT * sum(map(header.count, (b"[", b"{", b",", b":")))


def receive(stream: BinaryIO, may_send: Callable[[int], bool] = lambda size: True):
    """The next `(message, arrays)`, or None at the end of the stream. `may_send` is asked before so many bytes of
    memory are taken: for a frame, then for the objects that its header becomes. A sender that is trusted may send what
    a frame can hold."""
    prefix = stream.read(16)
    if not prefix:
        return None
    if len(prefix) < 16:
        raise WireError("a frame broke off")
    header_size, body_size = struct.unpack("<QQ", prefix)
    if header_size > HEADER or body_size > BODY or not may_send(AS_TEXT * header_size + body_size):
        raise WireError("a frame is too large")
    header, body = stream.read(header_size), stream.read(body_size)
    if len(header) < header_size or len(body) < body_size:
        raise WireError("a frame broke off")
    if not may_send(objects(header)):
        raise WireError("a frame is too large")
    try:
        message, table = json.loads(header)
        arrays, at = {}, 0
        for name, dtype, shape in table:
            kind = dtype_of(dtype)
            if not isinstance(name, str):
                raise ValueError(f"no name: {name!r}")
            count = _count(shape)
            arrays[name] = np.frombuffer(body, kind, count, at).reshape(shape)
            at += count * kind.itemsize
        if at != len(body):
            raise ValueError("the arrays do not fill it")
        if not isinstance(message, dict):
            raise ValueError("the message is no object")
        return message, arrays
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise WireError(f"a frame makes no sense: {error}") from error
