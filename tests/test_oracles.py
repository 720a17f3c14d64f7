"""Each reference against an oracle that shares nothing with it: the definition in float64 NumPy, and the libraries where they are right."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.problem import load
from tests.conftest import PROBLEMS

jax.config.update("jax_platforms", "cpu")
EPS, MARGIN = float(np.finfo(np.float32).eps), 4
CHEAP = settings(max_examples=15, deadline=None, derandomize=True)      # each new shape is compiled
SEEDS = st.integers(0, 2 ** 32 - 1)
LENGTHS, WIDTHS, GAINS = st.integers(1, 9), st.integers(1, 6), st.sampled_from([0.0, 0.1, 1.0, 12.0])


@functools.cache
def reference(number: int):
    """The reference of a problem, found by its folder."""
    return load(PROBLEMS[number].solutions / "reference.py", f"reference_{number}")


def draw(seed, *shapes, gain=1.0):
    rng = np.random.default_rng(seed)
    return [(gain * rng.standard_normal(shape)).astype(np.float32) for shape in shapes]


def attention(q, k, v, causal=False):
    """The definition, one query at a time: a query sees its keys, weighs them by exp(score), and takes the average of their values."""
    q, k, v = (array.astype(np.float64) for array in (q, k, v))
    rows, largest = [], 0.0
    for i, query in enumerate(q):
        seen = len(k) - len(q) + i + 1 if causal else len(k)
        scores = np.array([sum(a * b for a, b in zip(query, key)) for key in k[:seen]]) / np.sqrt(len(query))
        weights = np.exp(scores - max(scores))
        rows.append(sum(weight * value for weight, value in zip(weights, v)) / sum(weights))
        largest = max(largest, np.abs(scores).max())
    return np.array(rows), MARGIN * EPS * (1 + largest) * np.abs(v).max()


def heads(x, params, num_heads):
    """Multi-head attention by its definition, for one sequence: head n owns features n*H .. (n+1)*H."""
    q, k, v = (x.astype(np.float64) @ params[f"{name}.kernel"].astype(np.float64) for name in ("q_proj", "k_proj", "v_proj"))
    width, joined, tolerance = x.shape[-1] // num_heads, [], 0.0
    for n in range(num_heads):
        own = slice(n * width, (n + 1) * width)
        output, allowed = attention(q[:, own], k[:, own], v[:, own])
        joined.append(output)
        tolerance = max(tolerance, allowed)
    out = params["o_proj.kernel"].astype(np.float64)
    return np.concatenate(joined, axis=1) @ out, tolerance * np.abs(out).sum(0).max()


def close(came, expected, tolerance):
    assert came.dtype == jnp.float32 and came.shape == expected.shape
    assert np.abs(np.asarray(came, np.float64) - expected).max() <= tolerance


# 31


@given(SEEDS, LENGTHS, LENGTHS, WIDTHS, WIDTHS, GAINS)
@CHEAP
def test_sdpa_is_its_definition(seed, t_q, t_k, d_k, d_v, gain):
    """At every length and width, with scores from nothing to hundreds, problem 31 is the definition computed in float64."""
    (q, k), (v,) = draw(seed, (t_q, d_k), (t_k, d_k), gain=gain), draw(seed + 1, (t_k, d_v))
    close(jax.jit(reference(31).sdpa)(q, k, v), *attention(q, k, v))


@pytest.mark.parametrize("t_q, t_k", [(1, 1), (1, 6), (5, 3), (4, 4)])
def test_sdpa_is_jaxs_own(t_q, t_k):
    """jax.nn.dot_product_attention, with one head and values as wide as keys, gives the same."""
    q, k, v = draw(0, (t_q, 8), (t_k, 8), (t_k, 8))
    theirs = jax.nn.dot_product_attention(q[:, None], k[:, None], v[:, None])[:, 0]
    close(reference(31).sdpa(q, k, v), np.asarray(theirs, np.float64), attention(q, k, v)[1])


def test_sdpa_is_an_average_of_values():
    """Each output lies between the least and the largest value of its column, and equal keys give the plain mean."""
    q, k, v = draw(3, (5, 4), (7, 4), (7, 3))
    output = reference(31).sdpa(q, k, v)
    assert (output >= v.min(0) - 1e-6).all() and (output <= v.max(0) + 1e-6).all()
    np.testing.assert_allclose(reference(31).sdpa(q, np.ones_like(k), v), np.broadcast_to(v.mean(0), (5, 3)), rtol=1e-5, atol=1e-6)


# 32


def module(number, name, params, *sizes):
    made = getattr(reference(number), name)(*sizes, rngs=nnx.Rngs(0))
    for path, array in params.items():
        projection, leaf = path.split(".")
        getattr(getattr(made, projection), leaf)[...] = jnp.asarray(array)
    return made


def projections(seed, d_model):
    names = ("q_proj", "k_proj", "v_proj", "o_proj")
    return {f"{name}.kernel": kernel for name, kernel in zip(names, draw(seed, *[(d_model, d_model)] * 4, gain=d_model ** -0.5))}


@given(SEEDS, st.integers(1, 4), st.integers(1, 4), st.integers(1, 6), st.lists(st.integers(1, 3), max_size=2))
@CHEAP
def test_multi_head_attention_is_its_definition(seed, num_heads, width, length, batch):
    """With any heads, widths, lengths and batch dimensions, each sequence is attended to on its own, head by head."""
    d_model = num_heads * width
    params, (x,) = projections(seed, d_model), draw(seed + 1, (*batch, length, d_model))
    graph, state = nnx.split(module(32, "MultiHeadAttention", params, d_model, num_heads))
    came = jax.jit(lambda x: nnx.merge(graph, state)(x))(x)
    assert came.shape == x.shape
    for place in np.ndindex(*batch):
        close(came[place], *heads(x[place], params, num_heads))


@pytest.mark.parametrize("num_heads, batch", [(1, ()), (3, (2,)), (4, (2, 3))])
def test_multi_head_attention_is_flaxs_own(num_heads, batch):
    """nnx.MultiHeadAttention with the same kernels, reshaped to its heads, and without bias gives the same."""
    d_model = 12
    params, (x,) = projections(5, d_model), draw(6, (*batch, 5, d_model))
    theirs = nnx.MultiHeadAttention(num_heads, d_model, use_bias=False, decode=False, rngs=nnx.Rngs(0))
    for name in ("query", "key", "value"):
        getattr(theirs, name).kernel[...] = jnp.asarray(params[f"{name[0]}_proj.kernel"].reshape(d_model, num_heads, -1))
    theirs.out.kernel[...] = jnp.asarray(params["o_proj.kernel"].reshape(num_heads, -1, d_model))
    np.testing.assert_allclose(module(32, "MultiHeadAttention", params, d_model, num_heads)(x), theirs(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("d_model, num_heads", [(8, 3), (4, 8), (1, 2)])
def test_a_width_that_the_heads_do_not_divide_is_refused(d_model, num_heads):
    """The constructor raises ValueError."""
    with pytest.raises(ValueError):
        reference(32).MultiHeadAttention(d_model, num_heads, rngs=nnx.Rngs(0))


# 33


@pytest.mark.parametrize("t_q", range(1, 6))
@pytest.mark.parametrize("t_k", range(1, 6))
def test_the_causal_mask_is_its_definition(t_q, t_k):
    """Query i sees key j when j <= i + (t_k - t_q), for more and for fewer queries than keys; the last query sees every key."""
    mask = reference(33).causal_mask(t_q, t_k)
    assert mask.dtype == bool and mask.tolist() == [[j <= i + t_k - t_q for j in range(t_k)] for i in range(t_q)] and mask[-1].all()


@given(SEEDS, LENGTHS, st.integers(0, 6), WIDTHS, WIDTHS, GAINS)
@CHEAP
def test_causal_sdpa_is_its_definition(seed, t_q, earlier, d_k, d_v, gain):
    """At every length, with fewer queries than keys and with one of each, problem 33 is the definition over the keys that a query sees."""
    t_k = t_q + earlier
    (q, k), (v,) = draw(seed, (t_q, d_k), (t_k, d_k), gain=gain), draw(seed + 1, (t_k, d_v))
    close(jax.jit(reference(33).causal_sdpa)(q, k, v), *attention(q, k, v, causal=True))


@pytest.mark.parametrize("length", [1, 2, 6])
def test_causal_sdpa_is_jaxs_own_where_lengths_are_equal(length):
    """jax.nn.dot_product_attention aligns its causal mask at the start, so that it agrees where there are as many queries as keys."""
    q, k, v = draw(1, (length, 8), (length, 8), (length, 8))
    theirs = jax.nn.dot_product_attention(q[:, None], k[:, None], v[:, None], is_causal=True)[:, 0]
    close(reference(33).causal_sdpa(q, k, v), np.asarray(theirs, np.float64), attention(q, k, v, causal=True)[1])


def test_causal_sdpa_is_jaxs_own_with_a_mask_at_any_lengths():
    """With the mask aligned at the end handed to it, the library agrees for fewer queries than keys as well, and not otherwise."""
    q, k, v = draw(2, (3, 8), (7, 8), (7, 8))
    mine, tolerance = reference(33).causal_sdpa(q, k, v), attention(q, k, v, causal=True)[1]
    theirs = jax.nn.dot_product_attention(q[:, None], k[:, None], v[:, None], mask=np.tri(3, 7, 4, dtype=bool)[None])[:, 0]
    at_the_start = jax.nn.dot_product_attention(q[:, None], k[:, None], v[:, None], is_causal=True)[:, 0]
    close(mine, np.asarray(theirs, np.float64), tolerance)
    assert np.abs(mine - at_the_start).max() > 0.1


def test_a_row_of_causal_sdpa_is_attention_over_what_it_sees():
    """Problem 33 is problem 31 on a growing prefix, row by row."""
    q, k, v = draw(4, (4, 8), (6, 8), (6, 3))
    rows = [reference(31).sdpa(q[i:i + 1], k[:i + 3], v[:i + 3])[0] for i in range(4)]
    close(reference(33).causal_sdpa(q, k, v), np.asarray(rows, np.float64), attention(q, k, v, causal=True)[1])


# Every problem's tolerance rests on error_scale


@given(SEEDS, LENGTHS, LENGTHS, WIDTHS, GAINS)
@CHEAP
def test_error_scale_is_that_of_the_scores(seed, t_q, t_k, d_k, gain):
    """For 31 and 33 it is (1 + max |score|) max |v|, over all scores, hidden or not."""
    (q, k), (v,) = draw(seed, (t_q, d_k), (t_k, d_k), gain=gain), draw(seed + 1, (t_k, 3))
    expected = attention(q, k, v)[1] / (MARGIN * EPS)
    for number in (31, 33):
        scale = reference(number).error_scale(**{name: a.astype(np.float64) for name, a in dict(q=q, k=k, v=v).items()})
        assert scale == pytest.approx(expected, rel=1e-9)
