"""55 · Wrong answers that people really give, each with its sentence."""

import jax
import jax.numpy as jnp
from flax import nnx

from grader.course import mistake


def _linear(d_in, d_out, rngs):
    return nnx.Linear(d_in, d_out, use_bias=False, rngs=rngs)


# --- the score


@mistake
def no_tanh(Ref):
    """Nothing stands between the keys' projection and `score`. The score is then a number for the query plus a number
    for the key, and the softmax over the keys drops the first: every query gets the same weights. Put tanh around the
    sum of both."""

    class Wrong(Ref):
        def activate(self, joined):
            return joined

    return Wrong


@mistake(activation=("sigmoid", "leaky relu", "gelu", "gelu by erf", "silu", "softsign"))
def another_activation(Ref, *, activation="relu"):
    """The hidden units go through another function than tanh, such as relu or a sigmoid. Many networks take one of
    these, and later graph attention a leaky relu; here it is tanh, which has both signs and keeps a score bounded."""

    class Wrong(Ref):
        def activate(self, joined):
            return ACTIVATIONS[activation](joined)

    return Wrong


ACTIVATIONS = {
    "relu": jax.nn.relu,
    "sigmoid": jax.nn.sigmoid,
    "leaky relu": lambda x: jax.nn.leaky_relu(x, 0.2),
    "gelu": jax.nn.gelu,
    "gelu by erf": lambda x: jax.nn.gelu(x, approximate=False),
    "silu": jax.nn.silu,
    "softsign": jax.nn.soft_sign,
}


@mistake
def tanh_after_the_score(Ref):
    """tanh is applied to the score, and nothing stands between the sum and the last layer. A tanh keeps the order of
    numbers, so that all queries prefer the same keys, and no score leaves -1 to 1: apply it before `score`."""

    class Wrong(Ref):
        def scores(self, query, keys):
            return jnp.tanh(super().scores(query, keys))

        def activate(self, joined):
            return joined

    return Wrong


@mistake
def tanh_after_the_score_too(Ref):
    """tanh comes twice, inside and once more after `score`. A loop over layers with one activation each does this; no
    score then leaves -1 to 1, and no weight can be far from the mean: the last layer is linear."""

    class Wrong(Ref):
        def scores(self, query, keys):
            return jnp.tanh(super().scores(query, keys))

    return Wrong


@mistake
def tanh_of_the_keys_alone(Ref):
    """The weights do not depend on the query. tanh goes over the keys' projection by itself, and the query is added
    after it or nowhere: what it adds is the same for all keys, and a softmax drops that. Add both projections first,
    then tanh."""

    class Wrong(Ref):
        def joined(self, query, keys):
            return jnp.tanh(self.query_proj(query))[..., None, :] + jnp.tanh(self.key_proj(keys))

        def activate(self, joined):
            return joined

    return Wrong


@mistake(tanh=("before",))
def projections_multiplied(Ref, *, tanh="after"):
    """The projections are multiplied unit by unit, and not added. A product is how the attention of problem 31
    compares; here the two are added, which gives this attention its name."""

    class Wrong(Ref):
        def scores(self, query, keys):
            q, k = self.query_proj(query)[..., None, :], self.key_proj(keys)
            hidden = self.activate(q) * self.activate(k) if tanh == "before" else self.activate(q * k)
            return self.score(hidden)[..., 0]

    return Wrong


@mistake(less=("the keys",))
def projections_subtracted(Ref, *, less="the query"):
    """One projection is taken off the other. A difference says how far apart two things are, and a network that is
    trained so learns as well; the kernels of this contract belong to a sum: add them."""

    class Wrong(Ref):
        def joined(self, query, keys):
            apart = self.key_proj(keys) - self.query_proj(query)[..., None, :]
            return apart if less == "the query" else -apart

    return Wrong


@mistake(scaled=(True,))
def dot_product_of_the_projections(Ref, *, scaled=False):
    """The score is the dot product of both projections: this is the attention of problem 31, and `score` is made and
    never used. Here the projections are added, go through tanh, and `score` makes a number of the hidden units."""

    class Wrong(Ref):
        def scores(self, query, keys):
            scores = jnp.einsum("...a,...ta->...t", self.query_proj(query), self.key_proj(keys))
            return scores / self.score.kernel[...].shape[0] ** 0.5 if scaled else scores

    return Wrong


@mistake
def hidden_units_summed(Ref):
    """The hidden units are summed up, or averaged with equal weights, and `score` is made and never used. Each unit has
    a weight of its own, also a negative one: call `score` on them."""

    class Wrong(Ref):
        def scores(self, query, keys):
            return self.activate(self.joined(query, keys)).sum(-1)

    return Wrong


