"""58 · Wrong answers that people really give, each with its sentence."""

import jax
import jax.numpy as jnp
from flax import nnx

from grader.course import mistake


def _linear(d_in, d_out, rngs):
    return nnx.Linear(d_in, d_out, use_bias=False, rngs=rngs)


def _wide(array):
    return array.astype(jnp.promote_types(array.dtype, jnp.float32))


# --- CoverageAttention: what is counted, and when


@mistake("CoverageAttention", returned=("both of them counted", "both, the first found without a coverage"))
def coverage_counted_before_it_is_used(Ref, *, returned="the one that was used"):
    """The weights of this step are in the coverage already when the scores are made. It takes two passes, one to find
    weights and one to use them, and each key is then told of a weight that it has not had. Use the coverage as it came
    for the scores; count afterwards, what comes out of the softmax."""

    class Wrong(Ref):
        def __call__(self, query, keys, coverage, mask=None):
            _, first = self.attend(query, keys, coverage * (0 if "without" in returned else 1), mask)
            counted = coverage + first
            context, weights = self.attend(query, keys, counted, mask)
            return context, weights, counted if returned == "the one that was used" else counted + weights

    return Wrong


@mistake("CoverageAttention")
def coverage_returned_as_it_came(Ref):
    """The coverage comes back without the weights of this step, as it was used. The next step has to know of this one
    as well: return `coverage + weights`."""

    class Wrong(Ref):
        def counted(self, coverage, weights):
            return coverage

    return Wrong


@mistake("CoverageAttention", by=("the mean of both", "the larger", "the coverage less the weights", "0.9", "0.5"))
def coverage_replaced(Ref, *, by="the weights"):
    """The new coverage is something else than the sum of the old one and the weights: one of the two, a mean of both or
    the larger, their difference, or a sum in which the old one fades. Coverage remembers all steps alike, and as
    something that was had: `coverage + weights`."""

    class Wrong(Ref):
        def counted(self, coverage, weights):
            return {
                "the weights": weights,
                "the mean of both": (coverage + weights) / 2,
                "the larger": jnp.maximum(coverage, weights),
                "the coverage less the weights": coverage - weights,
                "0.9": 0.9 * coverage + weights,
                "0.5": 0.5 * coverage + weights,
            }[by]

    return Wrong


@mistake(
    "CoverageAttention",
    total=("its sum, unguarded", "its maximum", "a softmax"),
    where=("in both places", "in what is returned"),
)
def coverage_normalised(Ref, *, total="its sum", where="in the score"):
    """The coverage is divided by its sum or by its maximum, or goes through a softmax, so that it looks like weights.
    How much a key has had in all is then lost: a key after ten full steps looks like one after one. It is a plain sum,
    which grows with the steps; leave it so, where it is used and where it is returned."""

    def smaller(coverage):
        if total == "a softmax":
            return jax.nn.softmax(coverage, axis=-1)
        whole = (coverage.max if total == "its maximum" else coverage.sum)(axis=-1, keepdims=True)
        return coverage / (whole if "unguarded" in total else jnp.where(whole == 0, 1, whole))

    class Wrong(Ref):
        def told(self, coverage):
            return super().told(coverage if where == "in what is returned" else smaller(coverage))

        def counted(self, coverage, weights):
            counted = super().counted(coverage, weights)
            return counted if where == "in the score" else smaller(counted)

    return Wrong


@mistake("CoverageAttention", where=("in both places", "in what is returned"))
def coverage_at_most_one(Ref, *, where="in the score"):
    """The coverage stops at 1. A key that has had a whole step may get another one, and a decoder that repeats itself
    does just that: the layer has to see how often. Leave `clip` and `minimum` out."""

    class Wrong(Ref):
        def told(self, coverage):
            return super().told(coverage if where == "in what is returned" else jnp.minimum(coverage, 1))

        def counted(self, coverage, weights):
            counted = super().counted(coverage, weights)
            return counted if where == "in the score" else jnp.minimum(counted, 1)

    return Wrong


@mistake("CoverageAttention")
def coverage_counted_before_the_mask(Ref):
    """The new coverage holds what masked keys would have had: the weights that are counted are those of a softmax over
    all keys. Count the weights that are returned, in which a masked key has 0."""

    class Wrong(Ref):
        def __call__(self, query, keys, coverage, mask=None):
            context, weights = self.attend(query, keys, coverage, mask)
            return context, weights, coverage + self.attend(query, keys, coverage, None)[1]

    return Wrong


@mistake("CoverageAttention", returned=("as float32 again", "the sum as float32"))
def coverage_in_half_precision(Ref, *, returned="as it is"):
    """With half-precision keys the coverage is half precision as well. A sum that grows with every step stops growing
    there: `bfloat16` has 8 bits, and 256 + 1 is 256. It comes in as float32 and goes out so: add before any cast."""

    class Wrong(Ref):
        def __call__(self, query, keys, coverage, mask=None):
            context, weights = self.attend(query, keys, coverage, mask)
            rounded = coverage.astype(keys.dtype)
            if returned == "the sum as float32":
                return context, weights, rounded + weights
            counted = rounded + weights.astype(keys.dtype)
            return context, weights, counted if returned == "as it is" else _wide(counted)

    return Wrong


@mistake("CoverageAttention", where=("in what is returned", "in both places"))
def no_gradient_through_the_coverage(Ref, *, where="in the score"):
    """The coverage went through `stop_gradient`. An earlier step then never hears what its weights cost a later one,
    and the layer is trained as if the past were given. Leave it as it is."""

    class Wrong(Ref):
        def told(self, coverage):
            return super().told(coverage if where == "in what is returned" else jax.lax.stop_gradient(coverage))

        def counted(self, coverage, weights):
            counted = super().counted(coverage, weights)
            return counted if where == "in the score" else jax.lax.stop_gradient(counted)

    return Wrong


@mistake("CoverageAttention")
def no_gradient_through_what_is_counted(Ref):
    """The weights are cut off with `stop_gradient` before they are added to the coverage. A loss on the coverage, or a
    later step, then cannot teach this one to look elsewhere: add the weights as they are."""

    class Wrong(Ref):
        def counted(self, coverage, weights):
            return coverage + jax.lax.stop_gradient(weights)

    return Wrong


@mistake("CoverageAttention")
def keeps_the_coverage(Ref):
    """The module keeps the coverage as a variable of its own. It then belongs to the last sequence that was decoded,
    and the next one starts with it. The coverage comes as an argument and goes out as a result: the module holds its
    four layers and nothing else."""

    class Wrong(Ref):
        def __init__(self, d_query, d_key, d_attention, *, rngs):
            super().__init__(d_query, d_key, d_attention, rngs=rngs)
            self.coverage = nnx.Variable(jnp.zeros(1))

    return Wrong


