"""53 · The reference: retention as in Sun et al. 2023, section 2, with a rate for each head; and the decaying attention
of problem 38 over a band, in blocks that read their neighbours."""

import jax
import jax.numpy as jnp
import numpy as np


def wide(x):
    # Whatever is summed or exponentiated is float32 from here on, also for bfloat16 inputs. It is float64 when the
    # inputs are, since the answer key is computed in it too.
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))


def faded(log_decay, steps):
    # What is left after `steps` steps, one axis of heads in front: $e^{a_n s}$. The steps are never below 0, so the
    # exponent is never above 0: it may underflow to 0, which is right, and cannot overflow. To split it into
    # $\gamma^i \gamma^{-j}$ gives a factor that overflows.
    return jnp.exp(jnp.multiply.outer(wide(log_decay), steps.astype(jnp.float32)))


def triangle(log_decay, length):
    # The factors of all pairs of tokens, `(N, length, length)`. Later tokens get the factor 0. Their distance is set to
    # 0 *before* the exponential: `jnp.where` around an exponential that overflowed has right values, and a gradient for
    # the rate of 0 times infinity.
    steps = jnp.arange(length)[:, None] - jnp.arange(length)
    return jnp.where(steps >= 0, faded(log_decay, jnp.maximum(steps, 0)), 0.0)


def products(q, k):
    # $q_i \cdot k_j / \sqrt H$ for every head, `(N, T_q, T_k)`. No softmax follows.
    return jnp.einsum("inh,jnh->nij", wide(q), wide(k)) / q.shape[-1] ** 0.5


def within(q, k, v, log_decay):
    # What tokens give to one another: their products, each times the factor of its distance, times the values.
    return jnp.einsum("nij,jnd->ind", products(q, k) * triangle(log_decay, len(q)), wide(v))


def retention(q, k, v, log_decay):
    # All pairs at once, as the definition says it.
    return within(q, k, v, log_decay).astype(q.dtype)


def retention_step(state, q, k, v, log_decay):
    # The past fades by one step, and the token is added as it is: its own distance is 0. So it is added after the state
    # has faded, and read after that.
    state = faded(log_decay, jnp.ones(()))[:, None, None] * state + wide(k)[:, :, None] * wide(v)[:, None, :]
    return state, (jnp.einsum("nh,nhd->nd", wide(q), state) / q.shape[-1] ** 0.5).astype(q.dtype)


def earlier(state, q, log_decay):
    # What all chunks before give, through the state alone. The state is as it was behind the last token of the chunk
    # before; for token $i$ of this chunk, counted from 0, that token is $i + 1$ steps back.
    factor = faded(log_decay, jnp.arange(len(q)) + 1).T[:, :, None]
    return factor * jnp.einsum("inh,nhd->ind", wide(q), state) / q.shape[-1] ** 0.5


def following(state, k, v, log_decay):
    # The state behind the last token of the chunk. What came in is as many steps back as the chunk is long; token $j$
    # of the chunk is $C - 1 - j$ steps back, and the last one none.
    size = len(k)
    factor = faded(log_decay, size - 1 - jnp.arange(size))
    own = jnp.einsum("nj,jnh,jnd->nhd", factor, wide(k), wide(v))
    return faded(log_decay, jnp.full((), size))[:, None, None] * state + own


def chunks(rows, size):
    # `(T, N, H)` becomes `(count, size, N, H)`: a scan walks along the first axis. The last chunk is filled up with
    # zeros behind the sequence. No token sees them, and the state that fades over them is read by nobody.
    return jnp.pad(rows, ((0, -len(rows) % size), (0, 0), (0, 0))).reshape(-1, size, *rows.shape[1:])


