"""A program as data: what comes back is the program that was sent, and what is no program, or lies about itself, is
refused with a sentence."""

from __future__ import annotations

import copy
import io
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu, triton
from jax.extend.core import jaxpr_as_fun

from grader.course.calls import calls_for
from grader.course.problem import load
from grader.judge.derive import formless
from grader.process import wire
from grader.program import carry as writing
from grader.program import rebuild as reading
from grader.program.carried import DEPTH, STEPS, Malformed, NotCarried
from grader.program.carry import carry
from grader.program.flow import Flow
from grader.program.lowering import lowering
from grader.program.read import equations, opaque, program, walk
from grader.program.rebuild import function_of, rebuild
from grader.run.evaluate import Evaluation
from grader.run.failure import failure_of
from tests.conftest import PROBLEMS

jax.config.update("jax_platforms", "cpu")
X = np.linspace(-1.0, 2.0, 12, dtype=np.float32).reshape(3, 4)


def sent(closed, path: str = __file__) -> tuple[dict, dict]:
    """A program as it arrives at the other end of a pipe."""
    return wire.receive(io.BytesIO(wire.pack(*carry(closed, path))))


def seen(closed, path: str = __file__) -> list:
    """All that a walk through a program meets."""
    return [
        (visit.step.name, visit.inside, visit.times, visit.line, [str(var.aval) for var in visit.step.equation.outvars])
        for visit in walk(program(closed), path)
    ]


def same(function, *arguments) -> list:
    """Asserts that a function's program comes back as it was, and gives the same to the last bit; returns the names of
    its steps."""
    closed = jax.make_jaxpr(function)(*arguments)
    back = rebuild(*sent(closed), __file__)
    assert seen(back) == seen(closed) and back.in_avals == closed.in_avals and back.out_avals == closed.out_avals
    leaves = jax.tree.leaves(arguments)
    for one, other in zip(jax.jit(jaxpr_as_fun(closed))(*leaves), jax.jit(jaxpr_as_fun(back))(*leaves), strict=True):
        if jax.dtypes.issubdtype(one.dtype, jax.dtypes.prng_key):
            one, other = map(jax.random.key_data, (one, other))
        assert np.array_equal(one, other, equal_nan=one.dtype.kind in "fc")
    return [name for name, *_ in seen(closed)]


# --- what is sent comes back


def own_jvp():
    @jax.custom_jvp
    def clipped(x):
        return jnp.clip(x, 0, 1)

    clipped.defjvp(lambda primals, tangents: (clipped(*primals), tangents[0] * 2))
    return clipped


def own_vjp():
    @jax.custom_vjp
    def scaled(x):
        return jnp.tanh(x) * 3

    scaled.defvjp(lambda x: (scaled(x), x), lambda x, g: (g * jnp.cos(x),))
    return scaled


def loops(x):
    total, rows = lax.scan(lambda carry, row: (carry + row.sum() * x[0, 0], row * carry), 0.0, x, reverse=True)
    while_ = lax.while_loop(
        lambda state: (state[0] < 5) & (state[1].sum() < x[0].sum() + 9),
        lambda state: (state[0] + 1, state[1] * 1.5 + x[0]),
        (0, x[1]),
    )
    return total, rows, while_, lax.fori_loop(0, x.shape[0], lambda i, y: y.at[i].add(i * 1.0), x), lax.map(jnp.sin, x)


def branches(x):
    return (
        lax.cond(x[0, 0] > 0, jnp.sin, lambda y: y * 2, x),
        lax.switch(jnp.int32(x[2, 3]), [lambda y: y, lambda y: y + x[1], jnp.cos], x),
        lax.cond(x.sum() > 0, lambda: 1.0, lambda: jnp.float32(2)),
    )


def indexed(x):
    return (
        x[jnp.array([0, 2])],
        x.at[1, jnp.array([0, 3])].set(7.0),
        x.at[jnp.array([0, 0])].max(1.0),
        lax.dynamic_slice(x, (1, x[0, 3].astype(int)), (1, 2)),
        lax.dynamic_update_slice(x, x[:1] * 2, (1, 0)),
        jnp.sort(x, axis=0),
        lax.top_k(x, 2),
        jnp.take_along_axis(x, jnp.argsort(x, 1)[::-1], 1),
        x.at[jnp.array([1, 2])].apply(jnp.exp),
    )


