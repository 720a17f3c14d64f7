"""56 · Wrong answers that people really give, each with its sentence."""

import jax
import jax.numpy as jnp
from flax import nnx

from grader.course import mistake

# --- LuongAttention: the scores


@mistake("LuongAttention", by=("the width of a key", "that width, in dot alone"))
def scaled_scores(Ref, *, by="the width of the query"):
    """The scores are divided by the square root of a width. The transformer's are (31), and the habit is a good one
    there; Luong's scores have no scale, and the size of the states decides how sharp the softmax is: leave it out."""

    class Wrong(Ref):
        def scores(self, query, keys):
            if "alone" in by and self.score != "dot":
                return super().scores(query, keys)
            width = query.shape[-1] if by == "the width of the query" else keys.shape[-1]
            return super().scores(query, keys) / width**0.5

    return Wrong


@mistake("LuongAttention")
def general_from_the_wrong_side(Ref):
    """In "general" the query is multiplied by the kernel, and the keys are left as they are. With widths that differ it
    does not fit, and with equal ones nothing complains: it is q · Wᵀk in the place of q · Wk, two different numbers
    unless W is symmetric. The keys go through `score_proj`: it leads from `d_key` to `d_query`."""

    class Wrong(Ref):
        def general(self, query, keys):
            return self.dot(self.score_proj(query), keys)

    return Wrong


@mistake("LuongAttention")
def general_made_for_the_query(Ref):
    """`score_proj` of "general" is made as `nnx.Linear(d_query, d_key)` and takes the query. That has as many numbers,
    and is another function of them: here it takes the keys, so it leads from `d_key` to `d_query`."""

    class Wrong(Ref):
        def make(self, d_query, d_key, rngs):
            super().make(d_query, d_key, rngs)
            if self.score == "general":
                self.score_proj = self.layer(d_query, d_key, rngs)

        def general(self, query, keys):
            return self.dot(self.score_proj(query), keys)

    return Wrong


@mistake("LuongAttention")
def general_projects_both(Ref):
    """In "general" both the query and the keys go through `score_proj`. That is the habit of a transformer, where each
    has a projection of its own; here there is one kernel between the two, and only the keys go through it."""

    class Wrong(Ref):
        def general(self, query, keys):
            return self.dot(self.score_proj(query), self.score_proj(keys))

    return Wrong


@mistake("LuongAttention")
def general_without_its_kernel(Ref):
    """The score "general" is computed as the plain product, and `score_proj` is made and never used. With equal widths
    nothing complains: bring the keys through `score_proj` before they meet the query."""

    class Wrong(Ref):
        def general(self, query, keys):
            return self.dot(query, keys)

    return Wrong


@mistake("LuongAttention")
def general_with_a_tanh(Ref):
    """In "general" a tanh stands around the projected keys. It belongs to "concat", where nothing of the query would be
    left without it; "general" is a plain product with a kernel in between: leave it out."""

    class Wrong(Ref):
        def general(self, query, keys):
            return self.dot(query, jnp.tanh(self.score_proj(keys)))

    return Wrong


@mistake("LuongAttention", misconception="no_tanh")
def concat_without_tanh(Ref):
    """In "concat" there is no tanh between `score_proj` and `score_vector`. Two linear layers are one, and of that the
    query's part is the same for every key, which a softmax does not notice: the query has no say in where to look. Put
    the tanh around what `score_proj` gives."""

    class Wrong(Ref):
        def activate(self, hidden):
            return hidden

    return Wrong


@mistake("LuongAttention", misconception="tanh_after_the_score")
def tanh_around_the_score(Ref):
    """In "concat" the tanh stands around the finished score, and not around the hidden units. A pair of brackets that
    closes too late does this; no key can then have more than e² times the weight of another. It belongs between
    `score_proj` and `score_vector`."""

    class Wrong(Ref):
        def concat(self, query, keys):
            return jnp.tanh(super().concat(query, keys))

        def activate(self, hidden):
            return hidden

    return Wrong


@mistake("LuongAttention", activation=("sigmoid", "gelu", "silu"))
def another_activation(Ref, *, activation="relu"):
    """In "concat" the hidden units go through another function than tanh, such as relu or a sigmoid. It is today's
    habit; the paper's units go through tanh, which is bounded and has two signs."""

    class Wrong(Ref):
        def activate(self, hidden):
            return getattr(jax.nn, activation)(hidden)

    return Wrong


@mistake("LuongAttention")
def keys_first_in_concat(Ref):
    """In "concat" the key stands before the query. The kernel has as many rows either way, so nothing complains, and
    every row meets another number: [q; k], the query first."""

    class Wrong(Ref):
        def both(self, beside, keys):
            return jnp.concatenate([keys, beside], axis=-1)

    return Wrong


@mistake("LuongAttention", misconception="hidden_units_summed")
def hidden_units_added_up(Ref):
    """In "concat" the hidden units are added up, and `score_vector` is made and never used. It says what each unit
    counts for: send the units through it."""

    class Wrong(Ref):
        def concat(self, query, keys):
            beside = jnp.broadcast_to(query[..., None, :], (*keys.shape[:-1], query.shape[-1]))
            return self.activate(self.score_proj(self.both(beside, keys))).sum(-1)

    return Wrong


@mistake("LuongAttention", misconception="softmax_before_the_axis_is_taken_off")
def axis_of_one_left_on(Ref):
    """In "concat" the scores keep the last axis of `score_vector`, which is of length 1. A softmax over the last axis
    is then one over a single number, and every weight is 1: take that axis off with `[..., 0]`."""

    class Wrong(Ref):
        def __call__(self, query, keys, mask=None):
            if self.score != "concat":
                return super().__call__(query, keys, mask)
            scores = self.scores(query, keys)[..., None]
            weights = self.weights(scores, None if mask is None else mask[..., None])
            context = (weights * keys.astype(weights.dtype)).sum(-2).astype(keys.dtype)
            return self.output(context, query), weights

    return Wrong


@mistake("LuongAttention", misconception="squeezed")
def squeezed_too_much(Ref):
    """In "concat" the axis of length 1 is taken off by a bare `squeeze()`. It takes off every axis of that length: the
    keys where there is one key, the batch where there is one sequence. Name the axis: `squeeze(-1)`, or `[..., 0]`."""

    class Wrong(Ref):
        def concat(self, query, keys):
            return super().concat(query, keys).squeeze()

    return Wrong


@mistake("LuongAttention", misconception="query_without_the_axis_of_the_keys", how=("keys @ query", "query @ keys.T"))
def query_without_its_axis(Ref, *, how="a sum of products"):
    """The query meets the keys without an axis for them, as in `(query * keys).sum(-1)` or `keys @ query`. For one
    sequence that is right. With a batch, `(B, d)` against `(B, T, d)` lines up the sequences with the keys, which fails
    or, where the two are as many, mixes them: write `query[..., None, :]`, or an einsum with dots."""

    class Wrong(Ref):
        def dot(self, query, keys):
            if how == "a sum of products":
                return (query * keys).sum(-1)
            return keys @ query if how == "keys @ query" else query @ keys.swapaxes(-1, -2)

    return Wrong


