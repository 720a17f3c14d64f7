"""Each reference against an oracle that shares nothing with it: the definition in float64 NumPy, and the libraries
where they are right."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import example, given, settings
from hypothesis import strategies as st

from grader.course.problem import load
from tests.conftest import PROBLEMS
from tests.oracles.attention import attention, projected, pull_back, scores, weigh

jax.config.update("jax_platforms", "cpu")
EPS, MARGIN = float(np.finfo(np.float32).eps), 4
CHEAP = settings(max_examples=15, deadline=None, derandomize=True)  # each new shape is compiled
CHEAPER = settings(CHEAP, max_examples=8)  # and a loop or a kernel takes longer to
SEEDS = st.integers(0, 2**32 - 1)
LENGTHS, WIDTHS, GAINS = st.integers(1, 9), st.integers(1, 6), st.sampled_from([0.0, 0.1, 1.0, 12.0])


@functools.cache
def reference(number: int):
    """The reference of a problem, found by its folder."""
    return load(PROBLEMS[number].solutions / "reference.py", f"reference_{number}")


@functools.cache
def compiled(number: int, name: str, *static: str):
    """One function of a reference; a shape that comes again is not compiled again."""
    return jax.jit(getattr(reference(number), name), static_argnames=static)


def library(q, k, v, **options):
    """JAX's own attention, with one head."""
    attend = jax.jit(jax.nn.dot_product_attention, static_argnames="is_causal")
    return np.asarray(attend(q[:, None], k[:, None], v[:, None], **options))[:, 0]


def draw(seed, *shapes, gain=1.0):
    rng = np.random.default_rng(seed)
    return [(gain * rng.standard_normal(shape)).astype(np.float32) for shape in shapes]


def largest(q, k, **options):
    """The largest score in size, of all that some query sees."""
    return max(np.abs(told).max(initial=0.0) for _, told in scores(q, k, **options))


def within(q, k, v, **options):
    """Attention by its definition, and how far float32 may be from it."""
    return attention(q, k, v, **options), MARGIN * EPS * (1 + largest(q, k, **options)) * np.abs(v).max()


