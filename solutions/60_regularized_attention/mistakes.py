"""60 · Wrong answers that people really give, each with its sentence."""

import jax
import jax.numpy as jnp
from jax.scipy.special import entr, xlogy

from grader.course import mistake


def _wide(weights):
    return weights.astype(jnp.promote_types(weights.dtype, jnp.float32))


# --- attention_dropout: which weights


@mistake("attention_dropout", at_zero=("NaN", "unchanged", "an error"))
def rate_taken_for_what_is_kept(ref, key, weights, rate, *, at_zero="zeros"):
    """`rate` is taken for the probability that a weight stays: most are dropped where few should be. The paper of 2014
    calls that probability p, and `bernoulli` is often asked for what stays; libraries, and this contract, say how many
    are dropped. Keep with probability `1 - rate`, and divide by it."""
    if rate == 0:
        return _at_a_rate_of_zero(weights, at_zero)
    return jnp.where(jax.random.bernoulli(key, rate, weights.shape), weights / rate, 0).astype(weights.dtype)


def _at_a_rate_of_zero(weights, what):
    """What a division by the rate gives, in the ways to write it."""
    if what == "an error":
        return weights * (1 / 0.0)
    return {"zeros": weights * 0, "NaN": weights * jnp.nan, "inf": weights * jnp.inf, "unchanged": weights}[what]


@mistake("attention_dropout", divided=("no",))
def dropped_and_kept_exchanged(ref, key, weights, rate, *, divided="by 1 - rate"):
    """What should stay is dropped, and what should be dropped stays: the mask is read the wrong way round. Say of the
    mask whether True means kept or dropped, and draw it with that probability."""
    kept = weights if divided == "no" else weights / (1 - rate)
    return jnp.where(jax.random.bernoulli(key, rate, weights.shape), kept, 0).astype(weights.dtype)


def _shape_of_draw(shape, alike):
    """A shape in which axes have the length 1 along which all weights share one number."""
    lead, last = shape[:-1], shape[-1:]
    return {
        "in all rows": (*(1 for _ in lead), *last),
        "over the batch": (*(1 for _ in lead[:1]), *lead[1:], *last) if len(lead) > 1 else shape,
        "in all rows of a matrix": (*lead[:-1], *(1 for _ in lead[-1:]), *last) if lead else shape,
        "in a row": (*lead, 1),
        "in a matrix": (*lead[:-1], *(1 for _ in lead[-1:]), 1),
        "everywhere": (1,) * len(shape),
    }[alike]


@mistake(
    "attention_dropout",
    alike=("over the batch", "in all rows of a matrix", "in a row", "in a matrix", "everywhere"),
)
def one_draw_for_many_weights(ref, key, weights, rate, *, alike="in all rows"):
    """Weights share their luck: one number is drawn for several of them, such as for a key in all rows, or for a whole
    row. A mask of fewer axes broadcasts without a word, and so does a function of one row that is mapped with one key
    for all. Ask for one number for each weight: the draw has the shape of the weights."""
    shape = _shape_of_draw(weights.shape, alike)
    return ref(key, jnp.ones(shape, weights.dtype), rate) * weights


@mistake("attention_dropout", of=("all, rounded down", "each row", "each row, rounded down", "each row, up or down"))
def an_exact_share(ref, key, weights, rate, *, of="all"):
    """Always the same number of weights is dropped, at random places: the share `rate` of all of them, or of each row.
    Each weight has to be dropped by itself: then nothing is known of the others, and how many go differs from draw to
    draw. A row may lose none, and it may lose all."""
    numbers = jax.random.uniform(key, weights.shape if "row" in of else (weights.size,))
    place = jnp.argsort(jnp.argsort(numbers, axis=-1), axis=-1)
    share = rate * numbers.shape[-1]
    if "up or down" in of:  # by chance, so that each goes as often as asked
        share = jnp.floor(share + jax.random.uniform(jax.random.fold_in(key, 1), numbers.shape[:-1] + (1,)))
    else:
        share = int(share) if "down" in of else round(share)
    dropped = (place < share).reshape(weights.shape)
    return jnp.where(dropped, 0, weights / (1 - rate)).astype(weights.dtype)