@mistake(about="the scale", by=("d_key", "d_query", "d_attention itself", "T"))
def scaled_scores(Ref, *, by="d_attention"):
    """The scores are divided by a square root, or by a width. A dot product grows with the width and needs that; these
    scores are bounded by tanh, and the contract does not scale them: leave the division out."""

    class Wrong(Ref):
        def scores(self, query, keys):
            width = len(self.score.kernel[...])
            root = {"d_key": keys.shape[-1], "d_query": query.shape[-1], "T": keys.shape[-2]}.get(by, width) ** 0.5
            return super().scores(query, keys) / (width if by == "d_attention itself" else root)

    return Wrong


@mistake(about="the scale", by=("sqrt(d_attention)", "sqrt(2)"))
def sum_made_smaller(Ref, *, by="2"):
    """The sum is divided before tanh, by 2 as for a mean, or by a root. Nothing is scaled here, neither inside nor
    behind tanh: the kernels are learned and hold any such factor. Take the sum as it is."""

    class Wrong(Ref):
        def joined(self, query, keys):
            joined = super().joined(query, keys)
            return joined / {"2": 2, "sqrt(2)": 2**0.5}.get(by, joined.shape[-1] ** 0.5)

    return Wrong


@mistake
def projections_exchanged(Ref):
    """The query goes through `key_proj` and the keys through `query_proj`. Where both are of one width nothing
    complains: each layer has its name from what it takes."""

    class Wrong(Ref):
        def joined(self, query, keys):
            return self.key_proj(query)[..., None, :] + self.query_proj(keys)

    return Wrong


@mistake(which=("key_proj",))
def one_projection_for_both(Ref, *, which="query_proj"):
    """Query and keys go through the same projection. That needs equal widths, and it takes away that a query can ask
    for something else than what it is: the query through `query_proj`, the keys through `key_proj`."""

    class Wrong(Ref):
        def joined(self, query, keys):
            projection = getattr(self, which)
            return projection(query)[..., None, :] + projection(keys)

    return Wrong


# --- how query and keys meet


@mistake
def query_without_the_axis_of_the_keys(Ref):
    """The query's projection is added to the keys' as it is. Without a batch that is right; with one, broadcasting
    lines up the axis of the batch with that of the keys, which is an error, or, where there are as many sequences as
    keys, a wrong answer: give it an axis, `[..., None, :]`."""

    class Wrong(Ref):
        def joined(self, query, keys):
            return self.query_proj(query) + self.key_proj(keys)

    return Wrong


@mistake(how=("an index", "an axis in front", "squeeze(2)"))
def only_with_one_batch_dimension(Ref, *, how="a tuple"):
    """It works with exactly one batch dimension only, as `[:, None, :]`, `squeeze(2)` or `B, T, _ = keys.shape` do. A
    single query, or two batch dimensions, do not fit that: count axes from the end, `[..., None, :]`."""

    class Wrong(Ref):
        def joined(self, query, keys):
            if how == "a tuple":
                _, _, _ = keys.shape
            q = self.query_proj(query)
            return (q[:, None, :] if how == "an index" else jnp.expand_dims(q, 1)) + self.key_proj(keys)

        def scores(self, query, keys):
            if how == "squeeze(2)":
                return self.score(self.activate(self.joined(query, keys))).squeeze(2)
            return super().scores(query, keys)

    return Wrong


@mistake
def only_without_batch(Ref):
    """It works without batch dimensions only. `T, d_key = keys.shape` is natural while one thinks of one sequence; any
    number of dimensions may stand in front: count axes from the end."""

    class Wrong(Ref):
        def joined(self, query, keys):
            _, _ = keys.shape
            return super().joined(query, keys)

    return Wrong


@mistake
def squeezed(Ref):
    """`squeeze()` takes off every axis of length 1. Of a batch of one, or of a single key, it takes that axis too: name
    the axis, `squeeze(-1)`, or take an index, `[..., 0]`."""

    class Wrong(Ref):
        def scores(self, query, keys):
            return super().scores(query, keys)[..., None].squeeze()

    return Wrong


# --- the softmax


@mistake
def softmax_before_the_axis_is_taken_off(Ref):
    """The softmax runs over an axis of length 1. `score` gives (..., T, 1), and the softmax of a single number is 1:
    all keys get the weight 1. Take that axis off first, so that the last axis is that of the keys."""

    class Wrong(Ref):
        def weights(self, scores, mask):
            where = None if mask is None else mask[..., None]
            return jax.nn.softmax(scores[..., None], axis=-1, where=where)[..., 0].astype(jnp.float32)

    return Wrong


