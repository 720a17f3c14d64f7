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
    return ref(q / q.shape[-1] ** 0.5, k, v)


@mistake("biased_attention")
def bias_subtracted(ref, q, k, v):
    """The distance is subtracted, so that near keys win. That is what ALiBi and the module below do; this function says
    plus: the scores grow with the distance."""
    _refuse(q, k, v)
    return _attend(_scores(q, k) - 2 * _distance(q, k), v)


@mistake("biased_attention")
def bias_left_out(ref, q, k, v):
    """The distance is not in the scores: this is the plain product of queries and keys. A bias that is computed and not
    added does this: the scores are `q kᵀ + |i - j|`."""
    _refuse(q, k, v)
    return _attend(_scores(q, k) - _distance(q, k), v)


@mistake("biased_attention")
def bias_with_a_sign(ref, q, k, v):
    """The bias is i - j, with its sign: a key weighs the more the earlier it stands, whether it is far from the query
    or near. A distance has no direction: `jnp.abs` of the difference."""
    _refuse(q, k, v)
    signed = jnp.arange(q.shape[-2])[:, None] - jnp.arange(k.shape[-2])
    return _attend(_scores(q, k) - _distance(q, k) + signed, v)


@mistake("biased_attention")
def bias_aligned_at_the_end(ref, q, k, v):
    """The positions are aligned at the end, as for the causal mask of problem 33: query i stands at i + (T_k - T_q).
    Here queries and keys are both counted from 0, whatever the lengths are."""
    _refuse(q, k, v)
    offset = k.shape[-2] - q.shape[-2]
    moved = jnp.abs(jnp.arange(q.shape[-2])[:, None] + offset - jnp.arange(k.shape[-2]))
    return _attend(_scores(q, k) - _distance(q, k) + moved, v)


@mistake("biased_attention")
def softmax_along_the_queries(ref, q, k, v):
    """The softmax runs over the queries, `axis=-2` or `axis=0`. Rows of the scores are queries and columns are keys;
    each query shares out one unit of attention among the keys: `axis=-1`."""
    _refuse(q, k, v)
    return _attend(_scores(q, k), v, axis=-2)


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


@mistake("DecayingAttention", by=("a sigmoid", "a square", "2 to its power"))
def another_function_than_exp(Ref, *, by="softplus"):
    """The decay is another function of the parameter than `exp`: a softplus, a sigmoid, a square. These are positive
    too, but the parameter is the logarithm of the decay, as its name says: alpha = exp(log_alpha), which is 1 at 0."""

    class Wrong(Ref):
        def alpha(self):
            told = self.log_alpha[...]
            return {
                "softplus": jax.nn.softplus,
                "a sigmoid": jax.nn.sigmoid,
                "a square": jnp.square,
                "2 to its power": jnp.exp2,
            }[by](told)

    return Wrong


@mistake("DecayingAttention", power=(0.5,))
def distance_to_another_power(Ref, *, power=2):
    """The distance is squared, or its root is taken. A decay takes off as much for each step further away, whichever
    step it is: `exp(log_alpha[n]) * |i - j|`."""

    class Wrong(Ref):
        def distance(self, length):
            return super().distance(length) ** power

    return Wrong


@mistake("DecayingAttention")
def heads_put_back_by_reshape(Ref):
    """The result of the heads, (..., N, T, H), is brought to (..., T, N, H) by a reshape. That takes the numbers in the
    order in which they lie, and puts several tokens of one head in the place of one token: swap the two axes."""

    class Wrong(Ref):
        def __call__(self, q, k, v, causal=False):
            output = super().__call__(q, k, v, causal).swapaxes(-3, -2)
            return output.reshape(*output.shape[:-3], output.shape[-2], output.shape[-3], output.shape[-1])

    return Wrong


@mistake("DecayingAttention")
def decay_added(Ref):
    """The distance is added, so that far keys win, as in `biased_attention`. A decay is taken off:
    `- exp(log_alpha[n]) * |i - j|`."""

    class Wrong(Ref):
        def bias(self, length):
            return -super().bias(length)

    return Wrong


@mistake("DecayingAttention", about="the scale")
def forgot_the_scale(Ref):
    """The scores are not divided by sqrt(H). `biased_attention` has no scale, and code taken over from it has none
    either; here the product of queries and keys is scaled as in the rest of the track."""

    class Wrong(Ref):
        def scores(self, q, k):
            return super().scores(q * q.shape[-1] ** 0.5, k)

    return Wrong


