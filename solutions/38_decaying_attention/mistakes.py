"""38 · Wrong answers that people really give, each with its sentence."""

import jax
import jax.numpy as jnp
from flax import nnx

from grader.course import mistake

# --- distance_bias


@mistake("distance_bias")
def distance_in_integers(ref, t_q, t_k):
    """The distances are integers, because `jnp.arange` makes integers. The values are right, but the contract asks for
    float32, and an integer bias divides, overflows and promotes in ways of its own: add `.astype(jnp.float32)`."""
    return ref(t_q, t_k).astype(jnp.int32)


@mistake("distance_bias")
def distance_with_a_sign(ref, t_q, t_k):
    """The entries are i - j, with their sign, so that keys after the query get a negative distance. A distance has no
    direction: take `jnp.abs` of the difference."""
    return (jnp.arange(t_q)[:, None] - jnp.arange(t_k)).astype(jnp.float32)


@mistake("distance_bias")
def distance_made_negative(ref, t_q, t_k):
    """The entries are -|i - j|. That is what ALiBi adds to its scores; here the function returns the distance itself,
    and whoever uses it chooses the sign."""
    return -ref(t_q, t_k)


@mistake("distance_bias")
def distance_aligned_at_the_end(ref, t_q, t_k):
    """The positions are aligned at the end, as for the causal mask of problem 33: query i stands at i + (t_k - t_q).
    Here both are counted from 0, whatever the lengths are: |i - j| and nothing else."""
    return jnp.abs(jnp.arange(t_q)[:, None] + (t_k - t_q) - jnp.arange(t_k)).astype(jnp.float32)


@mistake("distance_bias")
def distance_of_keys_by_queries(ref, t_q, t_k):
    """The shape is (t_k, t_q). For equal lengths the matrix is its own transpose, and nothing tells; rows are queries
    and columns are keys, as in the scores: the queries' positions are the column, `[:, None]`."""
    return ref(t_k, t_q)


# --- biased_attention


def _attend(scores, v, axis=-1):
    return (jax.nn.softmax(scores, axis=axis) @ v.astype(scores.dtype)).astype(v.dtype)


def _scores(q, k):
    """The right scores, in float32 or wider, with no question asked about shapes."""
    wide = jnp.promote_types(q.dtype, jnp.float32)
    return q.astype(wide) @ k.astype(wide).swapaxes(-1, -2) + _distance(q, k)


def _distance(q, k):
    return jnp.abs(jnp.arange(q.shape[-2])[:, None] - jnp.arange(k.shape[-2])).astype(jnp.float32)


def _refuse(q, k, v):
    if q.shape[-1] != k.shape[-1] or not q.shape[:-2] == k.shape[:-2] == v.shape[:-2]:
        raise ValueError


@mistake("biased_attention")
def scaled_out_of_habit(ref, q, k, v):
    """The scores are divided by sqrt(d_k), as everywhere else in the track. This function is the plain one:
    `q kᵀ + |i - j|`, and no scale. `jax.nn.dot_product_attention` has the scale as well, unless it gets `scale=1.0`."""
    _refuse(q, k, v)
    return _attend(_scores(q / q.shape[-1] ** 0.5, k), v)


@mistake("biased_attention")
def bias_subtracted(ref, q, k, v):
    """The distance is subtracted, so that near keys win. That is what ALiBi and the module below do; this function says
    plus: the scores grow with the distance."""
    _refuse(q, k, v)
    return _attend(_scores(q, k) - 2 * _distance(q, k), v)


@mistake("biased_attention")
def promoted_to_float32(ref, q, k, v):
    """Half-precision inputs give a float32 output. The float32 bias lifts the scores, and the scores lift everything
    after them. Compute in float32 by all means, but return `.astype(q.dtype)`; or turn the bias to `q.dtype` before you
    add it."""
    return ref(q, k, v).astype(jnp.promote_types(q.dtype, jnp.float32))


@mistake("biased_attention")
def nothing_refused(ref, q, k, v):
    """Shapes that do not fit are left to the product of matrices. It raises TypeError for unequal widths, where
    ValueError is asked for, and it takes a batch of 1 against more without a word. Compare widths and batch sizes
    first, and raise ValueError yourself."""
    return _attend(_scores(q, k), v)


@mistake("biased_attention")
def one_sequence_for_all(ref, q, k, v):
    """A batch of 1 against more is accepted: the one sequence is used for all of them. Broadcasting does that without a
    word, and a wrong reshape upstream then goes unseen. Compare the batch sizes of q, k and v, and raise ValueError
    where they differ."""
    if q.shape[-1] != k.shape[-1]:
        raise ValueError
    return _attend(_scores(q, k), v)


