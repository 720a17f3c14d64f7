"""47 · What people get wrong."""

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from grader.course import mistake

# The loss


def losses_of(logits, tokens):
    return optax.softmax_cross_entropy_with_integer_labels(logits.astype(jnp.float32), tokens)


def mean_of(losses, counts):
    return jnp.sum(losses, where=counts) / jnp.maximum(counts.sum(), 1)


@mistake("next_token_loss", first=(0,))
def no_shift(ref, logits, tokens, mask, *, first=1):
    """The logits of a position are compared with the token that stands there, which the model has read already. What
    position t - 1 says is about token t: `logits[..., :-1, :]` with `tokens[..., 1:]`."""
    return mean_of(losses_of(logits, tokens)[..., first:], mask[..., first:])


@mistake("next_token_loss")
def shifted_the_wrong_way(ref, logits, tokens, mask):
    """The shift goes the wrong way: each position is asked about the token *before* it. The logits lose their last
    position, the tokens their first."""
    return mean_of(losses_of(logits[..., 1:, :], tokens[..., :-1]), mask[..., 1:])


@mistake("next_token_loss")
def mask_of_the_position_that_speaks(ref, logits, tokens, mask):
    """The mask is cut like the logits, `mask[..., :-1]`, and so says which *positions* speak. It says which targets
    count: cut it like the tokens, `mask[..., 1:]`."""
    return mean_of(losses_of(logits[..., :-1, :], tokens[..., 1:]), mask[..., :-1])


@mistake("next_token_loss")
def the_first_token_counted(ref, logits, tokens, mask):
    """The sum is right, and is divided by too much: `mask.sum()` also counts the first token of each sequence, which
    is nobody's target. Count what the sum runs over, `mask[..., 1:]`."""
    losses = losses_of(logits[..., :-1, :], tokens[..., 1:])
    return jnp.sum(losses, where=mask[..., 1:]) / jnp.maximum(mask.sum(), 1)


@mistake("next_token_loss")
def divided_by_all_targets(ref, logits, tokens, mask):
    """Losses that do not count are set to 0 and still divide: a mean over the whole array, `jnp.mean(losses *
    mask)`. The mean is over those that count."""
    return jnp.where(mask[..., 1:], losses_of(logits[..., :-1, :], tokens[..., 1:]), 0.0).sum() / max(
        mask[..., 1:].size, 1
    )


@mistake("next_token_loss")
def no_mask(ref, logits, tokens, mask):
    """The mask is not used: every target counts here."""
    return ref(logits, tokens, jnp.ones_like(mask))


@mistake("next_token_loss")
def mean_of_the_means(ref, logits, tokens, mask):
    """Each sequence gives its own mean, and these are averaged: a token in a short sequence weighs more than one in
    a long one. One sum over everything, divided once by one count."""
    if logits.ndim == 2:
        return ref(logits, tokens, mask)
    rows = [array.reshape(-1, *array.shape[tokens.ndim - 1 :]) for array in (logits, tokens, mask)]
    return jax.vmap(ref)(*rows).mean()


@mistake("next_token_loss")
def a_sum(ref, logits, tokens, mask):
    """The losses are added up, and nothing divides them. The loss is their mean: with a sum, a longer text would ask
    for a smaller rate."""
    return ref(logits, tokens, mask) * mask[..., 1:].sum()


@mistake("next_token_loss")
def the_sign(ref, logits, tokens, mask):
    """The sign is off: this is the mean log-probability, which training should raise. The loss is minus it."""
    return -ref(logits, tokens, mask)


@mistake("next_token_loss")
def logits_for_log_probabilities(ref, logits, tokens, mask):
    """The logit of the target itself is taken, without the softmax. A log-probability is the logit minus the
    `logsumexp` of all of them."""
    targets = jnp.take_along_axis(logits[..., :-1, :], tokens[..., 1:, None], axis=-1)[..., 0]
    return mean_of(-targets.astype(jnp.float32), mask[..., 1:])