def within_heads(x, params, num_heads, group=1, **options):
    """Multi-head attention of one sequence by its definition, and how far float32 may be from it."""
    q, k, v = (
        x.astype(np.float64) @ params[f"{name}.kernel"].astype(np.float64) for name in ("q_proj", "k_proj", "v_proj")
    )
    width, tolerance = x.shape[-1] // num_heads, 0.0
    for n in range(num_heads):
        own, read = (slice(m * width, (m + 1) * width) for m in (n, n // group))
        tolerance = max(tolerance, within(q[:, own], k[:, read], v[:, read], **options)[1])
    return projected(params, x, num_heads=num_heads, group=group, **options), tolerance * np.abs(
        params["o_proj.kernel"]
    ).sum(0).max()


def close(came, expected, tolerance, dtype=jnp.float32):
    assert came.dtype == dtype and came.shape == expected.shape
    assert np.abs(np.asarray(came, np.float64) - expected).max() <= tolerance


# 31


@given(SEEDS, LENGTHS, LENGTHS, WIDTHS, WIDTHS, GAINS)
@CHEAP
def test_sdpa_is_its_definition(seed, t_q, t_k, d_k, d_v, gain):
    """At every length and width, with scores from nothing to hundreds, problem 31 is the definition computed in
    float64."""
    (q, k), (v,) = draw(seed, (t_q, d_k), (t_k, d_k), gain=gain), draw(seed + 1, (t_k, d_v))
    close(jax.jit(reference(31).sdpa)(q, k, v), *within(q, k, v))


@pytest.mark.parametrize("t_q, t_k", [(1, 1), (1, 6), (5, 3), (4, 4)])
def test_sdpa_is_jaxs_own(t_q, t_k):
    """jax.nn.dot_product_attention, with one head and values as wide as keys, gives the same."""
    q, k, v = draw(0, (t_q, 8), (t_k, 8), (t_k, 8))
    theirs = library(q, k, v)
    close(compiled(31, "sdpa")(q, k, v), theirs.astype(np.float64), within(q, k, v)[1])


def test_sdpa_is_an_average_of_values():
    """Each output lies between the least and the largest value of its column, and equal keys give the plain mean."""
    q, k, v = draw(3, (5, 4), (7, 4), (7, 3))
    output = np.asarray(reference(31).sdpa(q, k, v))
    assert (output >= v.min(0) - 1e-6).all() and (output <= v.max(0) + 1e-6).all()
    np.testing.assert_allclose(
        reference(31).sdpa(q, np.ones_like(k), v), np.broadcast_to(v.mean(0), (5, 3)), rtol=1e-5, atol=1e-6
    )


# 32


def module(number, name, params, *sizes):
    made = getattr(reference(number), name)(*sizes, rngs=nnx.Rngs(0))
    for path, array in params.items():
        functools.reduce(getattr, path.split("."), made)[...] = jnp.asarray(array)
    return made


@functools.partial(jax.jit, static_argnums=0, static_argnames="causal")
def step(graph, state, *arrays, **options):
    """A module as a pure function: (variables, inputs) -> (output, variables)."""
    made = nnx.merge(graph, state)
    output = made(*arrays, **options)
    return output, nnx.state(made)


def projections(seed, d_model, kv_width=None, gain=1.0):
    """`gain` stretches queries and keys, and so the scores by its square."""
    shapes = dict(q_proj=d_model, k_proj=kv_width or d_model, v_proj=kv_width or d_model, o_proj=d_model)
    kernels = draw(seed, *[(d_model, width) for width in shapes.values()], gain=d_model**-0.5)
    return {
        f"{name}.kernel": kernel * np.float32(gain if name[0] in "qk" else 1) for name, kernel in zip(shapes, kernels)
    }


@given(SEEDS, st.integers(1, 4), st.integers(1, 4), st.integers(1, 6), st.lists(st.integers(1, 3), max_size=2))
@CHEAP
def test_multi_head_attention_is_its_definition(seed, num_heads, width, length, batch):
    """With any heads, widths, lengths and batch dimensions, each sequence is attended to on its own, head by head."""
    d_model = num_heads * width
    params, (x,) = projections(seed, d_model), draw(seed + 1, (*batch, length, d_model))
    came = np.asarray(step(*nnx.split(module(32, "MultiHeadAttention", params, d_model, num_heads)), x)[0])
    assert came.shape == x.shape
    for place in np.ndindex(*batch):
        close(came[place], *within_heads(x[place], params, num_heads))


@pytest.mark.parametrize("num_heads, batch", [(1, ()), (3, (2,)), (4, (2, 3))])
def test_multi_head_attention_is_flaxs_own(num_heads, batch):
    """nnx.MultiHeadAttention with the same kernels, reshaped to its heads, and without bias gives the same."""
    d_model = 12
    params, (x,) = projections(5, d_model), draw(6, (*batch, 5, d_model))
    theirs = nnx.MultiHeadAttention(num_heads, d_model, use_bias=False, decode=False, rngs=nnx.Rngs(0))
    for name in ("query", "key", "value"):
        getattr(theirs, name).kernel[...] = jnp.asarray(
            params[f"{name[0]}_proj.kernel"].reshape(d_model, num_heads, -1)
        )
    theirs.out.kernel[...] = jnp.asarray(params["o_proj.kernel"].reshape(num_heads, -1, d_model))
    mine = module(32, "MultiHeadAttention", params, d_model, num_heads)
    np.testing.assert_allclose(*(step(*nnx.split(made), x)[0] for made in (mine, theirs)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("d_model, num_heads", [(8, 3), (4, 8), (1, 2)])
def test_a_width_that_the_heads_do_not_divide_is_refused(d_model, num_heads):
    """The constructor raises ValueError."""
    with pytest.raises(ValueError):
        reference(32).MultiHeadAttention(d_model, num_heads, rngs=nnx.Rngs(0))


# 33


@pytest.mark.parametrize("t_q", range(1, 6))
@pytest.mark.parametrize("t_k", range(1, 6))
def test_the_causal_mask_is_its_definition(t_q, t_k):
    """Query i sees key j when j <= i + (t_k - t_q), for more and for fewer queries than keys; the last query sees every
    key."""
    mask = reference(33).causal_mask(t_q, t_k)
    assert (
        mask.dtype == bool
        and mask.tolist() == [[j <= i + t_k - t_q for j in range(t_k)] for i in range(t_q)]
        and mask[-1].all()
    )


@given(SEEDS, LENGTHS, st.integers(0, 6), WIDTHS, WIDTHS, GAINS)
@CHEAP
def test_causal_sdpa_is_its_definition(seed, t_q, earlier, d_k, d_v, gain):
    """At every length, with fewer queries than keys and with one of each, problem 33 is the definition over the keys
    that a query sees."""
    t_k = t_q + earlier
    (q, k), (v,) = draw(seed, (t_q, d_k), (t_k, d_k), gain=gain), draw(seed + 1, (t_k, d_v))
    close(jax.jit(reference(33).causal_sdpa)(q, k, v), *within(q, k, v, causal=True))


@pytest.mark.parametrize("length", [1, 2, 6])
def test_causal_sdpa_is_jaxs_own_where_lengths_are_equal(length):
    """jax.nn.dot_product_attention aligns its causal mask at the start, so that it agrees where there are as many
    queries as keys."""
    q, k, v = draw(1, (length, 8), (length, 8), (length, 8))
    theirs = library(q, k, v, is_causal=True)
    close(compiled(33, "causal_sdpa")(q, k, v), theirs.astype(np.float64), within(q, k, v, causal=True)[1])


def test_causal_sdpa_is_jaxs_own_with_a_mask_at_any_lengths():
    """With the mask aligned at the end handed to it, the library agrees for fewer queries than keys as well, and not
    otherwise."""
    q, k, v = draw(2, (3, 8), (7, 8), (7, 8))
    mine, tolerance = compiled(33, "causal_sdpa")(q, k, v), within(q, k, v, causal=True)[1]
    theirs, at_the_start = library(q, k, v, mask=np.tri(3, 7, 4, dtype=bool)[None]), library(q, k, v, is_causal=True)
    close(mine, theirs.astype(np.float64), tolerance)
    assert np.abs(mine - at_the_start).max() > 0.1


def test_a_row_of_causal_sdpa_is_attention_over_what_it_sees():
    """Problem 33 is problem 31 on a growing prefix, row by row."""
    q, k, v = draw(4, (4, 8), (6, 8), (6, 3))
    rows = np.concatenate([compiled(31, "sdpa")(q[i : i + 1], k[: i + 3], v[: i + 3]) for i in range(4)])
    close(compiled(33, "causal_sdpa")(q, k, v), rows.astype(np.float64), within(q, k, v, causal=True)[1])


# 36


STRETCHES = st.sampled_from([1.0, 4.0])


@given(
    SEEDS, st.sampled_from([(1, 1, 1), (6, 2, 8), (8, 4, 5)]), st.integers(1, 8), st.sets(st.integers(1, 7)), STRETCHES
)
@example(0, (6, 2, 8), 8, set(range(1, 8)), 1.0)  # token by token, until the caches are full
@example(1, (6, 2, 8), 8, set(), 1.0)  # all at once
@CHEAP
def test_cached_attention_is_causal_attention_in_any_chunks(seed, sizes, length, cuts, gain):
    """However the sequence is cut, the outputs are those of the whole, and after each call the caches hold what came so
    far, then zeros."""
    d_model, num_heads, max_len = sizes
    length = min(length, max_len)
    params, (x,) = projections(seed, d_model, gain=gain), draw(seed + 1, (length, d_model))
    x[1:2] = 0  # a token of zeros is a token like any other
    graph, state = nnx.split(module(36, "CachedSelfAttention", params, *sizes))
    outputs, so_far = [], 0
    for chunk in np.split(x, sorted(cut for cut in cuts if cut < length)):
        output, state = step(graph, state, chunk)
        outputs.append(output)
        so_far += len(chunk)
        variables = [state[name] for name in ("pos", "k_cache", "v_cache")]
        assert {type(variable) for variable in variables} == {nnx.Cache} and len(nnx.to_flat_state(state)) == len(
            params
        ) + 3
        pos, *caches = (np.asarray(variable[...]) for variable in variables)
        assert pos.dtype == np.int32 and pos.shape == () and pos == so_far
        for cache, kernel in zip(caches, (params["k_proj.kernel"], params["v_proj.kernel"])):
            held = np.zeros((max_len, d_model))
            held[:so_far] = x[:so_far].astype(np.float64) @ kernel
            close(cache, held.reshape(max_len, num_heads, -1), MARGIN * EPS * (np.abs(x) @ np.abs(kernel)).max())
            assert not cache[so_far:].any()
    close(np.concatenate(outputs), *within_heads(x, params, num_heads, causal=True))


def test_each_sequence_of_a_batch_has_its_own_caches():
    """Under vmap two sequences may stand at different positions, and each goes on as it would alone."""
    params, x = projections(7, 6), draw(8, (3, 6), (5, 6))
    graph, state = nnx.split(module(36, "CachedSelfAttention", params, 6, 2, 8))
    states = [step(graph, state, sequence[:-2])[1] for sequence in x]
    together = jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)
    output, after = jax.vmap(functools.partial(step, graph))(together, np.stack([sequence[-2:] for sequence in x]))
    assert after["pos"][...].tolist() == [3, 5]
    for came, sequence in zip(np.asarray(output), x):
        expected, tolerance = within_heads(sequence, params, 2, causal=True)
        close(came, expected[-2:], tolerance)


# 37


@given(
    SEEDS,
    st.sampled_from([(1, 1, 2), (3, 1, 2), (4, 2, 1), (6, 3, 2), (6, 2, 1)]),
    st.sampled_from([1, 2, 5]),
    st.sampled_from([(), (2,), (2, 3)]),
    STRETCHES,
)
@example(0, (6, 3, 2), 5, (), 1.0)
@example(1, (6, 2, 1), 1, (2, 3), 4.0)
@CHEAP
def test_grouped_query_attention_is_its_definition(seed, sizes, length, batch, gain):
    """With any group size, length and batch dimensions, query head n reads key/value head n // group."""
    num_heads, num_kv_heads, width = sizes
    d_model = num_heads * width
    params, (x,) = projections(seed, d_model, num_kv_heads * width, gain), draw(seed + 1, (*batch, length, d_model))
    came, _ = step(*nnx.split(module(37, "GroupedQueryAttention", params, d_model, num_heads, num_kv_heads)), x)
    came = np.asarray(came)
    assert came.shape == x.shape
    for place in np.ndindex(*batch):
        close(came[place], *within_heads(x[place], params, num_heads, num_heads // num_kv_heads))


def test_with_a_key_head_for_each_query_head_it_is_problem_32():
    """With num_kv_heads == num_heads the same kernels give what multi-head attention gives."""
    params, (x,) = projections(9, 6), draw(10, (2, 5, 6))
    grouped, _ = step(*nnx.split(module(37, "GroupedQueryAttention", params, 6, 3, 3)), x)
    plain, _ = step(*nnx.split(module(32, "MultiHeadAttention", params, 6, 3)), x)
    np.testing.assert_allclose(grouped, plain, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("d_model, num_heads, num_kv_heads", [(8, 4, 3), (8, 2, 4), (3, 1, 2)])
def test_heads_that_the_key_heads_do_not_divide_are_refused(d_model, num_heads, num_kv_heads):
    """The constructor raises ValueError."""
    with pytest.raises(ValueError):
        reference(37).GroupedQueryAttention(d_model, num_heads, num_kv_heads, rngs=nnx.Rngs(0))


# 38


@pytest.mark.parametrize("t_q, t_k", [(1, 1), (1, 4), (4, 1), (3, 5), (5, 3), (4, 4), (2, 300)])
def test_the_distance_bias_is_its_definition(t_q, t_k):
    """Entry (i, j) is |i - j|, counted from the start for both, exactly, in float32."""
    bias = reference(38).distance_bias(t_q, t_k)
    assert bias.dtype == jnp.float32 and bias.tolist() == [[abs(i - j) for j in range(t_k)] for i in range(t_q)]


@given(
    SEEDS,
    st.sampled_from([1, 3, 6]),
    st.sampled_from([1, 4, 9]),
    st.sampled_from([(1, 3), (4, 4), (5, 2)]),
    st.sampled_from([(), (1,), (3,)]),
    GAINS,
)
@CHEAP
def test_biased_attention_is_its_definition(seed, t_q, t_k, widths, batch, gain):
    """For one sequence and for a batch, at any lengths and widths, the scores are the bare products plus the
    distance."""
    d_k, d_v = widths
    (q, k), (v,) = draw(seed, (*batch, t_q, d_k), (*batch, t_k, d_k), gain=gain), draw(seed + 1, (*batch, t_k, d_v))
    came = np.asarray(compiled(38, "biased_attention")(q, k, v))
    assert came.shape == (*batch, t_q, d_v)
    for place in np.ndindex(*batch):
        close(came[place], *within(q[place], k[place], v[place], scale=1.0, per_step=1.0))


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16])
def test_biased_attention_keeps_half_precision(dtype):
    """The output has the dtype of the inputs, and is right to a few of its digits."""
    q, k, v = (array.astype(dtype) for array in draw(11, (4, 5), (6, 5), (6, 3)))
    close(compiled(38, "biased_attention")(q, k, v), attention(q, k, v, scale=1.0, per_step=1.0), *coarse(v))


def coarse(v):
    """How far an output in half precision may be from the exact average, and its dtype: twice a rounding of weights and
    of result."""
    return 2 * float(jnp.finfo(v.dtype).eps) * np.abs(v.astype(np.float64)).max(), v.dtype


@pytest.mark.parametrize(
    "q, k, v",
    [
        ((3, 5), (4, 6), (4, 2)),
        ((2, 3, 5), (2, 4, 6), (2, 4, 2)),
        ((2, 3, 5), (3, 4, 5), (3, 4, 2)),
        ((1, 3, 5), (2, 4, 5), (2, 4, 2)),
        ((2, 3, 5), (1, 4, 5), (1, 4, 2)),
        ((2, 3, 5), (2, 4, 5), (1, 4, 2)),
    ],
)
def test_biased_attention_refuses_what_does_not_fit(q, k, v):
    """Unequal widths of queries and keys raise ValueError, and so do unequal batch sizes, 1 against more included."""
    with pytest.raises(ValueError):
        reference(38).biased_attention(*map(jnp.zeros, (q, k, v)))


def decaying(seed, length, num_heads, batch=(), gain=1.0, rate=0.0):
    """A module whose heads decay at rates around exp(`rate`), these rates, and q, k, v."""
    shape = (*batch, length, num_heads, 4)
    (log_alpha, v), (q, k) = draw(seed, (num_heads,), shape), draw(seed + 1, shape, shape, gain=gain)
    log_alpha += np.float32(rate)
    return (
        module(38, "DecayingAttention", dict(log_alpha=log_alpha), num_heads),
        np.exp(log_alpha.astype(np.float64)),
        q,
        k,
        v,
    )


@given(
    SEEDS,
    st.sampled_from([1, 2, 6]),
    st.sampled_from([1, 3]),
    st.sampled_from([(), (2,), (2, 2)]),
    st.booleans(),
    st.sampled_from([0.0, 1.0, 6.0]),
    st.sampled_from([-3.0, 0.0, 3.0]),
)
@example(0, 6, 3, (2,), True, 1.0, 0.0)
@example(1, 6, 3, (), False, 1.0, 0.0)
@CHEAP
def test_decaying_attention_is_its_definition(seed, length, num_heads, batch, causal, gain, rate):
    """At any length, heads and batch dimensions, causal or not, a score of head n loses exp(log_alpha[n]) with each
    step of distance."""
    made, alpha, q, k, v = decaying(seed, length, num_heads, batch, gain, rate)
    came, _ = step(*nnx.split(made), q, k, v, causal=causal)
    came = np.asarray(came)
    assert came.shape == q.shape
    for *place, n in np.ndindex(*batch, num_heads):
        own = (*place, slice(None), n)
        close(came[own], *within(q[own], k[own], v[own], causal=causal, per_step=-alpha[n]))


@given(SEEDS, st.sampled_from([1, 2, 6]), st.booleans(), st.sampled_from([-3.0, 0.0, 3.0]))
@example(0, 6, True, 0.0)
@CHEAPER
def test_the_gradient_for_log_alpha_is_its_formula(seed, length, causal, rate):
    """Through exp(log_alpha) |i - j|, summed over the sequences of a batch, and finite for a single token too."""
    made, alpha, q, k, v = decaying(seed, length, 3, (2,), rate=rate)
    (cotangent,) = draw(seed + 2, q.shape)
    came = gradient_of_decay(*nnx.split(made), q, k, v, cotangent, causal)
    distance, expected, size = abs(np.arange(length)[:, None] - np.arange(length)), np.zeros(3), 0.0
    for place, n in np.ndindex(2, 3):
        own = (place, slice(None), n)
        options = dict(causal=causal, per_step=-alpha[n])
        weights = weigh(q[own], k[own], **options)
        moves = pull_back(weights, v[own], cotangent[own])[0] * -alpha[n] * distance
        expected[n] += moves.sum()
        size = max(
            size,
            (1 + largest(q[own], k[own], **options))
            * (weights * alpha[n] * distance * (np.abs(cotangent[own]) @ np.abs(v[own]).T).max()).sum(),
        )
    close(came, expected, MARGIN * EPS * size)


@functools.partial(jax.jit, static_argnums=(0, 6))
def gradient_of_decay(graph, state, q, k, v, cotangent, causal):
    _, pull = jax.vjp(lambda state: nnx.merge(graph, state)(q, k, v, causal), state)
    return pull(cotangent)[0]["log_alpha"][...]


@pytest.mark.parametrize("num_heads", [1, 4])
def test_every_head_starts_with_a_decay_of_one(num_heads):
    """The module holds one variable, an nnx.Param of zeros, one for each head."""
    ((path, variable),) = nnx.to_flat_state(nnx.state(reference(38).DecayingAttention(num_heads, rngs=nnx.Rngs(0))))
    assert path == ("log_alpha",) and type(variable) is nnx.Param
    assert variable[...].dtype == jnp.float32 and variable[...].tolist() == [0.0] * num_heads


# 39


def half(seed, q, k, v, gain):
    """In bfloat16, with scores so far from zero that it cannot tell them apart, and averages so far from it that a
    wrong sum shows."""
    (q, k), (v,) = draw(seed, q, k, gain=gain), draw(seed + 1, v)
    q[..., 0] = k[..., 0] = 16
    return [array.astype(jnp.bfloat16) for array in (q, k, np.abs(v))]


def blockwise(q, k, v, block_size, causal):
    return compiled(39, "blockwise_attention", "block_size", "causal")(q, k, v, block_size, causal)


FEW_QUERIES, FEW_KEYS, BLOCKS, CAUSAL = (
    st.sampled_from([1, 3, 6]),
    st.sampled_from([1, 4, 7]),
    st.sampled_from([1, 2, 4, 9]),
    st.booleans(),
)


@given(SEEDS, FEW_QUERIES, FEW_KEYS, BLOCKS, CAUSAL, st.sampled_from([(1, 1), (4, 3), (3, 5)]), GAINS)
@example(0, 6, 4, 3, True, (4, 3), 1.0)  # two queries see no key, and the last block is not full
@example(1, 3, 7, 2, True, (4, 3), 12.0)
@example(2, 1, 1, 9, False, (4, 3), 1.0)
@CHEAP
def test_blockwise_attention_is_its_definition(seed, t_q, t_k, block_size, causal, widths, gain):
    """At any lengths and with blocks from one key to more than there are, causal or not; a query without a key gets
    zeros."""
    d_k, d_v = widths
    (q, k), (v,) = draw(seed, (t_q, d_k), (t_k, d_k), gain=gain), draw(seed + 1, (t_k, d_v))
    came = np.asarray(blockwise(q, k, v, block_size, causal))
    close(came, *within(q, k, v, causal=causal))
    assert not causal or not came[: max(0, t_q - t_k)].any()


@given(SEEDS, FEW_QUERIES, FEW_KEYS, BLOCKS, CAUSAL, st.sampled_from([0.0, 1.0, 6.0]))
@example(0, 6, 4, 3, True, 1.0)
@example(1, 3, 7, 2, False, 1.0)
@CHEAPER
def test_the_gradient_of_blockwise_attention_is_that_of_dense_attention(seed, t_q, t_k, block_size, causal, gain):
    """For q, k and v it is what the whole matrix of weights gives, finite and zero for a query without a key."""
    (q, k), (v, cotangent) = draw(seed, (t_q, 4), (t_k, 4), gain=gain), draw(seed + 1, (t_k, 3), (t_q, 3))
    came = [np.asarray(gradient) for gradient in gradients_of_blockwise(q, k, v, cotangent, block_size, causal)]
    weights = weigh(q, k, causal=causal)
    scores, values = pull_back(weights, v, cotangent)
    # Each is a sum over as many terms as there are queries or keys, of which none is larger than this.
    term = MARGIN * EPS * (1 + largest(q, k, causal=causal)) * np.abs(cotangent).sum(1).max()
    close(came[0], scores @ k / 2, term * np.abs(v).max() * np.abs(k).max())
    close(came[1], scores.T @ q / 2, term * np.abs(v).max() * np.abs(q).max() * t_q)
    close(came[2], values, term * t_q)
    assert not causal or not came[0][: max(0, t_q - t_k)].any()


@functools.partial(jax.jit, static_argnums=(4, 5))
def gradients_of_blockwise(q, k, v, cotangent, block_size, causal):
    _, pull = jax.vjp(lambda *arrays: reference(39).blockwise_attention(*arrays, block_size, causal), q, k, v)
    return pull(cotangent)


@pytest.mark.parametrize(
    "t_q, t_k, block_size, causal, gain", [(9, 30, 4, False, 3.0), (7, 4, 3, True, 1.0), (2, 600, 1, True, 0.1)]
)
def test_blockwise_attention_keeps_what_it_sums_in_float32(t_q, t_k, block_size, causal, gain):
    """With bfloat16 in and out it loses no digits of large scores, nor of a sum over hundreds of keys that weigh much
    the same."""
    q, k, v = half(12, (t_q, 8), (t_k, 8), (t_k, 4), gain)
    close(blockwise(q, k, v, block_size, causal), attention(q, k, v, causal=causal), *coarse(v))


# 40


def tiled(*arrays, **options):
    return compiled(40, "tiled_attention", "block_q", "block_k", "causal", "interpret")(
        *arrays, **options, interpret=True
    )


def each_head(q, k, v, causal):
    outputs, tolerances = zip(*(within(*head, causal=causal) for head in zip(q, k, v)))
    return np.array(outputs), max(tolerances)


@given(
    SEEDS,
    st.sampled_from([1, 3]),
    st.sampled_from([1, 7, 20]),
    st.sampled_from([1, 5, 18]),
    st.sampled_from([1, 5]),
    st.sampled_from([4, 8, 32]),
    st.sampled_from([4, 8, 32]),
    CAUSAL,
    GAINS,
)
# two blocks of queries see no key, and a third sees some
@example(0, 2, 20, 9, 5, 4, 4, True, 1.0)
@example(1, 2, 7, 18, 5, 4, 8, True, 12.0)
@example(2, 3, 20, 18, 5, 8, 4, False, 1.0)
@CHEAPER
def test_tiled_attention_is_its_definition(seed, num_heads, t_q, t_k, width, block_q, block_k, causal, gain):
    """At any heads, lengths, width and blocks, which need not divide the lengths and may be longer; a query without a
    key gets zeros."""
    (q, k), (v,) = (
        draw(seed, (num_heads, t_q, width), (num_heads, t_k, width), gain=gain),
        draw(seed + 1, (num_heads, t_k, width)),
    )
    came = np.asarray(tiled(q, k, v, block_q=block_q, block_k=block_k, causal=causal))
    close(came, *each_head(q, k, v, causal))
    assert not causal or not came[:, : max(0, t_q - t_k)].any()


@pytest.mark.parametrize("t_q, t_k, causal", [(5, 18, False), (18, 5, False), (5, 18, True), (18, 5, True)])
def test_tiled_blockwise_and_dense_attention_agree(t_q, t_k, causal):
    """Problem 40, with a batch by vmap, is problem 39 for each head, and both are problem 31, or 33 where each query
    sees a key."""
    q, k, v = draw(13, (2, 3, t_q, 4), (2, 3, t_k, 4), (2, 3, t_k, 4))
    came = np.asarray(jax.vmap(functools.partial(tiled, block_q=8, block_k=8, causal=causal))(q, k, v))
    others = [functools.partial(blockwise, block_size=4, causal=causal)]
    if t_q <= t_k or not causal:
        others.append(compiled(33, "causal_sdpa") if causal else compiled(31, "sdpa"))
    for other in others:
        theirs = np.asarray(jax.vmap(jax.vmap(other))(q, k, v))
        for place in np.ndindex(2, 3):
            expected, tolerance = within(q[place], k[place], v[place], causal=causal)
            close(came[place], theirs[place].astype(np.float64), tolerance)
            close(theirs[place], expected, tolerance)


@pytest.mark.parametrize(
    "t_q, t_k, block_k, causal, gain", [(9, 30, 8, False, 3.0), (19, 4, 8, True, 1.0), (2, 600, 1, True, 0.1)]
)
def test_tiled_attention_keeps_what_it_sums_in_float32(t_q, t_k, block_k, causal, gain):
    """With bfloat16 in and out it loses no digits of large scores, nor of a sum over hundreds of keys that weigh much
    the same."""
    q, k, v = half(14, (2, t_q, 8), (2, t_k, 8), (2, t_k, 8), gain)
    close(tiled(q, k, v, block_q=8, block_k=block_k, causal=causal), each_head(q, k, v, causal)[0], *coarse(v))


# Every problem's tolerance rests on error_scale


@given(SEEDS, LENGTHS, LENGTHS, WIDTHS, GAINS)
@CHEAP
def test_error_scale_is_that_of_the_scores(seed, t_q, t_k, d_k, gain):
    """For 31, 33, 39 and 40 it is (1 + max |score|) max |v|, over all scores, hidden or not."""
    (q, k), (v,) = draw(seed, (t_q, d_k), (t_k, d_k), gain=gain), draw(seed + 1, (t_k, 3))
    expected = within(q, k, v)[1] / (MARGIN * EPS)
    for number, options in {
        31: {},
        33: {},
        39: dict(block_size=2, causal=True),
        40: dict(block_q=2, causal=True),
    }.items():
        scale = reference(number).error_scale(
            **{name: a.astype(np.float64) for name, a in dict(q=q, k=k, v=v).items()}, **options
        )
        assert scale == pytest.approx(expected, rel=1e-9)
