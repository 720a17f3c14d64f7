"""59 · Wrong answers that people really give, each with its sentence."""

import jax
import jax.numpy as jnp

from grader.course import mistake

stop = jax.lax.stop_gradient


def _wide(array):
    return array.astype(jnp.promote_types(array.dtype, jnp.float32))


def _draw(key, scores):
    return jax.random.categorical(key, _wide(scores)).astype(jnp.int32)


# --- hard_attention: how the index is drawn


@mistake("hard_attention", about="the draw")
def argmax_for_a_draw(ref, key, scores, values):
    """Nothing is drawn: the row is always that of the largest score. That is the likeliest key, as a decoder may take
    it in use; training needs one that is drawn, so that the others are tried as well. Draw with the key that is
    passed."""
    i = jnp.argmax(scores).astype(jnp.int32)
    return values[i], i


@mistake("hard_attention", about="the draw")
def drawn_uniformly(ref, key, scores, values):
    """All keys are drawn equally often, whatever the scores are, as `randint` does, and `choice` without `p`. Draw from
    the softmax of the scores: `categorical` takes them."""
    i = jax.random.randint(key, (), 0, len(scores), jnp.int32)
    return values[i], i


@mistake("hard_attention", about="the draw")
def drawn_from_minus_the_scores(ref, key, scores, values):
    """The lowest scores are drawn most often: a sign is turned round, or the smallest is taken where the largest should
    be. A high score makes a key likely."""
    return ref(key, -scores, values)


@mistake("hard_attention", about="the draw")
def probabilities_for_logits(ref, key, scores, values):
    """The draw takes probabilities for logits: `categorical` gets `softmax(scores)` and makes a second softmax of it.
    All keys are then nearly equally likely. It takes the scores themselves; probabilities belong into `choice`, as
    `p`."""
    return ref(key, jax.nn.softmax(_wide(scores)), values)


@mistake("hard_attention", about="the draw", by=("their logarithm",))
def scores_for_probabilities(ref, key, scores, values, *, by="choice"):
    """The draw takes the scores for probabilities: they are `p` of `choice`, or their logarithm is taken. Scores have
    either sign and no particular sum. Draw from their softmax."""
    if by == "their logarithm":
        return ref(key, jnp.log(scores), values)
    i = jax.random.choice(key, len(scores), p=_wide(scores)).astype(jnp.int32)
    return values[i], i


@mistake("hard_attention", about="the draw", temperature=(0.1, 2.0, "sqrt(d)"))
def a_temperature(ref, key, scores, values, *, temperature=0.5):
    """The scores are divided by some number before the draw, a temperature or the root of the width, so that likely
    keys become likelier still, or less likely. The contract asks for `softmax(scores)`: the scores come scaled as they
    should be."""
    return ref(key, _wide(scores) / (values.shape[1] ** 0.5 if temperature == "sqrt(d)" else temperature), values)


@mistake("hard_attention", about="the key", seed=(42, 1))
def a_key_of_its_own(ref, key, scores, values, *, seed=0):
    """The key is not used: the draw has one that is made inside, and gives the same in every call. Draw with the key
    that is passed."""
    return ref(jax.random.key(seed), scores, values)


@mistake("hard_attention", about="the noise", by=("choice",))
def noise_of_eight_bits(ref, key, scores, values, *, by="categorical"):
    """The draw is made in bfloat16, the dtype of the scores. `categorical` adds noise of that dtype, in which many
    numbers are equal, and of equals the first wins: of 256 keys that are alike the first half is drawn three times out
    of four. `choice` with `p` of that dtype never draws some of them. Cast the scores to float32 before the draw."""
    i = (
        jax.random.categorical(key, scores)
        if by == "categorical"
        else jax.random.choice(key, len(scores), p=jax.nn.softmax(scores))
    ).astype(jnp.int32)
    return values[i], i


@mistake("hard_attention")
def row_and_index_drawn_apart(ref, key, scores, values):
    """Row and index are two draws: the index says nothing of the row beside it. Draw the index once, and take the row
    at it."""
    one, other = jax.random.split(key)
    return ref(one, scores, values)[0], ref(other, scores, values)[1]