@mistake("next_token_loss")
def logarithm_of_the_softmax(ref, logits, tokens, mask):
    """The softmax comes first and its logarithm later. A probability below 1e-38 is 0 by then, and its logarithm
    -inf: `jax.nn.log_softmax`, or optax's cross entropy, does both in one piece."""
    shares = jax.nn.softmax(logits[..., :-1, :].astype(jnp.float32))
    losses = -jnp.log(jnp.take_along_axis(shares, tokens[..., 1:, None], axis=-1)[..., 0])
    return mean_of(losses, mask[..., 1:])


@mistake("next_token_loss")
def a_small_number_in_the_logarithm(ref, logits, tokens, mask):
    """A small number is added to the probability before its logarithm is taken. No loss can be larger than minus the
    logarithm of that number, and beyond there is no gradient: `jax.nn.log_softmax` needs no such help."""
    shares = jax.nn.softmax(logits[..., :-1, :].astype(jnp.float32))
    losses = -jnp.log(jnp.take_along_axis(shares, tokens[..., 1:, None], axis=-1)[..., 0] + 1e-9)
    return mean_of(losses, mask[..., 1:])


@mistake("next_token_loss")
def nothing_over_nothing(ref, logits, tokens, mask):
    """Where no target counts this is 0 / 0. Divide by `jnp.maximum(count, 1)`: the loss is 0 there, and its gradient
    too."""
    losses = losses_of(logits[..., :-1, :], tokens[..., 1:])
    return jnp.sum(losses, where=mask[..., 1:]) / mask[..., 1:].sum()


@mistake("next_token_loss")
def nothing_replaced_afterwards(ref, logits, tokens, mask):
    """Where no target counts, 0 / 0 is computed and replaced by 0 afterwards. The value is right, the gradient is
    not: `where` sends 0 back, and 0 times the infinite slope of a division by 0 is NaN. Make the *denominator* 1."""
    losses = losses_of(logits[..., :-1, :], tokens[..., 1:])
    count = mask[..., 1:].sum()
    return jnp.where(count > 0, (losses * mask[..., 1:]).sum() / count, 0.0)


@mistake("next_token_loss")
def a_small_number_in_the_denominator(ref, logits, tokens, mask):
    """Something is added to the count, so that it is never 0, and so that every loss is a little too small. Take the
    larger of the count and 1."""
    losses = losses_of(logits[..., :-1, :], tokens[..., 1:])
    return jnp.sum(losses, where=mask[..., 1:]) / (mask[..., 1:].sum() + 1)


@mistake("next_token_loss")
def in_the_dtype_of_the_logits(ref, logits, tokens, mask):
    """The losses have the dtype of the logits. In bfloat16 a sum of hundreds of them keeps two digits, and so does
    the result: cast the logits to float32 first."""
    losses = optax.softmax_cross_entropy_with_integer_labels(logits[..., :-1, :], tokens[..., 1:])
    return mean_of(losses, mask[..., 1:]).astype(logits.dtype)


# The optimizer


def rate_of(peak_rate, warmup_steps, total_steps, begin=0.0, end=0.1, of=None):
    fall = optax.cosine_decay_schedule(peak_rate, of or total_steps - warmup_steps, alpha=end)
    return optax.join_schedules([optax.linear_schedule(begin, peak_rate, warmup_steps), fall], [warmup_steps])


def matrices(params):
    return jax.tree.map(lambda array: array.ndim >= 2, params)


def chained(rate, weight_decay, max_norm, clip=optax.clip_by_global_norm, mask=matrices, **options):
    adamw = optax.adamw(rate, **dict(b1=0.9, b2=0.95, eps=1e-8) | options, weight_decay=weight_decay, mask=mask)
    return optax.chain(clip(max_norm), adamw)


@mistake("make_optimizer")
def clipped_after(ref, peak_rate, warmup_steps, total_steps, weight_decay, max_norm):
    """The *updates* are clipped, behind AdamW, where they are as long as the rate says whatever the gradients were.
    The parts of a chain are applied in order: clipping comes first."""
    rate = rate_of(peak_rate, warmup_steps, total_steps)
    adamw = optax.adamw(rate, b1=0.9, b2=0.95, eps=1e-8, weight_decay=weight_decay, mask=matrices)
    return optax.chain(adamw, optax.clip_by_global_norm(max_norm))