# --- CoverageAttention: how the coverage meets the score


@mistake("CoverageAttention")
def coverage_ignored(Ref):
    """The coverage changes no score: `coverage_proj` is made and not used, or its result is not added. The decoder
    cannot know then where it has been: add `coverage_proj(coverage[..., None])` inside the tanh."""

    class Wrong(Ref):
        def told(self, coverage):
            return 0.0

    return Wrong


@mistake("CoverageAttention", through=("tanh",))
def coverage_outside_the_tanh(Ref, *, through="nothing"):
    """What `coverage_proj` gives is added after the tanh, not inside. The last layer is linear, so that each unit of
    coverage moves the score of any key by the same amount, whatever the query asks for: put all three terms into one
    tanh."""

    class Wrong(Ref):
        def scores(self, query, keys, past):
            told = self.told(past) if through == "nothing" else jnp.tanh(self.told(past))
            return self.score(self.activate(self.joined(query, keys, 0.0)) + told)[..., 0]

    return Wrong


@mistake("CoverageAttention", sign=("subtracted",))
def coverage_added_to_the_scores(Ref, *, sign="added"):
    """The coverage is added to the scores, or taken off them as a penalty, and `coverage_proj` is not used. Nobody can
    learn then how much being covered counts, or for which keys: bring it to `d_attention` and add it inside the
    tanh."""

    class Wrong(Ref):
        def scores(self, query, keys, past):
            scores = self.score(self.activate(self.joined(query, keys, 0.0)))[..., 0]
            return scores + past if sign == "added" else scores - past

    return Wrong


@mistake("CoverageAttention", with_=("all of it",))
def past_multiplied(Ref, *, with_="the key"):
    """What `coverage_proj` gives is multiplied by the key's projection, or by the sum of the other two. A key that has
    had nothing yet then loses its own term: a coverage of 0 says 0, and no more. Add the three."""
    return _multiplied(Ref, with_)


def _multiplied(Ref, with_):
    class Wrong(Ref):
        def joined(self, query, keys, told):
            if with_ == "all of it":
                return super().joined(query, keys, 0.0) * told
            return self.query_proj(query)[..., None, :] + self.key_proj(keys) * told

    return Wrong


@mistake("CoverageAttention")
def coverage_subtracted(Ref):
    """What `coverage_proj` gives is taken off the sum inside the tanh. That a covered key should score lower is what is
    learnt, in the signs of the kernels; the term itself is added like the other two."""

    class Wrong(Ref):
        def joined(self, query, keys, told):
            return super().joined(query, keys, -told)

    return Wrong


@mistake("CoverageAttention")
def coverage_turned_round(Ref):
    """The layer is told what is left of each key, `1 - coverage`, and not what it has had. The kernel could learn the
    sign, but not the constant without a bias: hand over the coverage as it came."""

    class Wrong(Ref):
        def told(self, coverage):
            return super().told(1 - coverage)

    return Wrong


@mistake("CoverageAttention", afterwards=("normalised",))
def weights_made_smaller(Ref, *, afterwards="as they are"):
    """The weights are made smaller where the coverage is large, after the softmax, and `coverage_proj` is not used. The
    coverage belongs into the scores, inside the tanh; what the softmax gives is final."""

    class Wrong(Ref):
        def attend(self, query, keys, coverage, mask):
            scores = self.score(self.activate(self.joined(query, keys, 0.0)))[..., 0]
            weights = self.weights(scores, mask) / (1 + coverage)
            if afterwards == "normalised":
                total = weights.sum(-1, keepdims=True)
                weights = weights / jnp.where(total == 0, 1, total)
            return self.context(weights, keys), weights

    return Wrong


@mistake("CoverageAttention", how=("the mean",))
def one_number_for_all_keys(Ref, *, how="the sum"):
    """All keys are told the same number, the sum of the coverage over the keys or its mean. The sum is the number of
    steps so far, and says nothing about a key. Each key has its own: `coverage[..., None]`, whose axis of length 1 is
    that of the features."""

    class Wrong(Ref):
        def told(self, coverage):
            same = coverage.sum(-1, keepdims=True) if how == "the sum" else coverage.mean(-1, keepdims=True)
            return super().told(jnp.broadcast_to(same, coverage.shape))

    return Wrong


@mistake("CoverageAttention")
def coverage_summed_along_the_keys(Ref):
    """The coverage is summed up along the keys before it is used. It is a sum already, over the steps, and each key
    needs its own number: leave the `cumsum` out."""

    class Wrong(Ref):
        def told(self, coverage):
            return super().told(coverage.cumsum(-1))

    return Wrong


@mistake("CoverageAttention")
def coverage_without_its_axis(Ref):
    """`coverage_proj` is called on the coverage itself, (..., T). A Linear takes the last axis for features, and there
    are T of them and not 1: give it an axis, `coverage[..., None]`."""

    class Wrong(Ref):
        def told(self, coverage):
            return self.coverage_proj(coverage)

    return Wrong


@mistake("CoverageAttention", activation=("relu", "log1p", "square"))
def coverage_bent_beforehand(Ref, *, activation="tanh"):
    """The coverage, or what `coverage_proj` makes of it, goes through a function of its own before it is added. The
    three terms are added as they are, and one tanh is around them."""

    class Wrong(Ref):
        def told(self, coverage):
            if activation in ("log1p", "square"):
                return super().told(getattr(jnp, activation)(coverage))
            return {"tanh": jnp.tanh, "relu": jax.nn.relu}[activation](super().told(coverage))

    return Wrong


# --- CoverageAttention: the attention itself


@mistake("CoverageAttention", instead=("relu", "sigmoid"))
def no_tanh(Ref, *, instead="nothing"):
    """Nothing stands between the sum and `score`, or another function than tanh. With nothing there the query adds the
    same to all scores, which a softmax drops: put a tanh around the sum of all three terms."""
    return _activated_by(Ref, instead)


def _activated_by(Ref, instead):
    class Wrong(Ref):
        def activate(self, joined):
            return joined if instead == "nothing" else getattr(jax.nn, instead)(joined)

    return Wrong


@mistake("CoverageAttention")
def query_without_the_axis_of_the_keys(Ref):
    """The query's projection is added without an axis for the keys. Broadcasting then lines up the batch with the keys,
    an error, or a wrong answer where there are as many sequences as keys: `query_proj(query)[..., None, :]`."""
    return _query_without_axis(Ref)


