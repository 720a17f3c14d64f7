"""einops for the axes; an associative scan over the layers; the score from weights that are shifted, not tokens."""

import einops
import jax
import jax.numpy as jnp


def attention_rollout(weights):
    mean = einops.reduce(weights.astype(jnp.float32), "l n i j -> l i j", "mean")
    mixed = 0.5 * (mean + jnp.eye(mean.shape[-1])[None])
    return jax.lax.associative_scan(lambda below, above: above @ below, mixed)[-1]


def mean_distance(weights):
    T = weights.shape[-1]
    i = einops.repeat(jnp.arange(T), "i -> i j", j=T)
    apart = jnp.abs(i - i.T)
    return einops.reduce(weights.astype(jnp.float32) * apart, "n i j -> n i", "sum").mean(-1)


def induction_score(weights, tokens):
    T = tokens.size
    # weights that were on `m + 1` now stand at `m`
    shifted = jnp.concatenate([weights[..., 1:], jnp.zeros_like(weights[..., :1])], axis=-1).astype(jnp.float32)
    earlier = (tokens[:, None] == tokens) & jnp.tri(T, k=-1, dtype=bool)
    found = einops.einsum(shifted, earlier.astype(jnp.float32), "n i m, i m -> n i")
    before = earlier.any(axis=-1)
    return jnp.sum(found, axis=-1) / (jnp.sum(before) + (1 - jnp.any(before)))