@mistake("make_optimizer")
def each_array_clipped(ref, peak_rate, warmup_steps, total_steps, weight_decay, max_norm):
    """Each array is clipped to the norm by itself, which turns the gradient. The *global* norm is that of all arrays
    together, and all of them shrink by one factor: `optax.clip_by_global_norm`."""

    def each(max_norm):
        clip = optax.clip_by_global_norm(max_norm).update
        return optax.stateless(
            lambda updates, _: jax.tree.map(lambda array: clip(array, optax.EmptyState())[0], updates)
        )

    return chained(rate_of(peak_rate, warmup_steps, total_steps), weight_decay, max_norm, clip=each)


@mistake("make_optimizer")
def each_number_clipped(ref, peak_rate, warmup_steps, total_steps, weight_decay, max_norm):
    """Each number is cut off at `max_norm`, `optax.clip`, which turns the gradient. `optax.clip_by_global_norm`
    makes it shorter and keeps where it points."""
    return chained(rate_of(peak_rate, warmup_steps, total_steps), weight_decay, max_norm, clip=optax.clip)


@mistake("make_optimizer")
def always_as_long(ref, peak_rate, warmup_steps, total_steps, weight_decay, max_norm):
    """Short gradients are made longer: every one is scaled to `max_norm`. Clipping leaves alone what is shorter."""

    def scale(max_norm):
        return optax.stateless(
            lambda updates, _: jax.tree.map(lambda array: array * max_norm / optax.global_norm(updates), updates)
        )

    return chained(rate_of(peak_rate, warmup_steps, total_steps), weight_decay, max_norm, clip=scale)


@mistake("make_optimizer")
def nothing_clipped(ref, peak_rate, warmup_steps, total_steps, weight_decay, max_norm):
    """Gradients are not clipped: one that is longer than `max_norm` goes through as it is."""
    return ref(peak_rate, warmup_steps, total_steps, weight_decay, 1e9)


@mistake("make_optimizer")
def everything_decays(ref, peak_rate, warmup_steps, total_steps, weight_decay, max_norm):
    """Biases and norm scales decay too. Only arrays of two or more dimensions do: give `optax.adamw` a `mask`."""
    return chained(rate_of(peak_rate, warmup_steps, total_steps), weight_decay, max_norm, mask=None)


@mistake("make_optimizer")
def only_matrices_decay(ref, peak_rate, warmup_steps, total_steps, weight_decay, max_norm):
    """Arrays of exactly two dimensions decay. Stacked layers and convolutions have more: ask for `ndim >= 2`."""

    def mask(params):
        return jax.tree.map(lambda array: array.ndim == 2, params)

    return chained(rate_of(peak_rate, warmup_steps, total_steps), weight_decay, max_norm, mask=mask)


@mistake("make_optimizer")
def vectors_decay(ref, peak_rate, warmup_steps, total_steps, weight_decay, max_norm):
    """The mask is upside down: biases and norm scales decay, matrices do not. True in a mask means that it applies."""

    def mask(params):
        return jax.tree.map(lambda array: array.ndim < 2, params)

    return chained(rate_of(peak_rate, warmup_steps, total_steps), weight_decay, max_norm, mask=mask)


@mistake("make_optimizer")
def nothing_decays(ref, peak_rate, warmup_steps, total_steps, weight_decay, max_norm):
    """Nothing decays: `weight_decay` is not used."""
    return ref(peak_rate, warmup_steps, total_steps, 0.0, max_norm)


@mistake("make_optimizer")
def decay_in_the_gradient(ref, peak_rate, warmup_steps, total_steps, weight_decay, max_norm):
    """The decay is added to the gradient, and Adam then divides it by its own size: that is Adam with an L2 penalty.
    *Decoupled* decay is added behind Adam, which is what AdamW is named for: `optax.adamw`."""
    rate = rate_of(peak_rate, warmup_steps, total_steps)
    decay = optax.add_decayed_weights(weight_decay, mask=matrices)
    return optax.chain(optax.clip_by_global_norm(max_norm), decay, optax.adam(rate, b1=0.9, b2=0.95, eps=1e-8))


