"""52 · The reference: Katharopoulos et al. 2020, in chunks as in Yang et al. 2023. All three read the same two sums."""

import jax
import jax.numpy as jnp
import numpy as np


def phi(x):
    # The features. What is exponentiated and summed is float32 from here on, also for bfloat16 inputs; it is float64
    # when the inputs are, since the answer key is computed in it too. `jax.nn.elu` keeps the exponential away from
    # large numbers in its gradient as well: `jnp.where(x > 0, x + 1, jnp.exp(x))` has right values, and NaN for the
    # gradient where `exp` overflows.
    return jax.nn.elu(x.astype(jnp.promote_types(x.dtype, jnp.float32))) + 1


def summed(features, v):
    # $S = \sum_j \phi(k_j) v_j^\top$ and $z = \sum_j \phi(k_j)$, of all rows at once. The sum over $j$ is inside of the
    # product, so the outer products of single tokens never exist.
    return features.T @ v.astype(features.dtype), features.sum(0)


def read(features, state):
    # $\phi(q) S$ over $\phi(q) \cdot z$, for one query or for many. Features are positive, and so is the divisor: it
    # needs no small constant, which would be no small one beside small features.
    S, z = state
    return (features @ S) / (features @ z)[..., None]


def linear_attention(q, k, v):
    # What depends on the keys is summed up once, whoever asks; then each query reads it. Neither product knows both
    # lengths. Done from the left, $(\phi(Q) \phi(K)^\top) V$ is the same number, and an array of $T_q \times T_k$.
    return read(phi(q), summed(phi(k), v)).astype(q.dtype)


def added(state, features, v):
    # One more token: an outer product for $S$, the features themselves for $z$.
    S, z = state
    return S + jnp.outer(features, v.astype(S.dtype)), z + features


def linear_attention_step(state, q, k, v):
    # Add first, read after: a token attends to itself. Before the first token the state is zeros, and to read it then
    # would be 0 / 0.
    state = added(state, phi(k), v)
    return state, read(phi(q), state).astype(q.dtype)


def chunks(rows, size):
    # `(T, d)` becomes `(count, size, d)`: a scan walks along the first axis. What fills up the last chunk stands behind
    # every real token. Its features are not zero, for $\phi(0) = 1$; nobody sees them because of the triangle, and the
    # state that they get into is read by no chunk.
    return jnp.pad(rows, ((0, -len(rows) % size), (0, 0))).reshape(-1, size, rows.shape[1])


def within(q, k, v):
    # What the tokens of a chunk give to one another, $\sum_{j \le i} (\phi(q_i) \cdot \phi(k_j)) v_j$ and the sum of
    # these weights. They are not exponentiated, so a weight that is hidden is set to 0.
    weights = jnp.tril(q @ k.T)
    return weights @ v, weights.sum(-1)


def before(q, state):
    # What all earlier chunks give, through the state alone.
    S, z = state
    return q @ S, q @ z


def following(state, k, v):
    # The state behind a chunk: its sums are added to those before it.
    return jax.tree.map(jnp.add, state, summed(k, v))


def attend(state, rows):
    # One turn of the loop. The state that is read is the one from before the chunk; its own tokens come from the
    # triangle, and would be counted twice, and too early, if they were added first.
    q, k, v = rows
    q, k, v = phi(q), phi(k), v.astype(jnp.promote_types(v.dtype, jnp.float32))
    (earlier, norm_before), (own, norm_within) = before(q, state), within(q, k, v)
    # The sums are divided once, when both parts are in them.
    return following(state, k, v), (earlier + own) / (norm_before + norm_within)[:, None]


def causal_linear_attention(q, k, v, chunk_size):
    # A chunk longer than the sequence would be mostly padding, so it is cut to the sequence.
    size = min(chunk_size, len(q))
    wide = jnp.promote_types(q.dtype, jnp.float32)
    # The state before the first token, in float32: a running sum of ones in bfloat16 stops at 256.
    start = jnp.zeros((q.shape[1], v.shape[1]), wide), jnp.zeros(q.shape[1], wide)
    # One turn for each chunk, traced once. It hands out the outputs of its chunk, and of the state nothing: a state for
    # each chunk would be no fault, one for each token is the array of $T \times d_k \times d_v$.
    _, out = jax.lax.scan(attend, start, tuple(chunks(rows, size) for rows in (q, k, v)))
    # The chunks are joined, and the rows of the padding cut off.
    return out.reshape(-1, v.shape[1])[: len(q)].astype(q.dtype)


def error_scale(q, k, v, state=None, chunk_size=None, eps=0.0):
    """How large the intermediate values are: the largest value, times how much a rounding of `elu(x) + 1` moves a
    weight, which is more than a rounding of it beside a feature that is far below 1. Where there is a state, float32
    whatever comes in, also how much it is rounded while tokens are added."""
    q, k, v = np.atleast_2d(q), np.atleast_2d(k), np.atleast_2d(v)

    def features(x):
        return np.where(x > 0, x + 1, np.exp(np.minimum(x, 0)))

    (fq, fk), (rq, rk) = ((make(q), make(k)) for make in (features, lambda x: np.maximum(features(x), 1.0)))
    S, z = (0.0, 0.0) if state is None else state
    moved, weights = rq @ (fk.sum(0) + z) + fq @ rk.sum(0), fq @ (fk.sum(0) + z)
    scale = (1 + (moved / weights).max()) * np.abs(v).max()
    if state is None or eps > 1e-6:
        return scale
    return scale + len(k) ** 0.5 * np.abs(S + fk.T @ v).max()