@mistake("LuongAttention")
def angle_for_product(Ref):
    """The query and the keys are brought to length 1 before they are multiplied, so that a score is the cosine of their
    angle. Other models do that, with a temperature; here a long key counts more than a short one: take the product as
    it is."""

    class Wrong(Ref):
        def dot(self, query, keys):
            sizes = jnp.linalg.norm(query, axis=-1)[..., None] * jnp.linalg.norm(keys, axis=-1)
            return super().dot(query, keys) / sizes

    return Wrong


# --- LuongAttention: the mask and the softmax


@mistake("LuongAttention", misconception="ignored_the_mask")
def mask_ignored(Ref):
    """The mask is not looked at, and padding takes part: `mask` is an argument that nothing reads. Hide the keys where
    it is False, before the softmax."""

    class Wrong(Ref):
        def weights(self, scores, mask):
            return super().weights(scores, None)

    return Wrong


@mistake("LuongAttention", misconception="forgot_none")
def mask_asked_when_there_is_none(Ref):
    """It fails without a mask. `mask` is None where every key may be attended to, and None is no array: ask `mask is
    None` first, or hand it to the softmax's `where=`, which takes None."""

    class Wrong(Ref):
        def softmax(self, scores, mask):
            return super().softmax(scores, mask.astype(bool))

    return Wrong


@mistake("LuongAttention", misconception="inverted_the_mask")
def mask_the_wrong_way_round(Ref):
    """The mask hides what may be seen: True is taken for a key to be hidden, as some libraries have it. In this track
    True means that the query may attend: hide where it is False."""

    class Wrong(Ref):
        def weights(self, scores, mask):
            return super().weights(scores, None if mask is None else ~mask)

    return Wrong


@mistake("LuongAttention", misconception="mask_after_the_softmax")
def masked_after_the_softmax(Ref):
    """The mask is applied to the weights, after the softmax. Hidden keys have had their share of the sum by then, so
    that what is left sums to less than 1; and one of them with a large score leaves nothing to the others. Hide them in
    the scores."""

    class Wrong(Ref):
        def softmax(self, scores, mask):
            weights = super().softmax(scores, None)
            return weights if mask is None else jnp.where(mask, weights, 0)

    return Wrong


@mistake("LuongAttention", misconception="renormalised")
def normalised_again_after_the_mask(Ref):
    """The mask is applied to the weights, which are then divided by what is left of their sum. On paper that is the
    same; but a hidden key with a large score has taken all there was, and 0 / 0 is NaN, as it is where nothing may be
    attended to. Hide the keys in the scores, before the softmax."""

    class Wrong(Ref):
        def softmax(self, scores, mask):
            weights = super().softmax(scores, None)
            if mask is None:
                return weights
            left = jnp.where(mask, weights, 0)
            return left / left.sum(-1, keepdims=True)

    return Wrong


@mistake("LuongAttention")
def softmax_over_hidden_keys_too(Ref):
    """The hidden keys take part in the softmax and are taken out of it afterwards, by dividing what is left by its sum
    and a small number against 0 / 0. Where a hidden key scores far higher than the others nothing is left to divide:
    hide the keys in the scores, before the softmax."""

    class Wrong(Ref):
        def softmax(self, scores, mask):
            weights = super().softmax(scores, None)
            if mask is None:
                return weights
            left = jnp.where(mask, weights, 0)
            return left / (left.sum(-1, keepdims=True) + 1e-9)

    return Wrong


@mistake("LuongAttention", misconception="added_a_large_number", number=(-1e4,))
def mask_added(Ref, *, number=-1e9):
    """A large negative number is *added* to the scores of hidden keys. What stands there can be anything, and its score
    inf or NaN, to which one may add what one likes; and where no key is left all have lost as much, and share the
    weight. Replace the score, by `jnp.where` or the softmax's `where=`, and give zeros where nothing is left."""

    class Wrong(Ref):
        def softmax(self, scores, mask):
            if mask is None:
                return super().softmax(scores, mask)
            return super().softmax(scores + jnp.where(mask, 0.0, number), None)

    return Wrong


@mistake("LuongAttention", misconception="mean_where_nothing_is_seen")
def empty_row_shares_its_weight(Ref):
    """Where no key may be attended to, all of them share the weight. The hidden scores are replaced by a large negative
    number, and if all scores are that number, none is smaller than the others. Give zeros there: `where=` of
    `jax.nn.softmax` does, or multiply the weights by the mask as well."""

    class Wrong(Ref):
        def softmax(self, scores, mask):
            if mask is None:
                return super().softmax(scores, mask)
            return super().softmax(jnp.where(mask, scores, -1e9), None)

    return Wrong


@mistake("LuongAttention", misconception="nan_where_nothing_is_seen")
def empty_row_of_nan(Ref):
    """Where no key may be attended to, everything is NaN: the hidden scores are -inf, and if all are, the softmax takes
    -inf from -inf. Give zeros there: `where=` of `jax.nn.softmax` does; by hand, mend the maximum and the divisor
    before they are used."""

    class Wrong(Ref):
        def softmax(self, scores, mask):
            return super().softmax(scores if mask is None else jnp.where(mask, scores, -jnp.inf), None)

    return Wrong


@mistake("LuongAttention", misconception="gradient_nan_where_nothing_is_seen")
def empty_row_mended_afterwards(Ref):
    """Where no key may be attended to, the values are right and the gradient is NaN. The weights of that row are NaN,
    and `jnp.where` picks the zeros for the context afterwards: on the way back the gradient of the keys is those
    weights times 0, and NaN times 0 is NaN. Mend the weights before they meet the keys, or use `where=` of
    `jax.nn.softmax`."""

    class Wrong(Ref):
        def __call__(self, query, keys, mask=None):
            if mask is None:
                return super().__call__(query, keys, mask)
            scores = self.scores(query, keys)
            weights = self.weights(jnp.where(mask, scores, -jnp.inf), None)
            some = mask.any(-1, keepdims=True)
            context = jnp.where(some, self.context(weights, keys), 0).astype(keys.dtype)
            return self.output(context, query), jnp.where(some, weights, 0)

    return Wrong


@mistake("LuongAttention")
def weights_left_where_nothing_is_visible(Ref):
    """Where no key may be attended to, the context is zeros and the weights are not: they are shared among the hidden
    keys. Make the weights zeros, and the context follows."""

    class Wrong(Ref):
        def __call__(self, query, keys, mask=None):
            if mask is None:
                return super().__call__(query, keys, mask)
            weights = self.weights(jnp.where(mask, self.scores(query, keys), -1e9), None)
            context = jnp.where(mask.any(-1, keepdims=True), self.context(weights, keys), 0).astype(keys.dtype)
            return self.output(context, query), weights

    return Wrong