@mistake("attention_dropout", by=("smallest",))
def dropped_by_size(ref, key, weights, rate, *, by="below the rate"):
    """The smallest weights are dropped, those below `rate` or a share of each row, and nothing is drawn. That is
    pruning: it is the same each time. Compare random numbers with `rate`, not the weights."""
    if by == "smallest":
        small = jnp.argsort(jnp.argsort(weights, axis=-1), axis=-1) < round(rate * weights.shape[-1])
    else:
        small = weights < rate
    return jnp.where(small, 0, weights / (1 - rate)).astype(weights.dtype)


@mistake("attention_dropout", seed=(42, 1))
def a_key_of_its_own(ref, key, weights, rate, *, seed=0):
    """The key is not used: the mask comes from a key that is made inside, and is the same in every call. Draw with the
    key that is passed."""
    return ref(jax.random.key(seed), weights, rate)


@mistake("attention_dropout")
def random_numbers_of_few_bits(ref, key, weights, rate):
    """The random numbers have the dtype of the weights. In bfloat16 there are 128 of them, so that a small rate becomes
    the next larger multiple of 1/128. Draw float32 numbers, whatever the weights are."""
    numbers = jax.random.uniform(key, weights.shape, weights.dtype)
    return jnp.where(numbers < rate, 0, weights / (1 - rate)).astype(weights.dtype)


@mistake("attention_dropout")
def a_rate_of_few_bits(ref, key, weights, rate):
    """The probability has the dtype of the weights, and so have the random numbers that are drawn for it. In bfloat16
    there are 128 of them, so that a small rate becomes the next smaller multiple of 1/128. Leave it a Python float."""
    kept = jax.random.bernoulli(key, jnp.asarray(1 - rate, weights.dtype), weights.shape)
    return jnp.where(kept, weights / (1 - rate), 0).astype(weights.dtype)


@mistake("attention_dropout")
def nothing_dropped(ref, key, weights, rate):
    """Nothing is dropped, and the weights come back as they were, as dropout does in evaluation. Here whoever calls
    decides, by `rate`."""
    return weights


# --- attention_dropout: what stays


@mistake("attention_dropout", about="what stays")
def not_divided(ref, key, weights, rate):
    """What stays is not divided by `1 - rate`. The expectation of each weight is then smaller than the weight, by that
    factor, and evaluation, without dropout, sees larger contexts than training did. (The paper of 2014 scales at
    evaluation instead.)"""
    return jnp.where(ref(key, weights, rate) == 0, 0, weights)


@mistake("attention_dropout", about="what stays")
def multiplied_by_what_is_kept(ref, key, weights, rate):
    """What stays is multiplied by `1 - rate`. That is what the paper of 2014 does at evaluation, where nothing is
    dropped; while weights are dropped those that stay have to become larger. Divide by `1 - rate`."""
    return (ref(key, weights, rate) * (1 - rate) ** 2).astype(weights.dtype)


@mistake("attention_dropout", about="what stays")
def divided_twice(ref, key, weights, rate):
    """What stays is divided by `1 - rate` twice, so that the expectation of each weight is larger than the weight.
    Divide once; if a line of yours or a library's `Dropout` does it already, leave the other out."""
    return (ref(key, weights, rate) / (1 - rate)).astype(weights.dtype)


@mistake("attention_dropout", about="what stays", at_zero=("unchanged", "an error"))
def divided_by_the_rate(ref, key, weights, rate, *, at_zero="inf"):
    """What stays is divided by `rate`, the probability to be dropped. It has to be divided by the probability to stay,
    `1 - rate`; and a rate of 0 would be a division by 0."""
    if rate == 0:
        return _at_a_rate_of_zero(weights, at_zero)
    return (ref(key, weights, rate) * ((1 - rate) / rate)).astype(weights.dtype)