def chunked_retention(q, k, v, log_decay, chunk_size):
    # A chunk longer than the sequence would be mostly padding, so it is cut to the sequence.
    size = min(chunk_size, len(q))

    def turn(state, rows):
        # The state that is read is the one from before the chunk. The chunk's own tokens come from the triangle, and
        # would be counted twice, and too early, if they were in the state already.
        q, k, v = rows
        return following(state, k, v, log_decay), earlier(state, q, log_decay) + within(q, k, v, log_decay)

    # One turn for each chunk, traced once. What is carried is one state, not one for each token, and float32 as the
    # rates are, whatever the inputs are.
    start = jnp.zeros((*q.shape[1:], v.shape[-1]), jnp.promote_types(q.dtype, log_decay.dtype))
    _, out = jax.lax.scan(turn, start, tuple(chunks(rows, size) for rows in (q, k, v)))
    # The chunks are joined, and the rows of the padding cut off.
    return out.reshape(-1, *v.shape[1:])[: len(q)].astype(q.dtype)


def neighbourhoods(rows, size, band):
    # For each block of `size` tokens the rows from `band` before it to `band` behind it, of shape
    # `(count, size + 2 band, N, H)`. What is outside of the sequence is zeros, and hidden below.
    count = -(-len(rows) // size)
    padded = jnp.pad(rows, ((band, band + count * size - len(rows)), (0, 0), (0, 0)))
    return padded[jnp.arange(count)[:, None] * size + jnp.arange(size + 2 * band)]


def banded_attention(q, k, v, alpha, band):
    # Nobody is farther away than the sequence is long, so a wider band is that one.
    band = min(band, len(q) - 1)
    # Blocks as long as the band, so that a block reads three times as many keys as it has queries, whatever the band
    # is. With a band of 0 a block is one token.
    size = max(band, 1)
    queries = neighbourhoods(q, size, 0)
    keys, values = neighbourhoods(k, size, band), neighbourhoods(v, size, band)
    # Where queries and keys stand in the sequence: `(count, size, 1)` and `(count, 1, size + 2 band)`.
    start = jnp.arange(len(queries))[:, None, None] * size
    i, j = start + jnp.arange(size)[:, None], start - band + jnp.arange(size + 2 * band)
    distance = jnp.abs(i - j)
    # One comparison for the band, two for the ends of the sequence. A block holds pairs that are farther apart than the
    # band; they are hidden, or the first query of a block would see more on one side than the last.
    seen = (distance <= band) & (j >= 0) & (j < len(q))
    scores = jnp.einsum("binh,bjnh->nbij", wide(queries), wide(keys)) / q.shape[-1] ** 0.5
    scores = scores - jnp.multiply.outer(wide(alpha), distance.astype(jnp.float32))
    # With `where` what is hidden is left out of maximum and sum. A query of the padding may see nobody; its weights are
    # 0, and so are its gradients.
    weights = jax.nn.softmax(scores, axis=-1, where=seen)
    out = jnp.einsum("nbij,bjnh->binh", weights, wide(values))
    return out.reshape(-1, *v.shape[1:])[: len(q)].astype(q.dtype)


def error_scale(q, k, v, log_decay=None, state=None, chunk_size=None, alpha=None, band=None, eps=0.0):
    """How large the intermediate values are. For the three forms of retention: the sum of all terms without their
    signs, and in float32 also what honest rounding makes of it, where each step may be off in its factor and in its
    sum; in half precision twice that sum, since of two right outputs one may be rounded up and the other down. For the
    band: (1 + max |score|) max |v|, over all pairs that are seen."""
    if alpha is not None:
        away = np.abs(np.arange(len(q))[:, None] - np.arange(len(q)))
        scores = np.einsum("inh,jnh->nij", q, k) / np.sqrt(q.shape[-1]) - alpha[:, None, None] * away
        return (1 + np.abs(scores * (away <= band)).max()) * np.abs(v).max()
    if q.ndim == 2:
        q, k, v = q[None], k[None], v[None]
    factor = np.exp(log_decay)[:, None, None]
    terms = np.zeros((*q.shape[1:], v.shape[-1])) if state is None else np.abs(state)
    rounding, largest = 0 * terms, 0.0
    for query, key, value in zip(*map(np.abs, (q, k, v))):
        faded = factor * terms
        terms, rounding = faded + key[:, :, None] * value[:, None, :], factor * rounding + faded
        total = terms + rounding if eps < 1e-6 else terms
        read = np.einsum("nh,nhd->nd", query, total).max() / np.sqrt(q.shape[-1])
        largest = max(largest, read) if state is None else max(largest, read, total.max())
    return largest if eps < 1e-6 else 2 * largest
