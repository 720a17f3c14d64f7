"""nnx.Dropout with the key at the call; a derivative of its own for -w log w; optax and the normal density."""

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jax.scipy.special import entr
from jax.scipy.stats import norm


def attention_dropout(key, weights, rate):
    return nnx.Dropout(rate, deterministic=False)(weights, rngs=nnx.Rngs(dropout=key))


@jax.custom_jvp
def term(w):
    return entr(w)


@term.defjvp
def _(primals, tangents):
    (w,), (dot,) = primals, tangents
    return entr(w), -(jnp.log(jnp.clip(w, 1e-37)) + 1) * dot


def attention_entropy(weights):
    return term(weights.astype(jnp.float32)).sum(axis=-1)


def doubly_stochastic_penalty(weights):
    totals = jnp.asarray(weights, jnp.float32).sum(axis=0)
    return 2 * optax.l2_loss(totals, jnp.ones_like(totals)).sum()


def guided_attention_loss(weights, width):
    t_q, t_k = weights.shape[-2:]
    apart = jnp.subtract.outer(jnp.arange(t_q) / t_q, jnp.arange(t_k) / t_k)
    near = norm.pdf(apart, scale=width) / norm.pdf(0.0, scale=width)
    return jnp.average(weights.astype(jnp.float32) * (1 - near))