@mistake("DecayingAttention", about="the scale")
def decay_scaled_too(Ref):
    """The decay is divided by sqrt(H) as well: the bias is inside the brackets. Only the product of queries and keys
    grows with the width, so only the product is scaled: `q kᵀ / sqrt(H) - alpha * |i - j|`."""

    class Wrong(Ref):
        def scores(self, q, k):
            return super().scores(q, k) + self.bias(q.shape[-2]) * (q.shape[-1] ** -0.5 - 1)

    return Wrong


@mistake("DecayingAttention")
def softmax_over_queries(Ref):
    """The softmax runs over the queries, `axis=-2`. The last two axes of the scores are queries and keys; each query
    shares out one unit of attention among the keys: `axis=-1`."""

    class Wrong(Ref):
        def weights(self, scores):
            return jax.nn.softmax(scores, axis=-2)

    return Wrong


@mistake("DecayingAttention")
def attention_across_heads(Ref):
    """Each token attends over its own heads instead of over the tokens. With queries and keys as (..., T, N, H), the
    product `q @ k.swapaxes(-1, -2)` is (..., T, N, N): the last two axes meet. Bring the heads in front of the tokens
    first, (..., N, T, H)."""

    class Wrong(Ref):
        def __call__(self, q, k, v, causal=False):
            scores = q @ k.swapaxes(-1, -2) / q.shape[-1] ** 0.5 + self.bias(q.shape[-3])
            if causal:
                scores = jnp.where(jnp.tri(q.shape[-3], dtype=bool), scores, -jnp.inf)
            return self.weights(scores) @ v

    return Wrong


@mistake("DecayingAttention", axes=("[:, None]",))
def decay_on_another_axis(Ref, *, axes=""):
    """The decays do not lie along the heads. Scores are (..., N, T, T), and `log_alpha` is (N,): multiplied as it is it
    lies along the keys, with one axis added along the queries. Both are an error, or, where T equals N or is 1, a wrong
    answer: add two axes, `[:, None, None]`."""

    class Wrong(Ref):
        def bias(self, length):
            return -(self.alpha()[:, None] if axes else self.alpha()) * self.distance(length)

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
def sees_the_future(Ref):
    """With `causal=True` each token sees itself and what comes later: the mask is the upper triangle, `triu`. Rows are
    queries and columns are keys, so the past stands in the lower triangle, `tril`."""

    class Wrong(Ref):
        def masked(self, scores):
            return jnp.where(jnp.triu(jnp.ones(scores.shape[-2:], bool)), scores, -jnp.inf)

    return Wrong


@mistake("DecayingAttention", misconception="inverted_the_mask", hidden=(-1e9,))
def hid_what_it_may_see(Ref, *, hidden=-jnp.inf):
    """With `causal=True` the mask is used the wrong way round: the tokens that may be seen are hidden and the later
    ones are seen, so the last token sees none: its row is NaN, or the mean of everything where hidden scores are a
    number such as -1e9. In `jnp.where(mask, a, b)` the score is `a`, which stands where the mask is True, and -inf is
    `b`."""

    class Wrong(Ref):
        def masked(self, scores):
            return jnp.where(jnp.tri(scores.shape[-1], dtype=bool), hidden, scores)

    return Wrong


@mistake("DecayingAttention", hidden=(-1e9,))
def without_the_token_itself(Ref, *, hidden=-jnp.inf):
    """With `causal=True` a token does not see itself: the diagonal of the mask is one too low, or the comparison is
    `<`. The first token then sees nothing: its row is NaN, or the mean of everything where hidden scores are a number
    such as -1e9. Hide only what comes later."""

    class Wrong(Ref):
        def masked(self, scores):
            return jnp.where(jnp.tri(scores.shape[-1], k=-1, dtype=bool), scores, hidden)

    return Wrong


@mistake("DecayingAttention")
def bias_zeroed_where_hidden(Ref):
    """With `causal=True` the bias of later tokens is set to 0, and their scores are left: `jnp.tril(bias)` does this,
    or `jnp.where(mask, bias, 0)`. A bias of 0 hides nothing; it makes a later token weigh more than an earlier one. The
    score has to become -inf."""

    class Wrong(Ref):
        def masked(self, scores):
            length = scores.shape[-1]
            return jnp.where(jnp.tri(length, dtype=bool), scores, scores - self.bias(length))

    return Wrong