@mistake("make_optimizer")
def decay_without_the_rate(ref, peak_rate, warmup_steps, total_steps, weight_decay, max_norm):
    """The decay is not multiplied by the rate, so that at the very first update of a warm-up weights shrink already.
    An update takes `rate * weight_decay` of a parameter."""
    rate = rate_of(peak_rate, warmup_steps, total_steps)
    adam = optax.adam(rate, b1=0.9, b2=0.95, eps=1e-8)
    return optax.chain(
        optax.clip_by_global_norm(max_norm), adam, optax.add_decayed_weights(-weight_decay, mask=matrices)
    )


@mistake("make_optimizer")
def b2_of_the_library(ref, peak_rate, warmup_steps, total_steps, weight_decay, max_norm):
    """`b2` is the library's 0.999. Here it is 0.95: squares are remembered for twenty updates, not for a thousand."""
    return chained(rate_of(peak_rate, warmup_steps, total_steps), weight_decay, max_norm, b2=0.999)


@mistake("make_optimizer")
def warm_up_from_one(ref, peak_rate, warmup_steps, total_steps, weight_decay, max_norm):
    """The schedule is one update ahead. Updates are counted from 0, and the rate of number 0 in a warm-up is 0."""
    rate = rate_of(peak_rate, warmup_steps, total_steps)
    return chained(lambda step: rate(step + 1), weight_decay, max_norm)


@mistake("make_optimizer")
def no_warm_up(ref, peak_rate, warmup_steps, total_steps, weight_decay, max_norm):
    """The rate begins at its peak: there is no warm-up."""
    return ref(peak_rate, 0, total_steps, weight_decay, max_norm)


@mistake("make_optimizer")
def fall_over_all_steps(ref, peak_rate, warmup_steps, total_steps, weight_decay, max_norm):
    """After the warm-up the cosine takes `total_steps` more, so that it ends too late. `total_steps` counts the
    warm-up: the fall takes what is left. (`decay_steps` of `optax.warmup_cosine_decay_schedule` counts it as well,
    that of `cosine_decay_schedule` does not.)"""
    return chained(rate_of(peak_rate, warmup_steps, total_steps, of=total_steps), weight_decay, max_norm)


@mistake("make_optimizer")
def warm_up_taken_off_twice(ref, peak_rate, warmup_steps, total_steps, weight_decay, max_norm):
    """The fall ends too early, since the warm-up is taken off twice. `decay_steps` of
    `optax.warmup_cosine_decay_schedule` counts the warm-up, and takes it off by itself: give it `total_steps`. (That of
    `cosine_decay_schedule` is the fall alone.)"""
    rate = optax.warmup_cosine_decay_schedule(0.0, peak_rate, warmup_steps, total_steps - warmup_steps, 0.1 * peak_rate)
    return chained(rate, weight_decay, max_norm)


@mistake("make_optimizer")
def a_fall_to_nothing(ref, peak_rate, warmup_steps, total_steps, weight_decay, max_norm):
    """The rate falls to 0. It falls to a tenth of its peak, and stays there."""
    return chained(rate_of(peak_rate, warmup_steps, total_steps, end=0.0), weight_decay, max_norm)


@mistake("make_optimizer")
def a_tenth_for_the_end(ref, peak_rate, warmup_steps, total_steps, weight_decay, max_norm):
    """The rate falls to 0.1, and not to a tenth of its peak: `end_value` is a rate, `alpha` is a share."""
    end = optax.warmup_cosine_decay_schedule(0.0, peak_rate, warmup_steps, total_steps, end_value=0.1)
    return chained(end, weight_decay, max_norm)


@mistake("make_optimizer")
def a_straight_fall(ref, peak_rate, warmup_steps, total_steps, weight_decay, max_norm):
    """The rate falls in a straight line. It falls as half a cosine: slowly, then fast, then slowly."""
    fall = optax.linear_schedule(peak_rate, 0.1 * peak_rate, total_steps - warmup_steps)
    rise = optax.linear_schedule(0.0, peak_rate, warmup_steps)
    return chained(optax.join_schedules([rise, fall], [warmup_steps]), weight_decay, max_norm)