def products(x):
    image = x.reshape(1, 1, 3, 4)
    return (
        jnp.einsum("ij,kj->ik", x, x, preferred_element_type=jnp.float32),
        lax.conv_general_dilated(image, image[..., :2, :2], (1, 1), "SAME"),
        lax.dot_general(x, x, (((1,), (1,)), ((), ())), precision=lax.Precision.HIGHEST),
        lax.dot(x, x.T, precision=lax.DotAlgorithmPreset.F32_F32_F32),
        jnp.linalg.norm(x),
        lax.reduce_window(x, -jnp.inf, lax.max, (2, 2), (1, 1), "SAME"),
        lax.reduce(x, 1.0, lambda a, b: a * b + 1, (0,)),
        lax.reduce_window(x, 0.0, lambda a, b: b, (1, 1), (1, 1), "VALID"),
        lax.reduce_window(x, 1.0, lambda a, b: a * b + 1, (2, 1), (1, 1), "VALID"),
    )


def kinds(x):
    half, count, bits = x.astype(jnp.bfloat16), x.astype(jnp.int8), x > 0.5
    return (
        half * 2 + 1,
        count << 1,
        ~bits,
        bits & (x < 1.5),
        lax.bitcast_convert_type(x, jnp.uint32) ^ 7,
        jnp.fft.fft(x).real,
        lax.complex(x, x) * 1j,
        jnp.uint8(3) + count.astype(jnp.uint8),
        x.astype(jnp.float16) @ x.T.astype(jnp.float16),
        jnp.where(bits, -jnp.inf, jnp.nan),
        half.sum(),
        count.sum(),
    )


def drawn(x):
    key = jax.random.key(3)
    return (
        x + jax.random.normal(key, x.shape),
        jax.random.bits(jax.random.fold_in(key, 1), (3,), "uint8"),
        jax.random.split(key),
        jax.random.permutation(key, x),
    )


def keys(x):
    key = jax.random.wrap_key_data(lax.bitcast_convert_type(x[0, :2], jnp.uint32))
    one, other = jax.random.split(jax.random.clone(key))
    chosen = lax.cond(x.sum() > 0, lambda key: jax.random.fold_in(key, 2), lambda key: key, one)
    last, rows = lax.scan(
        lambda key, row: (jax.random.split(key)[1], row + jax.random.gumbel(key, row.shape)), other, x
    )
    return (
        chosen,
        last,
        rows,
        jax.random.key_data(jnp.where(x[0, 0] > 0, one, other)),
        jax.random.choice(one, 5, (3,), replace=False),
        jax.random.normal(jax.random.key(x[0, 0].astype(int), impl="rbg"), (2,)),
    )


def closed_over(x):
    table, keys = jnp.arange(12.0).reshape(3, 4), jax.random.key(1)
    return x * table + X, jnp.float32(2) * x, x @ table.T @ table, jax.random.uniform(keys, (2,))


def rules(x):
    remembered = jax.checkpoint(lambda y: jnp.sin(jnp.cos(y)))
    return (
        own_jvp()(x),
        own_vjp()(x),
        remembered(x),
        jax.grad(lambda y: (own_jvp()(y) + own_vjp()(y) + remembered(y)).sum())(x),
        jax.vmap(own_jvp())(x),
    )


def named(x):
    @jax.jit
    def inner(y, z):
        return jax.nn.softmax(jax.nn.gelu(y) + z) + jax.nn.relu(y), z

    return (
        inner(x, 2.0),
        jax.vmap(lambda row: inner(row, row[0]))(x),
        jax.nn.dot_product_attention(*[x[None, :, None]] * 3, is_causal=True),
    )


def copied(in_ref, out_ref):
    row = pl.program_id(0)

    def turn(i, total):
        out_ref[pl.ds(i, 1), :] = in_ref[pl.ds(i, 1), :] * 2 + row
        return total + in_ref[i, 0]

    lax.fori_loop(0, in_ref.shape[0], turn, 0.0)


def through_scratch(in_ref, out_ref, kept):
    kept[...] = triton.load(in_ref.at[:, :], mask=jnp.arange(4)[None] < 3, other=1.0)
    out_ref[...] = kept[...] * pl.num_programs(0)