@mistake("LuongAttention")
def empty_row_zeroes_the_output(Ref):
    """Where no key may be attended to, the output is zeros. It is the *context* that is zeros there; the decoder still
    has its query, and the output is `tanh(out_proj([0; query]))`: mend the weights, and leave the output to follow."""

    class Wrong(Ref):
        def __call__(self, query, keys, mask=None):
            output, weights = super().__call__(query, keys, mask)
            if mask is not None:
                output = jnp.where(mask.any(-1, keepdims=True), output, 0).astype(output.dtype)
            return output, weights

    return Wrong


@mistake("LuongAttention", misconception="hidden_by_a_small_number", number=(-10.0, -30.0))
def hidden_by_a_small_number(Ref, *, number=-100.0):
    """The scores of hidden keys are replaced by a number such as -100, which is not small enough. Scores are not scaled
    and can be as low as that, and then the hidden keys win. Replace them by -inf, or use the softmax's `where=`."""

    class Wrong(Ref):
        def softmax(self, scores, mask):
            return super().softmax(scores if mask is None else jnp.where(mask, scores, number), None)

    return Wrong


@mistake("LuongAttention", misconception="zeros_for_scores", how=("by a product",))
def hidden_scores_of_zero(Ref, *, how="by a choice"):
    """The scores of hidden keys are set to 0, or multiplied by the mask. That is no small score: exp(0) = 1 takes its
    share, and more than that where all the others are below 0. Replace them by -inf, or use the softmax's `where=`."""

    class Wrong(Ref):
        def softmax(self, scores, mask):
            if mask is None:
                return super().softmax(scores, mask)
            return super().softmax(jnp.where(mask, scores, 0) if how == "by a choice" else scores * mask, None)

    return Wrong


@mistake("LuongAttention", number=(-1e9,))
def masked_keys_overwritten(Ref, *, number=0.0):
    """The hidden keys are overwritten, with zeros or with a large negative number, and then attended to like the
    others. A key of zeros scores 0, or in "concat" what the query makes of it, and takes its share: hide the scores."""

    class Wrong(Ref):
        def __call__(self, query, keys, mask=None):
            return super().__call__(query, keys if mask is None else jnp.where(mask[..., None], keys, number))

    return Wrong


@mistake("LuongAttention")
def added_the_boolean_mask(Ref):
    """The boolean mask itself is added to the scores: True counts as 1, and every key keeps a weight. Put -inf in the
    place of each hidden score: `jnp.where(mask, scores, -jnp.inf)`."""

    class Wrong(Ref):
        def softmax(self, scores, mask):
            return super().softmax(scores if mask is None else scores + mask, None)

    return Wrong


@mistake("LuongAttention")
def infinity_times_zero(Ref):
    """With a mask everything is NaN: `(1 - mask)` is multiplied by -inf to have something to add, and 0 times -inf is
    NaN for every visible key. Choose with `jnp.where`, which multiplies nothing."""

    class Wrong(Ref):
        def softmax(self, scores, mask):
            return super().softmax(scores if mask is None else scores + (1 - mask) * -jnp.inf, None)

    return Wrong


@mistake("LuongAttention")
def one_row_decides_for_all(Ref):
    """Whether any key may be attended to is asked of the whole mask, `mask.any()`, and not of each sequence. One that
    is empty beside others that are not shares its weight then, or gets NaN: ask `mask.any(-1, keepdims=True)`."""

    class Wrong(Ref):
        def softmax(self, scores, mask):
            if mask is None:
                return super().softmax(scores, mask)
            return jnp.where(mask.any(), super().softmax(jnp.where(mask, scores, -1e9), None), 0)

    return Wrong


@mistake("LuongAttention", misconception="softmax_over_the_batch")
def softmax_over_the_first_axis(Ref):
    """The softmax runs over the first axis. For one sequence that axis holds the keys; with a batch it holds the
    sequences, and these compete with each other. The keys are the last axis of the scores: `axis=-1`."""

    class Wrong(Ref):
        def softmax(self, scores, mask):
            return jax.nn.softmax(scores, axis=0, where=mask)

    return Wrong


@mistake("LuongAttention", misconception="overflowing_softmax")
def softmax_that_overflows(Ref):
    """exp overflows: scores in the hundreds give inf / inf = NaN. Take the largest score of each row off first, or let
    `jax.nn.softmax` do it."""

    class Wrong(Ref):
        def softmax(self, scores, mask):
            seen = True if mask is None else mask
            powers = jnp.where(seen, jnp.exp(jnp.where(seen, scores, 0)), 0)
            total = powers.sum(-1, keepdims=True)
            return powers / jnp.where(total == 0, 1, total)

    return Wrong


@mistake("LuongAttention")
def one_maximum_for_all(Ref):
    """One maximum is taken off all scores, that of the whole array. A sequence whose scores lie hundreds below it has
    nothing left, and gets zeros or NaN. Each needs its own: `max(axis=-1, keepdims=True)`, or `jax.nn.softmax`."""

    class Wrong(Ref):
        def softmax(self, scores, mask):
            seen = True if mask is None else mask
            scores = jnp.where(seen, scores, -jnp.inf)
            top = jax.lax.stop_gradient(scores.max())
            powers = jnp.where(seen, jnp.exp(jnp.where(seen, scores, 0) - jnp.where(jnp.isfinite(top), top, 0)), 0)
            total = powers.sum(-1, keepdims=True)
            return powers / jnp.where(total == 0, 1, total)

    return Wrong


# --- LuongAttention: what comes out


@mistake("LuongAttention")
def context_of_projected_keys(Ref):
    """The context of "general" is a sum of projected keys. What `score_proj` gives was for the score; where it is as
    wide as a key nothing complains, and else `out_proj` does not fit. Average the keys themselves."""

    class Wrong(Ref):
        def __call__(self, query, keys, mask=None):
            weights = self.weights(self.scores(query, keys), mask)
            rows = self.score_proj(keys) if self.score == "general" else keys
            return self.output(self.context(weights, rows), query), weights

    return Wrong


@mistake("LuongAttention", misconception="mean_in_place_of_the_sum")
def mean_for_the_context(Ref):
    """The weighted keys are averaged over T: their sum is divided by the number of keys. The weights sum to 1 already,
    so their sum is an average: do not divide."""

    class Wrong(Ref):
        def context(self, weights, keys):
            return (super().context(weights, keys) / keys.shape[-2]).astype(keys.dtype)

    return Wrong


@mistake("LuongAttention")
def query_first_in_the_output(Ref):
    """In the output the query stands before the context. The kernel has as many rows either way, so nothing complains.
    The order is the other way round here than in "concat": [context; query]."""

    class Wrong(Ref):
        def joined(self, context, query):
            return jnp.concatenate([query, context], axis=-1)

    return Wrong