@mistake(misconception="softmax_over_the_batch", axis=(1,))
def softmax_over_the_first_axis(Ref, *, axis=0):
    """The softmax runs over an axis that is counted from the front. Without a batch, or with one, it can be that of the
    keys; with more in front the sequences compete with each other. The keys are the last axis: `axis=-1`."""

    class Wrong(Ref):
        def weights(self, scores, mask):
            return jax.nn.softmax(scores.astype(jnp.float32), axis=axis, where=mask)

    return Wrong


@mistake
def overflowing_softmax(Ref):
    """exp overflows: scores in the hundreds give inf / inf = NaN. Take the largest visible score of each row off first,
    or let `jax.nn.softmax` do it."""

    class Wrong(Ref):
        def weights(self, scores, mask):
            powers = jnp.exp(scores.astype(jnp.float32))
            powers = powers if mask is None else jnp.where(mask, powers, 0.0)
            total = powers.sum(-1, keepdims=True)
            return powers / jnp.where(total == 0, 1, total)

    return Wrong


@mistake
def one_maximum_for_the_batch(Ref):
    """Before exp the largest score of the whole batch is taken off, `scores.max()`. A sequence whose scores are some
    hundreds below another's has nothing left, 0 / 0: take off each row's own maximum, `max(-1, keepdims=True)`."""

    class Wrong(Ref):
        def weights(self, scores, mask):
            scores = scores.astype(jnp.float32)
            scores = scores if mask is None else jnp.where(mask, scores, -jnp.inf)
            powers = jnp.exp(scores - jax.lax.stop_gradient(scores.max()))
            total = powers.sum(-1, keepdims=True)
            if mask is None:
                return powers / total
            return jnp.where(mask, powers, 0.0) / jnp.where(mask.any(-1, keepdims=True), total, 1)

    return Wrong


@mistake
def no_softmax(Ref):
    """The scores are used as weights, without a softmax. They are neither positive nor do they sum to 1: the weights
    are the softmax of the scores over the keys."""

    class Wrong(Ref):
        def weights(self, scores, mask):
            return scores if mask is None else jnp.where(mask, scores, 0.0)

    return Wrong


@mistake
def sigmoid_for_the_softmax(Ref):
    """Each score goes through a sigmoid by itself. The weights are between 0 and 1, and do not sum to 1, since no key
    knows of the others: take the softmax over the keys."""

    class Wrong(Ref):
        def weights(self, scores, mask):
            weights = jax.nn.sigmoid(scores.astype(jnp.float32))
            return weights if mask is None else jnp.where(mask, weights, 0.0)

    return Wrong


# --- the context


@mistake
def context_of_projected_keys(Ref):
    """The context is the sum of the projected keys. In problem 32 what is averaged goes through a projection, and where
    d_attention equals d_key the shape is right; the projection serves the comparison only: average the keys
    themselves."""

    class Wrong(Ref):
        def context(self, weights, keys):
            return super().context(weights, self.key_proj(keys))

    return Wrong


@mistake
def context_of_hidden_units(Ref):
    """The context is the sum of the hidden units, what tanh gives. They say how well a key fits, and their width is
    d_attention; what is averaged are the keys themselves."""

    class Wrong(Ref):
        def __call__(self, query, keys, mask=None):
            weights = self.weights(self.scores(query, keys), mask)
            return self.context(weights, self.activate(self.joined(query, keys))), weights

    return Wrong


@mistake
def context_along_the_features(Ref):
    """The weights meet the features of the keys, and not the keys. `keys @ weights` fits where T equals d_key, and sums
    over the last axis of the keys; the sum runs over the keys: `weights @ keys`, or an einsum that names the axes."""

    class Wrong(Ref):
        def context(self, weights, keys):
            return jnp.einsum("...t,...dt->...d", weights, keys.astype(weights.dtype)).astype(keys.dtype)

    return Wrong


@mistake
def mean_in_place_of_the_sum(Ref):
    """The weighted keys are averaged, which divides by T once more. The weights sum to 1 already, so their sum is the
    average: `sum`, and not `mean`."""

    class Wrong(Ref):
        def context(self, weights, keys):
            return super().context(weights / keys.shape[-2], keys)

    return Wrong