def kernels(x):
    rows, wide = pl.BlockSpec((1, 4), lambda i: (i, 0)), jnp.tile(x, (2, 1)).reshape(2, 3, 4)
    call = pl.pallas_call(
        copied,
        grid=(3,),
        in_specs=[rows],
        out_specs=rows,
        out_shape=jax.ShapeDtypeStruct((3, 4), np.float32),
        interpret=True,
        name="copied",
    )
    inner = pl.BlockSpec((None, 1, 4), lambda n, i: (n, i, 0))
    by_head = pl.pallas_call(copied, grid=(2, 3), in_specs=[inner], out_specs=inner, out_shape=wide, interpret=True)
    like = jax.ShapeDtypeStruct((3, 4), np.float32)
    with_scratch = pl.pallas_call(
        through_scratch,
        grid=(3,),
        in_specs=[rows],
        out_specs=rows,
        out_shape=like,
        interpret=True,
        scratch_shapes=[tpu.VMEM((1, 4), np.float32)],
        compiler_params=tpu.CompilerParams(dimension_semantics=("parallel",)),
    )
    whole = pl.pallas_call(lambda a, o: o.__setitem__(..., a[...] + 1), x, input_output_aliases={0: 0}, interpret=True)
    return call(x), jax.vmap(call)(wide), by_head(wide), with_scratch(x), whole(x)


WIDE = np.arange(32 * 128, dtype=np.float32).reshape(32, 128) / 1000


def called(kernel, x, scratch=(), ahead=False):
    """A kernel over four blocks of rows, interpreted; `ahead` of which a table of their numbers is fetched."""
    rows = pl.BlockSpec((8, 128), lambda i, *_: (i, 0))
    form = dict(
        grid=(4,),
        in_specs=[pl.BlockSpec((8, 128), lambda i, table: (table[i], 0)) if ahead else rows],
        out_specs=rows,
        scratch_shapes=scratch,
    )
    form = dict(grid_spec=tpu.PrefetchScalarGridSpec(num_scalar_prefetch=1, **form)) if ahead else form
    return pl.pallas_call(kernel, out_shape=jax.ShapeDtypeStruct(x.shape, x.dtype), interpret=True, **form)(
        *[jnp.array([2, 0, 1, 3], np.int32)][:ahead], x
    )


def scalars_in_scratch(a, o, kept):
    kept[0] = jnp.int32(3)
    o[...] = a[...] * kept[0]


def scoped(a, o):
    def body(kept, count):
        kept[...] = a[...] * 3
        count[0] = jnp.int32(2)
        o[...] = kept[...] * count[0]
        return kept[0, 0]

    o[...] += pl.run_scoped(body, tpu.VMEM((8, 128), np.float32), tpu.SMEM((1,), np.int32))


def scoped_in_a_loop(a, o):
    def turn(i, total):
        return total + pl.run_scoped(
            lambda kept: (kept.__setitem__(..., a[...] * i), kept[1, 1])[1], tpu.VMEM((8, 128), np.float32)
        )

    o[...] = a[...] + lax.fori_loop(0, 3, turn, 0.0)


def fetched_ahead(table, a, o):
    o[...] = a[...] + table[pl.program_id(0)]


def fetched_into_scratch(table, a, o, kept):
    kept[...] = a[...] * 2
    o[...] = kept[...] - table[3]


@pytest.mark.parametrize(
    "kernel, options",
    [
        (scalars_in_scratch, dict(scratch=[tpu.SMEM((1,), np.int32)])),
        (scoped, {}),
        (scoped_in_a_loop, {}),
        (fetched_ahead, dict(ahead=True)),
        (fetched_into_scratch, dict(ahead=True, scratch=[tpu.VMEM((8, 128), np.float32)])),
    ],
)
def test_kernels_with_scratch_and_scalars_come_back(kernel, options):
    """Scratch of any memory, `run_scoped` and scalars that are fetched ahead, which the maps of the blocks read as
    well."""
    same(lambda x: called(kernel, x, **options), WIDE)


def copies(a, o, kept, semaphore):
    copy = tpu.make_async_copy(a, kept, semaphore)
    copy.start()
    copy.wait()
    o[...] = kept[...]


def copies_in_a_scope(a, o):
    pl.run_scoped(
        lambda kept, semaphore: copies(a, o, kept, semaphore), tpu.VMEM((8, 128), np.float32), tpu.SemaphoreType.DMA
    )