@mistake("attention_dropout", about="what stays", how=("without a guard", "softmax of -1e9"))
def normalised_again(ref, key, weights, rate, *, how="guarded"):
    """What is left of a row is divided by its sum, so that it sums to 1 again, as it also does where scores are dropped
    before the softmax. That moves the expectations, from large weights to small ones, and what one weight becomes
    depends on the luck of the others. Divide by `1 - rate` and by nothing else."""
    left = ref(key, weights, rate)
    if how == "softmax of -1e9":
        scores = jnp.where(left == 0, -1e9, jnp.log(_wide(weights)))
        return jax.nn.softmax(scores, axis=-1).astype(weights.dtype)
    total = left.sum(axis=-1, keepdims=True)
    return left / (jnp.where(total == 0, 1, total) if how == "guarded" else total)


@mistake(
    "attention_dropout",
    about="what stays",
    of=("a row", "all, without a guard", "a row, without a guard", "all, in few bits, without a guard"),
)
def divided_by_the_share_that_stayed(ref, key, weights, rate, *, of="all"):
    """What stays is divided by the share that stayed in this very draw, the mean of the mask. That is another number
    each time, and 0 where everything goes; with few weights the expectation is another one. Divide by the probability
    to stay, `1 - rate`."""
    left = ref(key, weights, rate)
    axis = -1 if "row" in of else None
    share = (left != 0).mean(axis=axis, keepdims=True)
    if "few bits" in of:
        stayed = jnp.where(left == 0, 0, weights)
        return (stayed / share.astype(weights.dtype)).astype(weights.dtype)
    return (left * (1 - rate) / (share if "guard" in of else jnp.maximum(share, 1e-6))).astype(weights.dtype)


@mistake("attention_dropout", number=(1e-9, -1e9))
def another_number_where_dropped(ref, key, weights, rate, *, number=-jnp.inf):
    """Where a weight is dropped stands another number than 0, such as -inf or -1e9. That hides a *score*, before the
    softmax; these are weights, and the weight of what is not there is 0."""
    left = ref(key, weights, rate)
    return jnp.where(left == 0, jnp.asarray(number, left.dtype), left)


@mistake("attention_dropout")
def a_rate_of_zero_divides(ref, key, weights, rate):
    """With a rate of 0 something is divided by it, or its logarithm taken, and what comes out is NaN. A rate of 0 is
    ordinary, and drops nothing: `1 - rate` is the only thing to divide by."""
    return ref(key, weights, rate) * jnp.asarray(rate, weights.dtype) / jnp.asarray(rate, weights.dtype)


# --- attention_dropout: its gradient, and its form


@mistake("attention_dropout")
def no_gradient(ref, key, weights, rate):
    """The weights get no gradient: `stop_gradient` stands around all of it. The draw has none by itself; the weights
    that stay have the gradient `1 / (1 - rate)`."""
    return jax.lax.stop_gradient(ref(key, weights, rate))


@mistake("attention_dropout")
def the_gradient_of_the_weights_themselves(ref, key, weights, rate):
    """The gradient passes as if nothing had been dropped, also to weights that were: that is a straight-through
    estimate, as `weights + stop_gradient(dropped - weights)` gives it. What was dropped had no part in the output, and
    gets a gradient of 0."""
    return weights + jax.lax.stop_gradient(ref(key, weights, rate) - weights)


@mistake("attention_dropout")
def dropout_in_float32(ref, key, weights, rate):
    """The weights come back as float32, whatever they were: a float32 mask, or a rate as an array, takes the dtype
    along. The result has the dtype of the weights."""
    return _wide(ref(key, weights, rate))


@mistake("attention_dropout", what=("the key",))
def something_else_given_back_too(ref, key, weights, rate, *, what="the mask"):
    """The mask, or a key for the next call, comes back beside the weights. The contract asks for the weights alone; in
    JAX whoever calls splits the keys."""
    left = ref(key, weights, rate)
    return left, (left != 0 if what == "the mask" else jax.random.split(key)[0])


@mistake("attention_dropout")
def axes_of_length_one_gone(ref, key, weights, rate):
    """Axes of length 1 are gone: there is a `squeeze()` somewhere. A batch of one, or a single key, stays an axis."""
    return ref(key, weights, rate).squeeze()