@mistake
def query_added_to_the_context(Ref):
    """The query is added to the context. A residual belongs to a block around the layer, and it needs equal widths;
    here the context is the average of the keys, and nothing else."""

    class Wrong(Ref):
        def __call__(self, query, keys, mask=None):
            context, weights = super().__call__(query, keys, mask)
            return context + query, weights

    return Wrong


@mistake
def the_best_key_alone(Ref):
    """The key with the highest score has all the weight. That is hard attention, problem 59, and no gradient comes
    through the choice: here the weights are the softmax of the scores."""

    class Wrong(Ref):
        def weights(self, scores, mask):
            scores = scores.astype(jnp.float32)
            best = (scores if mask is None else jnp.where(mask, scores, -jnp.inf)).argmax(-1)
            weights = jax.nn.one_hot(best, scores.shape[-1])
            return weights if mask is None else jnp.where(mask, weights, 0.0)

    return Wrong


@mistake
def context_before_the_mask(Ref):
    """The context is made with the weights of all keys, and only the weights that are returned are masked. Hide the
    scores first; both results then come of one set of weights."""

    class Wrong(Ref):
        def __call__(self, query, keys, mask=None):
            context, _ = super().__call__(query, keys)
            return context, super().__call__(query, keys, mask)[1]

    return Wrong


@mistake(first=("the query",))
def query_joined_to_the_context(Ref, *, first="the context"):
    """The context and the query are returned as one vector, side by side. What follows in a decoder does take both; the
    layer gives the context alone, of width d_key."""

    class Wrong(Ref):
        def __call__(self, query, keys, mask=None):
            context, weights = super().__call__(query, keys, mask)
            both = (context, query) if first == "the context" else (query, context)
            return jnp.concatenate(both, axis=-1), weights

    return Wrong


# --- what is returned


@mistake
def only_the_context(Ref):
    """Only the context is returned. The weights are the alignment, which the next problems draw and add to: return
    both, the context first."""

    class Wrong(Ref):
        def __call__(self, query, keys, mask=None):
            return super().__call__(query, keys, mask)[0]

    return Wrong


@mistake
def weights_first(Ref):
    """The weights are returned before the context. Both are arrays of the same batch, so that a caller who unpacks them
    may not notice: the context comes first."""

    class Wrong(Ref):
        def __call__(self, query, keys, mask=None):
            return super().__call__(query, keys, mask)[::-1]

    return Wrong


@mistake
def scores_for_the_weights(Ref):
    """The second result are the scores, from before the softmax. The weights are asked for: positive, with the sum
    1."""

    class Wrong(Ref):
        def __call__(self, query, keys, mask=None):
            return super().__call__(query, keys, mask)[0], self.scores(query, keys)

    return Wrong


@mistake
def logarithms_of_the_weights(Ref):
    """The second result are the logarithms of the weights. `log_softmax` is what a loss over classes takes; the weights
    themselves are asked for, which are 0 where a key is hidden, and not -inf."""

    class Wrong(Ref):
        def __call__(self, query, keys, mask=None):
            context, weights = super().__call__(query, keys, mask)
            return context, jnp.log(weights)

    return Wrong


@mistake(where=("in front of the keys",))
def weights_with_an_axis_too_many(Ref, *, where="behind"):
    """The weights have an axis of length 1 that is left from the computation, such as that of the score layer's output,
    (..., T, 1). They are (..., T): one number for each key."""

    class Wrong(Ref):
        def __call__(self, query, keys, mask=None):
            context, weights = super().__call__(query, keys, mask)
            return context, weights[..., None] if where == "behind" else weights[..., None, :]

    return Wrong


@mistake
def context_with_an_axis_too_many(Ref):
    """The context has an axis of length 1 where the keys were, (..., 1, d_key). The weights get it to be a row in the
    product with the keys, `weights[..., None, :] @ keys`: take it off again, `[..., 0, :]`."""

    class Wrong(Ref):
        def context(self, weights, keys):
            return super().context(weights, keys)[..., None, :]

    return Wrong


@mistake
def weights_in_half_precision(Ref):
    """With half-precision inputs the weights are half precision as well. They come out as float32 whatever comes in:
    cast the scores before the softmax, and leave the weights as they are."""

    class Wrong(Ref):
        def __call__(self, query, keys, mask=None):
            context, weights = super().__call__(query, keys, mask)
            return context, weights.astype(keys.dtype)

    return Wrong


@mistake
def context_in_float32(Ref):
    """With half-precision keys the context is float32. The weights are float32 and lift the product; the context has
    the dtype of the keys: cast it back."""

    class Wrong(Ref):
        def __call__(self, query, keys, mask=None):
            context, weights = super().__call__(query, keys, mask)
            return context.astype(jnp.promote_types(keys.dtype, jnp.float32)), weights

    return Wrong