def signals(a, o, semaphore):
    pl.semaphore_signal(semaphore, 1)
    o[...] = a[...]


@pytest.mark.parametrize(
    "kernel, scratch, name",
    [
        (copies, [tpu.VMEM((8, 128), np.float32), tpu.SemaphoreType.DMA], "dma_start"),
        (copies_in_a_scope, (), "dma_start"),
        (signals, [tpu.SemaphoreType.REGULAR], "semaphore_signal"),
    ],
)
def test_a_kernel_that_copies_or_signals_is_told_by_that_step(kernel, scratch, name):
    """What moves on its own is not carried: neither a forgery nor a fault of the grader's, and the step's name is among
    those that are told."""
    closed = jax.make_jaxpr(lambda x: called(kernel, x, scratch))(WIDE)
    with pytest.raises(NotCarried, match=f"^`{name}`$") as raised:
        carry(closed)
    assert formless(str(raised.value)) == f"`{name}`"


def test_what_flows_through_a_scope_is_seen():
    """What a scope writes to a ref of the kernel is made of what went in, as without the scope: nothing is hidden in
    there."""

    def kernel(a, o):
        def body(kept):
            kept[...] = jnp.exp(a[...])
            o[...] = kept[...].astype(jnp.bfloat16).astype(jnp.float32)

        pl.run_scoped(body, tpu.VMEM((8, 128), np.float32))
        o[...] = o[...] + 1.0

    for closed in (closed := jax.make_jaxpr(lambda x: called(kernel, x))(WIDE)), rebuild(*sent(closed), __file__):
        labels = []
        Flow(
            lambda step, ins: frozenset().union(*ins) | ({"exp"} if step.name == "exp" else frozenset()),
            lambda step, ins, outs: labels.append((step.name, ins)),
        ).through(program(closed), [frozenset({"x"})])
        assert ("add", [frozenset({"x", "exp"}), frozenset()]) in labels


ALL = [loops, branches, indexed, products, kinds, drawn, keys, closed_over, rules, named, kernels]


@pytest.mark.parametrize("function", ALL, ids=lambda function: function.__name__)
def test_a_program_comes_back_as_it_was(function):
    """Every step with its surroundings, its line and its type, at every depth; and the same output, bit by bit."""
    same(function, X)


def test_gradients_and_batches_come_back():
    """What `grad` and `vmap` make of loops and branches is a program like any other."""

    def smooth(x):
        rows = lax.scan(lambda carry, row: (carry * 0.5 + row.sum(), jnp.exp(row - carry)), 0.0, x)[1]
        return lax.cond(rows.sum() > 0, jnp.sin, jnp.cos, rows).sum()

    assert "scan" in same(jax.grad(smooth), X)
    same(jax.vmap(smooth), np.stack([X, X + 1]))


@pytest.mark.parametrize("unroll", [0, 1, 2, True])
def test_how_often_a_loop_is_written_out_comes_back(unroll):
    """It counts as much there as here; 0 stands for all turns."""

    def summed(x):
        return lax.scan(lambda total, row: (jnp.sin(total) + row, None), x[0], x, unroll=unroll)[0]

    same(summed, X)
    closed = jax.make_jaxpr(summed)(X)
    assert equations(program(rebuild(*sent(closed), __file__)), "", length=3, limit=99) == (
        equations(program(closed), "", length=3, limit=99)
    )


UNARY = [
    jnp.sin,
    jnp.exp,
    jnp.abs,
    lambda x: x[::-1],
    lambda x: jnp.cumsum(x, 0),
    lambda x: x.sum(-1, keepdims=True),
    lambda x: x.T,
    lambda x: -x,
    lambda x: jnp.pad(x, 1),
    lambda x: x.astype(jnp.bfloat16).astype(jnp.float32),
    jax.nn.softmax,
    lambda x: x.reshape(-1),
    jnp.round,
    jax.nn.silu,
    lambda x: lax.fori_loop(0, 3, lambda _, y: y * 0.5 + 1, x),
    jax.jit(jnp.tanh),
    lambda x: jnp.where(x > 0, x, 2),
    lambda x: lax.cond(x.sum() > 0, jnp.sin, jnp.cos, x),
]