def _query_without_axis(Ref):
    class Wrong(Ref):
        def joined(self, query, keys, told):
            return self.query_proj(query) + self.key_proj(keys) + told

    return Wrong


@mistake("CoverageAttention")
def only_with_one_batch_dimension(Ref):
    """It works with exactly one batch dimension, as `[:, None, :]` does. Any number may stand in front, none too: count
    axes from the end, `[..., None, :]`."""
    return _one_batch_dimension(Ref)


def _one_batch_dimension(Ref):
    class Wrong(Ref):
        def joined(self, query, keys, told):
            _, _, _ = keys.shape
            return super().joined(query, keys, told)

    return Wrong


@mistake("CoverageAttention")
def squeezed(Ref):
    """`squeeze()` takes off every axis of length 1, also that of a batch of one or of a single key: take off the last
    one alone, `[..., 0]`."""
    return _squeezed(Ref)


def _squeezed(Ref):
    class Wrong(Ref):
        def scores(self, query, keys, past):
            return super().scores(query, keys, past)[..., None].squeeze()

    return Wrong


@mistake("CoverageAttention", axis=(1,))
def softmax_over_another_axis(Ref, *, axis=0):
    """The softmax runs over an axis that is not that of the keys: with a batch the sequences compete with each other.
    The keys are the last axis: `axis=-1`."""
    return _softmax_over(Ref, axis)


def _softmax_over(Ref, axis):
    class Wrong(Ref):
        def weights(self, scores, mask):
            return jax.nn.softmax(_wide(scores), axis=axis, where=mask)

    return Wrong


@mistake("CoverageAttention")
def overflowing_softmax(Ref):
    """exp overflows: scores in the hundreds give inf / inf = NaN. `jax.nn.softmax` takes the largest score off first;
    write it so, or let it do it."""

    class Wrong(Ref):
        def weights(self, scores, mask):
            powers = jnp.exp(_wide(scores))
            powers = powers if mask is None else jnp.where(mask, powers, 0.0)
            total = powers.sum(-1, keepdims=True)
            return powers / jnp.where(total == 0, 1, total)

    return Wrong


@mistake("CoverageAttention", about="the scale", by=("d_attention",))
def scaled_scores(Ref, *, by="d_key"):
    """The scores are divided by the square root of a width. That is the attention of problem 31; these scores are
    bounded by tanh and are not scaled."""

    class Wrong(Ref):
        def scores(self, query, keys, past):
            width = keys.shape[-1] if by == "d_key" else len(self.score.kernel[...])
            return super().scores(query, keys, past) / width**0.5

    return Wrong


@mistake("CoverageAttention")
def context_of_the_coverage(Ref):
    """The context is weighed with the coverage of all steps. It is this step's: its weights are those of the softmax
    alone, and the coverage only helps to find them."""

    class Wrong(Ref):
        def __call__(self, query, keys, coverage, mask=None):
            _, weights, counted = super().__call__(query, keys, coverage, mask)
            return self.context(counted, keys), weights, counted

    return Wrong


@mistake("CoverageAttention")
def context_of_projected_keys(Ref):
    """The context is the sum of the projected keys. Where `d_attention` equals `d_key` the shape is right; what is
    averaged are the keys themselves."""

    class Wrong(Ref):
        def context(self, weights, keys):
            return super().context(weights, self.key_proj(keys))

    return Wrong


@mistake("CoverageAttention", misconception="ignored_the_mask", counted=("but in the weights returned",))
def mask_ignored(Ref, *, counted="everywhere"):
    """The mask has no effect on what is attended to: masked keys have a share of the context. Their scores have to be
    hidden before the softmax."""

    class Wrong(Ref):
        def __call__(self, query, keys, coverage, mask=None):
            context, weights = self.attend(query, keys, coverage, None)
            if counted != "everywhere":
                weights = self.attend(query, keys, coverage, mask)[1]
            return context, weights, coverage + weights

    return Wrong


@mistake("CoverageAttention", misconception="inverted_the_mask", hidden=("-inf", "-1e9"))
def mask_inverted(Ref, *, hidden="left out"):
    """The mask is used the wrong way round: True means "may attend" here, and not "is padding". In
    `jnp.where(mask, a, b)` the score is `a`."""
    return _inverted(Ref, hidden)


def _inverted(Ref, hidden):
    class Wrong(Ref):
        def weights(self, scores, mask):
            if mask is None or hidden == "left out":
                return super().weights(scores, None if mask is None else ~mask)
            return super().weights(jnp.where(mask, -jnp.inf if hidden == "-inf" else -1e9, scores), None)

    return Wrong


@mistake("CoverageAttention", misconception="nan_where_nothing_is_seen")
def nan_where_nothing_is_visible(Ref):
    """Where no key may be attended to, there is NaN, in the coverage of all later steps too. A softmax over nothing but
    -inf is 0 / 0; `jax.nn.softmax(scores, where=mask)` gives zeros."""
    return _hidden_by(Ref, -jnp.inf)


@mistake("CoverageAttention", misconception="mean_where_nothing_is_seen")
def mean_where_nothing_is_visible(Ref):
    """Where no key may be attended to, all keys have the same weight, and it is counted. Scores that are all the same
    large negative number are equal again: make these weights zeros."""
    return _hidden_by(Ref, jnp.finfo(jnp.float32).min)


def _hidden_by(Ref, number, added=False, zeroed=False):
    """A number in the place of each hidden score, or added to it; then zeros where nothing is visible."""

    class Wrong(Ref):
        def weights(self, scores, mask):
            if mask is None:
                return super().weights(scores, None)
            scores = _wide(scores)
            hidden = scores + jnp.where(mask, 0.0, number) if added else jnp.where(mask, scores, number)
            weights = super().weights(hidden, None)
            return jnp.where(mask.any(-1, keepdims=True), weights, 0.0) if zeroed else weights

    return Wrong


@mistake("CoverageAttention", number=(-10000.0,), zeroed=(False,))
def hidden_by_a_small_number(Ref, *, number=-100.0, zeroed=True):
    """A number such as -100 stands in the place of each masked score. Visible scores may be lower than that, and then
    what is masked wins: only -inf is below every score."""
    return _hidden_by(Ref, number, zeroed=zeroed)


@mistake("CoverageAttention", number=(-100.0, -jnp.inf), zeroed=(False,))
def number_added_to_masked_scores(Ref, *, number=-1e9, zeroed=True):
    """A number is added to the masked scores. A small one is not enough for a score that is hundreds higher, and no
    number is enough for one that is NaN, as that of a huge key can be, inf - inf: choose with `where`."""
    return _hidden_by(Ref, number, added=True, zeroed=zeroed)