@mistake
def no_gradient_through_the_weights(Ref):
    """The weights that are returned have no gradient: they went through `stop_gradient`. To look at them that is
    enough; a loss on the alignment, as in problems 58 and 60, then teaches nothing. Return them as they are."""

    class Wrong(Ref):
        def __call__(self, query, keys, mask=None):
            context, weights = super().__call__(query, keys, mask)
            return context, jax.lax.stop_gradient(weights)

    return Wrong


@mistake
def no_gradient_through_the_choice(Ref):
    """The context is made with weights that went through `stop_gradient`, so that it does not teach the three layers
    where to look. Leave the weights as they are."""

    class Wrong(Ref):
        def context(self, weights, keys):
            return super().context(jax.lax.stop_gradient(weights), keys)

    return Wrong


# --- the mask


@mistake(misconception="ignored_the_mask")
def mask_ignored(Ref):
    """The mask has no effect. An argument that is taken and not used does this, or a `jnp.where` whose result is not
    assigned: masked keys need the weight 0."""

    class Wrong(Ref):
        def __call__(self, query, keys, mask=None):
            return super().__call__(query, keys)

    return Wrong


@mistake(misconception="inverted_the_mask", hidden=("-inf", "-1e9"))
def mask_inverted(Ref, *, hidden="left out"):
    """The mask is used the wrong way round: masked keys are seen and the others hidden. In some libraries True marks
    padding; here it means "may attend", so in `jnp.where(mask, a, b)` the score is `a`."""

    class Wrong(Ref):
        def weights(self, scores, mask):
            if mask is None or hidden == "left out":
                return super().weights(scores, None if mask is None else ~mask)
            scores = jnp.where(mask, -jnp.inf if hidden == "-inf" else -1e9, scores)
            return super().weights(scores, None)

    return Wrong


@mistake
def none_hides_everything(Ref):
    """Without a mask every key is hidden: None is replaced by zeros, or by a mask of False. None means that all may be
    attended to: replace it by ones, or leave the hiding out."""

    class Wrong(Ref):
        def __call__(self, query, keys, mask=None):
            return super().__call__(query, keys, jnp.zeros(keys.shape[:-1], bool) if mask is None else mask)

    return Wrong


@mistake(misconception="nan_where_nothing_is_seen")
def nan_where_nothing_is_visible(Ref):
    """Where no key may be attended to, there is NaN. A softmax over nothing but -inf is 0 / 0; the contract asks for
    zeros there, for instance by `jax.nn.softmax(scores, where=mask)`."""

    class Wrong(Ref):
        def weights(self, scores, mask):
            return super().weights(scores if mask is None else jnp.where(mask, scores, -jnp.inf), None)

    return Wrong


@mistake(misconception="mean_where_nothing_is_seen")
def mean_where_nothing_is_visible(Ref):
    """Where no key may be attended to, the context is the mean of all keys. With -1e9 or `finfo.min` in place of every
    score of a row these are equal again, and so are the weights: make them zeros there."""

    class Wrong(Ref):
        def weights(self, scores, mask):
            least = jnp.finfo(jnp.float32).min
            return super().weights(scores if mask is None else jnp.where(mask, scores.astype(jnp.float32), least), None)

    return Wrong


@mistake
def weights_left_where_nothing_is_visible(Ref):
    """Where no key may be attended to, the context is zeros and the weights are not: they are the mean, from scores
    that are all the same large negative number. Make the weights zeros, and the context follows."""

    class Wrong(Ref):
        def __call__(self, query, keys, mask=None):
            scores = self.scores(query, keys)
            if mask is None:
                weights = self.weights(scores, None)
                return self.context(weights, keys), weights
            weights = self.weights(jnp.where(mask, scores, -1e9), None)
            return jnp.where(mask.any(-1)[..., None], self.context(weights, keys), 0).astype(keys.dtype), weights

    return Wrong


@mistake(number=(-10.0, -1000.0, -10000.0), zeroed=(False,))
def hidden_by_a_small_number(Ref, *, number=-100.0, zeroed=True):
    """A number such as -100 stands in the place of each masked score. Scores of visible keys may be lower than that,
    and then what is masked wins. Only -inf is below every score."""

    class Wrong(Ref):
        def weights(self, scores, mask):
            if mask is None:
                return super().weights(scores, mask)
            weights = super().weights(jnp.where(mask, scores, number), None)
            return jnp.where(mask.any(-1, keepdims=True), weights, 0.0) if zeroed else weights

    return Wrong