@settings(max_examples=15, deadline=None, derandomize=True)
@given(st.lists(st.integers(0, len(UNARY) - 1), min_size=1, max_size=6), st.sampled_from([(), (1,), (2, 3), (0, 4)]))
def test_any_chain_of_functions_comes_back(numbers, shape):
    """Programs that nobody thought of, on scalars and empty arrays too."""

    def chain(x):
        for number in numbers:
            try:
                x = UNARY[number](x)
            except (TypeError, ValueError, IndexError, ZeroDivisionError):
                continue  # not of this shape
        return x

    same(chain, np.ones(shape, np.float32))


@pytest.mark.parametrize("number", [36, 37, 39, 40])
def test_the_programs_of_the_course_come_back(number):
    """What a proof is about: the programs of the reference, taken from the harness itself."""
    problem = PROBLEMS[number]
    path = problem.solutions / "reference.py"
    module, programs, outcomes = load(path, f"reference_{number}"), [], []
    calls = [call for call in calls_for(problem.entries) if call.transform == "proof"]
    Evaluation(
        lambda name: getattr(module, name),
        lambda error: failure_of(error, str(path)),
        lambda call, outcome: outcomes.append(outcome),
        path=str(path),
        carry=lambda call, closed: programs.append(closed),
    ).run(calls)
    assert programs and [outcome.structure for outcome in outcomes] == [["facts", {}]] * len(calls)
    for closed in programs:
        assert seen(rebuild(*sent(closed, str(path)), str(path)), str(path)) == seen(closed, str(path))


def test_a_kernel_lowers_from_the_program_whose_values_are_compared():
    """One program, sent with `interpret=True`, is lowered for a TPU and a GPU; and a complaint names the line that it
    is about."""

    def kernel(a, o):
        o[...] = jnp.exp(a[...])

    def lowered(kernel, platform, x=np.zeros((16, 128), np.float32)):
        closed = jax.make_jaxpr(lambda x: pl.pallas_call(kernel, x, interpret=True)(x))(x)
        return lowering(function_of(*sent(closed), __file__, False), [x], platform)["complaint"]

    def sorts(a, o):
        o[...] = jnp.sort(a[...], axis=0)

    assert lowered(kernel, "tpu") == lowered(kernel, "gpu") == ""
    assert "sort" in lowered(sorts, "tpu") and lowered(sorts, "gpu")


def test_a_branch_over_refs_comes_back():
    """In a kernel a branch may write. It is taken by a comparison more than before, and writes the same."""

    def kernel(a, o):
        o[...] = a[...]

        @pl.when(a[0, 0] < 0)
        def _():
            o[...] = jnp.zeros_like(o)

    closed = jax.make_jaxpr(lambda x: pl.pallas_call(kernel, x, interpret=True)(x))(X)
    back = rebuild(*sent(closed), __file__)
    assert [name for name, *_ in seen(back) if name not in ("ne", "convert_element_type")] == [
        name for name, *_ in seen(closed) if name != "convert_element_type"
    ]
    for x in X, X + 2:
        assert np.array_equal(jaxpr_as_fun(back)(x)[0], jaxpr_as_fun(closed)(x)[0])


def test_prints_are_left_out():
    """A `jax.debug.print` that somebody forgot is no reason to refuse a program."""

    def prints(x):
        jax.debug.print("{}", x)
        return x + 1

    closed = jax.make_jaxpr(prints)(X)
    assert [name for name, *_ in seen(rebuild(*sent(closed)))] == ["add"]


def test_places_are_left_out():
    """Where an array shall lie changes no value: there is one place."""
    there = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    closed = jax.make_jaxpr(lambda x: (jax.device_put(x * 2, there) + 1, jax.device_put(x)))(X)
    back = rebuild(*sent(closed))
    assert [name for name, *_ in seen(back)] == ["mul", "add"] and np.array_equal(jaxpr_as_fun(back)(X)[0], X * 2 + 1)


def test_what_leaves_the_program_stays_known_by_its_name():
    """A callback is carried as a step that cannot be run, so that the claim about it fails with its own sentence."""
    closed = jax.make_jaxpr(lambda x: jax.pure_callback(np.sin, jax.ShapeDtypeStruct(x.shape, x.dtype), x) + 1)(X)
    back = rebuild(*sent(closed))
    assert opaque(program(back)) == "pure_callback" and back.out_avals == closed.out_avals
    with pytest.raises(Exception):
        jax.jit(jaxpr_as_fun(back))(X)