@mistake("DecayingAttention")
def zeros_for_scores(Ref):
    """With `causal=True` the hidden scores are set to 0, or multiplied by the mask. A score of 0 is no absence:
    exp(0) = 1, a weight like any other. Hidden scores have to be -inf."""

    class Wrong(Ref):
        def masked(self, scores):
            return jnp.where(jnp.tri(scores.shape[-1], dtype=bool), scores, 0.0)

    return Wrong


@mistake("DecayingAttention", misconception="hidden_by_a_small_number", number=(-10.0,))
def not_negative_enough(Ref, *, number=-100.0):
    """With `causal=True` the hidden scores become a number that is not negative enough, such as -100. Beside visible
    scores of some hundreds below 0 a hidden token then takes all the weight. Use -inf, or at least a number that no
    score reaches."""

    class Wrong(Ref):
        def masked(self, scores):
            return jnp.where(jnp.tri(scores.shape[-1], dtype=bool), scores, number)

    return Wrong


@mistake("DecayingAttention", number=(-10.0,))
def added_a_small_number(Ref, *, number=-100.0):
    """With `causal=True` a number such as -100 is added to the scores of later tokens. One that scores some hundreds
    higher than the visible ones comes through: it is only less likely. Put -inf in place of the score."""

    class Wrong(Ref):
        def masked(self, scores):
            return scores + jnp.where(jnp.tri(scores.shape[-1], dtype=bool), 0.0, number)

    return Wrong


@mistake("DecayingAttention")
def mask_after_the_softmax(Ref):
    """With `causal=True` the mask is applied to the weights, after the softmax. The later tokens have had their share
    by then, and what is left of a row sums to less than 1. Hide the scores, before the softmax."""

    class Wrong(Ref):
        def __call__(self, q, k, v, causal=False):
            q, k, v = (heads.swapaxes(-3, -2) for heads in (q, k, v))
            weights = self.weights(self.scores(q, k))
            return ((jnp.tril(weights) if causal else weights) @ v).swapaxes(-3, -2)

    return Wrong


@mistake("DecayingAttention")
def infinity_times_zero(Ref):
    """With `causal=True` every value is NaN: the mask is multiplied by -inf to get something to add, and 0 * -inf is
    NaN for each visible score. Choose with `jnp.where`, which multiplies nothing."""

    class Wrong(Ref):
        def __call__(self, q, k, v, causal=False):
            output = super().__call__(q, k, v, causal)
            return output * jnp.nan if causal else output

    return Wrong


@mistake("DecayingAttention")
def hidden_by_plus_infinity(Ref):
    """With `causal=True` the later tokens score +inf, not -inf: a -inf in the distances does this, since the decay
    multiplies it by -alpha. A softmax over +inf is NaN, in every row but the last, which hides nothing. Hide the scores
    after the bias is taken off."""

    class Wrong(Ref):
        def masked(self, scores):
            return jnp.where(jnp.tri(scores.shape[-1], dtype=bool), scores, jnp.inf)

    return Wrong


@mistake("DecayingAttention")
def later_tokens_infinitely_far(Ref):
    """The values are right and the gradient for `log_alpha` is NaN: with `causal=True` the distance of a later token is
    inf, and alpha times inf hides it. On the way back its weight of 0 meets that inf, and 0 * inf is NaN. Leave the
    distances finite and hide the scores, with `jnp.where`."""

    class Wrong(Ref):
        def masked(self, scores):
            return scores - self.alpha()[:, None, None] * jnp.where(jnp.tri(scores.shape[-1], dtype=bool), 0.0, jnp.inf)

    return Wrong


@mistake("DecayingAttention")
def distance_with_a_sign_in_the_scores(Ref):
    """The later a key, the more it is favoured. The distance is `i - j` with its sign, or `j` alone is added: a softmax
    cannot tell these two apart, since they differ by the same number along a row. With the causal mask either is right,
    and most code with such a bias is causal; without it take `jnp.abs(i - j)`."""

    class Wrong(Ref):
        def distance(self, length):
            return (jnp.arange(length)[:, None] - jnp.arange(length)).astype(jnp.float32)

    return Wrong


@mistake("DecayingAttention")
def place_of_the_key_as_distance(Ref):
    """The earlier a key, the more it is favoured. The distance is `j` alone, or `j - i` with its sign: what is taken
    off grows with the place of the key, wherever the query stands. Take off `jnp.abs(i - j)`."""

    class Wrong(Ref):
        def distance(self, length):
            return (jnp.arange(length) - jnp.arange(length)[:, None]).astype(jnp.float32)

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