@mistake("CoverageAttention")
def zeros_put_in_afterwards(Ref):
    """The values are right but a gradient is NaN: `jnp.where` or `nan_to_num` on the context hides the NaN of a row
    without any key, on the way forward only. Make the weights zeros before they meet the keys."""
    return _zeros_afterwards(Ref)


def _zeros_afterwards(Ref):
    class Wrong(Ref):
        def attend(self, query, keys, past, mask):
            scores = _wide(self.scores(query, keys, past))
            weights = self.weights(scores if mask is None else jnp.where(mask, scores, -jnp.inf), None)
            return jnp.nan_to_num(self.context(weights, keys)), jnp.nan_to_num(weights)

    return Wrong


@mistake("CoverageAttention")
def asked_python_for_an_empty_mask(Ref):
    """A Python `if` asks whether any key is visible. That cannot be traced by `jit`, and it asks for the whole batch at
    once: leave hidden keys out of the softmax for each row, as `where=` does."""

    class Wrong(Ref):
        def __call__(self, query, keys, coverage, mask=None):
            if mask is not None and not mask.any():
                return jnp.zeros_like(keys[..., 0, :]), jnp.zeros_like(coverage), coverage
            return super().__call__(query, keys, coverage, mask)

    return Wrong


@mistake("CoverageAttention", normalised=(True,))
def mask_after_the_softmax(Ref, *, normalised=False):
    """The mask is applied to the weights, after the softmax. Masked keys have had their share by then, and what is left
    sums to less than 1; to divide by that sum does not help where a masked key scores far higher. Hide the scores."""
    return _mask_afterwards(Ref, normalised)


def _mask_afterwards(Ref, normalised):
    class Wrong(Ref):
        def weights(self, scores, mask):
            weights = super().weights(scores, None)
            if mask is None:
                return weights
            seen = jnp.where(mask, weights, 0.0)
            total = seen.sum(-1, keepdims=True)
            return seen / jnp.where(total == 0, 1, total) if normalised else seen

    return Wrong


@mistake("CoverageAttention", number=(0.0,))
def masked_rows_overwritten(Ref, *, number=None):
    """Masked keys or scores are set to 0 and take part like the others: a score of 0 is a score, and a key of zeros has
    one from query and coverage. Leave the score out of the softmax."""
    return _overwritten(Ref, number)


def _overwritten(Ref, number):
    class Wrong(Ref):
        def attend(self, query, keys, past, mask):
            if mask is None:
                return super().attend(query, keys, past, None)
            if number is None:
                return super().attend(query, jnp.where(mask[..., None], keys, 0), past, None)
            weights = self.weights(jnp.where(mask, self.scores(query, keys, past), number), None)
            return self.context(weights, keys), weights

    return Wrong


# --- CoverageAttention: what is returned, and the parameters


@mistake("CoverageAttention", order=("coverage, weights, context", "weights, context, coverage", "no coverage"))
def results_in_another_order(Ref, *, order="context, coverage, weights"):
    """The results are not the three that are asked for, in their order: the context, the weights, the new coverage. The
    last two have one shape, so that a caller who unpacks them does not notice."""

    class Wrong(Ref):
        def __call__(self, query, keys, coverage, mask=None):
            context, weights, counted = super().__call__(query, keys, coverage, mask)
            found = {"context": context, "weights": weights, "coverage": counted}
            return (context, weights) if order == "no coverage" else tuple(found[name] for name in order.split(", "))

    return Wrong


@mistake("CoverageAttention")
def weights_in_half_precision(Ref):
    """With half-precision keys the weights are half precision as well. They come out as float32 whatever comes in: cast
    the scores before the softmax, and leave the weights as they are."""
    return _half_weights(Ref)


def _half_weights(Ref):
    class Wrong(Ref):
        def attend(self, query, keys, past, mask):
            context, weights = super().attend(query, keys, past, mask)
            return context, weights.astype(keys.dtype)

    return Wrong


@mistake("CoverageAttention")
def context_in_float32(Ref):
    """With half-precision keys the context is float32. Weights and coverage are float32 and lift what they meet; the
    context has the dtype of the keys: cast it back."""
    return _wide_context(Ref)


def _wide_context(Ref):
    class Wrong(Ref):
        def context(self, weights, keys):
            return _wide(super().context(weights, keys))

    return Wrong


@mistake("CoverageAttention", which=("coverage_proj", "all"))
def bias_left_on(Ref, *, which="query_proj, key_proj"):
    """There is a bias in one of the layers. `nnx.Linear` adds one unless it is told not to, and the paper has one; this
    contract has none: pass `use_bias=False`."""

    class Wrong(Ref):
        def __init__(self, d_query, d_key, d_attention, *, rngs):
            super().__init__(d_query, d_key, d_attention, rngs=rngs)
            everything = "query_proj, key_proj, coverage_proj, score"
            for name in (everything if which == "all" else which).split(", "):
                layer = getattr(self, name)
                setattr(self, name, nnx.Linear(layer.in_features, layer.out_features, rngs=rngs))

    return Wrong


@mistake("CoverageAttention", of=("d_key to d_attention", "1 to 1"))
def coverage_proj_of_another_shape(Ref, *, of="a vector"):
    """`coverage_proj` is not a layer from 1 to `d_attention`: it is a bare vector as in the paper, takes as many
    numbers as a key has, or gives one. Each key brings one number, and all hidden units hear of it: `nnx.Linear(1,
    d_attention)`."""

    class Wrong(Ref):
        def __init__(self, d_query, d_key, d_attention, *, rngs):
            super().__init__(d_query, d_key, d_attention, rngs=rngs)
            self.coverage_proj = {
                "a vector": lambda: nnx.Param(jnp.zeros(d_attention)),
                "d_key to d_attention": lambda: _linear(d_key, d_attention, rngs),
                "1 to 1": lambda: _linear(1, 1, rngs),
            }[of]()

    return Wrong


@mistake("CoverageAttention")
def names_of_the_paper(Ref):
    """The layers have other names, such as `W_h`, `W_s`, `w_c` and `v`. Parameters are found by their paths, so the
    names are part of the contract: `query_proj`, `key_proj`, `coverage_proj`, `score`."""

    class Wrong(Ref):
        def __init__(self, d_query, d_key, d_attention, *, rngs):
            self.W_s, self.W_h = _linear(d_query, d_attention, rngs), _linear(d_key, d_attention, rngs)
            self.w_c, self.v = _linear(1, d_attention, rngs), _linear(d_attention, 1, rngs)

    return Wrong


# --- coverage_loss


def _before(weights):
    return jnp.cumsum(weights, axis=0) - weights