@mistake("LuongAttention")
def output_without_tanh(Ref):
    """The output is what `out_proj` gives, without the tanh around it. Equation 5 of the paper has one: without it the
    layer that predicts the word would be one linear layer with this one."""

    class Wrong(Ref):
        def output(self, context, query):
            return self.out_proj(self.joined(context, query))

    return Wrong


@mistake("LuongAttention", activation=("sigmoid",))
def another_activation_of_the_output(Ref, *, activation="relu"):
    """The output goes through another function than tanh, such as relu. Equation 5 of the paper has tanh: every entry
    of the output is between -1 and 1."""

    class Wrong(Ref):
        def output(self, context, query):
            return getattr(jax.nn, activation)(self.out_proj(self.joined(context, query)))

    return Wrong


@mistake("LuongAttention")
def context_returned(Ref):
    """What comes out is the context, and `out_proj` is made and never used. Problem 55 ends there; here the context is
    joined with the query and goes through `out_proj` and a tanh."""

    class Wrong(Ref):
        def output(self, context, query):
            return context

    return Wrong


@mistake("LuongAttention")
def query_added_to_the_output(Ref):
    """The query is added to the output. That residual belongs to a transformer's block (44); here the query goes into
    `out_proj` beside the context, and nothing is added afterwards."""

    class Wrong(Ref):
        def output(self, context, query):
            return query + super().output(context, query)

    return Wrong


@mistake("LuongAttention", misconception="weights_first")
def results_exchanged(Ref):
    """The weights are returned first and the output second. Both libraries and papers have either order; here it is the
    output, then the weights."""

    class Wrong(Ref):
        def __call__(self, query, keys, mask=None):
            return super().__call__(query, keys, mask)[::-1]

    return Wrong


@mistake("LuongAttention")
def only_the_output(Ref):
    """Only the output is returned. The weights are the alignment, which a decoder may keep and a reader wants to see:
    return both, the output and the weights."""

    class Wrong(Ref):
        def __call__(self, query, keys, mask=None):
            return super().__call__(query, keys, mask)[0]

    return Wrong


@mistake("LuongAttention")
def scores_for_the_weights(Ref):
    """What comes out beside the output are the scores, as they were before the softmax. Return the weights that the
    context was made with."""

    class Wrong(Ref):
        def __call__(self, query, keys, mask=None):
            scores = self.scores(query, keys)
            return super().__call__(query, keys, mask)[0], scores.astype(jnp.promote_types(scores.dtype, jnp.float32))

    return Wrong


@mistake("LuongAttention")
def no_gradient_through_the_weights(Ref):
    """The weights that are returned have no gradient: they went through `stop_gradient`. To look at them that is
    enough; a loss on the alignment, as in problems 58 and 60, then teaches nothing. Return them as they are."""

    class Wrong(Ref):
        def __call__(self, query, keys, mask=None):
            output, weights = super().__call__(query, keys, mask)
            return output, jax.lax.stop_gradient(weights)

    return Wrong


@mistake("LuongAttention")
def no_gradient_through_the_choice(Ref):
    """The context is made with weights that went through `stop_gradient`, so that the output does not teach the score
    where to look. Leave the weights as they are."""

    class Wrong(Ref):
        def context(self, weights, keys):
            return super().context(jax.lax.stop_gradient(weights), keys)

    return Wrong


@mistake("LuongAttention", misconception="output_in_float32")
def float32_lets_the_output_grow(Ref):
    """Half-precision keys give a float32 output. The weights are float32, and their product with the keys is too, and
    so is all that follows: bring the context back to the dtype of the keys before it meets the query."""

    class Wrong(Ref):
        def output(self, context, query):
            return super().output(context, query).astype(jnp.promote_types(context.dtype, jnp.float32))

    return Wrong


@mistake("LuongAttention")
def weights_in_half_precision(Ref):
    """The weights come out in the dtype of the keys. Whoever adds up weights over many steps, as coverage does, needs
    them in float32: take the softmax of scores in float32, and return its result as it is."""

    class Wrong(Ref):
        def __call__(self, query, keys, mask=None):
            output, weights = super().__call__(query, keys, mask)
            return output, weights.astype(keys.dtype)

    return Wrong


# --- LuongAttention: the words and the layers


@mistake("LuongAttention")
def takes_any_word(Ref):
    """A word that is no score goes through `__init__`. A chain of `if` and `else` takes whatever it does not know for
    its last score, and a mistyped word trains another model: raise ValueError for what is none of the three."""

    class Wrong(Ref):
        def refuse(self, d_query, d_key, score):
            if score in ("dot", "general", "concat"):
                super().refuse(d_query, d_key, score)

        def make(self, d_query, d_key, rngs):
            if self.score not in ("dot", "general", "concat"):
                self.score = "concat"
            super().make(d_query, d_key, rngs)

    return Wrong


@mistake("LuongAttention")
def dot_of_any_widths(Ref):
    """The score "dot" is made with widths that differ. Its product does not exist, and what breaks is an einsum in the
    first call, later and far away: raise ValueError in `__init__`."""

    class Wrong(Ref):
        def refuse(self, d_query, d_key, score):
            super().refuse(d_query, d_query, score)

    return Wrong


@mistake("LuongAttention")
def refuses_unequal_widths_always(Ref):
    """Unequal widths are refused for every score. Only "dot" needs them equal; "general" and "concat" have a kernel
    that brings them together: ask for the score as well."""

    class Wrong(Ref):
        def refuse(self, d_query, d_key, score):
            super().refuse(d_query, d_key, score)
            if d_query != d_key:
                raise ValueError(f"widths {d_query} and {d_key}")

    return Wrong


REFUSALS = {error.__name__: error for error in (AssertionError, KeyError, TypeError, NotImplementedError)}


@mistake("LuongAttention", which=("KeyError", "TypeError", "NotImplementedError"))
def refused_by_another_error(Ref, *, which="AssertionError"):
    """What is to be refused raises another exception than ValueError: an `assert`, a `KeyError` of a dictionary of
    scores, a `NotImplementedError`. A caller that is promised a ValueError catches that one: raise it yourself, in
    `__init__`."""

    class Wrong(Ref):
        def refuse(self, d_query, d_key, score):
            try:
                super().refuse(d_query, d_key, score)
            except ValueError:
                raise REFUSALS[which](score) from None

    return Wrong


def _biased(Ref):
    class Wrong(Ref):
        def layer(self, d_in, d_out, rngs):
            return nnx.Linear(d_in, d_out, rngs=rngs)

    return Wrong


def _keeping_the_rngs(Ref):
    class Wrong(Ref):
        def make(self, *sizes_and_rngs):
            super().make(*sizes_and_rngs)
            self.rngs = sizes_and_rngs[-1]

    return Wrong


