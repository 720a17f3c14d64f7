"""What compilers say of a program: the memory that it takes, and the kernel that a TPU or GPU would run, on a machine
that has neither."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import pallas as pl

from grader.course.claims import Growth, Largest, Lowers, Races
from grader.course.complaints import explain_lowering
from grader.program import lowering
from grader.program.read import line_of_complaint

ARRAY = (np.ones((256, 64), np.float32),)


def mapped(kernel, block=(16, 64), interpret=False):
    """The kernel on each block of rows."""

    def function(x):
        spec = pl.BlockSpec(block, lambda i, j: (i, j))
        return pl.pallas_call(
            kernel,
            grid=(256 // block[0], 64 // block[1]),
            in_specs=[spec],
            out_specs=spec,
            out_shape=jax.ShapeDtypeStruct(x.shape, x.dtype),
            interpret=interpret,
        )(x)

    return function


def doubles(x, o):
    o[...] = 2 * x[...]


def sorts(x, o):
    o[...] = jnp.sort(x[...], axis=-1)


def halves(x, o):
    o[...] = jnp.concatenate([x[:5], x[5:]])


@pytest.mark.parametrize("platform", ["tpu", "gpu"])
def test_a_kernel_lowers_for_a_device_that_is_not_here(platform):
    """A plain kernel lowers for both, and nothing is said against it."""
    assert lowering.lowering(mapped(doubles), ARRAY, platform) == dict(complaint="")


@pytest.mark.parametrize(
    "function, platform, sign, sentence",
    [
        (
            mapped(doubles, (16, 32)),
            "tpu",
            "block shape",
            "The last two dimensions of a block must be divisible by 8 and 128, or be the array's own; "
            "here a block of shape (16, 32) is taken of an array of shape (256, 64).",
        ),
        (
            mapped(halves),
            "gpu",
            "power of two",
            "On a GPU (Triton) every array in a kernel has a power of two as its size; here one has shape (5, 64).",
        ),
        (mapped(sorts), "tpu", "primitive sort", "There is no `sort` in its kernels."),
        (mapped(sorts), "gpu", "primitive sort", "There is no `sort` in its kernels."),
        (
            mapped(doubles, interpret=True),
            "tpu",
            "no kernel",
            "With `interpret=False` there is no kernel in what is lowered.",
        ),
        (
            mapped(doubles, interpret=True),
            "gpu",
            "no kernel",
            "With `interpret=False` there is no kernel in what is lowered.",
        ),
        (lambda x: 2 * x, "gpu", "no kernel", "With `interpret=False` there is no kernel in what is lowered."),
    ],
    ids=[
        "block shape",
        "power of two",
        "tpu primitive",
        "gpu primitive",
        "tpu interpreted",
        "gpu interpreted",
        "no pallas_call",
    ],
)
def test_a_complaint_is_told_as_a_rule(function, platform, sign, sentence):
    """What a backend refuses is a sentence with the rule that it breaks, the same on every version of JAX."""
    found = lowering.lowering(function, ARRAY, platform)
    assert explain_lowering(platform, found["complaint"])[:2] == (sign, sentence)
    broken = Lowers("l", "It has to lower.", ["c"], platform=platform).broken([found | dict(line=None)])
    assert (broken.sign, broken.sentence) == (sign, f"It has to lower. {sentence}") and broken.advice


def test_the_line_of_a_complaint():
    """A primitive that a backend does not know is found in the kernel, on the student's line."""
    complaint = lowering.lowering(mapped(sorts), ARRAY, "tpu")["complaint"]
    assert line_of_complaint(mapped(sorts), ARRAY, complaint, __file__)[1:] == [
        "sorts",
        "o[...] = jnp.sort(x[...], axis=-1)",
    ]


def test_an_unknown_complaint_is_told_as_it_is():
    """What no rule explains is quoted."""
    assert explain_lowering("tpu", "RuntimeError: the moon is full\nand more") == (
        "RuntimeError",
        "The TPU's compiler says: RuntimeError: the moon is full",
        "",
    )


def test_settings_are_put_back():
    """A lowering leaves JAX as it was, also when it fails; a setting that this version does not have is no error."""
    before = dict(jax.config.values)
    lowering.lowering(mapped(sorts), ARRAY, "gpu")
    with lowering.setting("jax_no_such_setting", True):
        pass
    assert dict(jax.config.values) == before


# --- TPU interpret mode


