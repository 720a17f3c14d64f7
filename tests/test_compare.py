"""Each way in which an answer can miss the key, from the coarsest to the finest, and how much is allowed."""

from __future__ import annotations

import io

import ml_dtypes
import numpy as np
import pytest

from grader.course.verdict import Failure, Outcome
from grader.key.compare import Mismatch, agree, compare, distance
from grader.process import wire

NAN, INF = np.nan, np.inf


def array(values, dtype="float32") -> Outcome:
    return Outcome("array", {"": np.asarray(values, dtype)})


def pair(first, second) -> Outcome:
    return Outcome(
        ["tuple", ["array", "array"]], {"[0]": np.asarray(first, np.float32), "[1]": np.asarray(second, np.float32)}
    )


def raised(type="ValueError", message="no", bases=()) -> Outcome:
    return Outcome(failure=Failure(type, bases, message))


def way(expected, came, allowed=0.0) -> str | None:
    mismatch = compare(expected, came, {leaf: allowed for leaf in expected.leaves})
    return mismatch.way if mismatch else None


def test_an_equal_outcome_is_as_expected():
    """Equal arrays, equal tuples and None are no mismatch."""
    assert compare(array([1, 2]), array([1, 2]), {}) is None
    assert compare(pair([1], [2]), pair([1], [2]), {}) is None
    assert compare(Outcome("None"), Outcome("None"), {}) is None


def test_an_unexpected_failure():
    """A failure where an array was expected is a mismatch that holds the failure."""
    came = raised()
    assert compare(array([1]), came, {}) == Mismatch("failure", None, came.failure)


def test_an_expected_failure_that_did_not_come():
    """An array where a failure was expected is a mismatch that holds what was expected."""
    expected = raised()
    assert compare(expected, array([1]), {}) == Mismatch("failure", expected.failure, None)


@pytest.mark.parametrize(
    "came, fits",
    [
        (raised("ValueError", "in other words"), True),
        (raised("DivisionError", bases=("ValueError", "ArithmeticError")), True),
        (raised("TypeError"), False),
        (raised("Exception"), False),
    ],
)
def test_an_expected_failure_asks_for_its_type_alone(came, fits):
    """A subclass of the expected type is right, whatever it says; a base class is not."""
    assert (compare(raised("ValueError", "not a multiple"), came, {}) is None) is fits


@pytest.mark.parametrize(
    "came", ["None", "Python float", ["tuple", ["array"]], ["list", ["array"]], ["dict", [["a", "array"]]]]
)
def test_another_structure(came):
    """Anything but one array, where one array is expected, is a mismatch of structure."""
    assert compare(array([1]), Outcome(came, {}), {}) == Mismatch("structure", "array", came)


def test_a_list_is_no_tuple_and_names_have_no_order():
    """Structures are compared by kind, length and names: a dict whose names come in another order is the same dict."""
    assert way(pair([1], [2]), Outcome(["list", ["array", "array"]], pair([1], [2]).leaves)) == "structure"
    one, other = (Outcome(["dict", [[name, "None"] for name in names]]) for names in ("ab", "ba"))
    assert way(one, other) is None


def test_a_structure_that_crossed_the_wire_is_the_same():
    """JSON makes lists of tuples, which changes nothing."""
    expected = Outcome(["variables", [("w", "Param", (2, 3), "float32")]])
    message, arrays = wire.receive(io.BytesIO(wire.pack(*expected.to_wire())))
    assert compare(expected, Outcome.from_wire(message, arrays), {}) is None


def test_another_shape():
    """A shape that differs is told before dtypes and values, even one that would broadcast."""
    assert compare(array([[1, 2]]), array([1, 2]), {"": INF}) == Mismatch("shape", (1, 2), (2,), "")
    assert way(array([1, 1]), array([[7]], "int32"), INF) == "shape"


def test_another_dtype():
    """A dtype that differs is told before values, even where every value is equal."""
    assert compare(array([1, 2]), array([1, 2], "bfloat16"), {"": INF}) == Mismatch("dtype", "float32", "bfloat16", "")
    assert way(array([True], bool), array([1], "int32")) == "dtype"


def test_a_coarse_fault_in_a_later_array_comes_before_a_fine_one_in_an_earlier():
    """All shapes are looked at before any value."""
    assert compare(pair([1], [2]), pair([9], [2, 2]), {}) == Mismatch("shape", (1,), (2,), "[1]")


def test_the_first_wrong_array_is_the_one_that_is_told():
    """Of several arrays with wrong values the first one is told, by its path."""
    assert compare(pair([1], [2]), pair([1], [9]), {}).leaf == "[1]"
    assert compare(pair([1], [2]), pair([8], [9]), {}).leaf == "[0]"


def test_wrong_values_are_located_and_measured():
    """A difference of values says where, by how much at most, and how much was allowed."""
    mismatch = compare(array([[1, 2], [3, 4]]), array([[1, 2.5], [3, 2]]), {"": 0.25})
    assert (mismatch.way, mismatch.leaf) == ("values", "")
    assert mismatch.difference.wrong.tolist() == [[False, True], [False, True]]
    assert (mismatch.difference.largest, mismatch.difference.allowed) == (2.0, 0.25)


def test_the_allowed_error_is_allowed_and_not_a_bit_more():
    """An error of exactly the tolerance passes; the next larger float64 does not, on either side."""
    for sign in (1, -1):
        came = array([1 + sign * 0.25])
        assert way(array([1]), came, 0.25) is None
        assert way(array([1]), came, np.nextafter(0.25, 0)) == "values"


