"""76 · What people get wrong."""

import jax

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
