"""eager, jit, vmap and grad as transforms of one pure function, held against direct calls of JAX."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from grader.run import transforms

jax.config.update("jax_platforms", "cpu")
RNG = np.random.default_rng(0)
X, W = RNG.standard_normal((3, 4)).astype(np.float32), RNG.standard_normal((4, 2)).astype(np.float32)


def layer(params, arrays):
    return jnp.tanh(arrays["x"] @ params["w"])


def test_eager_changes_nothing():
    """Called as it is means called as it is; jit is the same function, traced."""
    assert transforms.eager(layer, 0) is layer and transforms.TRACED["jit"] is transforms.eager


def test_vmap_stacks_the_arrays_and_shares_the_parameters():
    """The result is that of single calls, one for each row of the stack, all with the same parameters."""
    stack = RNG.standard_normal((5, 3, 4)).astype(np.float32)
    together = transforms.vmap(layer, 0)({"w": W}, {"x": stack})
    np.testing.assert_allclose(together, [layer({"w": W}, {"x": x}) for x in stack], rtol=1e-6)


def test_grad_is_the_gradient_of_the_product_with_the_cotangent():
    """For parameters and arrays together it is what jax.grad gives of sum(output * cotangent)."""
    weights = transforms.cotangent((3, 2), 7)
    mine = transforms.grad(layer, 7)({"w": W}, {"x": X})
    of_w, of_x = jax.grad(lambda w, x: (jnp.tanh(x @ w) * weights).sum(), argnums=(0, 1))(W, X)
    assert [*mine] == ["w", "x"]
    np.testing.assert_allclose(mine["w"], of_w, rtol=1e-5)
    np.testing.assert_allclose(mine["x"], of_x, rtol=1e-5)


def test_grad_sees_what_a_plain_sum_is_blind_to():
    """The rows of a softmax sum to 1, so that the gradient of their sum is nothing but rounding; with the cotangent it
    is not."""

    def softmax(params, arrays):
        return jax.nn.softmax(arrays["x"], axis=-1)

    assert abs(jax.grad(lambda x: softmax({}, {"x": x}).sum())(X)).max() < 1e-6
    assert abs(transforms.grad(softmax, 0)({}, {"x": X})["x"]).max() > 1e-2


def test_grad_leaves_integers_and_booleans_alone():
    """Only floating inputs have a gradient; the others are passed on as they are, in their places."""

    def picked(params, arrays):
        assert [*arrays] == ["ids", "x", "mask"]
        return jnp.where(arrays["mask"], arrays["x"][arrays["ids"]], 0.0)

    ids, mask = np.array([2, 0]), np.array([[True], [False]])
    found = transforms.grad(picked, 0)({}, {"ids": ids, "x": X, "mask": mask})
    expected = np.zeros_like(X)
    expected[2] = transforms.cotangent((2, 4), 0)[0]
    assert [*found] == ["x"]
    np.testing.assert_allclose(found["x"], expected, rtol=1e-6)


def test_grad_of_several_outputs_is_the_sum_over_the_floating_ones():
    """Each floating output has its cotangent; integers among the outputs are left out."""

    def several(params, arrays):
        return {"twice": 2 * arrays["x"], "count": jnp.arange(3), "row": arrays["x"][0]}

    expected = 2 * transforms.cotangent((3, 4), 1)
    expected[0] += transforms.cotangent((4,), 1)
    np.testing.assert_allclose(transforms.grad(several, 1)({}, {"x": X})["x"], expected, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_a_gradient_has_the_dtype_of_its_input(dtype):
    """The cotangent does not lift half precision to single."""
    x = jnp.asarray(X, dtype)
    assert transforms.grad(lambda params, arrays: jnp.sin(arrays["x"]), 0)({}, {"x": x})["x"].dtype == x.dtype


def test_grad_under_jit_is_grad():
    """The transform can be traced, which is how it is run."""
    function = transforms.grad(layer, 3)
    for one, other in zip(
        function({"w": W}, {"x": X}).values(), jax.jit(function)({"w": W}, {"x": X}).values(), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_a_cotangent_follows_from_shape_and_seed():
    """The same for the stub, the reference and every mistake; another for another seed or shape; and no constant."""
    first = transforms.cotangent((3, 4), 0)
    assert np.array_equal(first, transforms.cotangent((3, 4), 0))
    assert not np.array_equal(first, transforms.cotangent((3, 4), 1))
    assert not np.array_equal(first.ravel(), transforms.cotangent((4, 3), 0).ravel())
    assert len(np.unique(first)) == 12 and transforms.cotangent((), 0).shape == ()