def test_without_a_tolerance_values_must_be_equal():
    """An array for which nothing is allowed must be equal to the last bit; 0 and -0 are equal."""
    assert way(array([1]), array([np.nextafter(np.float32(1), np.float32(2))])) == "values"
    assert compare(array([0.0]), array([-0.0]), {}) is None
    assert compare(pair([1], [2]), pair([1], [2.5]), {"[0]": 1.0}).leaf == "[1]"


@pytest.mark.parametrize(
    "right, mine, expected",
    [
        ([NAN, 1], [NAN, 1], None),
        ([INF, -INF], [INF, -INF], None),
        ([1, 1], [NAN, 1], "nan"),
        ([1, 1], [INF, 1], "nan"),
        ([NAN, 1], [1, NAN], "nan"),
        ([NAN, 1], [INF, 1], "nan"),
        ([INF, 1], [-INF, 1], "nan"),
        ([INF, 1], [NAN, 1], "nan"),
        ([NAN, 1], [1, 1], "values"),
        ([INF, 1], [3e38, 1], "values"),
    ],
)
def test_nan_and_infinity_stand_in_the_same_places(right, mine, expected):
    """NaN agrees with NaN and an infinity with itself, whatever is allowed; a wrong one is told apart from a wrong
    number."""
    assert way(array(right), array(mine), 1e30) == expected
    assert way(array(right, "bfloat16"), array(mine, "bfloat16"), 1e37) == expected


def test_finite_errors_beside_a_nan_are_still_measured():
    """The largest error is over the finite wrong values; where there are none it is infinite."""
    assert compare(array([1, 1, 1]), array([NAN, 3, 1]), {}).difference.largest == 2.0
    assert compare(array([1, 1]), array([NAN, 1]), {}).difference.largest == INF


@pytest.mark.parametrize("dtype", ["bool", "int8", "int32", "uint32", "int64"])
def test_integers_and_booleans_are_exact(dtype):
    """No tolerance applies to them."""
    mismatch = compare(array([0, 1], dtype), array([1, 1], dtype), {"": 100.0})
    assert (mismatch.way, mismatch.difference.wrong.tolist(), mismatch.difference.allowed) == (
        "values",
        [True, False],
        0.0,
    )
    assert compare(array([0, 1], dtype), array([0, 1], dtype), {}) is None


def test_the_size_of_an_integer_error():
    """Integers are measured without wrapping around; booleans have no size of error."""
    assert compare(array([0], "uint8"), array([255], "uint8"), {}).difference.largest == 255
    assert compare(array([-128], "int8"), array([127], "int8"), {}).difference.largest == 255
    assert compare(array([True], bool), array([False], bool), {}).difference.largest == 0


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int32", "bool"])
def test_arrays_of_no_and_of_one_element(dtype):
    """Empty arrays agree; a scalar array is compared like any other."""
    assert way(array(np.zeros((0, 3)), dtype), array(np.zeros((0, 3)), dtype)) is None
    assert way(array(0, dtype), array(0, dtype)) is None
    assert way(array(0, dtype), array(1, dtype)) == "values"


def test_bfloat16_is_compared_in_full_precision():
    """The difference of two bfloat16 numbers is not rounded to bfloat16 before it is held against the tolerance."""
    one, other = np.float32(ml_dtypes.bfloat16(256)), np.float32(ml_dtypes.bfloat16(1.0078125))
    apart = float(one - other)
    assert way(array([one], "bfloat16"), array([other], "bfloat16"), apart) is None
    assert way(array([one], "bfloat16"), array([other], "bfloat16"), np.nextafter(apart, 0)) == "values"


@pytest.mark.parametrize(
    "one, other, same",
    [
        (raised("TypeError", "got 3 arguments"), raised("TypeError", "got 12 arguments"), True),
        (raised("TypeError", "shape (3, 8) is wrong"), raised("TypeError", "shape (5, 4) is wrong"), True),
        (raised("TypeError", "first line\nsecond"), raised("TypeError", "first line\nanother"), True),
        (raised("TypeError", ""), raised("TypeError", "  "), True),
        (raised("TypeError", "a"), raised("TypeError", "b"), False),
        (raised("TypeError", "a"), raised("ValueError", "a"), False),
        (raised("TypeError", "a"), raised("Sub", "a", bases=("TypeError",)), False),
        (raised(), array([1]), False),
        (array([1]), array([1.5]), True),
        (array([1]), array([1.75]), False),
        (array([1]), array([1], "int32"), False),
    ],
)
def test_when_an_attempt_is_a_mistake(one, other, same):
    """Failures agree when they are of one type and say the same but for numbers; arrays within what is allowed."""
    assert agree(one, other, {"": 0.5}) is same


def test_how_far_two_outcomes_are_apart():
    """The largest difference over all arrays; 0 for failures of one type, infinite where the outcomes cannot be
    compared."""
    assert distance(pair([1, 2], [3]), pair([1.5, 2], [1])) == 2.0
    assert distance(array([NAN, 1]), array([NAN, 1])) == 0.0
    assert distance(raised("A", "x"), raised("A", "y")) == 0.0
    for other in (raised(), pair([1], [2]), array([[1]]), array([INF])):
        assert distance(array([1]), other) == INF
    assert distance(raised("A"), raised("B")) == INF
