"""What is proved of a program: every known way to hide an array, work or a copy is seen, and dead code is not."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.experimental import pallas as pl

from grader.course.claims import Copies, Denominators, Flops, Growth, Kernel, Largest, Precision
from grader.program import denominators, flow, read, work

T_Q, T_K, D = 48, 64, 4
Q, K = np.ones((T_Q, D), np.float32), np.ones((T_K, D), np.float32)


def traced(function, *arrays):
    return read.program(jax.jit(function).trace(*arrays).jaxpr)


def largest(function, *arrays):
    return read.largest(traced(function, *(arrays or (Q, K))), __file__, limit=T_Q * T_K)


def plain(q, k):
    return jax.nn.softmax(q @ k.T, axis=-1) @ k


# --- the largest array: where a T_q × T_k array can hide


def in_scan(q, k):
    return jax.lax.scan(lambda c, _: (c + plain(c, k), None), q, None, length=2)[0]


def in_while(q, k):
    return jax.lax.while_loop(lambda c: c.sum() < 0, lambda c: plain(c, k), q)


def in_the_test_of_a_while(q, k):
    return jax.lax.while_loop(lambda c: (c @ k.T).sum() < 0, lambda c: c + 1, q)


def in_a_branch(q, k):
    return jax.lax.cond(q[0, 0] > 0, lambda: plain(q, k), lambda: q)


def in_checkpoint(q, k):
    return jax.checkpoint(plain)(q, k)


def in_its_own_jit(q, k):
    return jax.jit(plain)(q, k)


def in_vmap(q, k):
    """Each score of its own, T_q × T_k of them only under the vmaps."""
    return jax.vmap(lambda a: jax.vmap(lambda b: a @ b)(k))(q).sum(axis=1)


def in_map(q, k):
    """One row at a time; what the loop stacks is the whole."""
    return jax.lax.map(lambda a: k @ a, q).sum(axis=1)


@jax.custom_vjp
def _custom(q, k):
    return plain(q, k)


_custom.defvjp(lambda q, k: (plain(q, k), (q, k)), lambda kept, g: kept)


def in_custom_vjp(q, k):
    return _custom(q, k)


@jax.custom_jvp
def _custom_jvp(q, k):
    return plain(q, k)


_custom_jvp.defjvp(lambda primals, tangents: (plain(*primals), tangents[0]))


def in_custom_jvp(q, k):
    return _custom_jvp(q, k)


MASK = np.tri(T_Q, T_K, dtype=bool)
WEIGHTS = jnp.ones((T_Q, T_K))


def as_a_numpy_constant(q, k):
    """The mask is a constant of the program, of which a row is read at a time."""
    return jax.lax.fori_loop(0, T_Q, lambda i, c: c.at[i].add(jnp.asarray(MASK)[i].sum()), q)


def as_a_jax_constant(q, k):
    return q + WEIGHTS[:, :1]


def as_a_constant_in_a_scan(q, k):
    return jax.lax.scan(lambda c, i: (c + WEIGHTS[i, 0], None), q, jnp.arange(3))[0]


def as_a_mask(q, k):
    mask = jnp.arange(T_K) <= jnp.arange(T_Q)[:, None]
    return q + mask.sum(axis=1, keepdims=True)


def as_a_carry(q, k):
    return jax.lax.fori_loop(0, 3, lambda i, c: c.at[i].set(1.0), jnp.zeros((T_Q, T_K)))[:, :D]


def in_one_flat_axis(q, k):
    return q + jnp.zeros(T_Q * T_K).at[3].set(q[0, 0]).reshape(T_Q, T_K).sum(axis=1, keepdims=True)


def in_a_kernel(q, k):
    def kernel(q, k, o):
        o[...] = (q[...] @ k[...].T) @ k[...]

    return pl.pallas_call(kernel, out_shape=jax.ShapeDtypeStruct(q.shape, q.dtype), interpret=True)(q, k)


def behind_a_reduce_window(q, k):
    """The identity, as a window of one number whose function gives back the number; as many values go into that
    function and out of it as into the step and out of it."""
    return jax.lax.reduce_window(plain(q, k), 0.0, lambda a, b: b, (1, 1), (1, 1), "VALID")


def behind_a_reduce(q, k):
    return jax.lax.reduce(plain(q, k)[..., None], 0.0, lambda a, b: b, (2,))


def behind_a_sort(q, k):
    return jax.lax.sort(plain(q, k)[None], dimension=0)[0]


def behind_a_scatter(q, k):
    return jax.lax.scatter_apply(
        plain(q, k),
        jnp.zeros((1, 1), jnp.int32),
        lambda a: a,
        jax.lax.ScatterDimensionNumbers((1,), (0,), (0,)),
        update_shape=(1, D),
    )


def behind_a_solver(q, k):
    return jax.lax.custom_linear_solve(lambda x: x, plain(q, k), lambda _, b: b)


HIDING = [
    behind_a_reduce_window,
    behind_a_reduce,
    behind_a_sort,
    behind_a_scatter,
    behind_a_solver,
    plain,
    in_scan,
    in_while,
    in_the_test_of_a_while,
    in_a_branch,
    in_checkpoint,
    in_its_own_jit,
    in_vmap,
    in_map,
    in_custom_vjp,
    in_custom_jvp,
    as_a_numpy_constant,
    as_a_jax_constant,
    as_a_constant_in_a_scan,
    as_a_mask,
    as_a_carry,
    in_one_flat_axis,
    in_a_kernel,
]


@pytest.mark.parametrize("function", HIDING, ids=lambda function: function.__name__.strip("_"))
def test_no_array_can_hide(function):
    """An array of T_q × T_k elements is found wherever it is: in any loop, branch, call or kernel, as a constant, a
    mask or a carry."""
    found = largest(function)
    assert found["elements"] >= T_Q * T_K
    proof = Largest("nothing of size T_q × T_k", "Nothing of size T_q × T_k may exist.", ["c"], limit=lambda: T_Q * T_K)
    assert proof.broken([found]).sentence.startswith(
        "Nothing of size T_q × T_k may exist. There is an array of shape ("
    )


def dead(q, k):
    """The mask is made and not used; nor is what a call, a loop and a branch make of it."""
    mask = jnp.tri(T_Q, T_K)
    jax.jit(lambda a: a * 2)(mask)
    kept, _ = jax.lax.scan(lambda c, _: ((c[0] + 1, c[1] * 2), None), (q, mask), None, length=2)[0]
    return jax.lax.cond(q[0, 0] > 0, lambda a, m: (a, m), lambda a, m: (a + 1, m), kept, mask)[0] + jax.jit(
        lambda a, m: a
    )(q, mask)


def blockwise(q, k):
    return jax.lax.fori_loop(0, T_K // 8, lambda i, c: c + plain(q, jax.lax.dynamic_slice_in_dim(k, 8 * i, 8)), q)


def rows(q, k):
    return jax.lax.map(lambda a: jax.nn.softmax(k @ a) @ k, q)


@pytest.mark.parametrize("function", [dead, blockwise, rows], ids=lambda function: function.__name__)
def test_what_nothing_depends_on_does_not_exist(function):
    """Dead code is dropped through calls, loops and branches, and what comes piece by piece is never whole."""
    assert largest(function)["elements"] < T_Q * T_K


def test_the_gradient_may_be_asked_for():
    """The walk goes through the backward pass of a loop, which keeps what the forward pass did not."""
    found = largest(jax.grad(lambda q, k: rows(q, k).sum()))
    assert found["elements"] >= T_Q * T_K


def test_the_students_line_is_told():
    """The line is the one in the student's file where the array is made, also where a library function made the
    array."""
    found = largest(as_a_mask)
    assert found["line"][1:] == ["as_a_mask", "mask = jnp.arange(T_K) <= jnp.arange(T_Q)[:, None]"]
    assert largest(plain)["line"][1:] == ["plain", "return jax.nn.softmax(q @ k.T, axis=-1) @ k"]


def test_a_library_call_has_the_line_of_this_call():
    """A library's jitted function was traced where it was first called; the line that is told is that of the call that
    counts."""

    def twice(q, k):
        small = jnp.where(q > 0, q, 0.0)
        first = jnp.where(jnp.zeros((T_Q, T_K)) > small[:, :1], 1.0, 2.0)[:, :D]
        return first + jnp.where(jnp.zeros((T_Q, T_K)) > q[:, :1], 1.0, 2.0)[:, :D]

    lines = [visit.line[2] for visit in read.walk(traced(twice, Q, K), __file__) if visit.step.name == "select_n"]
    assert [line.split(" = ")[0][:14] for line in lines] == ["small", "first", "return first +"]


# --- equations, FLOPs and how they grow


def unrolled(q, k):
    for start in range(0, len(k), 8):
        q = q + plain(q, k[start : start + 8])
    return q


def growing(function, **options):
    proof = Growth("g", "It must not grow.", ["a", "b"], of="equations", exponent=0.0, **options)
    return proof.broken(
        [
            read.equations(traced(function, Q, np.ones((length, D), np.float32)), "", length=length, limit=10**6)
            for length in (T_K, 2 * T_K)
        ]
    )


def test_a_loop_that_its_unroll_writes_out_grows():
    """A scan is one equation, whatever its `unroll` is; its body counts as often as it is written out, 0 standing for
    all of it. In part it may be written out, unless it has to be rolled."""

    def scanned(unroll):
        return lambda q, k: jax.lax.scan(lambda c, row: (jnp.sin(c) + c @ row[:, None], None), q, k, unroll=unroll)[0]

    for unroll in (0, True, 2 * T_K, 3 * T_K):
        assert growing(scanned(unroll)).sign == "unrolled"
    assert growing(scanned(1)) is growing(scanned(4)) is None
    assert growing(scanned(1), rolled=True) is None
    assert growing(scanned(4), rolled=True).sentence.endswith(
        f"At a length of {T_K} the body of a loop is written out 4 times."
    )
    one, four = (
        read.equations(traced(scanned(unroll), Q, K), "", length=T_K, limit=10**6)["count"] for unroll in (1, 4)
    )
    assert four - one == 3 * (one - 1) > 0


def test_an_unrolled_loop_grows():
    """A Python loop makes a program as long as the sequence; a loop of JAX does not."""
    assert growing(unrolled).sentence.startswith(f"It must not grow. At a length of {T_K} it has ")
    assert growing(rows) is None


def flops(function, *arrays, limit=10**9):
    return work.flops(traced(function, *(arrays or (Q, K))), "", limit=limit)


SCORES = T_Q * T_K


@pytest.mark.parametrize(
    "function, expected",
    [
        (lambda q, k: q @ k.T, 2 * SCORES * D),
        (lambda q, k: jnp.einsum("qd,kd->qk", q, k).sum() + (k @ q.T).sum(), 2 * (2 * SCORES * D + SCORES) + 1),
        (lambda q, k: jax.lax.scan(lambda c, _: ((c @ k.T) @ k, None), q, None, length=5)[0], 5 * 4 * SCORES * D),
        (
            lambda q, k: jax.lax.fori_loop(0, 3, lambda i, c: jax.lax.map(lambda a: (k @ a) @ k, c), q),
            3 * T_Q * 4 * T_K * D,
        ),
        (lambda q, k: jax.vmap(lambda a: k @ a)(q), 2 * SCORES * D),
        (lambda q, k: (q @ k.T, q)[1], 0),
        (lambda q, k: (q[:, None] * k).sum(-1), 2 * SCORES * D),
        (lambda q, k: jax.lax.ragged_dot(q, jnp.stack([k.T] * 3), jnp.array([16, 16, 16])), 2 * SCORES * D),
        (lambda q, k: jax.lax.conv_general_dilated(q[:, :, None], k[:, :, None], (1,), "VALID"), 2 * SCORES * D),
        (lambda q, k: jax.lax.reduce(q[:, None] * k, 0.0, lambda a, b: b + a * 1.0, (2,)), 2 * SCORES * D + 2),
        (lambda q, k: jax.lax.reduce_window(k, 0.0, jax.lax.add, (T_K, 1), (1, 1), "SAME"), T_K * T_K * D),
        (lambda q, k: jnp.zeros((T_Q, T_K)).at[:, :1].add(q[:, :1]), T_Q + 1),
        (lambda q, k: jnp.cumsum(jnp.exp(q), axis=0)[::-1].reshape(-1, 2), 2 * T_Q * D),
    ],
    ids=[
        "a product",
        "two products",
        "a scan",
        "a loop in a loop",
        "vmap",
        "a dead product",
        "multiply and sum",
        "ragged products",
        "a convolution",
        "a function of one's own",
        "a window",
        "a scatter",
        "element by element",
    ],
)
def test_flops_are_counted_through_loops(function, expected):
    """A product counts 2 for each multiplication and addition, anything else 1 for each number, as often as the loops
    around it run; what is only moved counts nothing."""
    found = flops(function)
    assert (found["flops"], found["exact"]) == (expected, True)


@pytest.mark.parametrize(
    "function, expected",
    [
        (lambda q, k: jax.nn.softmax(q @ k.T) + 1, SCORES * D),
        (lambda q, k: jax.lax.map(lambda a: (k * 2) @ a, q), SCORES * D),
        (lambda q, k: (q[:, None] * k).sum(-1), 0),
    ],
    ids=["a product and more", "in a loop", "number by number"],
)
def test_multiplications_in_products_are_counted_alone(function, expected):
    """Each once, as often as loops run; what else computes counts nothing."""
    found = work.products(traced(function, Q, K), "", limit=10**9)
    assert (found["products"], found["exact"]) == (expected, True)


@pytest.mark.parametrize(
    "function, expected",
    [
        (lambda q, k: q @ k.T, 0),
        (lambda q, k: jax.lax.map(lambda a: jnp.cumsum(k @ a), q), T_Q),
        (lambda q, k: jax.lax.fori_loop(0, 7, lambda i, c: c + k[i], q), 7),
        (lambda q, k: jax.lax.fori_loop(0, 3, lambda i, c: jax.lax.map(lambda a: a + k[i], c), q), 3 * T_Q),
        (lambda q, k: (jax.lax.map(jnp.exp, q), jax.lax.map(jnp.exp, k)), max(T_Q, T_K)),
        (lambda q, k: (jax.lax.map(jnp.exp, k), q)[1], 0),
    ],
    ids=["no loop", "a map", "a counted loop", "a loop in a loop", "one after another", "a dead loop"],
)
def test_turns_are_those_of_the_longest_loop(function, expected):
    """One inside another is counted for each turn of that; loops that follow one another are not added up."""
    assert work.turns(traced(function, Q, K), "", limit=10**6)["turns"] == expected


def test_turns_that_depend_on_values_prove_nothing():
    def unknown(q, k):
        return jax.lax.while_loop(lambda c: c[0, 0] < 0, lambda c: c @ k.T @ k, jax.lax.map(jnp.exp, q))

    for limit, proved in ((T_Q, False), (T_Q - 1, True)):  # it takes too many already
        assert ("unproved" not in work.turns(traced(unknown, Q, K), "", limit=limit)) is proved


def test_the_largest_array_grows_with_the_scores():
    """Twice as much for the rows alone, four times for every pair of rows; the limit picks none out before."""

    def grown(function):
        proof = Growth("g", "R.", ["a", "b"], of="largest", exponent=1.0)
        rows = [np.ones((length, D), np.float32) for length in (T_K, 2 * T_K)]
        return proof.broken([read.largest(traced(function, a, a), "", limit=10**6, length=len(a)) for a in rows])

    assert grown(lambda q, k: q @ (k.T @ k)) is None
    assert grown(lambda q, k: (q @ k.T) @ k).sign == "largest"


def test_a_loop_of_unknown_length_proves_nothing():
    """Where the number of turns depends on values, what it costs is known only if it costs too much already."""

    def unknown(q, k):
        return jax.lax.while_loop(lambda c: c[0, 0] < 0, lambda c: (c @ k.T) @ k, q)

    found = flops(unknown)
    assert (found["flops"], found["exact"], found["unproved"]) == (
        4 * SCORES * D + 1,
        False,
        "it has a loop that runs as often as numbers say",
    )
    found = flops(unknown, limit=1000)
    assert (
        Flops("f", "It is cheap.", ["c"], limit=lambda: 1000).broken([found]).sentence
        == f"It is cheap. It takes {4 * SCORES * D + 1} arithmetic operations; 1000 are enough."
    )
    assert "unproved" not in found


# --- copies


def copies(function):
    """Of k, which is 6 × 4; x is common to both groups."""
    names, arrays = (
        ["k", "q", "v", "x"],
        [
            np.ones((6, 4), np.float32),
            np.ones((24, 4), np.float32),
            np.ones((6, 4), np.float32),
            np.ones((6, 6), np.float32),
        ],
    )
    return flow.copies(traced(function, *arrays), __file__, names=names, groups=[["x", "k"], ["x", "v"]], limit=24)


def grouped(k, q, v, x):
    keys = x @ k
    return q.reshape(4, 6, 4) @ keys.T


def copied_in_a_scan(k, q, v, x):
    return jax.lax.scan(lambda c, _: (jnp.concatenate([x @ k] * 4) * 1.0 + 0 * c, None), q, None, length=2)[0]


def copied_through_a_carry(k, q, v, x):
    """The carry becomes keys only in its second turn."""
    (_, keys), _ = jax.lax.scan(
        lambda c, _: ((x @ k, jnp.tile(c[0], (4, 1)) + 0 * c[1]), None),
        (jnp.zeros((6, 4)), jnp.zeros((24, 4))),
        None,
        length=2,
    )
    return q @ keys.T


COPYING = {
    "repeat": lambda k, q, v, x: q @ jnp.repeat(x @ k, 4, axis=0).T,
    "an index": lambda k, q, v, x: q @ (x @ k)[jnp.arange(24) // 4].T,
    "one-hot": lambda k, q, v, x: q @ (jax.nn.one_hot(jnp.arange(24) // 4, 6) @ (x @ k)).T,
    "the parameters first": lambda k, q, v, x: q[:6] * (x @ jnp.tile(k, (1, 4))).sum(),
    "the values": lambda k, q, v, x: (q @ (x @ k).T @ (x @ v)) + jnp.repeat(x @ v, 4, axis=0),
    "keys and values together, twice": lambda k, q, v, x: q @ jnp.concatenate([x @ k, x @ v, x @ k]).T,
    "vmap over an index": lambda k, q, v, x: jax.vmap(lambda a, n: a @ (x @ k)[n // 4])(q, jnp.arange(24)),
    "a scan": copied_in_a_scan,
    "a carry": copied_through_a_carry,
}


@pytest.mark.parametrize("how", COPYING)
def test_a_copy_is_found(how):
    """Whatever makes more of the keys or values than there are is found, by whichever primitive."""
    found = copies(COPYING[how])
    assert found["by"] and found["elements"] > 24
    proof = Copies("c", "Nothing is copied.", ["c"], groups=[("x", "k")], limit=lambda: 24)
    assert proof.broken([found]).sentence.startswith(f"Nothing is copied. `{found['by']}` makes an array of shape (")


@pytest.mark.parametrize(
    "function",
    [
        grouped,
        lambda k, q, v, x: jnp.einsum("gtd,sd->gts", q.reshape(4, 6, 4), x @ k),
        lambda k, q, v, x: q @ jnp.concatenate([x @ k, x @ v]).T,  # both, once
        lambda k, q, v, x: jax.nn.softmax(q @ (x @ k).T) @ (x @ v),
        lambda k, q, v, x: jax.lax.map(lambda a: a @ (x @ k).T, q),
        lambda k, q, v, x: (jnp.repeat(x @ k, 4, axis=0), q)[1],  # never used
        lambda k, q, v, x: q + jnp.tile(x, (4, 1))[:, :4],  # not keys
    ],
    ids=["grouped", "einsum", "fused", "attention", "one at a time", "dead", "tokens"],
)
def test_what_is_no_copy_is_none(function):
    """A product with more queries than keys copies nothing, nor does one array of keys and values."""
    assert copies(function)["by"] == ""


# --- precision


HALF_Q, HALF_K = jnp.ones((T_Q, D), jnp.bfloat16), jnp.ones((T_K, D), jnp.bfloat16)


def dot(a, b):
    return jax.lax.dot_general(a, b, (((1,), (1,)), ((), ())), preferred_element_type=jnp.float32)


def running_sum(q, k):
    return jax.lax.scan(lambda c, row: (c + row, None), jnp.zeros(D, jnp.bfloat16), k)[0]


@pytest.mark.parametrize(
    "function, by",
    [
        (lambda q, k: q @ k.T, "dot_general"),
        (lambda q, k: jnp.exp(q), "exp"),
        (lambda q, k: jnp.exp2(dot(q, k).astype(jnp.bfloat16)), "exp2"),
        (running_sum, "add"),
        (lambda q, k: jax.nn.softmax(dot(q, k).astype(jnp.bfloat16)), "exp"),
        (lambda q, k: jax.lax.reduce(k, jnp.bfloat16(0), lambda a, b: a + b * jnp.bfloat16(1), (0,)), "add"),
    ],
    ids=["scores", "exp", "exp2", "a running sum", "softmax", "a sum by a function"],
)
def test_half_precision_is_found(function, by):
    """Scores, exponentials and running sums in bfloat16 are seen in the program, whether or not a value shows it."""
    found = flow.precision(traced(function, HALF_Q, HALF_K), __file__)
    assert (found["by"], found["dtype"]) == (by, "bfloat16")
    assert (
        Precision("p", "Float32 it is.", ["c"])
        .broken([found])
        .sentence.startswith(f"Float32 it is. `{by}` gives bfloat16")
    )


def online(keep, *, score=lambda s: s, weigh=lambda p: p.astype(jnp.bfloat16), peak=lambda m: m):
    """Attention with an online softmax, whose total and output are kept by `keep` from one block to the next."""

    def attention(q, k):
        def fold(i, carry):
            top, total, out = carry
            block = jax.lax.dynamic_slice_in_dim(k, 8 * i, 8)
            s = score(dot(q, block))
            now = peak(jnp.maximum(top, s.max(1)))
            p, shrink = jnp.exp(s - now.astype(jnp.float32)[:, None]), jnp.exp(top.astype(jnp.float32) - now)
            out = keep(out * shrink[:, None] + jnp.dot(weigh(p), block, preferred_element_type=jnp.float32))
            return now, keep(total * shrink + p.sum(1)), out

        start = peak(jnp.full(T_Q, -1e30)), keep(jnp.zeros(T_Q)), keep(jnp.zeros((T_Q, D)))
        _, total, out = jax.lax.fori_loop(0, T_K // 8, fold, start)
        return (out / total[:, None]).astype(jnp.bfloat16)

    return attention


def rounds(x):
    return jax.lax.reduce_precision(x, 8, 7)


def half(x):
    return x.astype(jnp.bfloat16)


def there_and_back(x):
    return half(x).astype(jnp.float32)


def kept_in_a_ref(dtype):
    """A kernel that adds up what its blocks give in a ref of some type."""

    def attention(q, k):
        def kernel(q, k, o, kept):
            kept[...] = jnp.zeros_like(kept)

            def fold(i, _):
                block = k[pl.ds(8 * i, 8), :]
                p = jnp.exp(dot(q[...], block))
                kept[...] = (kept[...].astype(jnp.float32) + jnp.dot(p, block.astype(jnp.float32))).astype(dtype)

            jax.lax.fori_loop(0, T_K // 8, fold, None)
            o[...] = kept[...].astype(o.dtype)

        return pl.pallas_call(
            kernel,
            out_shape=jax.ShapeDtypeStruct(q.shape, q.dtype),
            scratch_shapes=[pl.MemorySpace.ANY((T_Q, D), dtype)],
            interpret=True,
        )(q, k)

    return attention


def in_a_row_of_blocks(q, k):
    """Two blocks, one after the other, without a loop."""
    one, other = (jnp.exp(dot(q, part)).sum(1) for part in (k[:32], k[32:]))
    return there_and_back(one) + other


@pytest.mark.parametrize(
    "function, by, rounded, dtype",
    [
        (online(half), "add", "sum", "bfloat16"),
        (online(there_and_back), "add", "sum", "bfloat16"),
        (online(rounds), "add", "sum", "bfloat16"),
        (online(lambda x: jax.lax.reduce_precision(x, 8, 15)), "add", "sum", "15 binary places"),
        (online(lambda x: jnp.maximum(half(x), 0)), "add", "sum", "bfloat16"),
        (online(lambda x: x, score=there_and_back), "exp", "score", "bfloat16"),
        (online(lambda x: x, score=rounds), "exp", "score", "bfloat16"),
        (kept_in_a_ref(jnp.bfloat16), "add", "sum", "bfloat16"),
        (in_a_row_of_blocks, "add", "sum", "bfloat16"),
    ],
    ids=[
        "a carry",
        "a rounded carry",
        "reduce_precision",
        "other bits",
        "behind a maximum",
        "rounded scores",
        "scores by reduce_precision",
        "in a ref",
        "no loop",
    ],
)
def test_what_was_rounded_on_its_way_is_found(function, by, rounded, dtype):
    """Each step is in float32, and yet a sum loses digits from block to block, or a score before its exponential."""
    found = flow.precision(traced(function, HALF_Q, HALF_K), __file__)
    assert (found["by"], found["rounded"], found["dtype"]) == (by, rounded, dtype)
    assert (
        Precision("p", "Float32 it is.", ["c"])
        .broken([found])
        .sentence.startswith(f"Float32 it is. `{by}` takes a {rounded} that was rounded to {dtype}")
    )


def rows_of_the_output(q, k):
    """A buffer of finished rows, each written once, beside keys that go round."""

    def turn(i, carry):
        out, keys = carry
        row = jax.nn.softmax(dot(q[i][None], keys)) @ keys.astype(jnp.float32)
        return out.at[i].set(row[0].astype(out.dtype)), jnp.roll(keys, 1, axis=0)

    return jax.lax.fori_loop(0, T_Q, turn, (jnp.zeros_like(q), k))[0]


def by_logarithms(q, k):
    """Blocks whose outputs are merged by the logarithms of their sums."""

    def fold(carry, block):
        s = dot(q, block)
        lse = jax.nn.logsumexp(s, axis=1)
        out = jnp.dot(half(jnp.exp(s - lse[:, None])), block, preferred_element_type=jnp.float32)
        both = jnp.logaddexp(carry[0], lse)
        return (both, carry[1] * jnp.exp(carry[0] - both)[:, None] + out * jnp.exp(lse - both)[:, None]), None

    return half(jax.lax.scan(fold, (jnp.full(T_Q, -1e30), jnp.zeros((T_Q, D))), k.reshape(-1, 8, D))[0][1])


@pytest.mark.parametrize(
    "function",
    [
        lambda q, k: jax.nn.softmax(dot(q, k)).astype(jnp.bfloat16),
        lambda q, k: dot(jax.nn.softmax(dot(q, k)).astype(jnp.bfloat16), k.T),
        lambda q, k: dot(q * 0.5, k),
        lambda q, k: jax.lax.scan(lambda c, row: (c + row.astype(jnp.float32), None), jnp.zeros(D), k)[0].astype(
            jnp.bfloat16
        ),
        online(lambda x: x),
        online(lambda x: x, weigh=lambda p: p),
        online(lambda x: x, peak=half),
        online(lambda x: jax.lax.reduce_precision(x, 8, 23)),
        kept_in_a_ref(jnp.float32),
        rows_of_the_output,
        by_logarithms,
        lambda q, k: half(online(lambda x: x)(q, k).astype(jnp.float32) / 2),
    ],
    ids=[
        "softmax in float32",
        "weights cast for the product",
        "a scaled query",
        "a sum in float32",
        "online",
        "weights in float32",
        "a rounded maximum",
        "rounded to itself",
        "in a ref",
        "a buffer of rows",
        "by logarithms",
        "halved at the end",
    ],
)
def test_float32_where_it_counts_is_enough(function):
    """Inputs, weights for a product that accumulates in float32, a maximum, which is taken off and comes back, and the
    output may be in half precision."""
    assert flow.precision(traced(function, HALF_Q, HALF_K), "")["by"] == ""


# --- denominators

HALF_SCALE = jnp.ones(D, jnp.bfloat16)


def wide(x):
    return x.astype(jnp.float32)


def normed(x, scale, *, take=wide, square=lambda x: x * x, root=jax.lax.rsqrt, keep=lambda x: x):
    """RMSNorm with its parts exchanged: `keep` is what becomes of the root."""
    mean = jnp.mean(square(take(x)), -1, keepdims=True)
    return half(take(x) * keep(root(mean + 1e-6))) * scale


def norm_of_the_library(x, scale):
    graph, state = nnx.split(nnx.RMSNorm(D, rngs=nnx.Rngs(0)))
    return nnx.merge(graph, jax.tree.map(lambda _: scale, state))(x)


def in_a_loop_over_features(x, scale, keep=lambda x: x):
    """The squares are added up one by one."""
    total = jax.lax.fori_loop(0, D, lambda i, c: keep(c + wide(x[:, i]) ** 2), keep(jnp.zeros(len(x))))
    return half(wide(x) / jnp.sqrt(wide(total) / D + 1e-6)[:, None]) * scale


def of_a_pair(x, scale, sum_of=lambda p: p.sum(-1, keepdims=True), score=dot, power=jnp.exp, total=lambda t: t):
    """A norm in float32 and a softmax with its parts exchanged, between products in bfloat16."""
    x = norm_of_the_library(x, scale)
    powers = power(score(x, x))
    return jax.nn.silu(half(powers / total(sum_of(powers))) @ x)


def facts(function, within):
    part = traced(function, HALF_Q, HALF_SCALE)
    return denominators.denominators(part, __file__, within=within, names=["x", "scale"], arguments=["x"])


def sum_in_python(powers):
    return sum(powers[:, j] for j in range(T_Q))[:, None]


@pytest.mark.parametrize(
    "function, by, rounded",
    [
        (functools.partial(normed, take=lambda x: x), "rsqrt", "product"),
        (functools.partial(normed, take=lambda x: x, root=lambda m: 1 / jnp.sqrt(m)), "sqrt", "product"),
        (functools.partial(normed, square=lambda x: wide(half(x * x))), "rsqrt", "product"),
        (functools.partial(normed, square=lambda x: wide(half(x) ** 2)), "rsqrt", "product"),
        (functools.partial(normed, square=lambda x: wide(half(x) ** 2.0)), "rsqrt", "product"),
        (functools.partial(normed, square=lambda x: rounds(jnp.square(x))), "rsqrt", "product"),
        (functools.partial(normed, root=lambda m: jax.lax.rsqrt(half(m))), "rsqrt", "product"),
        (functools.partial(normed, root=lambda m: wide(half(m)) ** -0.5), "pow", "product"),
        (functools.partial(normed, root=lambda m: half(m) ** -0.5), "pow", "product"),
        (functools.partial(normed, root=lambda m: jnp.exp(-0.5 * jnp.log(half(m)))), "log", "product"),
        (functools.partial(normed, keep=half), "mul", "root"),
        (functools.partial(normed, keep=there_and_back), "mul", "root"),
        (lambda x, scale: x * half(jax.lax.rsqrt(jnp.mean(wide(x) ** 2, -1, keepdims=True)) * scale), "mul", "root"),
        (lambda x, scale: x / jnp.linalg.norm(x, axis=-1, keepdims=True) * scale, "sqrt", "product"),
        (lambda x, scale: x / jnp.sqrt(wide(jnp.einsum("td,td->t", x, x))[:, None]) * scale, "sqrt", "product"),
        (functools.partial(in_a_loop_over_features, keep=half), "sqrt", "product"),
        (functools.partial(in_a_loop_over_features, keep=there_and_back), "sqrt", "product"),
        (jax.checkpoint(functools.partial(normed, take=lambda x: x)), "rsqrt", "product"),
        (lambda x, s: jax.lax.cond(x[0, 0] > 0, norm_of_the_library, functools.partial(normed, keep=half), x, s),
         "mul", "root"),
        (lambda x, s: norm_of_the_library(x, s) + half(0.0 * wide(normed(x, s, keep=half))), "mul", "root"),
    ],
    ids=["all of it", "all of it, by sqrt", "squares rounded", "squares", "squares by pow", "squares to other bits",
         "mean", "mean rounded", "mean by pow", "by logarithms", "root", "root rounded", "root times scale",
         "of the library", "a product", "a carry", "a rounded carry", "checkpoint", "in a branch",
         "beside a right one"],
)  # fmt: skip
def test_a_norm_in_half_precision_is_found(function, by, rounded):
    """Whichever step of it is: squares, their sum, the root, or the root on its way to the product."""
    found = facts(function, "norms")
    assert (found["by"], found["rounded"], found["dtype"]) == (by, rounded, "bfloat16")
    told = Denominators("d", "Norms are float32.", ["c"]).broken([found])
    assert told.sign == "norms bfloat16"
    assert told.sentence.startswith(f"Norms are float32. `{by}` takes a {rounded} that was rounded to bfloat16")


@pytest.mark.parametrize(
    "function",
    [
        norm_of_the_library,
        normed,
        functools.partial(normed, root=lambda m: 1 / jnp.sqrt(m)),
        functools.partial(normed, root=lambda m: m**-0.5),
        functools.partial(normed, root=lambda m: jnp.exp(-0.5 * jnp.log(m))),
        functools.partial(normed, square=jnp.square),
        functools.partial(normed, square=lambda x: x**2.0),
        functools.partial(normed, take=lambda x: wide(x) + 0 * x[:1]),
        in_a_loop_over_features,
        lambda x, s: half(x / jnp.linalg.norm(wide(x), axis=-1, keepdims=True)) * s,
        lambda x, s: x / jnp.sqrt(jnp.einsum("td,td->t", x, x, preferred_element_type=jnp.float32))[:, None] * s,
        lambda x, s: half(jax.vmap(lambda r: r * jax.lax.rsqrt(jnp.vdot(r, r)))(wide(x)) * wide(s)),
        lambda x, s: norm_of_the_library(x @ x.T @ x / jnp.sqrt(jnp.asarray(D, x.dtype)), s),
        lambda x, s: normed(jax.nn.softmax(norm_of_the_library(x, s)) @ s[:, None] * x, s),
        of_a_pair,
    ],
    ids=["of the library", "by hand", "sqrt", "pow", "by logarithms", "square", "squares by pow", "an odd cast",
         "a loop", "norm of the library", "a product", "vdot", "after a scaled product", "a softmax in bfloat16 inside",
         "a pair"],
)  # fmt: skip
def test_a_norm_in_float32_is_enough(function):
    """What goes in, the product with the scale and all that is no norm may be in half precision."""
    found = facts(function, "norms")
    assert found["by"] == "" and "unproved" not in found


@pytest.mark.parametrize(
    "function, by, rounded",
    [
        (lambda x, s: jax.nn.softmax(x @ x.T) @ x, "reduce_sum", "exponential"),
        (lambda x, s: jax.nn.softmax(half(dot(x, x))) @ x, "reduce_sum", "exponential"),
        (functools.partial(of_a_pair, power=lambda s: half(jnp.exp(s))), "reduce_sum", "exponential"),
        (functools.partial(of_a_pair, power=lambda s: rounds(jnp.exp(s))), "reduce_sum", "exponential"),
        (functools.partial(of_a_pair, power=lambda s: jnp.where(s > 0, jnp.exp2(half(s)), 0)), "reduce_sum",
         "exponential"),
        (functools.partial(of_a_pair, power=lambda s: jnp.e ** half(s)), "reduce_sum", "exponential"),
        (functools.partial(of_a_pair, total=half), "div", "sum"),
        (functools.partial(of_a_pair, total=there_and_back), "div", "sum"),
        (functools.partial(of_a_pair, power=half, sum_of=lambda p: jnp.exp(p) @ jnp.ones((T_Q, 1), p.dtype)),
         "dot_general", "exponential"),
        (functools.partial(of_a_pair, power=lambda s: jnp.exp(half(s)), sum_of=sum_in_python), "add", "exponential"),
        (lambda x, s: jnp.exp(dot(x, x) - half(jax.nn.logsumexp(dot(x, x), axis=1))[:, None]) @ wide(x), "sub", "sum"),
    ],
    ids=["scores and all", "softmax", "powers", "powers to other bits", "powers of two", "by pow", "sum",
         "sum rounded", "a product with ones", "one by one", "by logarithms"],
)  # fmt: skip
def test_a_softmax_in_half_precision_is_found(function, by, rounded):
    """Whichever step of it is: the exponentials, their sum, or the sum on its way to the quotient."""
    found = facts(function, "softmax")
    assert (found["by"], found["rounded"], found["dtype"]) == (by, rounded, "bfloat16")
    told = Denominators("d", "It is float32.", ["c"], within="softmax").broken([found])
    assert told.sign == "softmax bfloat16"


def silu_by_hand(x, sign=-1):
    return x / (1 + jnp.exp(-x)) if sign < 0 else x * (jnp.exp(x) / (jnp.ones_like(x) + jnp.exp(x)))


@pytest.mark.parametrize(
    "function",
    [
        of_a_pair,
        functools.partial(of_a_pair, score=lambda q, k: wide(half(dot(q, k)))),
        functools.partial(of_a_pair, score=lambda q, k: wide(q @ k.T)),
        functools.partial(of_a_pair, sum_of=sum_in_python),
        functools.partial(of_a_pair, power=lambda s: jnp.where(jnp.tri(T_Q) > 0, jnp.exp(s), 0)),
        lambda x, s: silu_by_hand(half(jax.nn.softmax(dot(x, x))) @ x),
        lambda x, s: (silu_by_hand(half(jax.nn.softmax(dot(x, x))) @ x, 1)[:, :, None] * s).sum(1),
        lambda x, s: jax.nn.dot_product_attention(x[None, :, None], x[None, :, None], x[None, :, None]),
        lambda x, s: online(lambda x: x)(x, x[:T_Q]),
    ],
    ids=["a pair", "scores rounded", "scores in bfloat16", "one by one", "with zeros", "silu by hand",
         "silu and a product by hand", "of the library", "online"],
)  # fmt: skip
def test_a_softmax_in_float32_is_enough(function):
    """Scores may be rounded before it and weights after it, and a sigmoid is none."""
    found = facts(function, "softmax")
    assert found["by"] == "" and "unproved" not in found


@pytest.mark.parametrize("within, what", [("norms", "root of anything"), ("softmax", "sum of exponentials")])
def test_without_a_denominator_nothing_is_proved(within, what):
    """A root of a number is none."""
    found = facts(lambda x, s: jax.nn.silu(x / jnp.sqrt(D)) * s, within)
    assert found["unproved"] == f"it has no {what}"


# --- one kernel


def call(kernel, q, k, out=None):
    return pl.pallas_call(kernel, out_shape=jax.ShapeDtypeStruct((out or q).shape, q.dtype), interpret=True)(q, k)


def attends(q, k, o):
    o[...] = jax.nn.softmax(q[...] @ k[...].T, axis=-1) @ k[...]


def copies_only(q, k, o):
    o[...] = q[...]


def scores_only(q, k, o):
    o[...] = q[...] * (q[...] @ k[...].T).sum()


@pytest.mark.parametrize(
    "function, sign, sentence",
    [
        (plain, "calls 0", "One kernel. Here a `pallas_call` runs never."),
        (
            lambda q, k: call(attends, call(attends, q, k), k),
            "calls 2",
            "One kernel. Here a `pallas_call` runs 2 times.",
        ),
        (
            lambda q, k: jax.lax.map(lambda a: call(attends, a[None], k)[0], q),
            f"calls {T_Q}",
            f"One kernel. Here a `pallas_call` runs {T_Q} times.",
        ),
        (
            lambda q, k: call(copies_only, plain(q, k), k),
            "outside dot_general",
            "One kernel. Here `dot_general` is outside of it.",
        ),
        (
            lambda q, k: call(attends, q, k) + 0 * plain(q, k),
            "outside dot_general",
            "One kernel. Here `dot_general` is outside of it.",
        ),
        (
            lambda q, k: call(copies_only, q, k) + (q[:, None] * k).sum(axis=1),
            "outside reduce_sum",
            "One kernel. Here `reduce_sum` is outside of it.",
        ),
        (
            lambda q, k: call(scores_only, q, k),
            "idle",
            "One kernel. Here the kernel computes no exponential: it does nothing of the softmax.",
        ),
        (lambda q, k: (call(attends, q, k), plain(q, k))[1], "calls 0", "One kernel. Here a `pallas_call` runs never."),
    ],
    ids=["none", "two", "one a row", "it copies", "it is added to", "elementwise", "idle", "dead"],
)
def test_a_kernel_that_does_not_do_the_work(function, sign, sentence):
    """A missing, repeated, idle or unused pallas_call is told, and so is work beside it."""
    found = Kernel("k", "One kernel.", ["c"]).broken([work.kernel(traced(function, Q, K), __file__, grid=1)])
    assert (found.sign, found.sentence) == (sign, sentence)


def test_one_kernel_that_does_the_work():
    """Padding, reshaping and a scale outside of the kernel are no work, and a vmap of a kernel is one kernel."""
    proof = Kernel("k", "One kernel.", ["c"])

    def padded(q, k):
        return call(attends, jnp.pad(q * 0.5, ((0, 8), (0, 0))), k)[:T_Q] / 2

    heads = functools.partial(jax.vmap, in_axes=(0, None))
    assert proof.broken([work.kernel(traced(padded, Q, K), "", grid=1)]) is None
    assert (
        proof.broken([work.kernel(traced(heads(lambda q, k: call(attends, q, k)), np.stack([Q] * 3), K), "", grid=3)])
        is None
    )


def test_key_blocks_are_no_axis_of_the_grid():
    """A grid with more steps than blocks of queries is told: what its steps add up to, a GPU would race for."""

    def function(q, k):
        def kernel(q, k, o):
            o[...] += jax.nn.softmax(q[...] @ k[...].T, axis=-1) @ k[...]

        whole, block = pl.BlockSpec((T_Q, D), lambda j: (0, 0)), pl.BlockSpec((16, D), lambda j: (j, 0))
        return pl.pallas_call(
            kernel,
            grid=(4,),
            in_specs=[whole, block],
            out_specs=whole,
            out_shape=jax.ShapeDtypeStruct(q.shape, q.dtype),
            interpret=True,
        )(q, k)

    found = Kernel("k", "One kernel.", ["c"]).broken([work.kernel(traced(function, Q, K), "", grid=1)])
    assert found.sentence == "One kernel. Its grid has 4 steps; one for each block of queries of each head would be 1."


# --- what cannot be seen


def test_a_callback_hides_nothing():
    """A program that calls back into Python proves nothing, and that is what is said."""

    def outside(q, k):
        return jax.pure_callback(lambda a, b: np.asarray(a), jax.ShapeDtypeStruct(q.shape, q.dtype), q, k)

    part = traced(outside, Q, K)
    found = read.largest(part, "", limit=T_Q * T_K) | dict(opaque=read.opaque(part))
    proof = Largest("n", "Nothing.", ["c"], limit=lambda: T_Q * T_K)
    assert proof.broken([found]).sentence == "`pure_callback` leaves the program, so that nothing can be proved of it."


def test_printing_is_allowed():
    """`jax.debug.print` is no way out: nothing comes back from it."""

    def printing(q, k):
        jax.debug.print("{}", q[0, 0])
        return blockwise(q, k)

    part = traced(printing, Q, K)
    assert read.opaque(part) == "" and read.largest(part, "", limit=T_Q * T_K)["elements"] < T_Q * T_K


@pytest.mark.parametrize(
    "facts", [{}, {"elements": "many"}, {"elements": None, "limit": 3}], ids=["none", "words", "nothing"]
)
def test_forged_facts_break_the_claim(facts):
    """Facts of another form than a measure gives are no proof."""
    assert Largest("n", "Nothing.", ["c"], limit=lambda: 1).broken([facts]).sign == "forged"