@mistake("LuongAttention", misconception="bias_left_on")
def biases_left_on(Ref):
    """The layers have biases. `nnx.Linear` adds one unless it is told not to: pass `use_bias=False`."""
    return _biased(Ref)


@mistake("LuongAttention")
def layers_for_every_score(Ref):
    """The layers of all three scores are made, whichever is asked for. What the score does not use is saved, counted
    and decayed for nothing, and is not in the contract: make `score_proj` and `score_vector` only where they are
    used."""

    class Wrong(Ref):
        def make(self, d_query, d_key, rngs):
            super().make(d_query, d_key, rngs)
            if self.score != "concat":
                self.score_vector = self.layer(d_query, 1, rngs)
            if self.score == "dot":
                self.score_proj = self.layer(d_key, d_query, rngs)

    return Wrong


@mistake("LuongAttention")
def names_of_the_paper(Ref):
    """The layers are called as in the paper, `W_a`, `v_a`, `W_c`. Parameters are found by their paths, so the names are
    part of the contract: `score_proj`, `score_vector` and `out_proj`."""

    class Wrong(Ref):
        def make(self, d_query, d_key, rngs):
            super().make(d_query, d_key, rngs)
            self.W_c = self.out_proj
            del self.out_proj

    return Wrong


@mistake("LuongAttention", misconception="score_as_a_vector")
def a_parameter_for_the_vector(Ref):
    """`score_vector` is a bare parameter of shape (d_query,), `nnx.Param(...)`. A parameter is found by its path, and
    the one of an `nnx.Linear` ends in `.kernel`: make it an `nnx.Linear(d_query, 1)` without bias."""

    class Wrong(Ref):
        def make(self, d_query, d_key, rngs):
            super().make(d_query, d_key, rngs)
            if self.score == "concat":
                self.score_vector = nnx.Param(jnp.ones((d_query,)))

    return Wrong


@mistake("LuongAttention")
def output_of_the_context_alone(Ref):
    """`out_proj` takes the context alone, from `d_key` to `d_query`. The decoder's state has to come through as well:
    join the two, and make it as `nnx.Linear(d_key + d_query, d_query)`."""

    class Wrong(Ref):
        def make(self, d_query, d_key, rngs):
            super().make(d_query, d_key, rngs)
            self.out_proj = self.layer(d_key, d_query, rngs)

        def joined(self, context, query):
            return context

    return Wrong


@mistake("LuongAttention")
def keeps_the_rngs(Ref):
    """The module keeps `rngs`. `self.rngs = rngs` makes keys and counters part of its variables, to be saved and passed
    along for nothing: use `rngs` in `__init__` and let it go."""
    return _keeping_the_rngs(Ref)


# --- LocalAttention: the window


@mistake("LocalAttention")
def softmax_over_the_whole_sentence(Ref):
    """The softmax runs over all keys, and what is outside of the window is set to 0 afterwards. A far key has had its
    share by then, and one with a high score leaves nothing to those in the window: hide them before the softmax, so
    that it runs over the window alone."""

    class Wrong(Ref):
        def softmax(self, scores, within):
            return jnp.where(within, jax.nn.softmax(scores), 0)

    return Wrong


@mistake("LocalAttention")
def no_window(Ref):
    """There is no window: the softmax runs over all keys, and the Gaussian alone makes the far ones small. It never
    becomes 0, and a far key with a high score takes the sum. Only keys with `|s - centre| <= half_width` take part, in
    the softmax and in the result."""

    class Wrong(Ref):
        def softmax(self, scores, within):
            return jax.nn.softmax(scores)

    return Wrong


@mistake("LocalAttention", misconception="zeros_for_scores", zeros=("left in", "the keys"))
def far_scores_of_zero(Ref, *, zeros="cut afterwards"):
    """The scores outside of the window are set to 0 before the softmax, or the keys there are. That is no small score:
    each of these keys takes exp(0) = 1 of the sum. Replace the scores by -inf, or use the softmax's `where=`."""

    class Wrong(Ref):
        def softmax(self, scores, within):
            weights = jax.nn.softmax(jnp.where(within, scores, 0))
            return jnp.where(within, weights, 0) if zeros == "cut afterwards" else weights

        def __call__(self, query, keys, position=None):
            if zeros == "the keys":
                within = self.window(self.away(self.centre(query, len(keys), position), len(keys)))
                keys = jnp.where(within[:, None], keys, 0)
            return super().__call__(query, keys, position)

    return Wrong


@mistake("LocalAttention", misconception="hidden_by_a_small_number", number=(-10.0,), cut=(False,))
def far_scores_of_a_small_number(Ref, *, number=-100.0, cut=True):
    """The scores outside of the window are replaced by a number such as -100, which is not small enough. Scores are not
    scaled, and all in the window can be lower than that; then the far keys win. Replace them by -inf, or use the
    softmax's `where=`."""

    class Wrong(Ref):
        def softmax(self, scores, within):
            weights = jax.nn.softmax(jnp.where(within, scores, number))
            return jnp.where(within, weights, 0) if cut else weights

    return Wrong


@mistake("LocalAttention", misconception="added_a_small_number", cut=(False,))
def lowered_far_scores(Ref, *, cut=True):
    """A number such as -100 is added to the scores outside of the window. A far key that scores hundreds higher comes
    through: it is only less likely. Replace the score, by `jnp.where` or the softmax's `where=`."""

    class Wrong(Ref):
        def softmax(self, scores, within):
            weights = jax.nn.softmax(scores + jnp.where(within, 0.0, -100.0))
            return jnp.where(within, weights, 0) if cut else weights

    return Wrong


@mistake("LocalAttention", misconception="renormalised", guarded=(True,))
def window_made_to_sum_to_one(Ref, *, guarded=False):
    """The softmax runs over all keys, and what is in the window is divided by its sum afterwards. On paper that is the
    softmax over the window; but where a far key scores hundreds higher nothing is left in the window, and 0 / 0 is NaN.
    Hide the far keys before the softmax."""

    class Wrong(Ref):
        def softmax(self, scores, within):
            left = jnp.where(within, jax.nn.softmax(scores), 0)
            return left / (left.sum() + 1e-9 if guarded else left.sum())

    return Wrong


@mistake("LocalAttention", without=("the first", "the last"))
def edges_outside(Ref, *, without="both"):
    """A key exactly at the edge of the window is left out, at one end or at both: the comparison is `<`, or the window
    is a slice, whose end does not belong to it. Both ends are inside: `|s - centre| <= half_width`, 2D + 1 keys around
    a whole position."""

    class Wrong(Ref):
        def window(self, away):
            low = away > -self.half_width if without in ("both", "the first") else away >= -self.half_width
            high = away < self.half_width if without in ("both", "the last") else away <= self.half_width
            return low & high

    return Wrong