def _mean_of(costs):
    return costs.sum(axis=1).mean(axis=0)


@mistake("coverage_loss", about="the coverage")
def own_weight_counted(ref, weights):
    """Each weight is compared with a sum that it is itself part of. `cumsum` counts the step itself as well, and the
    minimum is then always the weight: the loss is 1 whatever is attended to. Take the sum of *earlier* steps:
    `cumsum(weights, 0) - weights`."""
    weights = _wide(weights)
    return _mean_of(jnp.minimum(weights, jnp.cumsum(weights, axis=0)))


@mistake("coverage_loss", about="the coverage", summed=("as before, and the mean over the other axis",))
def sum_along_the_keys(ref, weights, *, summed="the keys"):
    """The sum runs along the keys, within one step, and not over the earlier steps; or steps and keys are taken for
    each other throughout. Steps are the first axis, keys the second: `jnp.cumsum(weights, axis=0)`."""
    weights = _wide(weights)
    if summed == "the keys":
        return _mean_of(jnp.minimum(weights, jnp.cumsum(weights, axis=1) - weights))
    return ref(weights.T)


@mistake("coverage_loss", about="the coverage")
def sums_turned_round_in_a_ring(ref, weights):
    """The first step is compared with the sum of all steps: `jnp.roll` moves the sums down by one, and puts the last
    one in the first place. Before the first step there is nothing: put zeros there, or take each step's own weights off
    its sum."""
    weights = _wide(weights)
    return _mean_of(jnp.minimum(weights, jnp.roll(jnp.cumsum(weights, axis=0), 1, axis=0)))


@mistake("coverage_loss", about="the coverage", summed=("all other steps",))
def later_steps_counted(ref, weights, *, summed="later steps"):
    """The coverage holds weights of later steps: of these alone, or of all steps but its own. When a step is made
    nobody knows what comes after it. Sum over the steps before each one."""
    weights = _wide(weights)
    total = weights.sum(axis=0)
    before = {
        "later steps": total - jnp.cumsum(weights, axis=0),
        "all other steps": total - weights,
    }[summed]
    return _mean_of(jnp.minimum(weights, before))


@mistake("coverage_loss", about="the coverage")
def only_the_step_before(ref, weights):
    """Each step is compared with the one before it, and not with all earlier ones. A decoder that returns to a key
    after two steps costs nothing then: sum up the weights so far."""
    weights = _wide(weights)
    before = jnp.concatenate([jnp.zeros_like(weights[:1]), weights[:-1]])
    return _mean_of(jnp.minimum(weights, before))


@mistake("coverage_loss", about="the coverage")
def mean_of_the_earlier_steps(ref, weights):
    """The coverage is the mean of the earlier weights and not their sum. A key that had half a step twice is covered as
    if it had half a step once: do not divide by the number of steps."""
    weights = _wide(weights)
    steps = jnp.maximum(jnp.arange(len(weights)), 1)[:, None]
    return _mean_of(jnp.minimum(weights, _before(weights) / steps))


@mistake("coverage_loss", about="the coverage")
def largest_earlier_weight(ref, weights):
    """The coverage is the largest of the earlier weights and not their sum: many small shares of one key add up, and a
    maximum does not see that. Sum them up."""
    weights = _wide(weights)
    before = jnp.concatenate([jnp.zeros_like(weights[:1]), jax.lax.cummax(weights, axis=0)[:-1]])
    return _mean_of(jnp.minimum(weights, before))


@mistake("coverage_loss", about="the coverage", out_of=("the weights, too",))
def no_gradient_through_the_sum(ref, weights, *, out_of="the sum"):
    """The values are right, and the gradient is not: the sum of earlier weights, or the weights of the step, went
    through `stop_gradient`. Where the sum is the smaller side it is what the loss moves, and so it tells an earlier
    step to leave the key to a later one; where the weight is, that step hears of it itself. Leave both sides as they
    are."""
    weights = _wide(weights)
    before = jax.lax.stop_gradient(_before(weights))
    if out_of == "the sum":
        return _mean_of(jnp.minimum(weights, before))
    return _mean_of(jnp.minimum(jax.lax.stop_gradient(weights), _before(weights)))


@mistake("coverage_loss", about="the minimum")
def larger_of_the_two(ref, weights):
    """The maximum is taken and not the minimum. It grows with the coverage, of keys that this step leaves alone too,
    and never falls below 1: the overlap of two amounts is the smaller one."""
    weights = _wide(weights)
    return _mean_of(jnp.maximum(weights, _before(weights)))


@mistake("coverage_loss", about="the minimum")
def product_of_the_two(ref, weights):
    """The weight and the coverage are multiplied. A product is also 0 where one of them is, but it grows without bound
    with the coverage, and two small shares hardly count: take the smaller one, `jnp.minimum`."""
    weights = _wide(weights)
    return _mean_of(weights * _before(weights))


@mistake("coverage_loss", about="the minimum")
def minimum_of_the_sums(ref, weights):
    """Weights and coverage are summed over the keys first, and the minimum is taken of the two sums. Each step sums to
    1, and so that says only that there was a step before: take the minimum for each key, then the sum."""
    weights = _wide(weights)
    return jnp.minimum(weights.sum(1), _before(weights).sum(1)).mean()


@mistake("coverage_loss", about="the minimum")
def minimum_over_the_keys(ref, weights):
    """The minimum runs over the keys: `jnp.min` takes the smallest number along an axis. Two arrays are compared entry
    by entry with `jnp.minimum`, and then summed over the keys."""
    weights = _wide(weights)
    return jnp.min(jnp.minimum(weights, _before(weights)), axis=1).mean()


@mistake("coverage_loss", about="the minimum")
def largest_overlap_of_a_step(ref, weights):
    """Each step costs its largest overlap, and not all of them: a step that repeats itself on several keys costs no
    more than on one. Sum the overlaps over the keys: `.sum(axis=1)`, not `.max(axis=1)`."""
    weights = _wide(weights)
    return jnp.minimum(weights, _before(weights)).max(axis=1).mean()


@mistake("coverage_loss", about="the minimum")
def share_of_the_weight(ref, weights):
    """A weight is divided to find which share of it was covered, and 0 / 0 is NaN: a key that is hidden has the weight
    0 in every step. `jnp.minimum(weights, coverage)` divides nothing."""
    weights = _wide(weights)
    return _mean_of(weights * jnp.minimum(_before(weights) / weights, 1))