@mistake("hard_attention", about="the draw")
def overflowing_softmax(ref, key, scores, values):
    """The softmax takes the powers of the scores as they are: from 89 on a power is inf in float32, and inf over inf is
    NaN. `categorical` takes the scores themselves, and `jax.nn.softmax` takes off the largest first."""
    powers = jnp.exp(_wide(scores))
    i = jax.random.choice(key, len(scores), p=powers / powers.sum()).astype(jnp.int32)
    return values[i], i


# --- hard_attention: what is given back


@mistake("hard_attention")
def soft_row_given_back(ref, key, scores, values):
    """The row is the mean of all rows, weighted with the softmax: soft attention, with an index beside it that it does
    not depend on. Hard attention gives the row of the key that was drawn, and no other row has a part in it."""
    return (jax.nn.softmax(_wide(scores)) @ _wide(values)).astype(values.dtype), ref(key, scores, values)[1]


@mistake("hard_attention", temperature=(0.5, 0.1))
def gumbel_softmax_for_a_draw(ref, key, scores, values, *, temperature=1.0):
    """The row is a weighted mean of all rows: a softmax of scores and noise, in the place of the largest of them. That
    is the relaxed draw of Gumbel-softmax (Jang et al. 2016), which has a gradient for the scores; a hard draw is one
    row alone. Take the index, and the row at it."""
    noisy = _wide(scores) + jax.random.gumbel(key, scores.shape, _wide(scores).dtype)
    row = jax.nn.softmax(noisy / temperature) @ _wide(values)
    return row.astype(values.dtype), jnp.argmax(noisy).astype(jnp.int32)


@mistake("hard_attention")
def row_times_its_probability(ref, key, scores, values):
    """The row is multiplied by the probability of its key. The draw has done that already: on average the row is
    `softmax(scores) @ values`. Give the row back as it is."""
    row, i = ref(key, scores, values)
    return (row * jax.nn.softmax(_wide(scores))[i]).astype(values.dtype), i


@mistake("hard_attention")
def a_feature_for_a_row(ref, key, scores, values):
    """What is taken is one feature of all keys, `values[:, i]`. Keys are the first axis."""
    _, i = ref(key, scores, values)
    return values[:, i], i


@mistake("hard_attention", as_what=("a one-hot row",))
def index_of_another_kind(ref, key, scores, values, *, as_what="a float"):
    """The index is no int32 scalar: it is a floating number, or a row of 0 and 1. A one-hot row may stand in the
    computation; what is given back is the index."""
    row, i = ref(key, scores, values)
    return row, (i.astype(jnp.float32) if as_what == "a float" else jax.nn.one_hot(i, len(scores)))


@mistake("hard_attention", what=("index first", "log p beside them"))
def other_results(ref, key, scores, values, *, what="the row alone"):
    """What comes back is something else than a row and its index, in this order: one of them is missing, they stand the
    other way round, or something stands beside them."""
    row, i = ref(key, scores, values)
    if what == "the row alone":
        return row
    return (i, row) if what == "index first" else (row, i, jax.nn.log_softmax(_wide(scores))[i])


@mistake("hard_attention")
def an_axis_too_many(ref, key, scores, values):
    """Row and index have an axis of length 1 too many, as a draw of the shape `(1,)` or a slice leaves it. One index is
    drawn, and it is a scalar."""
    row, i = ref(key, scores, values)
    return row[None], i[None]


@mistake("hard_attention")
def row_in_float32(ref, key, scores, values):
    """The row has another dtype than the values: a product with float32 weights takes it along. Take the row by its
    index, or cast it back."""
    row, i = ref(key, scores, values)
    return _wide(row), i


@mistake("hard_attention")
def no_gradient_for_the_values(ref, key, scores, values):
    """The values get no gradient: `stop_gradient` stands around the row. Only the draw has no gradient; row `i` of the
    values gets what comes for the row."""
    row, i = ref(key, scores, values)
    return stop(row), i


@mistake("hard_attention")
def a_gradient_for_the_scores(ref, key, scores, values):
    """The scores get the gradient of soft attention: that is straight-through, and is asked for in the function of that
    name alone. Hard attention by itself gives the scores a gradient of 0."""
    row, i = ref(key, scores, values)
    return row + _nothing_forward(_soft(scores, stop(values))).astype(row.dtype), i