# --- attention_entropy


@mistake("attention_entropy")
def sign_left_out(ref, weights):
    """The entropies are negative: the sum of w log w comes back without its minus. The logarithm of a weight below 1 is
    negative, so that the minus makes it a number of 0 or more for a row that sums to 1."""
    return -ref(weights)


@mistake("attention_entropy", about="the logarithm", base=(10,))
def bits_for_nats(ref, weights, *, base=2):
    """The logarithm has another base: `log2` gives bits, and `log10` digits. The contract asks for nats, with the
    natural logarithm: four equal weights have log 4 = 1.386."""
    return ref(weights) / jnp.log(jnp.float32(base))


@mistake("attention_entropy", about="what is summed")
def mean_over_the_keys(ref, weights):
    """It is the mean over the keys in the place of the sum, so that it depends on how many keys there are. Entropy is
    an expectation already: the weights are its weights."""
    return ref(weights) / weights.shape[-1]


@mistake("attention_entropy", about="what is summed", axis=(-2,))
def summed_over_another_axis(ref, weights, *, axis=0):
    """The sum runs over the rows, or over the batch, and not over the keys. Each row is a distribution over keys, which
    are the last axis: `axis=-1`."""
    return ref(weights[..., None]).sum(axis)


@mistake("attention_entropy", about="what is summed", by=("mean",))
def one_number_for_all_rows(ref, weights, *, by="sum"):
    """There is one number for all rows together. The contract asks for one for each row, `(...)`; what to do with them
    is up to who calls."""
    return getattr(ref(weights), by)()


@mistake("attention_entropy")
def keys_kept_as_an_axis(ref, weights):
    """There is an axis of length 1 where the keys were: `keepdims=True`. A row has one entropy, `(...)`."""
    return ref(weights)[..., None]


@mistake("attention_entropy")
def not_summed(ref, weights):
    """Each weight has a number of its own: -w log w is not summed over the keys."""
    return ref(weights[..., None])


@mistake("attention_entropy")
def entropy_of_normalised_rows(ref, weights):
    """Rows are divided by their sum first. What is asked for is -sum w log w of the weights as they are, also of a row
    that dropout left with another sum."""
    return ref(_wide(weights) / _wide(weights).sum(axis=-1, keepdims=True))


@mistake("attention_entropy")
def cut_at_one(ref, weights):
    """Weights above 1 count as 1, as `clip(w, 1e-9, 1)` makes them. Dropout divides what stays, and so there are such
    weights: -w log w is negative for them, and is what is asked for. To keep a logarithm away from 0, bound it from
    below alone."""
    return ref(jnp.minimum(weights, 1))


@mistake("attention_entropy")
def softmax_of_the_weights(ref, weights):
    """The weights go through a softmax first, as scores would: all entropies are then near that of equal weights. These
    are weights already."""
    return ref(jax.nn.softmax(_wide(weights), axis=-1))


@mistake("attention_entropy", about="a weight of 0")
def logarithm_of_zero(ref, weights):
    """A weight of 0 makes its row NaN: 0 times log 0 is 0 times -inf. Behind any mask there are such weights. Give the
    logarithm a 1 in the place of a 0, and the product is 0."""
    return -(_wide(weights) * jnp.log(_wide(weights))).sum(axis=-1)


@mistake("attention_entropy", about="a weight of 0", how=("xlogy", "nan_to_num", "sum with where"))
def gradient_of_a_hidden_logarithm(ref, weights, *, how="where"):
    """The values are right, and the gradient of a weight of 0 is NaN: `where`, `nan_to_num` or `nansum` hides the
    logarithm of 0 and does not keep it from being differentiated, and `xlogy` takes 0 / 0 there. The gradient is then
    0 times -inf. Choose *before* the logarithm what it is taken of: `log(where(w > 0, w, 1))`."""
    wide = _wide(weights)
    if how == "xlogy":
        return -xlogy(wide, wide).sum(axis=-1)
    terms = wide * jnp.log(wide)
    if how == "sum with where":
        return -jnp.sum(terms, axis=-1, where=wide > 0)
    return -(jnp.nan_to_num(terms) if how == "nan_to_num" else jnp.where(wide > 0, terms, 0.0)).sum(axis=-1)


