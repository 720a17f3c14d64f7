"""34 · The reference: Vaswani et al. 2017, section 3.2, under a mask that may leave a query with no key."""

import jax.numpy as jnp
import numpy as np
from jax.lax import stop_gradient


def padding_mask(lengths, max_len):
    # Place $j$ is real when it comes before the end, so `<` and not `<=`: places count from 0, and with length 3 place
    # 3 is padding. Places as a row and lengths as a column broadcast to `(B, T)`. A length of 0 gives a row of False
    # without a special case.
    return jnp.arange(max_len) < lengths[:, None]


def bidirectional_attention(q, k, v, num_heads, mask=None):
    # The two functions differ in their mask and in nothing else. Here it stays `(B, 1, 1, T)` and broadcasts over heads
    # and queries.
    return _attention(q, k, v, num_heads, _over_keys(mask, k))


def causal_attention(q, k, v, num_heads, mask=None):
    # $j \le i$: the lower triangle, `(T, T)`, with the diagonal. Queries and keys are one sequence, so the offset of
    # problem 33 is zero.
    causal = jnp.tri(q.shape[1], k.shape[1], dtype=bool)
    # A key must be real *and* not later. The two masks are combined as booleans, `(T, T)` with `(B, 1, 1, T)` to
    # `(B, 1, T, T)`, and the scores are replaced once. Two numbers added one after the other would make a key that both
    # masks hide lower than a key that one hides, and in an empty row the latter would still win.
    return _attention(q, k, v, num_heads, causal & _over_keys(mask, k))


def _over_keys(mask, k):
    """(B, T) -> (B, 1, 1, T): the same for every head and every query."""
    # `None` means that nothing is padding. `is None` is a question about Python and is answered while the program is
    # traced; `if mask:` would ask a traced array whether it is true.
    real = jnp.ones(k.shape[:2], bool) if mask is None else mask
    # The keys are the last axis of scores `(B, N, T, T)`. With one `None` less the batch would line up with the heads,
    # which is an error until $B = N$, and then a wrong result without a word.
    return real[:, None, None, :]


def _attention(q, k, v, num_heads, mask):
    # The split of problem 32, `(B, T, d_model)` to `(B, N, T, H)`: a reshape into contiguous chunks, then the swap of
    # tokens and heads.
    def split(x):
        return x.reshape(*x.shape[:2], num_heads, -1).swapaxes(1, 2)

    # From here on all three have the heads in front of the tokens. `q.shape[-1]` is therefore $H$, the width for the
    # scale, and no longer $d_\text{model}$. The hidden scores are *replaced*: padding can be so large that its score is
    # inf, and whatever is added to inf or multiplied by it gives inf or NaN. The scores are `(B, N, T, T)`.
    q, k, v = split(q), split(k), split(v)
    scores = jnp.where(mask, q @ k.swapaxes(-1, -2) / q.shape[-1] ** 0.5, -jnp.inf)
    # The maximum of each row keeps `exp` from overflowing; the hidden scores are -inf already, so it is the maximum of
    # the visible ones. What is taken off cancels between numerator and denominator, so it needs no gradient. A row
    # without a key has the maximum -inf, and -inf - (-inf) is NaN. Such a row takes off 0 in its place, so that no NaN
    # is ever computed: its powers are $e^{-\infty} = 0$, and their sum is 0. The mask that is asked is the combined
    # one: under a causal mask a row can be empty although its sequence has real keys.
    top = stop_gradient(scores.max(-1, keepdims=True))
    powers = jnp.exp(scores - jnp.where(mask.any(-1, keepdims=True), top, 0.0))
    total = powers.sum(-1, keepdims=True)
    # Where a row has no key, the divisor becomes 1, and 0 / 1 is 0. The divisor is mended before the division, not the
    # result after it: `jnp.where` around a NaN gives a clean value and a gradient of NaN. Dividing after the product
    # with the values takes $T \cdot H$ divisions in each head in place of $T^2$. A hidden power is exactly 0, so any
    # finite value at a padded key vanishes here.
    heads = powers @ v / jnp.where(total == 0, 1.0, total)
    # Join: swap back to `(B, T, N, H)`, then lay the heads side by side, `(B, T, d_model)`. There is no projection in
    # this problem.
    return heads.swapaxes(1, 2).reshape(heads.shape[0], heads.shape[2], -1)


def error_scale(q=None, k=None, v=None, num_heads=1, mask=None, **lengths):
    """How large the intermediate values are that count: (1 + max |score|) max |v| over the heads and the real keys."""
    # A padding mask has no rounding error. For the attentions only real keys count: a padded one may be as large as
    # `1e38`, and any tolerance that follows from it would let everything pass.
    if q is None:
        return 1.0
    real = np.ones(k.shape[:-1], bool) if mask is None else mask
    q, k, v = (
        np.swapaxes(x.reshape(*x.shape[:-1], num_heads, -1), -3, -2)
        for x in (q, k * real[..., None], v * real[..., None])
    )
    scores = q @ np.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1])
    return (1 + np.abs(scores).max()) * np.abs(v).max()