@mistake("make_optimizer")
def no_fall(ref, peak_rate, warmup_steps, total_steps, weight_decay, max_norm):
    """After the warm-up the rate stays at its peak."""
    return chained(optax.linear_schedule(0.0, peak_rate, warmup_steps), weight_decay, max_norm)


# The update


def loss_of(logits, tokens, mask):
    return mean_of(losses_of(logits[..., :-1, :], tokens[..., 1:]), mask[..., 1:])


def sum_of(logits, tokens, mask):
    return jnp.sum(losses_of(logits[..., :-1, :], tokens[..., 1:]), where=mask[..., 1:])


def added_up(model, tokens, mask, of=sum_of):
    """The sums of `of` and of its gradient over the micro-batches."""
    graphdef, params = nnx.split(model)

    def one(carry, micro_batch):
        tokens, mask = micro_batch
        found = jax.value_and_grad(lambda params: of(nnx.merge(graphdef, params)(tokens), tokens, mask))(params)
        return jax.tree.map(jnp.add, carry, found), None

    return jax.lax.scan(one, (jnp.zeros(()), jax.tree.map(jnp.zeros_like, params)), (tokens, mask))[0]


def divided(tree, by):
    return jax.tree.map(lambda array: array / by, tree)


def count_of(mask):
    return jnp.maximum(mask[..., 1:].sum(), 1)


@mistake("train_step", misconception="no_shift", first=((0, 0), (0, 1)))
def no_shift_in_the_step(ref, model, optimizer, tokens, mask, *, first=(1, 1)):
    """In the loss of a micro-batch the logits of a position are compared with the token that stands there, which the
    model has read already. What position t - 1 says is about token t: shift as in `next_token_loss`."""

    summed, counted = first

    def unshifted(logits, tokens, mask):
        return jnp.sum(losses_of(logits, tokens)[..., summed:], where=mask[..., summed:])

    loss, gradient = divided(added_up(model, tokens, mask, of=unshifted), jnp.maximum(mask[..., counted:].sum(), 1))
    optimizer.update(model, gradient)
    return loss


@mistake("train_step")
def mean_of_the_micro_batches(ref, model, optimizer, tokens, mask):
    """Each micro-batch gives its own mean, and these are averaged. Micro-batches have unequal numbers of targets, so
    that a token weighs more where there are few. Add up sums, and divide by the number of all targets once."""
    loss, gradient = divided(added_up(model, tokens, mask, of=loss_of), len(tokens))
    optimizer.update(model, gradient)
    return loss


@mistake("train_step")
def mean_over_those_that_count(ref, model, optimizer, tokens, mask):
    """Each micro-batch gives its own mean, and these are averaged, over micro-batches with a target. That is still a
    mean of means: add up sums, and divide by the number of all targets once."""
    loss, gradient = divided(added_up(model, tokens, mask, of=loss_of), jnp.maximum(mask[..., 1:].any((1, 2)).sum(), 1))
    optimizer.update(model, gradient)
    return loss


@mistake("train_step")
def sum_of_the_micro_batches(ref, model, optimizer, tokens, mask):
    """The means of the micro-batches are added up, and nothing divides them: with M micro-batches loss and gradient
    are about M times as large."""
    loss, gradient = added_up(model, tokens, mask, of=loss_of)
    optimizer.update(model, gradient)
    return loss


@mistake("train_step")
def gradient_not_divided(ref, model, optimizer, tokens, mask):
    """The loss is divided by the number of targets, and the gradient is not. The update is made with the gradient of
    that very loss."""
    loss, gradient = added_up(model, tokens, mask)
    optimizer.update(model, gradient)
    return loss / count_of(mask)


@mistake("train_step")
def loss_after_the_update(ref, model, optimizer, tokens, mask):
    """The loss is that of the updated model. Asked for is the one whose gradient was taken."""
    ref(model, optimizer, tokens, mask)
    return divided(added_up(model, tokens, mask), count_of(mask))[0]