@mistake("attention_entropy", about="a weight of 0")
def infinite_gradient(ref, weights):
    """The values are right, and the gradient of a weight of 0 is infinite: `entr` gives the true slope of -w log w,
    which has no end at 0. Through a softmax it meets a 0, and inf times 0 is NaN. Choose before the logarithm what it
    is taken of: `log(where(w > 0, w, 1))`."""
    return entr(_wide(weights)).sum(axis=-1)


@mistake("attention_entropy", about="a weight of 0", number=(1e-5, 1e-4, 1e-3))
def a_number_inside_the_logarithm(ref, weights, *, number=1e-6):
    """A number is added inside the logarithm, and it is large enough to show: each key moves the entropy by about as
    much as that number. Nothing has to be added where the logarithm is given a 1 in the place of a 0; a number far
    below a rounding, such as 1e-30, does no harm."""
    return -(_wide(weights) * jnp.log(_wide(weights) + number)).sum(axis=-1)


@mistake("attention_entropy", about="a weight of 0", number=(1e-4, 1e-3))
def weights_raised_to_a_number(ref, weights, *, number=1e-5):
    """Weights below a small number are raised to it, before the logarithm and in front of it. A weight of 0 then adds
    to the entropy, as if a key behind a mask were looked at, and has no gradient. Only the logarithm needs another
    number in the place of a 0: a 1, and the weight in front of it stays."""
    raised = jnp.maximum(_wide(weights), number)
    return -(raised * jnp.log(raised)).sum(axis=-1)


@mistake("attention_entropy", about="which measure")
def effective_number_of_keys(ref, weights):
    """It is exp of the entropy, the effective number of keys: a good number to look at. The contract asks for the
    entropy itself, in nats."""
    return jnp.exp(ref(weights))


@mistake("attention_entropy", about="which measure")
def share_of_the_largest_entropy(ref, weights):
    """The entropy is divided by log T, its largest value, so that it lies between 0 and 1, and a row of one key is
    divided by 0. The contract asks for nats."""
    return ref(weights) / jnp.log(jnp.float32(weights.shape[-1]))


@mistake("attention_entropy", about="which measure", by=("w log(w T)",))
def distance_from_equal_weights(ref, weights, *, by="log T less the entropy"):
    """It is log T minus the entropy: how far the row is from equal weights. That grows where the entropy falls; the
    contract asks for the entropy."""
    largest = jnp.log(jnp.float32(weights.shape[-1]))
    return (_wide(weights).sum(-1) * largest if "w log" in by else largest) - ref(weights)


@mistake("attention_entropy")
def entropy_in_the_dtype_of_the_weights(ref, weights):
    """The entropies have the dtype of the weights. In bfloat16 they are good to two digits, and differences of a
    penalty are smaller than that: cast the weights to float32 first."""
    return ref(weights).astype(weights.dtype)


@mistake("attention_entropy")
def logarithms_in_half_precision(ref, weights):
    """What comes out is float32, and logarithms and products are computed in the dtype of the weights: the cast comes
    too late. Cast the weights before the logarithm."""
    terms = weights * jnp.log(jnp.where(weights > 0, weights, jnp.ones((), weights.dtype)))
    return -terms.sum(axis=-1).astype(jnp.promote_types(weights.dtype, jnp.float32))


# --- doubly_stochastic_penalty


@mistake("doubly_stochastic_penalty", about="which sum")
def summed_over_the_keys(ref, weights):
    """The inner sum runs over the keys and not over the steps. Each row of a softmax sums to 1 by itself: the penalty
    is then 0 whatever is learned, and has no effect. Sum over the steps, the first axis."""
    return ref(weights.T)


@mistake("doubly_stochastic_penalty")
def rows_penalised_as_well(ref, weights):
    """Rows that do not sum to 1 cost something too. The name speaks of both axes, and the formula of one: a softmax
    takes care of the rows."""
    return ref(weights) + ref(weights.T)