def test_what_has_no_form_is_named():
    """A program that cannot be written says which part of it cannot."""
    with pytest.raises(NotCarried, match="^`custom_linear_solve`$"):
        carry(jax.make_jaxpr(lambda x: lax.custom_linear_solve(lambda v: v * 2, x, lambda _, b: b / 2))(X))


def test_lines_are_decoration():
    """A line that the file does not have is left out, as is a name that is none; nothing else changes."""
    message, arrays = sent(jax.make_jaxpr(jnp.sin)(X))
    for line, told in (
        ([5, "f"], 5),
        ([10**6, "f"], None),
        ([5, "f\x1b[31m"], None),
        ("5", None),
        ([True, "f"], None),
        ([-1, "f"], None),
        ([5], None),
    ):
        message["program"]["steps"][0][3] = line
        place = seen(rebuild(message, arrays, __file__))[0][3]
        assert (place and place[0]) == told


def test_both_sides_know_the_same_ways():
    """Each loop, branch, call and kernel that can be written can be read."""
    assert writing.WAYS.keys() == reading.WAYS.keys()


# --- what lies is refused


def adds(x):
    return lax.scan(lambda carry, row: (carry + row.sum(), jnp.exp(row)), 0.0, x)[0] + jnp.sum(x[jnp.array([0, 1])])


HONEST = None


def changed(change):
    """A program's message after a change to it."""
    global HONEST
    HONEST = HONEST or sent(jax.make_jaxpr(adds)(X))
    message, arrays = copy.deepcopy(HONEST[0]), dict(HONEST[1])
    return change(message["program"], arrays) or message, arrays


def step(program, name):
    return next(one for one in program["steps"] if one[0] == name)