# --- straight_through_attention


def _soft(scores, values):
    return jax.nn.softmax(_wide(scores)) @ _wide(values)


def _nothing_forward(array):
    return array - stop(array)


def _hard(ref, key, scores, values):
    """The row alone: the scores get no gradient."""
    return ref(key, stop(scores), values)


@mistake("straight_through_attention", misconception="argmax_for_a_draw")
def straight_through_argmax(ref, key, scores, values):
    """Nothing is drawn: forward the row is always that of the largest score. The gradient is right; the row has to be
    one that is drawn from the softmax of the scores, with the key that is passed."""
    return values[jnp.argmax(scores)] + _nothing_forward(_soft(scores, stop(values))).astype(values.dtype)


@mistake("straight_through_attention", misconception="a_key_of_its_own", seed=(42, 1))
def straight_through_key_of_its_own(ref, key, scores, values, *, seed=0):
    """The key is not used: the row is drawn with one that is made inside, and comes out the same in every call. The
    gradient for the scores needs no key, the row does: draw with the one that is passed."""
    return ref(jax.random.key(seed), scores, values)


@mistake("straight_through_attention", misconception="noise_of_eight_bits")
def straight_through_noise_of_eight_bits(ref, key, scores, values):
    """The draw is made in bfloat16, the dtype of the scores: many of its random numbers are equal, and the first keys
    win too often. Cast the scores to float32 before the draw."""
    hard = values[jax.random.categorical(key, scores)]
    return hard + _nothing_forward(_soft(scores, stop(values))).astype(values.dtype)


@mistake("straight_through_attention", misconception="soft_row_given_back")
def soft_row_forward(ref, key, scores, values):
    """What comes forward is the soft row, the mean of all rows. Its gradient for the scores is the one to use, but the
    number has to be that of the row that was drawn. Check which of the two stands under `stop_gradient`."""
    return _soft(scores, values).astype(values.dtype)


@mistake("straight_through_attention", about="the gradient for scores")
def no_gradient_for_the_scores(ref, key, scores, values):
    """The scores get no gradient: the row is hard attention's, or the soft row is added and taken away with its
    gradient (`hard + soft - soft`), or all of it stands under `stop_gradient`. Of the two soft rows only the one that
    is taken away may be stopped."""
    return _hard(ref, key, scores, values)


@mistake("straight_through_attention", misconception="gumbel_softmax_for_a_draw", temperature=(0.5, 0.1, 0.01))
def gumbel_softmax_forward(ref, key, scores, values, *, temperature=1.0):
    """The row is a weighted mean of all rows, forward too: a softmax of scores and noise (Gumbel-softmax, Jang et al.
    2016). At a low temperature it is nearly one row, and the scores get nearly no gradient. Here forward comes the row
    that was drawn, and backward the soft row without noise and temperature."""
    noise = jax.random.gumbel(key, scores.shape, _wide(scores).dtype)
    return _soft((_wide(scores) + noise) / temperature, values).astype(values.dtype)


@mistake("straight_through_attention", stopped=("nothing",))
def soft_row_not_taken_away(ref, key, scores, values, *, stopped="the values"):
    """The soft row is added to the hard one and not taken away again: forward comes the sum of both. Take away the same
    soft row under `stop_gradient`: together they are 0 forward, and the gradient stays."""
    soft = _soft(scores, stop(values) if stopped == "the values" else values)
    return _hard(ref, key, scores, values) + soft.astype(values.dtype)


@mistake("straight_through_attention", about="the gradient for values")
def values_get_the_soft_gradient(ref, key, scores, values):
    """Every row of the values gets a gradient, as much as its softmax weight, and the row that was drawn no more than
    that: what is differentiated is the soft row as a whole, as in `soft + stop_gradient(hard - soft)`. The values are
    told what happened: only row `i` had a part in the output. Stop the values in the soft row, and not in the hard
    one."""
    soft = _soft(scores, values).astype(values.dtype)
    return stop(_hard(ref, key, scores, values)) + _nothing_forward(soft)


