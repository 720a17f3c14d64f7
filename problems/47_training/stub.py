"""47 · Training. The lesson stands in README.md; `python -m grader 47` gives the verdict."""

import optax
from flax import nnx
from jaxtyping import Array, Bool, Float, Int


def next_token_loss(
    logits: Float[Array, "*batch T V"], tokens: Int[Array, "*batch T"], mask: Bool[Array, "*batch T"]
) -> Float[Array, ""]:
    """The mean loss of predicting each token from those before it, in nats (Radford et al. 2018, equation 1).

    Args:
        logits: of the token that comes after each position: `logits[..., t - 1, :]` is about `tokens[..., t]`.
        tokens: the text; all of them are valid, also where the mask is False.
        mask: which tokens count as targets. The first of each sequence has none before it and never counts.

    Returns:
        The mean of `-log softmax(logits[..., t - 1, :])[tokens[..., t]]` over all positions t >= 1 that count, of all
        sequences together; 0, with a gradient of 0, where none counts. `float32`, whatever the logits are.
    """
    # TODO: what each position says, which targets there are, which of them count; then one sum and one count.
    raise NotImplementedError


def make_optimizer(
    peak_rate: float, warmup_steps: int, total_steps: int, weight_decay: float, max_norm: float
) -> optax.GradientTransformation:
    """Clipping (Pascanu et al. 2012, algorithm 1), AdamW (Loshchilov and Hutter 2017, algorithm 2), and a rate that
    rises and falls (Loshchilov and Hutter 2016, equation 5).

    Gradients are clipped to a global norm of `max_norm`. AdamW follows, with b1 = 0.9, b2 = 0.95, eps = 1e-8, and a
    decoupled decay of `weight_decay` for arrays of two or more dimensions, and for no others.

    Args:
        peak_rate: the largest rate.
        warmup_steps: 0 or more. The rate of update s (the first is number 0) rises linearly from 0 at s = 0 to
            `peak_rate` at s = `warmup_steps`.
        total_steps: more than `warmup_steps`. From there the rate falls as a cosine to a tenth of `peak_rate` at s =
            `total_steps`, and stays there.
        weight_decay: times the rate, the share of a parameter that an update takes away.
        max_norm: the largest norm of all gradients together.
    """
    # TODO: a schedule, and a chain of two transformations.
    raise NotImplementedError


def train_step(
    model: nnx.Module, optimizer: nnx.Optimizer, tokens: Int[Array, "M B T"], mask: Bool[Array, "M B T"]
) -> Float[Array, ""]:
    """One update of a model and its optimizer, in place, plainly or under `nnx.jit`.

    The update is made with the gradient of the mean over all counted targets of all micro-batches together, and is made
    even where none counts. Micro-batches go through the model one after another.

    Args:
        model: `model(tokens)` gives logits `(B, T, V)` for tokens `(B, T)`; it holds parameters only.
        optimizer: an `nnx.Optimizer(model, transformation, wrt=nnx.Param)`.
        tokens: M micro-batches.
        mask: which of the tokens count as targets, as in `next_token_loss`.

    Returns:
        That mean, before the update; `float32`.
    """
    # TODO: sums over micro-batches in a loop that does not unroll, one division, one update.
    raise NotImplementedError