@mistake("coverage_loss", about="the minimum")
def gradient_nan_at_ties(ref, weights):
    """The gradient is NaN where the two sides are equal: the minimum is written with a root, whose slope at 0 is
    infinite. Weights of 0 on keys that have had none are such ties: use `jnp.minimum`."""
    weights = _wide(weights)
    before = _before(weights)
    return _mean_of((weights + before - jnp.sqrt((weights - before) ** 2)) / 2)


@mistake("coverage_loss", about="the mean", single=("guarded",))
def first_step_left_out_of_the_mean(ref, weights, *, single="NaN"):
    """The sum over the steps is divided by one less than there are, since the first step has nothing before it. It is a
    step all the same, whose loss is 0: divide by `T_out`. With one step alone the other way is 0 / 0."""
    steps = len(weights) - 1
    if not steps:
        return ref(weights) * (jnp.nan if single == "NaN" else 1.0)
    return ref(weights) * len(weights) / steps


@mistake("coverage_loss", about="the mean", by=("everything", "T_in", "T_out twice"))
def not_the_mean_over_steps(ref, weights, *, by="nothing"):
    """The sum is not divided by the number of steps alone: by nothing, by the number of keys, or by both. It is a sum
    over the keys and a mean over the steps: `.sum(axis=1).mean()`."""
    steps, keys = weights.shape
    return ref(weights) * {"nothing": steps, "everything": 1 / keys, "T_in": steps / keys, "T_out twice": 1 / steps}[by]


@mistake("coverage_loss", about="the mean", of=("the mean over keys of a sum over steps",))
def one_number_for_each_step(ref, weights, *, of="each step"):
    """What comes back is not a scalar: there is one number for each step, or for each key. Take the sum over the keys
    and then the mean over the steps."""
    weights = _wide(weights)
    return jnp.minimum(weights, _before(weights)).sum(axis=1 if of == "each step" else 0)


@mistake("coverage_loss", about="the mean")
def loss_of_the_last_step(ref, weights):
    """Only the last step counts, such as when a loop overwrites the loss in each turn. Add up what every step costs,
    and divide by the number of steps."""
    weights = _wide(weights)
    return jnp.minimum(weights[-1], weights[:-1].sum(0)).sum()


@mistake("coverage_loss", returned=("half precision", "half precision, summed so", "float32, after all sums"))
def sums_in_half_precision(ref, weights, *, returned="float32"):
    """With half-precision weights the coverage is summed in half precision, where a sum soon stops growing; or the loss
    comes out so. Cast the weights to float32 first, and leave the loss as it is."""
    if returned == "half precision":
        return ref(weights).astype(weights.dtype)
    if returned == "half precision, summed so":
        return _mean_of(jnp.minimum(weights, _before(weights)))
    if returned == "float32, after all sums":
        return _wide(_mean_of(jnp.minimum(weights, _before(weights))))
    _, before = jax.lax.scan(lambda total, row: (total + row, total), jnp.zeros_like(weights[0]), weights)
    return _wide(_mean_of(_wide(jnp.minimum(weights, before))))


# --- LocationAttention: the convolution


@mistake("LocationAttention")
def location_ignored(Ref):
    """The weights of the step before change no score: the layers are made and not used. Two equal frames then have the
    same weight whatever the decoder has read: add `location_proj(location_conv(previous[..., None]))` inside the
    tanh."""

    class Wrong(Ref):
        def told(self, previous):
            return 0.0

    return Wrong


@mistake("LocationAttention", padding=("CAUSAL, from the other end", "VALID", "CIRCULAR", "REFLECT"))
def padded_otherwise(Ref, *, padding="CAUSAL"):
    """The ends are padded in another way than with zeros, as many on either side: on one side alone, not at all, or
    with what stands at the other end. Key j reads the weights around j, and beyond the ends there are none:
    `padding="SAME"`."""

    class Wrong(Ref):
        def __init__(self, d_query, d_key, d_attention, num_filters, kernel_size, *, rngs):
            super().__init__(d_query, d_key, d_attention, num_filters, kernel_size, rngs=rngs)
            how = padding.split(",")[0]
            self.location_conv = nnx.Conv(1, num_filters, (kernel_size,), padding=how, use_bias=False, rngs=rngs)

        def features(self, previous):
            if "other end" in padding:
                return super().features(previous[..., ::-1])[..., ::-1, :]
            return super().features(previous)

    return Wrong


@mistake("LocationAttention", by=("jnp.convolve",))
def kernel_turned_round(Ref, *, by="hand"):
    """The filters are read from the other end. `jnp.convolve` and SciPy turn a kernel round, as mathematics does; the
    convolutions of networks, `nnx.Conv` too, do not: entry 0 of a kernel meets the leftmost weight. Where a filter says
    "a step to the right", the other one says "to the left"."""

    class Wrong(Ref):
        def features(self, previous):
            if by == "hand":
                return super().features(previous[..., ::-1])[..., ::-1, :]
            filters = jnp.moveaxis(self.location_conv.kernel[:, 0], -1, 0).astype(previous.dtype)
            convolved = jnp.vectorize(lambda row, kernel: jnp.convolve(row, kernel, "same"), signature="(t),(k)->(s)")
            return jnp.moveaxis(convolved(previous[..., None, :], filters), -2, -1)

    return Wrong


@mistake("LocationAttention", by=("one to the left",))
def previous_shifted(Ref, *, by="one to the right"):
    """The weights of the step before are moved by one key before they are used, or the padding is off by one. A filter
    can learn a shift by itself: entry `kernel_size // 2` of a kernel meets the key's own weight, so pad
    `kernel_size // 2` zeros on either side."""

    class Wrong(Ref):
        def told(self, previous):
            zero = jnp.zeros_like(previous[..., :1])
            if by == "one to the right":
                return super().told(jnp.concatenate([zero, previous[..., :-1]], axis=-1))
            return super().told(jnp.concatenate([previous[..., 1:], zero], axis=-1))

    return Wrong


@mistake("LocationAttention")
def previous_turned_round(Ref):
    """The weights of the step before are read from the end: key 0 gets the features around the last key. If that was
    meant to turn the kernel round, nothing has to be turned: `nnx.Conv` meets the weights in their order. Hand them
    over as they come."""

    class Wrong(Ref):
        def features(self, previous):
            return super().features(previous[..., ::-1])

    return Wrong


@mistake("LocationAttention", kind=("from the end",))
def cumulative_weights(Ref, *, kind="along the keys"):
    """The weights of the step before are summed up along the keys before the convolution. Some later models sum over
    the *steps*, which the caller would do; this layer takes `previous` as it comes."""

    class Wrong(Ref):
        def told(self, previous):
            if kind == "from the end":
                return super().told(previous[..., ::-1].cumsum(-1)[..., ::-1])
            return super().told(previous.cumsum(-1))

    return Wrong


