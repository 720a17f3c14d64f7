"""47 · Training: a mean over the targets that count, AdamW as its authors write it, and gradients by the chain rule."""

import math

import numpy as np

# The loss


def targets_of(tokens, mask):
    """The places of all targets that count."""
    return [place for place in np.ndindex(tokens.shape) if place[-1] >= 1 and mask[place]]


def log_softmax(row):
    below = row - row.max()
    return below - math.log(np.exp(below).sum())


def next_token_loss(logits, tokens, mask):
    places = targets_of(tokens, mask)
    losses = [-log_softmax(logits[(*place[:-1], place[-1] - 1)])[tokens[place]] for place in places]
    return np.float64(sum(losses) / len(losses) if losses else 0.0)


next_token_loss.dtype = np.dtype(np.float32)  # whatever the logits are


def slopes(logits, tokens, mask):
    loss = next_token_loss(logits, tokens, mask)
    return loss, slope_of_the_loss(logits, tokens, mask, max(len(targets_of(tokens, mask)), 1))


def slope_of_the_loss(logits, tokens, mask, count):
    """The gradient of the sum of all losses over `count`, for the logits."""
    slope = np.zeros_like(logits)
    for place in targets_of(tokens, mask):
        before = (*place[:-1], place[-1] - 1)
        slope[before] += np.exp(log_softmax(logits[before])) / count
        slope[(*before, tokens[place])] -= 1 / count
    return slope


# The optimizer


def rate(s, peak_rate, warmup_steps, total_steps):
    if s < warmup_steps:
        return peak_rate * s / warmup_steps
    share = min((s - warmup_steps) / (total_steps - warmup_steps), 1)
    return peak_rate * (0.1 + 0.9 * (1 + math.cos(math.pi * share)) / 2)


def adam(gradients, b1, b2, eps):
    """The direction of each update, from all gradients of one array."""
    m, v = np.zeros_like(gradients[0]), np.zeros_like(gradients[0])
    for s, gradient in enumerate(gradients, 1):
        m, v = b1 * m + (1 - b1) * gradient, b2 * v + (1 - b2) * gradient**2
        yield m / (1 - b1**s) / (np.sqrt(v / (1 - b2**s)) + eps), m, v


def updates(params, gradients, peak_rate, warmup_steps, total_steps, weight_decay, max_norm):
    norms = [
        math.sqrt(sum((array[s] ** 2).sum() for array in gradients.values())) for s in range(len(gradients["bias"]))
    ]
    after = {}
    for name, array in params.items():
        clipped = [gradients[name][s] * min(1, max_norm / norm) for s, norm in enumerate(norms)]
        after[name] = []
        for s, (direction, _, _) in enumerate(adam(clipped, 0.9, 0.95, 1e-8)):
            decay = weight_decay * array if array.ndim >= 2 else 0.0
            array = array - rate(s, peak_rate, warmup_steps, total_steps) * (direction + decay)
            after[name].append(array)
    return {name: np.stack(arrays) for name, arrays in after.items()}


make_optimizer = updates

# The update


def bigrams(params, tokens, backward):
    slopes = np.zeros_like(params["table"])

    def back(slope):
        for place in np.ndindex(tokens.shape):
            slopes[tokens[place]] += slope[place]
        return {"table": slopes}

    return back(backward(params["table"][tokens]))


def averages(params, tokens, backward):
    embedding, scale, kernel = params["embedding"], params["scale"], params["kernel"]
    seen = np.zeros((*tokens.shape, embedding.shape[1]))
    for place in np.ndindex(tokens.shape):
        row = tokens[place[:-1]][: place[-1] + 1]
        seen[place] = embedding[row].mean(0)
    slope = backward((seen * scale) @ kernel + params["bias"])
    found = {name: np.zeros_like(array) for name, array in params.items()}
    for place in np.ndindex(tokens.shape):
        at_the_scaled = kernel @ slope[place]
        found["bias"] += slope[place]
        found["kernel"] += np.outer(seen[place] * scale, slope[place])
        found["scale"] += seen[place] * at_the_scaled
        for token in tokens[place[:-1]][: place[-1] + 1]:
            found["embedding"][token] += scale * at_the_scaled / (place[-1] + 1)
    return found


def trained(make, params, tokens, mask, transformation, rate, compiled):
    model = {"Bigrams": bigrams, "HalfBigrams": bigrams, "Averages": averages}[make.name]
    losses, history = [], {name: [] for name in params}
    start = params
    for some, counts in zip(tokens, mask):
        count, sums = max(len(targets_of(some, counts)), 1), []

        def backward(logits):
            logits = half(logits) if make.name == "HalfBigrams" else logits
            sums.append(next_token_loss(logits, some, counts))
            return slope_of_the_loss(logits, some, counts, count)

        for name, gradient in model(params, some, backward).items():
            history[name].append(gradient)
        losses += sums
        params = {
            name: array + change(transformation.name, array, history[name], rate) for name, array in params.items()
        }
    return {
        "losses": losses,
        "model": params,
        "optimizer": {"opt_state": {0: state(transformation.name, history, start)}, "step": np.uint32(len(tokens))},
    }


def measured(**arguments):
    return {"losses": trained(**arguments)["losses"]}


train_step = trained


def half(logits):
    import ml_dtypes

    return logits.astype(ml_dtypes.bfloat16).astype(np.float64)


def change(transformation, array, gradients, rate):
    if transformation == "momentum":
        return -rate * sum(0.9 ** (len(gradients) - 1 - s) * gradient for s, gradient in enumerate(gradients))
    *_, (direction, _, _) = adam(gradients, 0.9, 0.999, 1e-2)
    return -rate * (direction + 1e-4 * array)


def state(transformation, history, start):
    if transformation == "momentum":
        sums = {name: change("momentum", start[name], gradients, -1.0) for name, gradients in history.items()}
        return {"trace": sums}
    last = {name: [*adam(gradients, 0.9, 0.999, 1e-2)][-1] for name, gradients in history.items()}
    return {
        "count": np.int32(len(next(iter(history.values())))),
        "mu": {name: found[1] for name, found in last.items()},
        "nu": {name: found[2] for name, found in last.items()},
    }
