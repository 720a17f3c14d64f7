"""58 · Gradients where not every number is asked for."""

import jax
import jax.numpy as jnp
from flax import nnx


def coverage_behind_a_mask(names, kernels, query, keys, coverage, mask):
    """What a module with these kernels gives. The coverage of masked keys has no gradient, whether they are read or
    not."""
    module = with_kernels(names.CoverageAttention, kernels)
    return module(query, keys, jnp.where(mask, coverage, 0.0), mask)


def location_behind_a_mask(names, kernels, query, keys, previous, mask):
    """The same with the weights of the step before."""
    size, _, filters = kernels["location_conv"].shape
    module = with_kernels(names.LocationAttention, kernels, num_filters=filters, kernel_size=size)
    return module(query, keys, jnp.where(mask, previous, 0.0), mask)


def with_kernels(cls, kernels, **sizes):
    (d_query, d_attention), d_key = kernels["query_proj"].shape, len(kernels["key_proj"])
    module = cls(d_query, d_key, d_attention, **sizes, rngs=nnx.Rngs(0))
    for name, kernel in kernels.items():
        getattr(module, name).kernel = nnx.Param(kernel)
    return module


def slopes_beside_ties(names, weights, tied):
    """The loss and its gradient, where any finite number counts as 0 for a key that is tied."""
    loss, slopes = jax.value_and_grad(names.coverage_loss)(weights)
    return loss, jnp.where(tied & jnp.isfinite(slopes), 0.0, slopes)