def interpreted(kernel, out_index=lambda i: (i, 0), grid=(2,)):
    def function(x, interpret):
        return pl.pallas_call(
            kernel,
            grid=grid,
            in_specs=[pl.BlockSpec((32, 128), lambda i: (0, 0))],
            out_specs=pl.BlockSpec((16, 128), out_index),
            out_shape=jax.ShapeDtypeStruct(x.shape, x.dtype),
            interpret=interpret,
        )(x)

    return lambda x: function(x, lowering.tpu_interpreter())


def reads_its_rows(x, o):
    o[...] = x[pl.ds(16 * pl.program_id(0), 16), :]


def reads_too_far(x, o):
    o[...] = x[pl.ds(16 * pl.program_id(0) + 8, 16), :]


def test_reads_inside_the_array_are_right():
    """A kernel that stays within its arrays is clean."""
    assert lowering.races(interpreted(reads_its_rows), (np.ones((32, 128), np.float32),)) == dict(
        race=False, complaint=""
    )


def test_a_read_outside_of_the_array_is_told():
    """On a CPU such a read is clamped and goes unseen; as a TPU would run it, it is an error, and the claim says so."""
    found = lowering.races(interpreted(reads_too_far), (np.ones((32, 128), np.float32),))
    broken = Races("r", "It stays inside.", ["c"]).broken([found | dict(line=None)])
    assert broken.sign == "out of bounds" and broken.sentence.startswith("It stays inside. ")


def adds_up(x, o):
    @pl.when(pl.program_id(0) == 0)
    def start():
        o[...] = jnp.zeros_like(o)

    o[...] += x[pl.ds(16 * pl.program_id(0), 16), :]


@pytest.mark.parametrize(
    "inside",
    [lambda f: f, jax.jit, jax.checkpoint, lambda f: lambda x: jax.lax.scan(lambda c, _: (f(x), None), x, None, 1)[0]],
    ids=["bare", "jit", "checkpoint", "scan"],
)
def test_steps_that_count_on_their_order_race(inside):
    """A kernel that adds up one block over the steps of its grid is right on a TPU, step by step, and wrong on a GPU,
    which runs them at once."""
    found = lowering.races(inside(interpreted(adds_up, out_index=lambda i: (0, 0))), (np.ones((32, 128), np.float32),))
    assert found == dict(race=True, complaint="")


def test_a_race_is_told():
    """Steps that race are a claim broken in its own way."""
    assert (
        Races("r", "No races.", ["c"]).broken([dict(race=True, complaint="", line=None)]).sentence
        == "No races. Two steps of the grid touch the same memory, one of them writing."
    )


# --- compiled memory


def grown(function, exponent=1.5):
    """The claim about the growth from 256 to 512 rows."""
    facts = []
    for length in (256, 512):
        closed = jax.jit(function).trace(*(jax.ShapeDtypeStruct((length, 8), jnp.float32),) * 2).jaxpr
        facts.append(lowering.memory(closed, length=length, limit=1 << 30))
    return Growth("g", "It grows with the length.", ["a", "b"], of="memory", exponent=exponent).broken(facts)


def whole(q, k):
    return jax.nn.softmax(q @ k.T, axis=-1) @ k


def in_quarters(q, k):
    """No array is as large as all scores; together they are."""
    parts = [q @ part.T for part in jnp.split(k, 4)]
    top = jnp.stack([part.max(axis=1) for part in parts]).max(axis=0)
    weights = [jnp.exp(part - top[:, None]) for part in parts]
    total = sum(part.sum(axis=1) for part in weights)
    return sum(weight @ part for weight, part in zip(weights, jnp.split(k, 4))) / total[:, None]


def row_by_row(q, k):
    return jax.lax.map(lambda row: jax.nn.softmax(k @ row) @ k, q)


def test_memory_that_grows_as_the_square_is_told():
    """The second witness sees what no single array shows: pieces that are each smaller than the whole, and all alive at
    once."""
    from grader.program.read import largest, program

    closed = jax.jit(in_quarters).trace(*(jax.ShapeDtypeStruct((256, 8), jnp.float32),) * 2).jaxpr
    assert (
        Largest("n", "No.", ["c"], limit=lambda: 256 * 256).broken([largest(program(closed), "", limit=256 * 256)])
        is None
    )
    for function in (in_quarters, whole):
        assert grown(function).sentence.startswith(
            "It grows with the length. At a length of 256 the compiled program takes "
        )


def test_memory_that_grows_with_the_length_is_right():
    """A loop that lets go of each piece grows with the length."""
    assert grown(row_by_row) is None
