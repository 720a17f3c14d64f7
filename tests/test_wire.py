"""Frames between processes: what goes in comes out, and what is no frame is refused without harm."""

from __future__ import annotations

import contextlib
import io
import json
import pickle
import queue
import struct
import tracemalloc
from types import SimpleNamespace

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from grader.course.problem import CourseError
from grader.process import wire
from grader.process.child import Limits, Process

NUMPY_DTYPES = sorted(wire.DTYPES)
JAX_DTYPES = ["bfloat16", "float8_e4m3fn", "float8_e5m2", "int4", "uint4"]


def received(data: bytes):
    return wire.receive(io.BytesIO(data))


def frame(header, body: bytes = b"") -> bytes:
    """A frame with any header, sound or not."""
    header = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<QQ", len(header), len(body)) + header + body


@given(
    st.lists(
        hnp.arrays(
            st.sampled_from([np.dtype(name) for name in NUMPY_DTYPES]),
            hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3),
        ),
        max_size=3,
    )
)
@settings(max_examples=40, deadline=None, derandomize=True)
def test_arrays_round_trip(drawn):
    """Arrays of every dtype and shape, empty ones and scalars too, come back bit for bit under their names."""
    arrays = {f"a/{i}": array for i, array in enumerate(drawn)}
    message, back = received(wire.pack({"n": 1}, arrays))
    assert message == {"n": 1} and [*back] == [*arrays]
    for name, array in arrays.items():
        assert (
            back[name].dtype == array.dtype
            and back[name].shape == array.shape
            and back[name].tobytes() == array.tobytes()
        )


@pytest.mark.parametrize("name", JAX_DTYPES)
@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3)])
def test_dtypes_that_only_jax_has_round_trip(name, shape):
    """bfloat16 and JAX's small dtypes, which NumPy alone does not know, come back as they went."""
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(getattr(ml_dtypes, name))
    _, back = received(wire.pack({}, {"": array}))
    assert back[""].dtype == array.dtype and back[""].shape == shape and back[""].tobytes() == array.tobytes()


def test_arrays_in_another_memory_order_round_trip():
    """A transposed or sliced array comes back with its values in their places."""
    array = np.arange(24).reshape(4, 6).T[::2]
    assert np.array_equal(received(wire.pack({}, {"a": array}))[1]["a"], array)


def test_frames_follow_each_other():
    """Several frames in one stream come back one by one, and then None says that the stream has ended."""
    stream = io.BytesIO()
    for i in range(3):
        wire.send(stream, {"i": i}, {"x": np.full(i, i)})
    stream.seek(0)
    for i in range(3):
        message, arrays = wire.receive(stream)
        assert message == {"i": i} and arrays["x"].tolist() == [i] * i
    assert wire.receive(stream) is None


@pytest.mark.parametrize("bad", ["NaN", "text ✓", [1, [2.5, None]], {"deep": {"er": True}}])
def test_messages_round_trip(bad):
    """Text, numbers, lists and objects inside a message come back equal."""
    assert received(wire.pack({"said": bad}))[0] == {"said": bad}


WHOLE = wire.pack({"id": 7}, {"a": np.arange(3, dtype=np.int32)})


@pytest.mark.parametrize("length", range(1, len(WHOLE)))
def test_a_frame_cut_anywhere_is_refused(length):
    """Wherever a frame breaks off, it is a WireError and never half a frame."""
    with pytest.raises(wire.WireError, match="broke off"):
        received(WHOLE[:length])


@pytest.mark.parametrize("size", [(wire.HEADER + 1, 0), (0, wire.BODY + 1), (2**64 - 1, 2**64 - 1)])
def test_an_announced_size_beyond_the_limit_is_refused(size):
    """A frame that announces more than the limit is refused before a byte of it is read."""
    with pytest.raises(wire.WireError, match="too large"):
        received(struct.pack("<QQ", *size))


