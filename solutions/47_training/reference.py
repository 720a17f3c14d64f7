"""47 · The reference. The loss is a sum and a count, kept apart until everything is counted; so the loss of many
micro-batches is that of all of them together."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx


def next_token_loss(logits, tokens, mask):
    # One division, at the very end. Where nothing counts the sum is 0, and to divide it by 1 gives 0 with a gradient of
    # 0; to divide by 0 and to replace the NaN afterwards would leave it in the gradient.
    loss, count = summed(logits, tokens, mask)
    return loss / jnp.maximum(count, 1)


def summed(logits, tokens, mask):
    """The sum of all losses that count, and how many these are."""
    # Position t - 1 speaks about token t: the last position has nothing to say, and the first token nobody who speaks
    # about it. The mask says which *targets* count, so it is cut as the tokens are.
    said, targets, counts = logits[..., :-1, :], tokens[..., 1:], mask[..., 1:]
    # float32, or float64 if the logits are. The losses are each fine in bfloat16, but their sum is not.
    wide = said.astype(jnp.promote_types(said.dtype, jnp.float32))
    # $-\log \mathrm{softmax}$ in one piece: the logarithm of a probability that has underflowed would be -inf.
    losses = optax.softmax_cross_entropy_with_integer_labels(wide, targets)
    # `where` takes part in the sum only where it is True; a product with the mask would do as well, as all are finite.
    return jnp.sum(losses, where=counts), counts.sum()


def make_optimizer(peak_rate, warmup_steps, total_steps, weight_decay, max_norm):
    # Both parts are written with the number of the update since their own beginning. The library's schedule counts
    # from 0: the very first update of a warm-up has the rate 0.
    rate = optax.join_schedules(
        [
            optax.linear_schedule(0.0, peak_rate, warmup_steps),
            optax.cosine_decay_schedule(peak_rate, total_steps - warmup_steps, alpha=0.1),
        ],
        [warmup_steps],
    )
    # A chain is applied from its first part to its last. Clipping is about the gradients, so it comes before Adam has
    # divided them by their own size; after it there would be nothing left to clip.
    return optax.chain(
        optax.clip_by_global_norm(max_norm),
        optax.adamw(rate, b1=0.9, b2=0.95, eps=1e-8, weight_decay=weight_decay, mask=decayed),
    )


def decayed(params):
    # Norm scales and biases are vectors. To pull a scale to 0 is no prior for anything, and they are few.
    return jax.tree.map(lambda array: array.ndim >= 2, params)


def train_step(model, optimizer, tokens, mask):
    # A module is Python and arrays. What is differentiated, and carried through the loop, are the arrays.
    graphdef, params = nnx.split(model)

    # Not the mean of a micro-batch but its sum: means of unequal counts do not add up to the mean of all.
    def loss_of(params, tokens, mask):
        return summed(nnx.merge(graphdef, params)(tokens), tokens, mask)[0]

    # One micro-batch a turn. The carry holds two sums, as large as one loss and one gradient: nothing of the last turn
    # is needed any more when the next one begins, so memory does not depend on how many there are.
    def one(carry, micro_batch):
        loss, gradient = jax.value_and_grad(loss_of)(params, *micro_batch)
        return jax.tree.map(jnp.add, carry, (loss, gradient)), None

    wide = jnp.promote_types(jax.tree.leaves(params)[0].dtype, jnp.float32)
    zeros = jnp.zeros((), wide), jax.tree.map(jnp.zeros_like, params)
    (loss, gradient), _ = jax.lax.scan(one, zeros, (tokens, mask))
    # The count is known without any model: every micro-batch is divided by the number of all targets, here at once.
    count = jnp.maximum(mask[..., 1:].sum(), 1)
    # In place: the optimizer writes its own state and the model's parameters. Where nothing counts the gradient is 0,
    # and the update is made all the same: momentum goes on, and the number of the update too.
    optimizer.update(model, jax.tree.map(lambda sum: sum / count, gradient))
    return loss / count


def error_scale(logits=None, params=None, gradients=None, rate=1.0, peak_rate=1.0, tokens=None, **_):
    """How large the numbers become: logits; parameters, and what some updates add to them."""
    if logits is not None:
        return 1 + np.abs(logits.astype(np.float64)).max(initial=0.0)
    largest = max(np.abs(array).max(initial=0.0) for array in params.values())
    if gradients is not None:
        return largest + 10 * peak_rate * len(next(iter(gradients.values())))
    return (1 + largest) ** 2 * (1 + 10 * rate * len(tokens))