@mistake("train_step")
def an_update_for_each(ref, model, optimizer, tokens, mask):
    """Each micro-batch makes an update of its own. There is one, after the last of them."""
    counts = mask[..., 1:].sum((1, 2))
    losses = [ref(model, optimizer, *(part[None] for part in micro_batch)) for micro_batch in zip(tokens, mask)]
    return sum(loss * count for loss, count in zip(losses, counts)) / count_of(mask)


@mistake("train_step")
def only_the_last(ref, model, optimizer, tokens, mask):
    """The update is made with the gradient of the last micro-batch alone: the others are computed and lost. Add each
    gradient to those before it."""
    loss = divided(added_up(model, tokens, mask), count_of(mask))[0]
    ref(model, optimizer, tokens[-1:], mask[-1:])
    return loss


@mistake("train_step")
def loss_of_the_last(ref, model, optimizer, tokens, mask):
    """The update is right, and the loss is that of the last micro-batch alone."""
    last = divided(added_up(model, tokens[-1:], mask[-1:]), count_of(mask[-1:]))[0]
    ref(model, optimizer, tokens, mask)
    return last


@mistake("train_step")
def no_update(ref, model, optimizer, tokens, mask):
    """Nothing is updated: `optimizer.update(model, gradient)` changes both in place."""
    return divided(added_up(model, tokens, mask), count_of(mask))[0]


@mistake("train_step")
def parameters_without_the_state(ref, model, optimizer, tokens, mask):
    """The model is updated, and the optimizer begins anew each time: its state, momentum and the number of the
    update, has to go on. `optimizer.update(model, gradient)` changes both in place."""
    state = jax.tree.map(lambda array: array, nnx.state(optimizer))
    loss = ref(model, optimizer, tokens, mask)
    nnx.update(optimizer, state)
    return loss


@mistake("train_step")
def no_update_where_none_counts(ref, model, optimizer, tokens, mask):
    """Where no target counts, nothing is updated. The gradient is 0 there, and the update is made all the same:
    momentum goes on, and the number of the update too."""
    before = jax.tree.map(lambda array: array, (nnx.state(model), nnx.state(optimizer)))
    loss = ref(model, optimizer, tokens, mask)
    counts = mask[..., 1:].any()
    for module, old in zip((model, optimizer), before):
        nnx.update(module, jax.tree.map(lambda new, old: jnp.where(counts, new, old), nnx.state(module), old))
    return loss


@mistake("train_step")
def all_at_once(ref, model, optimizer, tokens, mask):
    """All micro-batches go through the model at once, as one large batch: the numbers are right, and memory grows
    with M, which micro-batches are there to avoid. Loop over them."""

    def loss(model):
        return loss_of(model(tokens), tokens, mask)

    found, gradient = nnx.value_and_grad(loss)(model)
    optimizer.update(model, gradient)
    return found


@mistake("train_step")
def written_out(ref, model, optimizer, tokens, mask):
    """A Python loop writes the model into the program once for each micro-batch. `jax.lax.scan` has it there once."""
    graphdef, params = nnx.split(model)
    loss, gradient = jnp.zeros(()), jax.tree.map(jnp.zeros_like, params)
    for some, counts in zip(tokens, mask):
        found = jax.value_and_grad(lambda params: sum_of(nnx.merge(graphdef, params)(some), some, counts))(params)
        loss, gradient = jax.tree.map(jnp.add, (loss, gradient), found)
    optimizer.update(model, divided(gradient, count_of(mask)))
    return loss / count_of(mask)


@mistake("train_step")
def every_gradient_kept(ref, model, optimizer, tokens, mask):
    """The gradients of all micro-batches are kept, and added up at the end: M times the memory of one. Carry the sum
    through the loop."""
    graphdef, params = nnx.split(model)

    def one(_, micro_batch):
        tokens, mask = micro_batch
        return None, jax.value_and_grad(lambda params: sum_of(nnx.merge(graphdef, params)(tokens), tokens, mask))(
            params
        )

    loss, gradient = jax.tree.map(lambda array: array.sum(0), jax.lax.scan(one, None, (tokens, mask))[1])
    optimizer.update(model, divided(gradient, count_of(mask)))
    return loss / count_of(mask)