def test_no_more_is_taken_in_than_may_be_sent():
    """Who receives says how much may come; a header counts as what it becomes: first its text, then its objects, before
    there is one."""
    whole = wire.pack({"said": "x"}, {"a": np.zeros(100, np.int8)})
    header, asked = len(whole) - 16 - 100, []
    wire.receive(io.BytesIO(whole), lambda size: asked.append(size) or True)
    assert whole[16 : 16 + header] == b'[{"said": "x"}, [["a", "int8", [100]]]]'
    assert asked == [header * wire.AS_TEXT + 100, 9 * wire.AS_OBJECT]
    with pytest.raises(wire.WireError, match="too large"):
        wire.receive(io.BytesIO(whole), lambda size: size != 9 * wire.AS_OBJECT)
    with pytest.raises(wire.WireError, match="too large"):
        wire.receive(io.BytesIO(whole), lambda size: False)


MALFORMED = {
    "no JSON": b"hello",
    "no UTF-8": b"\xff\xfe",
    "a number": 3,
    "a list of one": [{}],
    "a message that is no object": ["text", []],
    "a table that is text": [{}, "abc"],
    "a row too short": [{}, [["a", "int8"]]],
    "a name that is no text": [{}, [[1, "int8", [2]]]],
    "a dtype that is a list": [{}, [["a", ["int8"], [2]]]],
    "an unknown dtype": [{}, [["a", "int7", [2]]]],
    "a dtype of objects": [{}, [["a", "object", [2]]]],
    "a dtype of text": [{}, [["a", "str", [2]]]],
    "a dtype that is a function": [{}, [["a", "finfo", [2]]]],
    "a size that is negative": [{}, [["a", "int8", [-1]]]],
    "two sizes that are negative": [{}, [["a", "int8", [-1, -2]]]],
    "a size that is a fraction": [{}, [["a", "int8", [2.0]]]],
    "a size that is a bool": [{}, [["a", "int8", [True, 2]]]],
    "a size beyond every machine": [{}, [["a", "int8", [1 << 70]]]],
    "sizes beyond every machine, yet empty": [{}, [["a", "int8", [1 << 70, 0]]]],
    "so many sizes that their product would take a minute": b'[{}, [["a", "int8", ['
    + b", ".join([b"9" * 4299] * 1000)
    + b"]]]]",
    "more sizes than an array has": [{}, [["a", "int8", [1] * 65]]],
    "no shape": [{}, [["a", "int8", None]]],
    "more than the body holds": [{}, [["a", "int8", [3]]]],
    "less than the body holds": [{}, [["a", "int8", [1]]]],
    "nested without end": b"[" * 200_000,
    "a number of 5000 digits": b"1" * 5000,
}


