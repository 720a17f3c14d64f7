"""One query of one head under vmap; the layers in a scan, from the identity on."""

import jax
import jax.numpy as jnp


def attention_rollout(weights):
    def layer(stream, heads):
        gathered = jax.vmap(lambda head: head.astype(jnp.float32) @ stream)(heads).mean(0)
        return 0.5 * stream + 0.5 * gathered, None

    stream, _ = jax.lax.scan(layer, jnp.eye(weights.shape[-1], dtype=jnp.float32), weights)
    return stream


def mean_distance(weights):
    def of_query(row, i):
        return jnp.dot(row.astype(jnp.float32), jnp.abs(jnp.arange(row.shape[0], dtype=jnp.float32) - i))

    def of_head(head):
        return jax.vmap(of_query)(head, jnp.arange(head.shape[0], dtype=jnp.float32)).mean()

    return jax.vmap(of_head)(weights)


def induction_score(weights, tokens):
    place = jnp.arange(tokens.shape[0])
    before = tokens[jnp.maximum(place - 1, 0)]

    def of_query(row, i, token):
        there = (before == token) & (place >= 1) & (place <= i)
        return jnp.sum(row.astype(jnp.float32), where=there), there.any()

    def of_head(head):
        found, has = jax.vmap(of_query)(head, place, tokens)
        return found.sum() / has.sum().clip(1)

    return jax.vmap(of_head)(weights)