@mistake("LocationAttention")
def convolution_along_the_features(Ref):
    """The weights come to the convolution as (..., 1, T): as one row with T features. `nnx.Conv` wants the features
    last, (..., T, 1), unlike PyTorch's, and moves along the axis before: `previous[..., None]`."""

    class Wrong(Ref):
        def features(self, previous):
            return jnp.swapaxes(self.location_conv(previous[..., None, :]), -1, -2)

    return Wrong


@mistake("LocationAttention")
def convolution_along_the_batch(Ref):
    """The convolution moves along the batch: sequences that have nothing to do with each other are mixed, and the keys
    are not. The axis before the features has to be that of the keys: `previous[..., None]` puts it there."""

    class Wrong(Ref):
        def features(self, previous):
            if previous.ndim == 1:
                return super().features(previous)
            return jnp.swapaxes(self.location_conv(jnp.swapaxes(previous, -1, -2)[..., None]), -2, -3)

    return Wrong


@mistake("LocationAttention", of=("the first",))
def features_not_projected(Ref, *, of="all"):
    """The features of the convolution are added as they are, without `location_proj`. Where `num_filters` equals
    `d_attention`, or is 1, nothing complains: bring them to `d_attention` first."""

    class Wrong(Ref):
        def told(self, previous):
            features = self.features(previous)
            return features if of == "all" else features[..., :1]

    return Wrong


@mistake("LocationAttention", activation=("tanh",))
def features_bent(Ref, *, activation="relu"):
    """The features go through a function before `location_proj`, as after a layer of a convolutional network. Both
    steps are linear here; the only tanh is around the sum."""

    class Wrong(Ref):
        def features(self, previous):
            return {"relu": jax.nn.relu, "tanh": jnp.tanh}[activation](super().features(previous))

    return Wrong


@mistake("LocationAttention")
def previous_without_its_axis(Ref):
    """The convolution is called on the weights themselves, (..., T). `nnx.Conv` takes the last axis for features, of
    which there is 1: `previous[..., None]`."""

    class Wrong(Ref):
        def features(self, previous):
            return self.location_conv(previous)

    return Wrong


@mistake("LocationAttention")
def previous_through_a_softmax(Ref):
    """The weights of the step before go through a softmax once more. They are weights already, and a second softmax
    makes them nearly equal: use them as they come."""

    class Wrong(Ref):
        def told(self, previous):
            return super().told(jax.nn.softmax(previous, axis=-1))

    return Wrong


@mistake("LocationAttention")
def no_gradient_through_the_step_before(Ref):
    """`previous` went through `stop_gradient`. A step then never hears how its weights lead the next one, which is what
    this layer learns from: leave it as it is."""

    class Wrong(Ref):
        def told(self, previous):
            return super().told(jax.lax.stop_gradient(previous))

    return Wrong


# --- LocationAttention: the score and the attention


@mistake("LocationAttention", through=("tanh",))
def location_outside_the_tanh(Ref, *, through="nothing"):
    """What `location_proj` gives is added after the tanh. It then moves a key's score by the same amount whatever the
    query and the key say: all three terms go into one tanh."""

    class Wrong(Ref):
        def scores(self, query, keys, past):
            told = self.told(past) if through == "nothing" else jnp.tanh(self.told(past))
            return self.score(self.activate(self.joined(query, keys, 0.0)) + told)[..., 0]

    return Wrong


@mistake("LocationAttention", misconception="past_multiplied", with_=("all of it",))
def location_multiplied(Ref, *, with_="the key"):
    """What `location_proj` gives is multiplied by the key's projection, or by the sum of the other two. Keys far from
    where the step before looked have features of 0, and lose their own term with them. Add the three."""
    return _multiplied(Ref, with_)


@mistake("LocationAttention", what=("the features",))
def location_added_to_the_scores(Ref, *, what="the weights"):
    """The weights of the step before, or the features that the convolution makes of them, are added to the scores. How
    much they count has to be learnt, and to depend on query and key: bring them to `d_attention` and add them inside
    the tanh."""

    class Wrong(Ref):
        def scores(self, query, keys, past):
            scores = self.score(self.activate(self.joined(query, keys, 0.0)))[..., 0]
            return scores + (past if what == "the weights" else self.features(past).sum(-1))

    return Wrong


@mistake("LocationAttention", misconception="no_tanh", instead=("relu", "sigmoid"))
def no_tanh_at_all(Ref, *, instead="nothing"):
    """The sum of query, key and location goes to `score` without a tanh, or through another function. Without any, each
    term counts by itself, and that of the query is the same for all keys, so that a softmax drops it. Put a tanh around
    the sum."""
    return _activated_by(Ref, instead)


@mistake("LocationAttention", misconception="query_without_the_axis_of_the_keys")
def query_added_to_the_batch(Ref):
    """With a batch the projected query meets the wrong axis of the keys: (B, d) and (B, T, d) line up B with T. Give it
    an axis of length 1 for the keys, counted from the end: `[..., None, :]`."""
    return _query_without_axis(Ref)


@mistake("LocationAttention", misconception="only_with_one_batch_dimension")
def exactly_one_batch_dimension(Ref):
    """It asks for exactly one batch dimension, as `B, T, d = keys.shape` does. There may be none, or two: `nnx.Conv`
    takes any number in front of keys and features, and so does `[..., None, :]`."""
    return _one_batch_dimension(Ref)


@mistake("LocationAttention", misconception="squeezed")
def every_axis_of_one_squeezed(Ref):
    """A bare `squeeze()` drops the axis of a batch of one, or of a single key, along with that of the score. Say which:
    `[..., 0]`."""
    return _squeezed(Ref)


@mistake("LocationAttention", misconception="softmax_over_another_axis", axis=(1,))
def softmax_not_over_the_keys(Ref, *, axis=0):
    """The weights sum to 1 over another axis than that of the keys, such as the batch. The softmax runs over the keys,
    which are the last axis of the scores: `axis=-1`."""
    return _softmax_over(Ref, axis)


@mistake("LocationAttention", misconception="ignored_the_mask")
def masked_keys_seen(Ref):
    """Masked keys are attended to: the mask is taken and not used. Leave their scores out of the softmax, as
    `jax.nn.softmax(scores, where=mask)` does."""

    class Wrong(Ref):
        def weights(self, scores, mask):
            return super().weights(scores, None)

    return Wrong


@mistake("LocationAttention", misconception="inverted_the_mask", hidden=("-inf", "-1e9"))
def visible_keys_hidden(Ref, *, hidden="left out"):
    """What is True in the mask is hidden, and the rest is attended to. True marks a key that may be attended to, so it
    is the score that stands first in `jnp.where(mask, scores, -jnp.inf)`."""
    return _inverted(Ref, hidden)