@mistake(number=(-10.0, -1000.0, -10000.0), zeroed=(False,))
def added_a_small_number(Ref, *, number=-100.0, zeroed=True):
    """A number such as -100 is added to the masked scores. A masked key that scores some hundreds higher than the
    visible ones comes through: it is only less likely. Put -inf in place of the score."""

    class Wrong(Ref):
        def weights(self, scores, mask):
            if mask is None:
                return super().weights(scores, mask)
            weights = super().weights(scores + jnp.where(mask, 0.0, number), None)
            return jnp.where(mask.any(-1, keepdims=True), weights, 0.0) if zeroed else weights

    return Wrong


@mistake(number=(-jnp.inf,))
def added_a_large_number(Ref, *, number=-1e9):
    """A large negative number, or -inf, is added to the masked scores. tanh keeps a score small, so that this hides
    nearly everything; but the projection of a huge key can be inf - inf, its score is NaN, and so is what is added to
    it. Put the number in place of the score, with `where`."""

    class Wrong(Ref):
        def weights(self, scores, mask):
            if mask is None:
                return super().weights(scores, mask)
            weights = super().weights(scores + jnp.where(mask, 0.0, number), mask.any(-1, keepdims=True) | mask)
            return jnp.where(mask.any(-1, keepdims=True), weights, 0.0)

    return Wrong


@mistake
def one_row_decides_for_all(Ref):
    """Whether any key is visible is asked of the whole mask at once, `mask.any()`, and not of each sequence. One can be
    empty beside another that is not, and gets NaN then: `mask.any(axis=-1)`."""

    class Wrong(Ref):
        def weights(self, scores, mask):
            if mask is None:
                return super().weights(scores, mask)
            return jnp.where(mask.any(), super().weights(jnp.where(mask, scores, -jnp.inf), None), 0.0)

    return Wrong


@mistake
def mean_beside_a_sequence_that_is_not_empty(Ref):
    """A sequence of which nothing is visible gets the mean of its keys, unless the whole batch is empty: `mask.any()`
    asks all sequences at once, and scores that are all the same large negative number are equal weights. Ask each one,
    `mask.any(axis=-1, keepdims=True)`."""

    class Wrong(Ref):
        def weights(self, scores, mask):
            if mask is None:
                return super().weights(scores, mask)
            return jnp.where(mask.any(), super().weights(jnp.where(mask, scores, -1e9), None), 0.0)

    return Wrong


@mistake
def zeros_put_in_afterwards(Ref):
    """The values are right but the gradient is NaN. `jnp.where` or `nan_to_num` on the context hides the NaN of a row
    without any key on the way forward; on the way back its weights are still NaN, and the gradient of the keys is NaN *
    0. Make the weights zeros before they meet the keys."""

    class Wrong(Ref):
        def __call__(self, query, keys, mask=None):
            scores = self.scores(query, keys).astype(jnp.float32)
            weights = self.weights(scores if mask is None else jnp.where(mask, scores, -jnp.inf), None)
            return jnp.nan_to_num(self.context(weights, keys)), jnp.nan_to_num(weights)

    return Wrong


@mistake
def asked_python_for_an_empty_mask(Ref):
    """A Python `if` asks whether any key is visible. That cannot be traced by `jit`, and it asks for the whole batch at
    once, where one sequence can be empty beside another that is not: leave hidden keys out of the softmax for each row,
    as `where=` does."""

    class Wrong(Ref):
        def __call__(self, query, keys, mask=None):
            if mask is not None and not mask.any():
                return jnp.zeros_like(keys[..., 0, :]), jnp.zeros(mask.shape)
            return super().__call__(query, keys, mask)

        def weights(self, scores, mask):
            return super().weights(scores if mask is None else jnp.where(mask, scores, -jnp.inf), None)

    return Wrong


@mistake
def zeros_for_scores(Ref):
    """The masked scores are set to 0, or multiplied by the mask. A score of 0 is no absence: exp(0) = 1, a weight like
    any other. Masked scores have to be -inf."""

    class Wrong(Ref):
        def weights(self, scores, mask):
            return super().weights(scores if mask is None else jnp.where(mask, scores, 0.0), None)

    return Wrong


