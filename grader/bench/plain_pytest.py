"""Problem 31 as a careful course would grade it with plain pytest: what `bench` holds the student's loop against.

Expected values are closed forms in NumPy, and each transform is compiled once, so that only the submission costs
compile time. The cases are as many as the grader's, of the same shapes. SUBMISSION names the file.
"""

import importlib.util
import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest

# Lengths, widths, and what is added to the scores of a row, or taken from them.
CASES = [
    (1, 1, 8, 4, 0),
    (1, 5, 8, 4, 0),
    (6, 3, 8, 4, 0),
    (6, 3, 8, 4, 200),
    (5, 5, 16, 16, 0),
    (2, 3, 1, 1, 0),
    (3, 25, 16, 6, 0),
]

spec = importlib.util.spec_from_file_location("submission", os.environ["SUBMISSION"])
submission = importlib.util.module_from_spec(spec)
spec.loader.exec_module(submission)


def forward(q, k, v):
    scores = q @ np.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1])
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    return weights, weights @ v


def backward(q, k, v, cotangent):
    weights, _ = forward(q, k, v)
    of_weights = cotangent @ v.T
    of_scores = weights * (of_weights - (weights * of_weights).sum(-1, keepdims=True)) / np.sqrt(q.shape[-1])
    return of_scores @ k, of_scores.T @ q, weights.T @ cotangent


@pytest.mark.parametrize("transform", ["eager", "jit", "vmap", "grad"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_sdpa(case, transform):
    t_q, t_k, d_k, d_v, lift = case
    rng = np.random.default_rng(0)
    lead = (3,) if transform == "vmap" else ()
    q, k, v = rng.normal(size=(*lead, t_q, d_k)), rng.normal(size=(*lead, t_k, d_k)), rng.normal(size=(*lead, t_k, d_v))
    if lift:
        q[..., 0], k[..., 0] = d_k**0.5 * (-1.0) ** np.arange(t_q), lift
    given = [jnp.asarray(a, jnp.float32) for a in (q, k, v)]
    if transform == "grad":
        cotangent = rng.normal(size=(t_q, d_v))
        came = jax.jit(
            jax.grad(lambda *a: (submission.sdpa(*a) * jnp.asarray(cotangent, jnp.float32)).sum(), (0, 1, 2))
        )(*given)
        expected = backward(q, k, v, cotangent)
    else:
        call = {"eager": submission.sdpa, "jit": jax.jit(submission.sdpa), "vmap": jax.jit(jax.vmap(submission.sdpa))}[
            transform
        ]
        came, expected = [call(*given)], [forward(q, k, v)[1]]
    for one, other in zip(came, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-4, atol=2e-4)