LIES = {
    "no program": lambda p, a: {"program": []},
    "no message": lambda p, a: {"another": 1},
    "a part too many": lambda p, a: p.update(more=1),
    "steps that are none": lambda p, a: p.update(steps=[1]),
    "an unknown primitive": lambda p, a: p["steps"][0].__setitem__(0, "reveal"),
    "a primitive of Python": lambda p, a: p["steps"][0].__setitem__(0, "__class__"),
    "a value before it is made": lambda p, a: p["steps"][0].__setitem__(1, [10**6]),
    "a value of its own": lambda p, a: p["steps"][0].__setitem__(1, [len(p["consts"]) + len(p["ins"])]),
    "a value from the end": lambda p, a: p["steps"][0].__setitem__(1, [-1]),
    "an output that is not made": lambda p, a: p.update(outs=[999]),
    "an operand of another kind": lambda p, a: p["steps"][0].__setitem__(1, ["0"]),
    "a number that is none": lambda p, a: p.update(outs=[["1", "float32", False]]),
    "a number too large for its type": lambda p, a: p.update(outs=[[1 << 40, "int32", False]]),
    "a dtype that is none": lambda p, a: p.update(ins=[[[3, 4], "object", False]]),
    "a dtype that is a module": lambda p, a: p.update(ins=[[[3, 4], "os.path", False]]),
    "a negative size": lambda p, a: p.update(ins=[[[-3, 4], "float32", False]]),
    "a size that is true": lambda p, a: p.update(ins=[[[True, 4], "float32", False]]),
    "a loop without its parts": lambda p, a: step(p, "scan")[2].pop("length"),
    "a loop with more constants than values": lambda p, a: step(p, "scan")[2].update(consts=99),
    "a loop of a negative length": lambda p, a: step(p, "scan")[2].update(length=-1),
    "an array that did not come": lambda p, a: (
        p.update(consts=["99"] * len(p["consts"])) or step(p, "gather")[1].__setitem__(1, ["99", "array", False])
    ),
    "a class that is none": lambda p, a: step(p, "gather")[2].update(mode={"class": "os.system", "member": "x"}),
    "a member that is none": lambda p, a: step(p, "gather")[2].update(
        mode={"class": "lax.GatherScatterMode", "member": "mro"}
    ),
    "fields that are none": lambda p, a: step(p, "gather")[2].update(
        dimension_numbers={"class": "lax.GatherDimensionNumbers", "fields": {"shape": 1}}
    ),
    "a parameter of a kind that is none": lambda p, a: step(p, "gather")[2].update(mode={"pickle": "gASV"}),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_what_is_no_program_is_malformed(lie):
    """Data that no worker writes is told from a program that cannot be rebuilt, and refused with a sentence."""
    with pytest.raises(Malformed, match="."):
        rebuild(*changed(lie))


MISFITS = {
    "a shape that does not fit": lambda p, a: step(p, "gather")[2].update(slice_sizes={"tuple": [9, 9]}),
    "a parameter that is missing": lambda p, a: step(p, "gather")[2].pop("mode"),
    "a parameter of another type": lambda p, a: step(p, "reduce_sum")[2].update(axes="all"),
    "an axis that is not there": lambda p, a: step(p, "reduce_sum")[2].update(axes={"tuple": [7]}),
    "an input of another shape": lambda p, a: p.update(ins=[[[3, 4, 5], "float32", False]]),
    "operands of another number": lambda p, a: step(p, "reduce_sum")[1].append(0),
    "a loop whose carry changes": lambda p, a: step(p, "scan")[2]["program"].update(
        outs=step(p, "scan")[2]["program"]["outs"][::-1]
    ),
    "a constant of another shape": lambda p, a: a.update({name: np.zeros((5, 5, 5), np.float32) for name in a}),
    "an array that is huge": lambda p, a: p.update(ins=[[[1 << 20, 1 << 20], "float32", False]]),
    "an array that becomes huge": lambda p, a: p["steps"].append(
        [
            "broadcast_in_dim",
            [[0, "float32", False]],
            {"shape": {"tuple": [1 << 15, 1 << 15]}, "broadcast_dimensions": {"tuple": []}, "sharding": None},
            None,
        ]
    ),
    "more steps than there may be": lambda p, a: p.update(
        steps=p["steps"] + [["neg", [len(p["consts"])], {}, None]] * (STEPS + 1)
    ),
}


@pytest.mark.parametrize("misfit", MISFITS.values(), ids=MISFITS)
def test_what_does_not_fit_is_not_rebuilt(misfit):
    """Shapes, types and limits are JAX's to check, and it is asked about every step."""
    with pytest.raises((NotCarried, Malformed), match="."):
        rebuild(*changed(misfit))


def nested(depth: int) -> dict:
    program = dict(consts=[], ins=[[[], "float32", False]], steps=[], outs=[0])
    for _ in range(depth):
        program = dict(
            consts=[],
            ins=[[[], "float32", False]],
            steps=[["jit", [0], dict(program=program, name="deeper"), None]],
            outs=[1],
        )
    return {"program": program}


def test_depth_has_a_limit():
    """Programs in one another are read to a depth that no answer comes near."""
    kept = sys.getrecursionlimit()
    sys.setrecursionlimit(10_000)
    try:
        rebuild(nested(8), {})
        with pytest.raises(NotCarried, match="programs in one another|nested too deeply"):
            rebuild(nested(DEPTH + 1), {})
    finally:
        sys.setrecursionlimit(kept)


def test_a_shape_is_never_believed():
    """What an input is declared to be changes what follows from it: nothing else in the data says what a step makes."""
    message, arrays = sent(jax.make_jaxpr(lambda x: jnp.exp(x) + 1)(X))
    message["program"]["ins"] = [[[1000, 7], "float32", False]]
    assert rebuild(message, arrays).out_avals[0].shape == (1000, 7)
    assert "1000" not in str(
        sent(jax.make_jaxpr(lambda x: jnp.exp(x))(np.zeros(1000, np.float32)))[0]["program"]["steps"]
    )


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.data())
def test_noise_is_refused_with_a_sentence(data):
    """Whatever is changed in the data, the answer is a program or a refusal, and never another exception."""
    message, arrays = changed(lambda program, arrays: None)
    places = []

    def collect(part, holder=None, key=None):
        if holder is not None:
            places.append((holder, key))
        for key, inner in part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ():
            collect(inner, part, key)

    collect(message)
    holder, key = data.draw(st.sampled_from(places))
    holder[key] = data.draw(
        st.sampled_from(
            [
                None,
                True,
                -1,
                0,
                3,
                2.5,
                "float32",
                "scan",
                [],
                [0],
                {},
                {"tuple": []},
                {"leaf": 0},
                [[], "float32", False],
            ]
        )
    )
    try:
        rebuild(message, arrays)
    except (NotCarried, Malformed) as refusal:
        assert str(refusal)