@mistake("LocalAttention")
def half_as_wide(Ref):
    """The window reaches `half_width / 2` to either side. The half is in the name already: it is the standard deviation
    that is half of it, and the window reaches `half_width`."""

    class Wrong(Ref):
        def window(self, away):
            return jnp.abs(away) <= self.half_width / 2

    return Wrong


@mistake("LocalAttention")
def places_from_one(Ref):
    """The keys are counted from 1. The paper counts so; here key `s` is the row `s` of `keys`, and the first is 0."""

    class Wrong(Ref):
        def away(self, centre, length):
            return super().away(centre, length) + 1

    return Wrong


def _by_a_table(Ref, rows_of, length_of=lambda width, length: 2 * width + 1):
    """A window that is cut out of the sentence: places from its first one on, and the rows that are read for them."""

    class Wrong(Ref):
        def __call__(self, query, keys, position=None):
            centre, length = self.centre(query, len(keys), position), len(keys)
            first = jnp.ceil(centre - self.half_width).astype(jnp.int32)
            places = first + jnp.arange(length_of(self.half_width, length))
            rows, away = rows_of(places, length), places - centre
            near = self.softmax(self.scores(query, keys[rows]), self.window(away))
            shares = self.joined(near, self.gaussian(away))
            return self.context(shares, keys[rows]), jnp.zeros(length, shares.dtype).at[rows].add(shares)

    return Wrong


@mistake("LocalAttention", how=("the centre moved", "the centre on the last key at most"))
def window_pushed_inside(Ref, *, how="dynamic_slice"):
    """A window that reaches beyond an end of the sentence is pushed back inside. `dynamic_slice` does that without a
    word, and then each key counts at the place of another one; or the centre is kept away from the ends. A window near
    an end simply has fewer keys: compare all `s` with the centre."""
    if how == "dynamic_slice":

        def rows_of(places, length):
            return places - places[0] + jnp.clip(places[0], 0, length - len(places))

        return _by_a_table(Ref, rows_of, lambda width, length: min(2 * width + 1, length))

    class Wrong(Ref):
        def centre(self, query, length, position):
            if "at most" in how:
                return jnp.clip(super().centre(query, length, position), 0, length - 1)
            middle = (length - 1) / 2
            low, high = min(self.half_width, middle), max(length - 1 - self.half_width, middle)
            return jnp.clip(super().centre(query, length, position), low, high)

    return Wrong


@mistake("LocalAttention")
def end_counted_again(Ref):
    """Places beyond an end of the sentence read the key at that end once more: a table of indices is clipped to the
    sentence. So that key takes part several times. Hide every place that is no key of the sentence, or compare only
    those that are."""
    return _by_a_table(Ref, lambda places, length: jnp.clip(places, 0, length - 1))


@mistake("LocalAttention")
def read_from_the_other_end(Ref):
    """Places before the start of the sentence read keys from its end: a negative index counts from there, in JAX as in
    Python. Hide every place that is no key of the sentence, or compare only those that are."""
    return _by_a_table(Ref, lambda places, length: places)


@mistake("LocalAttention")
def padding_in_the_softmax(Ref):
    """The sentence is padded with zeros at both ends, and the padding takes part in the softmax. A key of zeros scores
    0 and takes exp(0) = 1 of the sum: hide the places that are no keys of the sentence, as well as those outside of the
    window."""

    class Wrong(Ref):
        def __call__(self, query, keys, position=None):
            more = self.half_width + 1
            padded = jnp.pad(keys, ((more, more), (0, 0)))
            away = jnp.arange(len(padded)) - more - self.centre(query, len(keys), position)
            near = self.softmax(self.scores(query, padded), self.window(away))
            weights = self.joined(near, self.gaussian(away))[more:-more]
            return self.context(weights, keys), weights

    return Wrong


# --- LocalAttention: the Gaussian


@mistake("LocalAttention")
def normalised_again(Ref):
    """The weights are divided by their sum once more, after the Gaussian, or the Gaussian is added to the scores as a
    logarithm, which comes to the same. That a distribution sums to 1 is a good habit; here what the distance takes away
    is lost, so that a window whose best key is far from the centre says less: leave the product as it is."""

    class Wrong(Ref):
        def joined(self, near, gaussian):
            product = near * gaussian
            return product / product.sum()

    return Wrong


@mistake("LocalAttention")
def no_gaussian(Ref):
    """There is no Gaussian: within the window distance makes no difference. So the centre has no gradient at all, since
    a window is a comparison, and the layers that say where to look are never trained. Multiply the softmax by it."""

    class Wrong(Ref):
        def gaussian(self, away):
            return jnp.ones_like(away)

    return Wrong


@mistake("LocalAttention")
def no_gaussian_at_a_given_position(Ref):
    """At a given position there is no Gaussian. That is local-m of the paper, whose window is flat; this contract has
    the Gaussian in both cases, so that a given position has a gradient too."""

    class Wrong(Ref):
        def __call__(self, query, keys, position=None):
            if position is None:
                return super().__call__(query, keys)
            near = self.softmax(self.scores(query, keys), self.window(self.away(position, len(keys))))
            return self.context(near, keys), near

    return Wrong


