"""Frames between processes: what goes in comes out, and what is no frame is refused without harm."""

from __future__ import annotations

import io
import json
import pickle
import struct

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from grader import wire

NUMPY_DTYPES = sorted(wire.DTYPES)
JAX_DTYPES = ["bfloat16", "float8_e4m3fn", "float8_e5m2", "int4", "uint4"]


def received(data: bytes):
    return wire.receive(io.BytesIO(data))


def frame(header, body: bytes = b"") -> bytes:
    """A frame with any header, sound or not."""
    header = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<QQ", len(header), len(body)) + header + body


@given(st.lists(hnp.arrays(st.sampled_from([np.dtype(name) for name in NUMPY_DTYPES]),
                           hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3)), max_size=3))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_arrays_round_trip(drawn):
    """Arrays of every dtype and shape, empty ones and scalars too, come back bit for bit under their names."""
    arrays = {f"a/{i}": array for i, array in enumerate(drawn)}
    message, back = received(wire.pack({"n": 1}, arrays))
    assert message == {"n": 1} and [*back] == [*arrays]
    for name, array in arrays.items():
        assert back[name].dtype == array.dtype and back[name].shape == array.shape and back[name].tobytes() == array.tobytes()


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


@pytest.mark.parametrize("size", [(wire.HEADER + 1, 0), (0, wire.BODY + 1), (2 ** 64 - 1, 2 ** 64 - 1)])
def test_an_announced_size_beyond_the_limit_is_refused(size):
    """A frame that announces more than the limit is refused before a byte of it is read."""
    with pytest.raises(wire.WireError, match="too large"):
        received(struct.pack("<QQ", *size))


def test_no_more_is_taken_in_than_may_be_sent():
    """Who receives says how much may come; a header counts several times, as what it becomes."""
    whole = wire.pack({"said": "x"}, {"a": np.zeros(100, np.int8)})
    header, asked = len(whole) - 16 - 100, []
    wire.receive(io.BytesIO(whole), lambda size: asked.append(size) or True)
    assert asked == [header * wire.AS_OBJECTS + 100]
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
    "so many sizes that their product would take a minute": b'[{}, [["a", "int8", [' + b", ".join([b"9" * 4299] * 1000) + b"]]]]",
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


def test_an_array_of_objects_does_not_become_a_frame_that_is_accepted():
    """An array of Python objects sent by mistake is refused where it arrives."""
    with pytest.raises(wire.WireError, match="unknown dtype 'object'"):
        received(wire.pack({}, {"a": np.array([{}, None], dtype=object)}))