@mistake("straight_through_attention", about="the gradient for values")
def values_get_both_gradients(ref, key, scores, values):
    """The values get the gradient of the hard row and that of the soft row besides: the values in the soft row are not
    stopped. That row is there for the gradient of the scores alone."""
    soft = _soft(scores, values).astype(values.dtype)
    return _hard(ref, key, scores, values) + _nothing_forward(soft)


@mistake("straight_through_attention", misconception="no_gradient_for_the_values", about="the gradient for values")
def straight_through_without_values(ref, key, scores, values):
    """The values get no gradient: the hard row stands under `stop_gradient`, and so do the values of the soft one. Row
    `i` of the values gets what comes for the row."""
    return ref(key, scores, stop(values))


@mistake("straight_through_attention", about="the gradient for scores", temperature=(0.5, 0.1))
def gradient_of_gumbel_softmax(ref, key, scores, values, *, temperature=1.0):
    """The gradient for the scores is that of a softmax with the noise of the draw in it: straight-through
    Gumbel-softmax (Jang et al. 2016). It is another one for each draw. The contract asks for the gradient of
    `softmax(scores) @ values`, without noise."""
    noise = jax.random.gumbel(key, scores.shape, _wide(scores).dtype)
    soft = _soft((_wide(scores) + noise) / temperature, stop(values))
    return _hard(ref, key, scores, values) + _nothing_forward(soft).astype(values.dtype)


@mistake("straight_through_attention", about="the gradient for scores", temperature=(2.0, 0.5))
def soft_row_at_a_temperature(ref, key, scores, values, *, temperature="sqrt(d)"):
    """The soft row has scores that are divided by a number, the root of the width or a temperature. The gradient is
    that of `softmax(scores) @ values`: the scores come scaled as they should be."""
    by = values.shape[1] ** 0.5 if temperature == "sqrt(d)" else temperature
    return _hard(ref, key, scores, values) + _nothing_forward(_soft(scores / by, stop(values))).astype(values.dtype)


@mistake("straight_through_attention", about="the gradient for scores")
def gradient_as_if_scores_were_weights(ref, key, scores, values):
    """The gradient passes to the scores as if they were the weights: the softmax is left out of the backward pass, as
    in `one_hot + scores - stop_gradient(scores)`. That is straight-through for a threshold (Bengio et al. 2013); here
    the backward pass goes through the softmax."""
    passed = _nothing_forward(_wide(scores)) @ stop(_wide(values))
    return _hard(ref, key, scores, values) + passed.astype(values.dtype)


@mistake("straight_through_attention", about="the gradient for scores")
def gradient_of_one_probability(ref, key, scores, values):
    """The gradient for the scores comes through the probability of the drawn key alone, as in `p[i] /
    stop_gradient(p[i]) * values[i]`. The rows that were not drawn have no part in it: for that the loss itself would be
    needed. Differentiate the whole soft row, over all keys."""
    hard = _hard(ref, key, scores, values)
    log_probability = jax.nn.log_softmax(_wide(scores))[_draw(key, scores)]
    return hard + (_nothing_forward(log_probability) * stop(_wide(hard))).astype(values.dtype)


@mistake("straight_through_attention", misconception="row_times_its_probability")
def straight_through_times_its_probability(ref, key, scores, values):
    """The row is multiplied by the probability of its key, to give the scores a gradient. Forward the row has to come
    as it is; the gradient is that of the whole soft row, which is 0 forward."""
    probability = jax.nn.softmax(_wide(scores))[_draw(key, scores)]
    return (_wide(_hard(ref, key, scores, values)) * probability).astype(values.dtype)


@mistake("straight_through_attention")
def index_given_back_too(ref, key, scores, values):
    """The index comes back beside the row. This function gives the row alone."""
    return ref(key, scores, values), _draw(key, scores)


@mistake("straight_through_attention", misconception="row_in_float32")
def straight_through_in_float32(ref, key, scores, values):
    """The row has another dtype than the values: the float32 weights of the soft row take it along. Cast what is added
    to the hard row to the dtype of the values."""
    return _wide(ref(key, scores, values))