@mistake("doubly_stochastic_penalty", about="how it is put together")
def mean_for_the_sum_over_keys(ref, weights):
    """It is the mean over the keys, where the formula has the sum. A mean makes the same strength weaker for longer
    sequences."""
    return ref(weights) / weights.shape[1]


@mistake("doubly_stochastic_penalty", about="how it is put together")
def mean_over_the_steps(ref, weights):
    """What a key gets is averaged over the steps and compared with 1. A mean of weights is 1 only if every step gives
    the key everything; what has to be 1 is the sum."""
    return ref(weights / weights.shape[0])


@mistake("doubly_stochastic_penalty", about="how it is put together")
def square_of_the_sum(ref, weights):
    """The distances from 1 are added before they are squared, so that too much for one key makes up for too little for
    another. Square for each key, then sum."""
    return (1 - _wide(weights).sum(0)).sum() ** 2


@mistake("doubly_stochastic_penalty", about="how it is put together")
def each_weight_compared_with_one(ref, weights):
    """Each weight is compared with 1 by itself: (1 - w)² is summed over steps and keys. It is the total of a key, over
    all steps, that has to be 1: sum first."""
    return ((1 - _wide(weights)) ** 2).sum()


@mistake("doubly_stochastic_penalty", about="how it is put together")
def not_squared(ref, weights):
    """The distances from 1 are added as they are, not squared. Too much for one key makes up for too little for
    another, and the sum depends on nothing but the weights' total."""
    return (1 - _wide(weights).sum(0)).sum()


@mistake("doubly_stochastic_penalty", about="how it is put together")
def absolute_for_the_square(ref, weights):
    """It is the sum of the distances from 1, not of their squares. Its gradient does not become smaller near 1."""
    return jnp.abs(1 - _wide(weights).sum(0)).sum()


@mistake("doubly_stochastic_penalty", about="how it is put together")
def root_of_the_sum(ref, weights):
    """A root stands around the sum of squares, as in a norm. The formula has none, and the root has no gradient where
    the penalty is 0."""
    return jnp.linalg.norm(1 - _wide(weights).sum(0))


@mistake("doubly_stochastic_penalty", about="how it is put together")
def only_what_is_missing(ref, weights):
    """Only keys with less than 1 cost something: the difference is cut off at 0. Too much costs as much as too
    little."""
    return (jnp.maximum(1 - _wide(weights).sum(0), 0) ** 2).sum()


@mistake("doubly_stochastic_penalty", about="how it is put together")
def half_of_the_squares(ref, weights):
    """A factor of 1/2 stands in front, as in many losses of squares. The formula has none: its strength is a factor
    outside."""
    return ref(weights) / 2


@mistake("doubly_stochastic_penalty")
def expected_share_for_one(ref, weights):
    """The total of a key is compared with T_out / T_in, what each key can get where all get the same, as some code for
    captions does. The formula compares with 1."""
    steps, keys = weights.shape
    return ((steps / keys - _wide(weights).sum(0)) ** 2).sum()


@mistake("doubly_stochastic_penalty")
def normalised_steps(ref, weights):
    """Each row is divided by its sum first. The weights count as they are."""
    return ref(_wide(weights) / _wide(weights).sum(axis=-1, keepdims=True))


@mistake("doubly_stochastic_penalty")
def one_number_for_each_key(ref, weights):
    """There is one number for each key: the squares are not summed. A penalty is one number."""
    return (1 - _wide(weights).sum(0)) ** 2


@mistake("doubly_stochastic_penalty")
def penalty_in_the_dtype_of_the_weights(ref, weights):
    """The penalty has the dtype of the weights. Cast the weights to float32 before they are summed."""
    return ref(weights).astype(weights.dtype)


@mistake("doubly_stochastic_penalty", cast=("at the end",))
def totals_in_half_precision(ref, weights, *, cast="the totals"):
    """What comes out is float32, and the totals were summed in the dtype of the weights: near 1 a bfloat16 number is
    good to 1/256, and the difference from 1 is all that counts. Cast before the sum."""
    if cast == "at the end":
        return _wide(((1 - weights.sum(0)) ** 2).sum())
    return ref(weights.sum(0, keepdims=True))