@mistake
def hidden_inside_the_score(Ref):
    """What is masked becomes -inf in the sum, before tanh. tanh makes -1 of it, and the last layer makes a score like
    any other of that, so that the key keeps a weight. Hide the score itself, just before the softmax."""

    class Wrong(Ref):
        def __call__(self, query, keys, mask=None):
            joined = self.joined(query, keys)
            joined = joined if mask is None else jnp.where(mask[..., None], joined, -jnp.inf)
            weights = self.weights(self.score(self.activate(joined))[..., 0], None)
            return self.context(weights, keys), weights

    return Wrong


@mistake(number=(-1e9,))
def masked_keys_overwritten(Ref, *, number=0.0):
    """The masked keys are overwritten, with zeros or with a large negative number, and then attended to like the
    others. Such a key still has a score, a key of zeros from the query alone, and takes its share: hide the scores."""

    class Wrong(Ref):
        def __call__(self, query, keys, mask=None):
            return super().__call__(query, keys if mask is None else jnp.where(mask[..., None], keys, number))

    return Wrong


@mistake
def mask_after_the_softmax(Ref):
    """The mask is applied to the weights, after the softmax. The masked keys have had their share by then, and what is
    left of a row sums to less than 1. Hide the scores, before the softmax."""

    class Wrong(Ref):
        def weights(self, scores, mask):
            weights = super().weights(scores, None)
            return weights if mask is None else weights * mask

    return Wrong


@mistake(total=("with a small number",))
def softmax_over_hidden_keys_too(Ref, *, total="guarded"):
    """The masked keys take part in the softmax, and are taken out of it afterwards, by dividing what is left by its
    sum. On paper they cancel; but where a masked key scores far higher, all that is visible underflows to 0. Hide the
    scores first."""

    class Wrong(Ref):
        def weights(self, scores, mask):
            weights = super().weights(scores, None)
            if mask is None:
                return weights
            seen = jnp.where(mask, weights, 0.0)
            sum = seen.sum(-1, keepdims=True)
            return seen / (sum + 1e-9 if total != "guarded" else jnp.where(sum == 0, 1, sum))

    return Wrong


@mistake
def added_the_boolean_mask(Ref):
    """The boolean mask itself is added to the scores: True counts as 1, and every key keeps a weight. Put -inf in the
    place of each masked score; `jnp.where(mask, scores, -jnp.inf)` says it directly."""

    class Wrong(Ref):
        def weights(self, scores, mask):
            return super().weights(scores if mask is None else scores + mask, None)

    return Wrong


@mistake
def infinity_times_zero(Ref):
    """With a mask every value is NaN: the mask is multiplied by -inf to get something to add, and 0 * -inf is NaN for
    each visible key. Choose with `jnp.where`, which multiplies nothing."""

    class Wrong(Ref):
        def weights(self, scores, mask):
            return super().weights(scores if mask is None else scores + (1 - mask) * -jnp.inf, None)

    return Wrong


# --- the parameters


@mistake(which=("score", "query_proj", "key_proj", "both projections"))
def bias_left_on(Ref, *, which="all"):
    """There is a bias in one of the layers. `nnx.Linear` adds one unless it is told not to, and the paper's code had
    some; this contract has none: pass `use_bias=False`. In `score` a bias would do nothing at all, since a softmax
    drops what is added to all scores."""

    class Wrong(Ref):
        def make(self, d_query, d_key, d_attention, rngs):
            super().make(d_query, d_key, d_attention, rngs)
            both = ("query_proj", "key_proj")
            for name in {"all": (*both, "score"), "both projections": both}.get(which, (which,)):
                layer = getattr(self, name)
                setattr(self, name, nnx.Linear(layer.in_features, layer.out_features, rngs=rngs))

    return Wrong


@mistake
def names_of_the_paper(Ref):
    """The layers have other names, such as `W_a`, `U_a` and `v_a`, as in the paper, or `query`, `key` and `energy`.
    Parameters are found by their paths, so the names are part of the contract: `query_proj`, `key_proj`, `score`."""

    class Wrong(Ref):
        def make(self, d_query, d_key, d_attention, rngs):
            self.W_a, self.U_a = _linear(d_query, d_attention, rngs), _linear(d_key, d_attention, rngs)
            self.v_a = _linear(d_attention, 1, rngs)

    return Wrong


@mistake
def score_as_a_vector(Ref):
    """`score` is an array of its own, `nnx.Param` of shape (d_attention,) or (d_attention, 1). It does the same work;
    here it is a layer with a kernel: `nnx.Linear(d_attention, 1)`."""

    class Wrong(Ref):
        def make(self, d_query, d_key, d_attention, rngs):
            super().make(d_query, d_key, d_attention, rngs)
            self.score = nnx.Param(jnp.zeros(d_attention))

    return Wrong


