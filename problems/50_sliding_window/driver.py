"""50 · What takes `RollingCacheAttention` far into a text."""

import jax
from flax import nnx


def after_many(names, x, params, before, num_heads, window):
    """The outputs of some tokens, and the position after them, when `before` tokens of zeros came first: these leave
    the zeros in the caches that were there from the start, in any order of the slots."""
    module = names.RollingCacheAttention(x.shape[1], num_heads, window, rngs=nnx.Rngs(0))
    for name, kernel in params.items():
        getattr(module, name).kernel.set_value(kernel)
    for cache in (module.k_cache, module.v_cache):
        cache.set_value(cache[...].astype(x.dtype))
    module.pos[...] = jax.numpy.int32(before)
    graphdef, state = nnx.split(module)

    def step(state, token):
        module = nnx.merge(graphdef, state)
        output = module(token)
        return nnx.split(module)[1], output

    state, outputs = jax.lax.scan(step, state, x)
    return {"outputs": outputs, "pos": nnx.merge(graphdef, state).pos[...]}