# --- guided_attention_loss


def _with_cost(weights, cost):
    return (_wide(weights) * cost(*weights.shape[-2:])).mean()


def _cost(apart, width):
    return 1 - jnp.exp(-(apart**2) / (2 * width**2))


def _apart(query, key):
    return query[:, None] - key[None, :]


def _places(count, start=0.0):
    return (start + jnp.arange(count)) / count


@mistake("guided_attention_loss", about="the cost", sign=("the power alone, negative",))
def the_diagonal_costs(ref, weights, width, *, sign="the power alone"):
    """The cost is the Gaussian itself, or minus it: `1 -` is missing. Weight on the diagonal then costs most, or
    everything is shifted by the sum of the weights. The diagonal has to be free, and what is far away cost 1."""
    loss = _wide(weights).mean() - ref(weights, width)
    return -loss if "negative" in sign else loss


@mistake("guided_attention_loss", about="the cost")
def exponent_without_its_minus(ref, weights, width):
    """The minus in the exponent is missing, or taken away by a square around it: 1 - exp of something positive is
    negative, and has no bounds. Check `-(x ** 2)`."""
    return _with_cost(weights, lambda q, k: 1 - jnp.exp(_apart(_places(q), _places(k)) ** 2 / (2 * width**2)))


@mistake(
    "guided_attention_loss",
    about="the cost",
    instead=("width ** 2", "2 width", "width", "(2 width) ** 2", "2 / width ** 2"),
)
def another_width(ref, weights, width, *, instead="1"):
    """Something else stands below the square of the distance than `2 width²`: the 2, or the square, or the width itself
    is missing, or no parentheses keep them together below: `x / 2 * width` multiplies by the width. Write it as the
    formula does, and check it at a distance of one width, where the cost is 0.39."""
    below = {
        "1": 1.0,
        "width ** 2": width**2,
        "2 width": 2 * width,
        "width": width,
        "(2 width) ** 2": 4 * width**2,
        "2 / width ** 2": 2 / width**2,
    }
    return ref(weights, (below[instead] / 2) ** 0.5)


@mistake("guided_attention_loss", about="the cost")
def the_width_of_the_paper(ref, weights, width):
    """The width is 0.2, as in the paper, whatever is passed. It is an argument here."""
    return ref(weights, 0.2)


@mistake("guided_attention_loss", about="the cost")
def distance_not_squared(ref, weights, width):
    """The distance is not squared: what stands in the exponent is |i / T_q - j / T_k|, so that the cost has an edge on
    the diagonal."""
    return _with_cost(weights, lambda q, k: 1 - jnp.exp(-jnp.abs(_apart(_places(q), _places(k))) / (2 * width**2)))


@mistake("guided_attention_loss", about="the places")
def places_not_divided(ref, weights, width):
    """Places are not divided by the lengths: `i - j` counts tokens, and the diagonal of a matrix with more keys than
    queries does not lead to its corner. Divide each by the length of its own sequence."""
    return _with_cost(weights, lambda q, k: _cost(_apart(jnp.arange(q) * 1.0, jnp.arange(k) * 1.0), width))


@mistake("guided_attention_loss", about="the places", by=("T_q", "the larger"))
def one_length_for_both(ref, weights, width, *, by="T_k"):
    """Both places are divided by one length. The diagonal then ends where the shorter sequence does: divide `i` by T_q
    and `j` by T_k."""

    def cost(q, k):
        length = {"T_k": k, "T_q": q, "the larger": max(q, k)}[by]
        return _cost(_apart(jnp.arange(q) / length, jnp.arange(k) / length), width)

    return _with_cost(weights, cost)


@mistake("guided_attention_loss", about="the places")
def lengths_exchanged(ref, weights, width):
    """The lengths are exchanged: `i` is divided by T_k and `j` by T_q. Queries are the last axis but one."""
    return _with_cost(weights, lambda q, k: _cost(_apart(jnp.arange(q) / k, jnp.arange(k) / q), width))