@mistake(width=("d_key", "d_query", "d_attention to d_attention"))
def score_of_another_width(Ref, *, width="both together"):
    """`score` does not lead from d_attention to 1. It reads the hidden units, of which there are d_attention whatever
    query and keys are wide, and gives one number for each key: `nnx.Linear(d_attention, 1)`."""

    class Wrong(Ref):
        def make(self, d_query, d_key, d_attention, rngs):
            super().make(d_query, d_key, d_attention, rngs)
            sizes = {
                "d_key": (d_key, 1),
                "d_query": (d_query, 1),
                "d_attention to d_attention": (d_attention, d_attention),
                "both together": (d_query + d_key, 1),
            }
            self.score = _linear(*sizes[width], rngs)

    return Wrong


@mistake
def one_projection_of_both_joined(Ref):
    """There is one projection of query and key side by side, from d_query + d_key to d_attention. It is the same
    function, with both kernels in one; but then the keys' part cannot be computed once for many queries, and the
    contract names two: `query_proj` and `key_proj`."""

    class Wrong(Ref):
        def make(self, d_query, d_key, d_attention, rngs):
            self.proj, self.score = _linear(d_query + d_key, d_attention, rngs), _linear(d_attention, 1, rngs)

    return Wrong


@mistake(both=("d_key",))
def projections_of_one_width(Ref, *, both="d_query"):
    """Both projections take the same width, that of the query or that of the keys. A decoder's state and an encoder's
    outputs are often of two widths: `query_proj` starts from d_query, `key_proj` from d_key."""

    class Wrong(Ref):
        def make(self, d_query, d_key, d_attention, rngs):
            width = d_query if both == "d_query" else d_key
            super().make(width, width, d_attention, rngs)

    return Wrong


@mistake(other=("of the query", "exchanged with d_query"))
def attention_in_another_width(Ref, *, other="of the keys"):
    """Query and keys meet in another width than d_attention, such as that of the keys. It is an argument of its own,
    which says how many hidden units compare a pair: both projections end there."""

    class Wrong(Ref):
        def make(self, d_query, d_key, d_attention, rngs):
            if other == "exchanged with d_query":
                d_query, d_attention = d_attention, d_query
            super().make(d_query, d_key, {"of the keys": d_key, "of the query": d_query}.get(other, d_attention), rngs)

    return Wrong


@mistake
def kernels_as_out_by_in(Ref):
    """The kernels are (out, in) and are multiplied as `x @ kernel.T`, as PyTorch keeps its weights. A Flax kernel is
    (in, out): `nnx.Linear(d_key, d_attention)` takes keys, and is called, or multiplied as `x @ kernel`."""

    class Transposed(nnx.Linear):
        def __call__(self, x):
            return x @ self.kernel[...].T

    class Wrong(Ref):
        def make(self, d_query, d_key, d_attention, rngs):
            self.query_proj = Transposed(d_attention, d_query, use_bias=False, rngs=rngs)
            self.key_proj = Transposed(d_attention, d_key, use_bias=False, rngs=rngs)
            self.score = Transposed(1, d_attention, use_bias=False, rngs=rngs)

    return Wrong


@mistake(name=("out_proj",))
def a_projection_too_many(Ref, *, name="value_proj"):
    """There is another projection, of the values or of the context. The layers of problem 32 have both; here the keys
    are the values, as they are, and the context is their average."""

    class Wrong(Ref):
        def make(self, d_query, d_key, d_attention, rngs):
            super().make(d_query, d_key, d_attention, rngs)
            setattr(self, name, _linear(d_key, d_key, rngs))

        def context(self, weights, keys):
            if name == "value_proj":
                return super().context(weights, self.value_proj(keys))
            return self.out_proj(super().context(weights, keys))

    return Wrong


@mistake
def keeps_the_rngs(Ref):
    """The module keeps `rngs`. `self.rngs = rngs` makes keys and counters part of its variables, to be saved and passed
    along for nothing: use `rngs` in `__init__` and let it go."""

    class Wrong(Ref):
        def make(self, d_query, d_key, d_attention, rngs):
            super().make(d_query, d_key, d_attention, rngs)
            self.rngs = rngs

    return Wrong


@mistake
def keeps_the_weights(Ref):
    """The module keeps the last weights as an attribute, `self.weights = ...`, to look at them later. Under `jit` that
    is a tracer that outlives the call; return them, as the contract asks."""

    class Wrong(Ref):
        def __call__(self, query, keys, mask=None):
            context, self.last = super().__call__(query, keys, mask)
            return context, self.last

    return Wrong
