"""76 · What people get wrong."""

import jax
import jax.numpy as jnp

from grader.course import mistake


@mistake
def weights_kept(ref, x, y):
    """The weights of the forward pass are kept for the backward pass, all rows × columns of them: compute them
    again."""
    return jax.nn.logsumexp(x[:, None] * y, axis=1)


@mistake
def no_gradient_for_y(ref, x, y):
    """The gradient for y is missing."""
    return ref(x, jax.lax.stop_gradient(y))


@mistake
def weights_twice_at_once(ref, x, y):
    """Two copies of the weights exist at once, in the gradient's program too. One is enough: do not stack what is the
    same."""

    def both(x, y):
        return jax.nn.logsumexp(jnp.stack([x[:, None] * y] * 2), axis=(0, 2)) - jnp.log(2.0)

    return jax.checkpoint(both)(x, y)