@mistake("LocalAttention", about="sigma", variance=("D / 2", "D² / 8", "1", "4 / D²", "(D // 2)²"))
def gaussian_of_another_width(Ref, *, variance="D²"):
    """The Gaussian has another width. It is `exp(-(s - centre)² / (2 sigma²))` with `sigma = half_width / 2`: not
    `half_width` itself, nor the half of it rounded down, not a variance of `half_width / 2`, and with brackets around
    `2 sigma²`. A key at the edge keeps exp(-2), about 0.135; see whether yours does."""

    class Wrong(Ref):
        def gaussian(self, away):
            width = self.half_width
            squared = {
                "D²": width**2,
                "D / 2": width / 2,
                "D² / 8": width**2 / 8,
                "1": 1.0,
                "4 / D²": 4 / width**2,
                "(D // 2)²": (width // 2) ** 2,
            }[variance]
            return jnp.exp(-(away**2) / (2 * squared))

    return Wrong


@mistake("LocalAttention", by=("2 sigma", "sigma"))
def distance_not_squared(Ref, *, by="2 sigma²"):
    """The distance in the exponent is not squared, so that the weights fall off in a peak and not in a bell. The
    exponent is `-(s - centre)² / (2 sigma²)`; squared, the distance also needs no `abs`."""

    class Wrong(Ref):
        def gaussian(self, away):
            sigma = self.half_width / 2
            return jnp.exp(-jnp.abs(away) / {"2 sigma²": 2 * sigma**2, "2 sigma": 2 * sigma, "sigma": sigma}[by])

    return Wrong


@mistake("LocalAttention", side=("behind",))
def window_on_one_side(Ref, *, side="before"):
    """Only keys on one side of the centre are in the window. It reaches as far to either side:
    `jnp.abs(s - centre) <= half_width`."""

    class Wrong(Ref):
        def window(self, away):
            return super().window(away) & (away <= 0 if side == "before" else away >= 0)

    return Wrong


@mistake("LocalAttention")
def gaussian_with_its_density(Ref):
    """The Gaussian is divided by sigma sqrt(2 pi), as a density is. A density has the area 1; this is a factor on a
    weight, and is 1 at the centre: leave the divisor out."""

    class Wrong(Ref):
        def gaussian(self, away):
            return super().gaussian(away) / (self.half_width / 2 * (2 * jnp.pi) ** 0.5)

    return Wrong


@mistake("LocalAttention")
def gaussian_on_the_scores(Ref):
    """The scores are multiplied by the Gaussian, before the softmax. That brings far scores close to 0, the negative
    ones too, which then grow. It is a factor on the weights: multiply what the softmax gives."""

    class Wrong(Ref):
        def __call__(self, query, keys, position=None):
            away = self.away(self.centre(query, len(keys), position), len(keys))
            weights = self.softmax(self.scores(query, keys) * self.gaussian(away), self.window(away))
            return self.context(weights, keys), weights

    return Wrong


@mistake("LocalAttention", which=("the weights",))
def gaussian_in_one_of_two(Ref, *, which="the context"):
    """The Gaussian is in the context or in the weights, and not in both. A line that is written twice does this:
    compute the product once, take the context with it, and return the same array."""

    class Wrong(Ref):
        def __call__(self, query, keys, position=None):
            away = self.away(self.centre(query, len(keys), position), len(keys))
            near = self.softmax(self.scores(query, keys), self.window(away))
            weights = self.joined(near, self.gaussian(away))
            if which == "the context":
                return self.context(weights, keys), near
            return self.context(near, keys), weights

    return Wrong


# --- LocalAttention: the centre


@mistake("LocalAttention", how=("down", "up"))
def rounded_centre(Ref, *, how="to the nearest"):
    """The centre is made a whole number. One cannot attend at 3.4, so it looks natural; but a rounded number has a
    gradient of 0, and the layers that say where to look are never trained. The centre stays a real number: the window
    and the Gaussian take distances to it."""

    class Wrong(Ref):
        def centre(self, query, length, position):
            rounded = {"to the nearest": jnp.round, "down": jnp.floor, "up": jnp.ceil}[how]
            return rounded(super().centre(query, length, position))

    return Wrong


@mistake("LocalAttention", how=("down",))
def rounded_for_the_window(Ref, *, how="to the nearest"):
    """The window is laid around the centre rounded to a whole number, and the Gaussian around the centre itself. A
    slice of 2D + 1 keys gives this. The rule is one for both, `|s - centre| <= half_width`: around a place between two
    keys there are 2D of them."""

    class Wrong(Ref):
        def window(self, away):
            # the first distance is minus the centre
            rounded = {"to the nearest": jnp.round, "down": jnp.floor}[how]
            return super().window(away - away[0] - rounded(-away[0]))

    return Wrong


@mistake("LocalAttention", how=("down",))
def rounded_for_the_gaussian(Ref, *, how="to the nearest"):
    """The Gaussian lies around the centre rounded to a whole number. A rounded number has a gradient of 0, and the
    Gaussian is the only place where the centre could have one: take the distance to the centre itself."""

    class Wrong(Ref):
        def gaussian(self, away):
            # the first distance is minus the centre
            rounded = {"to the nearest": jnp.round, "down": jnp.floor}[how]
            return super().gaussian(away - away[0] - rounded(-away[0]))

    return Wrong


@mistake("LocalAttention")
def centre_without_gradient(Ref):
    """The values are right, and the centre has no gradient: it went through `stop_gradient`, or the Gaussian is not
    traced. The window has none, so the Gaussian is all that teaches the layers where to look: let it through."""

    class Wrong(Ref):
        def centre(self, query, length, position):
            return jax.lax.stop_gradient(super().centre(query, length, position))

    return Wrong


@mistake("LocalAttention")
def given_position_without_gradient(Ref):
    """The values are right, and a given position has no gradient. It may come out of another layer, which has to learn:
    do not stop the gradient there, nor bring the position to an integer."""

    class Wrong(Ref):
        def given(self, position, length):
            return jax.lax.stop_gradient(position)

    return Wrong


@mistake("LocalAttention")
def given_position_as_an_integer(Ref):
    """A given position is cut to an integer. For whole positions nothing changes, and others lose what is behind the
    point, and all of them their gradient: take it as it is."""

    class Wrong(Ref):
        def given(self, position, length):
            return position.astype(jnp.int32)

    return Wrong


@mistake("LocalAttention", how=("if position", "int(position)", "float(position)"))
def position_asked_while_traced(Ref, *, how="position or"):
    """A question is put to the position while the program is traced: `position or ...`, `if position:`,
    `int(position)`, a slice from it. Under `jit` its value is not known, and where it is, 0 counts as none at all. Ask
    `position is None`, which is about Python, and compare arrays."""

    class Wrong(Ref):
        def centre(self, query, length, position):
            if position is None:
                return super().centre(query, length, position)
            if how == "position or":
                return position or self.said(query, length)
            if how == "if position":
                return position if position else self.said(query, length)
            return jnp.float32(float(position) if how == "float(position)" else int(position))

    return Wrong


@mistake("LocalAttention")
def position_ignored(Ref):
    """A given position is not looked at: the query says where, always. `position` takes the place of that where it is
    not None."""

    class Wrong(Ref):
        def centre(self, query, length, position):
            return self.said(query, length)

    return Wrong


@mistake("LocalAttention", how=("through a sigmoid, times T",))
def given_position_as_a_share(Ref, *, how="times T"):
    """A given position is taken for a share of the sentence, or for what goes into the sigmoid. It is a place already,
    counted in keys from 0 to T: use it as it is."""

    class Wrong(Ref):
        def given(self, position, length):
            return length * (position if how == "times T" else jax.nn.sigmoid(position))

    return Wrong


@mistake("LocalAttention")
def last_key_times_the_sigmoid(Ref):
    """The sigmoid is multiplied by T - 1, the number of the last key. It seems to follow from counting from 0; the
    paper, and this contract, multiply by the length T."""

    class Wrong(Ref):
        def said(self, query, length):
            return super().said(query, length) * ((length - 1) / length)

    return Wrong


@mistake("LocalAttention")
def share_for_a_place(Ref):
    """The centre is what the sigmoid gives, a number between 0 and 1. That is a share of the sentence; the place is T
    times as much."""

    class Wrong(Ref):
        def said(self, query, length):
            return super().said(query, length) / length

    return Wrong


@mistake("LocalAttention")
def centre_without_sigmoid(Ref):
    """The centre is what `position_vector` gives, without the sigmoid. That can be any number, below 0 and beyond the
    end; the sigmoid brings it between 0 and 1, and T times that is a place."""

    class Wrong(Ref):
        def said(self, query, length):
            told = self.logit(query)
            return length * told.astype(jnp.promote_types(told.dtype, jnp.float32))

    return Wrong


@mistake("LocalAttention", instead=("relu",))
def centre_without_tanh(Ref, *, instead="nothing"):
    """There is no tanh between `position_proj` and `position_vector`. Two linear layers are one, and the first has
    nothing to say that the second could not: put the tanh around what `position_proj` gives."""

    class Wrong(Ref):
        def logit(self, query):
            hidden = self.position_proj(query)
            return self.position_vector(hidden if instead == "nothing" else jax.nn.relu(hidden))[0]

    return Wrong


@mistake("LocalAttention")
def centre_without_its_projection(Ref):
    """The query goes to `position_vector` without `position_proj`, which is made and never used. Both take vectors of
    one width, so nothing complains: `position_vector(tanh(position_proj(query)))`."""

    class Wrong(Ref):
        def logit(self, query):
            return self.position_vector(jnp.tanh(query))[0]

    return Wrong


@mistake("LocalAttention")
def centre_from_the_keys(Ref):
    """Where to look is computed from the keys: the mean of them goes through the two layers. Then every query would
    look at the same place; it is the query that says where."""

    class Wrong(Ref):
        def __call__(self, query, keys, position=None):
            place = self.said(keys.mean(0), len(keys)) if position is None else position
            return super().__call__(query, keys, place)

    return Wrong


@mistake("LocalAttention", of=("a key",))
def another_length(Ref, *, of="the window"):
    """The sigmoid is multiplied by another length than the sentence's: by that of the window, 2D + 1, or by the width
    of a key, which is the other axis of `keys`. It says where in the *sentence* to look: multiply by the number of
    keys."""

    class Wrong(Ref):
        def said(self, query, length):
            return super().said(query, 2 * self.half_width + 1 if of == "the window" else len(query))

    return Wrong


# --- LocalAttention: the rest


@mistake("LocalAttention", misconception="scaled_scores")
def local_scores_scaled(Ref):
    """The scores are divided by the square root of the width. The transformer's are (31); the score here is Luong's
    "dot", which has no scale: leave it out."""

    class Wrong(Ref):
        def scores(self, query, keys):
            return super().scores(query, keys) / len(query) ** 0.5

    return Wrong


@mistake("LocalAttention")
def query_through_the_position_layer(Ref):
    """The query meets the keys after it went through `position_proj`. That layer says where to look, and what to look
    for is the query itself: take the products with it as it came."""

    class Wrong(Ref):
        def scores(self, query, keys):
            return super().scores(self.position_proj(query), keys)

    return Wrong


@mistake("LocalAttention", misconception="overflowing_softmax")
def local_softmax_that_overflows(Ref):
    """exp overflows: scores in the hundreds give inf / inf = NaN. Take the largest score of the window off first, or
    let `jax.nn.softmax` do it."""

    class Wrong(Ref):
        def softmax(self, scores, within):
            powers = jnp.where(within, jnp.exp(scores), 0)
            return powers / powers.sum()

    return Wrong


@mistake("LocalAttention")
def maximum_of_the_whole_sentence(Ref):
    """The maximum that is taken off the scores is that of the whole sentence. Where a far key scores hundreds higher,
    all powers in the window are 0, and so is their sum. The window needs a maximum of its own, or `jax.nn.softmax` with
    `where=`."""

    class Wrong(Ref):
        def softmax(self, scores, within):
            powers = jnp.where(within, jnp.exp(scores - jax.lax.stop_gradient(scores.max())), 0)
            return powers / powers.sum()

    return Wrong


@mistake("LocalAttention", misconception="context_in_float32")
def local_context_in_float32(Ref):
    """Half-precision keys give a float32 context. The weights are float32, and their product with the keys is too:
    bring the context back to the dtype of the keys."""

    class Wrong(Ref):
        def context(self, weights, keys):
            return super().context(weights, keys).astype(jnp.promote_types(keys.dtype, jnp.float32))

    return Wrong


@mistake("LocalAttention", misconception="no_gradient_through_the_weights")
def local_weights_without_gradient(Ref):
    """The weights that are returned have no gradient: they went through `stop_gradient`. A loss on where the decoder
    looks then teaches nothing. Return them as they are."""

    class Wrong(Ref):
        def __call__(self, query, keys, position=None):
            context, weights = super().__call__(query, keys, position)
            return context, jax.lax.stop_gradient(weights)

    return Wrong


@mistake("LocalAttention", misconception="weights_in_half_precision")
def local_weights_in_half_precision(Ref):
    """The weights come out in the dtype of the keys. They are float32, whatever comes in: return the product of softmax
    and Gaussian as it is."""

    class Wrong(Ref):
        def __call__(self, query, keys, position=None):
            context, weights = super().__call__(query, keys, position)
            return context, weights.astype(keys.dtype)

    return Wrong


@mistake("LocalAttention", misconception="weights_first")
def local_results_exchanged(Ref):
    """The weights are returned first and the context second. It is the context, then the weights."""

    class Wrong(Ref):
        def __call__(self, query, keys, position=None):
            return super().__call__(query, keys, position)[::-1]

    return Wrong


@mistake("LocalAttention")
def weights_of_the_window_alone(Ref):
    """The weights that come out are those of the window, 2D + 1 of them. The paper's have this size; here there is one
    for each key of the sentence, and those outside of the window are 0."""

    class Wrong(Ref):
        def __call__(self, query, keys, position=None):
            context, weights = super().__call__(query, keys, position)
            start = jnp.round(self.centre(query, len(keys), position)).astype(jnp.int32)
            padded = jnp.pad(weights, self.half_width)
            return context, jax.lax.dynamic_slice_in_dim(padded, start, 2 * self.half_width + 1)

    return Wrong


@mistake("LocalAttention", misconception="bias_left_on")
def local_biases_left_on(Ref):
    """The two layers that say where to look have biases. `nnx.Linear` adds one unless it is told not to: pass
    `use_bias=False`."""
    return _biased(Ref)


@mistake("LocalAttention", misconception="names_of_the_paper")
def local_names_of_the_paper(Ref):
    """The layers are called as in the paper, `W_p` and `v_p`. Parameters are found by their paths, so the names are
    part of the contract: `position_proj` and `position_vector`."""

    class Wrong(Ref):
        def make(self, d_query, rngs):
            super().make(d_query, rngs)
            self.W_p, self.v_p = self.position_proj, self.position_vector
            del self.position_proj, self.position_vector

    return Wrong


@mistake("LocalAttention", misconception="keeps_the_rngs")
def local_keeps_the_rngs(Ref):
    """The module keeps `rngs`. `self.rngs = rngs` makes keys and counters part of its variables: use `rngs` in
    `__init__` and let it go."""
    return _keeping_the_rngs(Ref)
