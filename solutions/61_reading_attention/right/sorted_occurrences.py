"""The score by adding up over classes of equal tokens: a token's class is its first place; powers of few matrices."""

import jax
import jax.numpy as jnp


def attention_rollout(weights):
    matrices = jnp.average(weights.astype(jnp.float32), axis=1)
    T = matrices.shape[-1]
    matrices = jax.vmap(lambda m: jnp.add(m, jnp.eye(T)))(matrices)
    product = matrices[-1]
    for matrix in matrices[-2::-1]:
        product = product @ matrix
    return product * 0.5 ** len(matrices)


def mean_distance(weights):
    # |i - j| is how many of the borders between two tokens lie between the two
    weights = weights.astype(jnp.float32)
    T = weights.shape[-1]
    crossed = jnp.zeros(weights.shape[0], jnp.float32)
    for border in range(1, T):
        crossed += weights[:, :border, border:].sum((1, 2)) + weights[:, border:, :border].sum((1, 2))
    return crossed / T


def induction_score(weights, tokens):
    T = tokens.shape[0]
    first = jnp.argmax(tokens[:, None] == tokens[None, :], axis=1)
    classes = jax.nn.one_hot(first, T)
    # what each query gives to the places behind each class, of those up to itself
    behind = jnp.pad(classes, ((1, 0), (0, 0)))[:T]
    given = jnp.tril(weights.astype(jnp.float32)) @ behind
    found = (given * classes).sum(axis=(1, 2))
    repeated = (first < jnp.arange(T)).sum()
    return found / jax.lax.max(repeated, 1).astype(jnp.float32)