@mistake("LocationAttention", misconception="nan_where_nothing_is_seen")
def nan_for_an_empty_mask(Ref):
    """A sequence without any visible key gives NaN: all its scores are -inf, and the softmax divides 0 by 0. With
    `where=mask` in `jax.nn.softmax` there are zeros."""
    return _hidden_by(Ref, -jnp.inf)


@mistake("LocationAttention", misconception="mean_where_nothing_is_seen")
def mean_for_an_empty_mask(Ref):
    """A sequence without any visible key gets the mean of all its keys, since its scores are all the same large
    negative number. Its weights have to be zeros."""
    return _hidden_by(Ref, jnp.finfo(jnp.float32).min)


@mistake("LocationAttention", misconception="hidden_by_a_small_number", number=(-10000.0,), zeroed=(False,))
def hidden_scores_not_low_enough(Ref, *, number=-100.0, zeroed=True):
    """The number that takes the place of a masked score is not below every score, and some visible ones are lower. Use
    -inf, or leave masked scores out with `where=`."""
    return _hidden_by(Ref, number, zeroed=zeroed)


@mistake(
    "LocationAttention",
    misconception="number_added_to_masked_scores",
    number=(-100.0, -jnp.inf),
    zeroed=(False,),
)
def masked_scores_lowered(Ref, *, number=-1e9, zeroed=True):
    """A masked score is lowered by a number, and not replaced. One that is far higher comes through, and one that is
    NaN, from a huge key, stays NaN: `where` does not look at what it drops."""
    return _hidden_by(Ref, number, added=True, zeroed=zeroed)


@mistake("LocationAttention", misconception="zeros_put_in_afterwards")
def nan_hidden_in_the_context(Ref):
    """The NaN of a sequence without any key is replaced in the results, and its gradient comes back all the same. Make
    the weights zeros before they are multiplied by the keys."""
    return _zeros_afterwards(Ref)


@mistake("LocationAttention", misconception="mask_after_the_softmax", normalised=(True,))
def masked_weights_removed(Ref, *, normalised=False):
    """Weights of masked keys are set to 0 after a softmax over all keys. The others are then too small, and all of them
    0 where a masked key scores far higher, divided by their sum or not: hide the scores."""
    return _mask_afterwards(Ref, normalised)


@mistake("LocationAttention", misconception="masked_rows_overwritten", number=(0.0,))
def masked_rows_set_to_zero(Ref, *, number=None):
    """A masked key, or its score, is set to 0 and goes into the softmax so. Its share is exp of a number like any
    other: it has to be left out."""
    return _overwritten(Ref, number)


# --- LocationAttention: what is returned, and the parameters


@mistake("LocationAttention", order=("the features in the middle", "a sum of weights as a third", "the context alone"))
def other_results(Ref, *, order="weights, context"):
    """Not two results come back, the context and then the weights. This layer counts nothing: the caller hands the
    weights on to the next step."""

    class Wrong(Ref):
        def __call__(self, query, keys, previous, mask=None):
            context, weights = super().__call__(query, keys, previous, mask)
            return {
                "weights, context": (weights, context),
                "the features in the middle": (context, self.features(previous), weights),
                "a sum of weights as a third": (context, weights, previous + weights),
                "the context alone": context,
            }[order]

    return Wrong


@mistake("LocationAttention", misconception="weights_in_half_precision")
def weights_as_the_keys(Ref):
    """The weights have the dtype of half-precision keys. They are handed on to the next step as float32: cast the
    scores first, and do not cast the weights back."""
    return _half_weights(Ref)


@mistake("LocationAttention", misconception="context_in_float32")
def context_as_the_weights(Ref):
    """The context is float32 where the keys are half precision, like the weights that it was made with. Cast it to the
    dtype of the keys."""
    return _wide_context(Ref)


@mistake("LocationAttention", which=("location_proj", "query_proj, key_proj", "location_conv, location_proj", "all"))
def convolution_with_a_bias(Ref, *, which="location_conv"):
    """There is a bias in one of the layers: `nnx.Conv` and `nnx.Linear` both add one unless they are told not to. None
    of the five layers has one: pass `use_bias=False`."""

    class Wrong(Ref):
        def __init__(self, d_query, d_key, d_attention, num_filters, kernel_size, *, rngs):
            super().__init__(d_query, d_key, d_attention, num_filters, kernel_size, rngs=rngs)
            everything = "location_conv, location_proj, query_proj, key_proj, score"
            for name in (everything if which == "all" else which).split(", "):
                if name == "location_conv":
                    self.location_conv = nnx.Conv(1, num_filters, (kernel_size,), padding="SAME", rngs=rngs)
                    continue
                layer = getattr(self, name)
                setattr(self, name, nnx.Linear(layer.in_features, layer.out_features, rngs=rngs))

    return Wrong


@mistake("LocationAttention", to=("num_filters, of d_attention features", "num_filters, exchanged with kernel_size"))
def convolution_of_another_shape(Ref, *, to="d_attention"):
    """`location_conv` does not lead from 1 feature to `num_filters`. It reads one number for each key, the weight of
    the step before; `location_proj` then leads to `d_attention`: `nnx.Conv(1, num_filters, (kernel_size,),
    padding="SAME")`."""

    class Wrong(Ref):
        def __init__(self, d_query, d_key, d_attention, num_filters, kernel_size, *, rngs):
            super().__init__(d_query, d_key, d_attention, num_filters, kernel_size, rngs=rngs)
            taken, given, size = {
                "d_attention": (1, d_attention, kernel_size),
                "num_filters, of d_attention features": (d_attention, num_filters, kernel_size),
            }.get(to, (1, kernel_size, num_filters))
            self.location_conv = nnx.Conv(taken, given, (size,), padding="SAME", use_bias=False, rngs=rngs)

    return Wrong


@mistake("LocationAttention")
def other_names(Ref):
    """The layers have other names, such as `F` and `U`, or `conv` and `location_layer`. Parameters are found by their
    paths: `location_conv`, `location_proj`, `query_proj`, `key_proj`, `score`."""

    class Wrong(Ref):
        def __init__(self, d_query, d_key, d_attention, num_filters, kernel_size, *, rngs):
            self.make(d_query, d_key, d_attention, rngs)
            self.conv = nnx.Conv(1, num_filters, (kernel_size,), padding="SAME", use_bias=False, rngs=rngs)
            self.location_layer = _linear(num_filters, d_attention, rngs)

    return Wrong