@mistake("guided_attention_loss", about="the places", where=("keys",))
def places_up_to_one(ref, weights, width, *, where="both"):
    """Places run from 0 to 1, both ends included, as `linspace` gives them: they are divided by the length less 1. The
    formula divides by the length, and so the last place stands below 1."""

    def cost(q, k):
        queries = _places(q) if where == "keys" else jnp.linspace(0, 1, q)
        return _cost(_apart(queries, jnp.linspace(0, 1, k)), width)

    return _with_cost(weights, cost)


@mistake("guided_attention_loss", about="the places", start=(0.5,))
def counted_from_one(ref, weights, width, *, start=1.0):
    """Places are counted from 1, or from a half, as in a paper or as the middles of cells. Where the lengths are equal
    this makes no difference, and otherwise all places are shifted against each other. Count from 0."""
    return _with_cost(weights, lambda q, k: _cost(_apart(_places(q, start), _places(k, start)), width))


@mistake("guided_attention_loss", about="the places")
def divided_as_integers(ref, weights, width):
    """Places are divided as integers, `i // T_q`, which is 0 for every place: nothing costs anything."""
    return ref(weights, width) * 0


@mistake("guided_attention_loss", about="the mean", over=("the queries", "the batch"))
def summed_where_a_mean_is_asked(ref, weights, width, *, over="everything"):
    """Somewhere there is a sum in the place of the mean: over everything, over the keys of a row, or over the batch.
    The mean is over every entry of the weights, so that neither length nor batch size changes the strength."""
    q, k = weights.shape[-2:]
    count = {"everything": weights.size, "the queries": k, "the batch": weights.size // (q * k)}[over]
    return ref(weights, width) * count


@mistake("guided_attention_loss", about="the mean")
def mean_of_each_matrix(ref, weights, width):
    """There is one number for each matrix of the batch. The mean is over the leading dimensions as well: a loss is one
    number."""
    costs = _cost(_apart(*map(_places, weights.shape[-2:])), width)
    return (_wide(weights) * costs).mean(axis=(-2, -1))


@mistake("guided_attention_loss", about="the mean")
def costs_given_back(ref, weights, width):
    """What comes back is the matrix of costs, or of weights times costs: nothing is averaged."""
    return _wide(weights) * _cost(_apart(*map(_places, weights.shape[-2:])), width)


@mistake("guided_attention_loss", about="the mean")
def divided_by_the_weights(ref, weights, width):
    """The costs are averaged with the weights: the sum is divided by the sum of the weights, and not by the number of
    entries. Rows that sum to less would count as much as others."""
    return ref(weights, width) / _wide(weights).mean()


@mistake("guided_attention_loss")
def the_first_axis_for_the_queries(ref, weights, width):
    """The lengths are read from the front, `weights.shape[0]`, where a batch may stand: the costs then fit by chance or
    not at all. Queries and keys are the last two axes."""
    return _with_cost(weights, lambda q, k: _cost(_apart(_places(weights.shape[0]), _places(weights.shape[1])), width))


@mistake("guided_attention_loss")
def loss_in_the_dtype_of_the_weights(ref, weights, width):
    """The loss has the dtype of the weights. Cast the weights to float32 first; the costs are float32 by themselves."""
    return ref(weights, width).astype(weights.dtype)


@mistake("guided_attention_loss", what=("the products",))
def costs_in_half_precision(ref, weights, width, *, what="the costs"):
    """What comes out is float32, and the costs, or their products with the weights, were computed in the dtype of the
    weights: near the diagonal 1 - exp of something small is 0 in bfloat16. Compute costs in float32, and cast the
    weights."""
    if what == "the products":
        cost = _cost(_apart(*map(_places, weights.shape[-2:])), width)
        return _wide((weights * cost.astype(weights.dtype)).mean())
    places = [_places(count).astype(weights.dtype) for count in weights.shape[-2:]]
    return _wide((weights * _cost(_apart(*places), width).astype(weights.dtype)).mean())