@mistake("straight_through_attention", misconception="overflowing_softmax")
def straight_through_overflows(ref, key, scores, values):
    """The softmax takes the powers of the scores as they are: from 89 on a power is inf in float32, and inf over inf is
    NaN, forward and backward. `jax.nn.softmax` takes off the largest score first."""
    powers = jnp.exp(_wide(scores))
    soft = (powers / powers.sum()) @ stop(_wide(values))
    return _hard(ref, key, scores, values) + _nothing_forward(soft).astype(values.dtype)


# --- reinforce_surrogate: the draw


def _surrogate(i, scores, values, loss, baseline):
    drawn = _wide(loss(values[i]))
    return drawn + stop(drawn - baseline) * _log_probability(i, scores)


def _log_probability(i, scores):
    return jax.nn.log_softmax(_wide(scores))[i]


@mistake("reinforce_surrogate", misconception="argmax_for_a_draw", about="the draw")
def surrogate_of_the_likeliest(ref, key, scores, values, loss, baseline):
    """Nothing is drawn: the row is always that of the largest score, and the mean over the keys is not that of the
    expected loss. Draw with the key that is passed."""
    return _surrogate(jnp.argmax(scores), scores, values, loss, baseline)


@mistake("reinforce_surrogate", misconception="a_key_of_its_own", about="the draw", seed=(42, 1))
def surrogate_with_a_key_of_its_own(ref, key, scores, values, loss, baseline, *, seed=0):
    """The key is not used: every call draws the same row, with a key that is made inside. The mean over many keys is
    then what that one row gives. Draw with the key that is passed."""
    return ref(jax.random.key(seed), scores, values, loss, baseline)


@mistake("reinforce_surrogate", misconception="drawn_uniformly", about="the draw")
def surrogate_of_a_uniform_draw(ref, key, scores, values, loss, baseline):
    """All keys are drawn equally often, whatever the scores are, while the logarithm is that of the softmax. Without a
    weight for each draw the two have to go together: draw from the softmax of the scores."""
    i = jax.random.randint(key, (), 0, len(scores))
    return _surrogate(i, scores, values, loss, baseline)


@mistake("reinforce_surrogate", misconception="noise_of_eight_bits", about="the draw")
def surrogate_with_noise_of_eight_bits(ref, key, scores, values, loss, baseline):
    """The draw is made in bfloat16, the dtype of the scores, where the first keys win too often. The mean is right only
    for a draw from the very probabilities whose logarithm is taken. Cast the scores to float32 before the draw."""
    return _surrogate(jax.random.categorical(key, scores), scores, values, loss, baseline)


@mistake("reinforce_surrogate", about="the draw")
def two_draws(ref, key, scores, values, loss, baseline):
    """Two keys are drawn: the loss is that of one, and the logarithm that of the probability of the other. The two know
    nothing of each other, so that the scores get a gradient of 0 on average. Draw once, and use the index twice."""
    one, other = (_draw(part, scores) for part in jax.random.split(key))
    drawn = _wide(loss(values[one]))
    return drawn + stop(drawn - baseline) * _log_probability(other, scores)


@mistake("reinforce_surrogate", about="the draw", draws=(2, 16, 100))
def several_draws(ref, key, scores, values, loss, baseline, *, draws=8):
    """Several keys are drawn, and the surrogate is the mean of theirs. It has the right expectation and less variance,
    and costs a loss for each draw. Here one row is drawn and one loss is known; who wants a mean takes it over keys
    outside, with `vmap`."""
    keys = jax.random.split(key, draws)
    return jax.vmap(lambda one: _surrogate(_draw(one, scores), scores, values, loss, baseline))(keys).mean()


# --- reinforce_surrogate: whose loss


@mistake("reinforce_surrogate", about="whose loss", terms=("both",))
def loss_of_the_soft_row(ref, key, scores, values, loss, baseline, *, terms="the loss"):
    """The loss is that of the soft row, the mean of all rows. The loss of a mean is not the mean of the losses, unless
    the loss is linear; and no draw has a part in it. Apply the loss to the row that was drawn."""
    found = _wide(loss(_soft(scores, values).astype(values.dtype)))
    if terms == "the loss":
        return found
    return found + stop(found - baseline) * _log_probability(_draw(key, scores), scores)


