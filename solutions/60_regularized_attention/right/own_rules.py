"""Backward passes of its own: the mask is drawn again from the key, and a weight of 0 has the slope 0; tanh for 1 - exp."""

import functools

import jax
import jax.numpy as jnp


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def attention_dropout(key, weights, rate):
    kept = jax.random.bernoulli(key, 1 - rate, weights.shape)
    return jnp.where(kept, weights / (1 - rate), 0).astype(weights.dtype)


def _dropped(key, weights, rate):
    return attention_dropout(key, weights, rate), key


def _draw_again(rate, key, slope):
    kept = jax.random.bernoulli(key, 1 - rate, slope.shape)
    return None, jnp.where(kept, slope / (1 - rate), 0).astype(slope.dtype)


attention_dropout.defvjp(_dropped, _draw_again)


def _log(w):
    return jnp.log(jnp.where(w > 0, w, 1))


@jax.custom_vjp
def _entropy(w):
    return -(w * _log(w)).sum(-1)


_entropy.defvjp(lambda w: (_entropy(w), w), lambda w, slope: (jnp.where(w > 0, -_log(w) - 1, 0) * slope[..., None],))


def attention_entropy(weights):
    return _entropy(weights.astype(jnp.float32))


def doubly_stochastic_penalty(weights):
    def add(t, totals):
        return totals + weights[t].astype(jnp.float32)

    totals = jax.lax.fori_loop(0, weights.shape[0], add, jnp.zeros(weights.shape[1]))
    return jnp.vdot(totals - 1, totals - 1)


def guided_attention_loss(weights, width):
    q, k = weights.shape[-2:]
    apart = (jnp.arange(q)[:, None] * k - jnp.arange(k) * q) / (q * k)
    half = jnp.tanh(apart**2 / (4 * width**2))
    return jnp.mean(weights.astype(jnp.float32) * 2 * half / (1 + half))
