"""41 · What a gradient is asked of, and one call for several temperatures."""

import jax


def probabilities(names, logits, temperature, top_k=None, top_p=None):
    """What the filtered logits are for. A logit of -inf has no slope of its own; a probability has one."""
    return jax.nn.softmax(names.filter_logits(logits, temperature, top_k, top_p), axis=-1)


def at_each_temperature(names, key, logits, temperatures):
    """One program that draws at all of them."""
    return jax.vmap(lambda temperature: names.sample_token(key, logits, temperature))(temperatures)