@mistake("reinforce_surrogate", about="whose loss")
def loss_of_a_straight_through_row(ref, key, scores, values, loss, baseline):
    """The loss gets the row of straight-through attention, and its gradient goes through the softmax. That is another
    estimate, with less variance, and it is biased unless the loss is linear. Here the scores learn from the loss as a
    number and from the logarithm of the probability."""
    nothing = _nothing_forward(_soft(scores, stop(values))).astype(values.dtype)
    return _wide(loss(values[_draw(key, scores)] + nothing))


@mistake("reinforce_surrogate", about="whose loss", where=("the softmax is not 0",))
def every_row_tried(ref, key, scores, values, loss, baseline, *, where="everywhere"):
    """The loss is computed for every row and averaged with the softmax: the exact expectation. It needs no draw and no
    logarithm; but where a loss is dear, or known for what was done alone, there is one row to try. Apply it to
    `values[i]` and to no other row."""
    p, rows = jax.nn.softmax(_wide(scores)), values
    if where == "the softmax is not 0":
        rows = jnp.where((p > 1e-9)[:, None], values, stop(values[jnp.argmax(p)]))
    return p @ jax.vmap(lambda row: _wide(loss(row)))(rows)


@mistake("reinforce_surrogate", about="whose loss", by=("one-hot",))
def picked_from_all_losses(ref, key, scores, values, loss, baseline, *, by="index"):
    """The loss is computed for every row, and the one that was drawn is picked afterwards. It costs as many losses as
    there are keys, and where another row has none, the gradient is NaN: 0 times what is not finite. Take the row first,
    then the loss."""
    i, losses = _draw(key, scores), jax.vmap(lambda row: _wide(loss(row)))(values)
    drawn = losses[i] if by == "index" else jax.nn.one_hot(i, len(losses)) @ losses
    return drawn + stop(drawn - baseline) * _log_probability(i, scores)


# --- reinforce_surrogate: its two terms


@mistake("reinforce_surrogate", about="which terms")
def no_term_for_the_scores(ref, key, scores, values, loss, baseline):
    """It is the loss of the row that was drawn and nothing else. The values have their gradient; the scores have none,
    since the draw is not differentiable. Add the loss as a number times the logarithm of the probability."""
    return ref(key, stop(scores), values, loss, baseline)


@mistake("reinforce_surrogate", about="which terms")
def no_term_for_the_values(ref, key, scores, values, loss, baseline):
    """The values get no gradient: the loss stands in it as a number alone. That is enough where an action has no
    parameters; here the row is one of the values, and the loss itself has to be added, with its gradient."""
    return ref(key, scores, stop(values), loss, baseline)


@mistake("reinforce_surrogate", about="the factor", how=("the baseline stopped", "without the loss itself"))
def factor_not_stopped(ref, key, scores, values, loss, baseline, *, how="nothing stopped"):
    """The factor of the logarithm is not under `stop_gradient`: the values get the gradient of the loss times the
    logarithm as well, which is nothing that was asked for, and so may the baseline. The scores need the factor as a
    number."""
    i = _draw(key, scores)
    drawn = _wide(loss(values[i]))
    factor = drawn - (stop(baseline) if how == "the baseline stopped" else baseline)
    return factor * _log_probability(i, scores) + (0.0 if how == "without the loss itself" else drawn)


@mistake("reinforce_surrogate", about="the baseline", where=("the loss itself",))
def baseline_not_stopped(ref, key, scores, values, loss, baseline, *, where="the factor"):
    """The baseline gets a gradient: it stands outside of `stop_gradient`. Training would move it to make the surrogate
    small, whose value means nothing. A baseline that is learned has a loss of its own."""
    i = _draw(key, scores)
    add = -baseline if where == "the loss itself" else -_nothing_forward(baseline) * _log_probability(i, scores)
    return ref(key, scores, values, loss, baseline) + add


@mistake("reinforce_surrogate", about="the baseline")
def baseline_ignored(ref, key, scores, values, loss, baseline):
    """The loss is not compared with the baseline: the factor of the logarithm is the loss itself. On average the
    gradient is the same, and its variance is larger. Take the baseline off in the factor."""
    return ref(key, scores, values, loss, jnp.zeros_like(baseline))