@pytest.mark.parametrize("header", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_frame_is_refused(header):
    """A header that makes no sense is a WireError, never another exception and never an array."""
    with pytest.raises(wire.WireError):
        received(frame(header, b"\0\0"))


def test_the_frame_that_the_malformed_ones_vary_is_sound():
    """The same body under a right header is accepted, so that each refusal above has one cause."""
    assert received(frame([{}, [["a", "int8", [2]]]], b"\0\0"))[1]["a"].tolist() == [0, 0]


class Trap:
    """Says so when it is unpickled."""

    def __reduce__(self):
        return (pytest.fail, ("a frame was unpickled",))


@pytest.mark.parametrize("header", [pickle.dumps(Trap()), [{}, [["a", "object", [1]]]]], ids=["header", "body"])
def test_nothing_is_unpickled(header):
    """A pickle in place of a header, or announced as an array of objects, is refused and not run."""
    with pytest.raises(wire.WireError):
        received(frame(header, pickle.dumps(Trap())))


def test_an_array_of_objects_becomes_no_frame():
    """An array of Python objects is refused where it would be sent."""
    with pytest.raises(TypeError):
        wire.pack({}, {"a": np.array([{}, None], dtype=object)})


def test_a_frame_is_sent_without_a_copy():
    """Its pieces are the memory of the arrays, also of those with a dtype that Python does not know; together they are
    the frame."""
    arrays = {
        "a": np.arange(6.0).reshape(2, 3),
        "b": np.zeros((0, 4), np.int8),
        "c": np.array(2, ml_dtypes.bfloat16),
        "d": np.arange(8)[::2],
    }
    head, *pieces = wire.parts({"n": 1}, arrays)
    assert np.shares_memory(np.frombuffer(pieces[0], np.float64), arrays["a"]) and b"".join(
        [head, *pieces]
    ) == wire.pack({"n": 1}, arrays)
    message, back = received(wire.pack({"n": 1}, arrays))
    assert message == {"n": 1} and all(
        back[name].tobytes() == array.tobytes() and back[name].dtype == array.dtype for name, array in arrays.items()
    )


MANY = 2000
GREEDY = {
    "small objects": [{"a": [{}] * MANY}, []],
    "lists in lists": [{"a": [[[]] * MANY]}, []],
    "objects with names": [{"a": [{f"n{i}": i} for i in range(MANY)]}, []],
    "names": [{f"n{i}": 0.5 for i in range(MANY)}, []],
    "numbers": [{"a": [10**9 + i for i in range(MANY)]}, []],
    "texts": [{"a": [f"{i:030}" for i in range(MANY)]}, []],
    "one text": [{"a": "x" * 30 * MANY}, []],
    "one text with a letter of four bytes": ('[{"a": "' + "x" * 30 * MANY + '\U0001f600"}, []]').encode(),
    "what is escaped": ('[{"a": "' + "\\ud83d\\ude00" * 3 * MANY + '"}, []]').encode(),
    "arrays": [{}, [[f"n{i}", "int8", [0]] for i in range(MANY)]],
    "shapes": [{"structure": ["variables", [["a", "Param", [1] * 60, "float32"]] * (MANY // 60)]}, []],
}


@pytest.mark.parametrize("header", GREEDY.values(), ids=GREEDY)
def test_what_a_header_becomes_is_known_before_it_is_read(header):
    """No header takes more memory, cleaned of what cannot be shown and all, than it was said to take before a single
    object was made of it."""
    content = frame(header)
    asked: list[int] = []
    with contextlib.suppress(wire.WireError):
        # what is loaded once is not counted
        wire.receive(io.BytesIO(content), lambda size: asked.append(size) or True)
    tracemalloc.start()
    try:
        with contextlib.suppress(wire.WireError):
            message, arrays = received(content)
            message, arrays = wire.plain(message), wire.plain(arrays)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < sum(asked) + (64 << 10)


@pytest.mark.parametrize("message", [{"static": np.int64(3)}, {"static": {1, 2}}, {"static": object}])
def test_what_cannot_be_sent_is_the_courses_fault(message):
    """A call that is no data, such as a size of NumPy's in a case, is told at once: no process waits for it in vain,
    and no file is blamed for being slow."""
    asks = SimpleNamespace(limits=Limits())
    with pytest.raises(
        CourseError, match="^what is asked cannot be sent to the process that is to answer: TypeError: "
    ):
        Process.send(asks, [({"calls": 1}, None), (message, {})])


def test_a_reader_that_fails_says_so(monkeypatch):
    """Whatever reading a frame brings about, who waits for frames is told that there are no more."""

    def fails(*_):
        raise MemoryError

    monkeypatch.setattr(wire, "receive", fails)
    reads = SimpleNamespace(
        process=SimpleNamespace(stdout=io.BytesIO()), _frames=queue.Queue(), _may_send=None, _garbled=False
    )
    Process._read_frames(reads)
    assert reads._garbled and reads._frames.get_nowait() is None


FLOODS = {
    "objects": frame(b'[{"a": [' + b"{}," * 700_000 + b"{}]}, []]") * 2,
    "objects that just fit": frame(b'[{"a": [' + b"{}," * 7_000 + b"{}]}, []]") * 100,
    "frames": frame([{}, []]) * 20_000,
    "arrays": frame([{}, [["a", "int8", [3 << 20]]]], bytes(3 << 20)) * 3,
    "texts": frame([{"a": "x" * 200_000}, []]) * 20,
}


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS)
def test_a_flood_takes_no_more_than_a_submission_may_send(flood):
    """All that is read of it, and waits to be judged, has room in what was granted; the rest is left where it is."""
    reads = SimpleNamespace(
        process=SimpleNamespace(stdout=io.BytesIO(flood)), _frames=queue.Queue(), _left=4 << 20, _garbled=False
    )
    reads._may_send = lambda size: Process._may_send(reads, size)
    tracemalloc.start()
    try:
        Process._read_frames(reads)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert reads._left < 0 and reads._garbled and peak < 5 << 20