@mistake("biased_attention")
def softmax_over_axis_1(ref, q, k, v):
    """The softmax runs over `axis=1`. That is the keys for one sequence, whose scores are (T_q, T_k), and the queries
    for a batch, whose scores are (B, T_q, T_k). Count from the end: `axis=-1`."""
    _refuse(q, k, v)
    return _attend(_scores(q, k), v, axis=1)


@mistake("biased_attention")
def overflowing_softmax(ref, q, k, v):
    """exp overflows: the distance is part of the score, and above 88 its exponential is inf in float32, so that inf /
    inf = NaN. Take the row's maximum off first, of the score with its bias, or call `jax.nn.softmax`."""
    _refuse(q, k, v)
    powers = jnp.exp(_scores(q, k))
    return (powers / powers.sum(-1, keepdims=True) @ v.astype(powers.dtype)).astype(v.dtype)


# --- DecayingAttention


@mistake("DecayingAttention")
def decay_without_exp(Ref):
    """The parameter itself is used as the decay. It is the logarithm: alpha = exp(log_alpha), which is positive
    whatever the parameter is, and 1 for the zeros that it starts with."""

    class Wrong(Ref):
        def alpha(self):
            return self.log_alpha[...]

    return Wrong


@mistake("DecayingAttention")
def decay_added(Ref):
    """The distance is added, so that far keys win, as in `biased_attention`. A decay is taken off:
    `- exp(log_alpha[n]) * |i - j|`."""

    class Wrong(Ref):
        def bias(self, length):
            return -super().bias(length)

    return Wrong


@mistake("DecayingAttention")
def forgot_the_scale(Ref):
    """The scores are not divided by sqrt(H). `biased_attention` has no scale, and code taken over from it has none
    either; here the product of queries and keys is scaled as in the rest of the track."""

    class Wrong(Ref):
        def scores(self, q, k):
            return super().scores(q * q.shape[-1] ** 0.5, k)

    return Wrong


@mistake("DecayingAttention")
def decay_scaled_too(Ref):
    """The decay is divided by sqrt(H) as well: the bias is inside the brackets. Only the product of queries and keys
    grows with the width, so only the product is scaled: `q kᵀ / sqrt(H) - alpha * |i - j|`."""

    class Wrong(Ref):
        def scores(self, q, k):
            return (q @ k.swapaxes(-1, -2) + self.bias(q.shape[-2])) / q.shape[-1] ** 0.5

    return Wrong


@mistake("DecayingAttention")
def causal_ignored(Ref):
    """`causal=True` changes nothing. A decay makes later tokens weigh less the later they are, but it hides none of
    them: the mask of problem 33 is needed as well."""

    class Wrong(Ref):
        def __call__(self, q, k, v, causal=False):
            return super().__call__(q, k, v)

    return Wrong


@mistake("DecayingAttention")
def distance_with_a_sign_in_the_scores(Ref):
    """The later a key, the more it is favoured. The distance is `i - j` with its sign, or `j` alone: a softmax cannot
    tell these two apart, since they differ by the same number along a row. With the causal mask either is right, and
    most code with such a bias is causal; without it take `jnp.abs(i - j)`."""

    class Wrong(Ref):
        def distance(self, length):
            return (jnp.arange(length)[:, None] - jnp.arange(length)).astype(jnp.float32)

    return Wrong


@mistake("DecayingAttention")
def decay_without_gradient(Ref):
    """The values are right but no gradient reaches `log_alpha`, so no head ever learns how fast to forget.
    `stop_gradient` does that. ALiBi's slopes are fixed on purpose; these are learned."""

    class Wrong(Ref):
        def alpha(self):
            return jax.lax.stop_gradient(super().alpha())

    return Wrong


@mistake("DecayingAttention")
def parameter_shaped_for_the_scores(Ref):
    """`log_alpha` has the shape (num_heads, 1, 1). It then fits the scores as it is, but a parameter has one number for
    each head and no axes that only one use of it needs: keep (num_heads,), and add the axes where you use it, with
    `[:, None, None]`."""

    class Wrong(Ref):
        def __init__(self, num_heads, *, rngs):
            self.log_alpha = nnx.Param(jnp.zeros((num_heads, 1, 1)))

    return Wrong


@mistake("DecayingAttention")
def decay_starts_at_e(Ref):
    """`log_alpha` starts at ones, so every decay starts at e. A parameter that goes through `exp` starts at 0 for a
    factor of 1: `jnp.zeros`, as the contract says."""

    class Wrong(Ref):
        def __init__(self, num_heads, *, rngs):
            self.log_alpha = nnx.Param(jnp.ones((num_heads,)))

    return Wrong