@mistake("reinforce_surrogate", about="the baseline")
def baseline_added(ref, key, scores, values, loss, baseline):
    """The baseline is added to the loss, where it has to be taken off. The mean is the same with either sign, and the
    variance is not: a loss at the baseline should move nothing."""
    return ref(key, scores, values, loss, -baseline)


@mistake("reinforce_surrogate", about="the sign")
def sign_turned_round(ref, key, scores, values, loss, baseline):
    """The scores get the gradient with the other sign: rows with a high loss become likelier. Williams 1992 and many
    texts write of a reward, which is to grow; this is a loss. The factor is the loss less the baseline."""
    i = _draw(key, scores)
    drawn = _wide(loss(values[i]))
    return drawn - stop(drawn - baseline) * _log_probability(i, scores)


@mistake("reinforce_surrogate", about="the sign")
def reward_for_a_loss(ref, key, scores, values, loss, baseline):
    """All gradients have the other sign: the whole surrogate is negative, as for a reward, which is to grow. What comes
    in is a loss, and the gradient that is asked for is that of its expectation."""
    return -ref(key, scores, values, loss, baseline)


@mistake("reinforce_surrogate", about="the logarithm")
def mean_over_the_keys(ref, key, scores, values, loss, baseline):
    """The logarithm is divided by the number of keys: of a product with a one-hot row the mean is taken. Of that
    product one number is not 0, and is the one to take: sum, or index."""
    i = _draw(key, scores)
    drawn = _wide(loss(values[i]))
    return drawn + stop(drawn - baseline) * _log_probability(i, scores) / len(scores)


@mistake("reinforce_surrogate", about="the logarithm")
def probability_for_its_logarithm(ref, key, scores, values, loss, baseline):
    """The factor multiplies the probability and not its logarithm. A likely row is drawn more often already, so that
    its probability counts twice; the gradient of the logarithm is divided by it. Take the logarithm."""
    i = _draw(key, scores)
    drawn = _wide(loss(values[i]))
    return drawn + stop(drawn - baseline) * jax.nn.softmax(_wide(scores))[i]


@mistake("reinforce_surrogate", about="the logarithm")
def score_for_its_logarithm(ref, key, scores, values, loss, baseline):
    """The factor multiplies the score itself, not the logarithm of its probability. The softmax's sum is missing, which
    lowers all other keys when one rises: use `log_softmax`."""
    i = _draw(key, scores)
    drawn = _wide(loss(values[i]))
    return drawn + stop(drawn - baseline) * _wide(scores)[i]


@mistake("reinforce_surrogate", about="the logarithm")
def logarithm_of_a_softmax(ref, key, scores, values, loss, baseline):
    """The logarithm is taken of the whole softmax: where a score is far below, its probability is 0 in float32, the
    slope of the logarithm there is infinite, and 0 times that is NaN. Use `log_softmax`."""
    i = _draw(key, scores)
    drawn = _wide(loss(values[i]))
    return drawn + stop(drawn - baseline) * jnp.log(jax.nn.softmax(_wide(scores)))[i]


# --- reinforce_surrogate: what is given back


@mistake("reinforce_surrogate", what=("the index too", "the row too"))
def surrogate_and_something_else(ref, key, scores, values, loss, baseline, *, what="the loss too"):
    """Something comes back beside the surrogate, such as the loss or the index. One number is asked for, which `grad`
    can take."""
    i = _draw(key, scores)
    others = {"the loss too": lambda: loss(values[i]), "the index too": lambda: i, "the row too": lambda: values[i]}
    return ref(key, scores, values, loss, baseline), others[what]()


@mistake("reinforce_surrogate")
def surrogate_in_half_precision(ref, key, scores, values, loss, baseline):
    """The surrogate has the dtype of the values. A loss, and what is computed from it, is float32."""
    return ref(key, scores, values, loss, baseline).astype(values.dtype)


@mistake("reinforce_surrogate")
def a_surrogate_of_one_axis(ref, key, scores, values, loss, baseline):
    """The surrogate has an axis of length 1: a draw of the shape `(1,)`, or a slice, has left it. It is a scalar."""
    return ref(key, scores, values, loss, baseline)[None]
