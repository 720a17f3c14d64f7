"""An implementation of anything that tells how it was called: by position or by name, which arguments, which Python
values, which arrays.

It is a stub, the reference or a mistake by turns, so it needs JAX alone, and its output says everything: under `grad`
the gradient does.
"""

import zlib

import jax
import jax.numpy as jnp
import numpy as np

LOG = []  # how it was called, in Python's order, where whoever asks lives in the same process
PARAMETERS = {}  # the shapes and dtypes of a module's parameters by path, by its name and how it is constructed


def told(value):
    """A Python value as it is; of an array its shape and dtype."""
    return f"{value.dtype} {tuple(value.shape)}" if hasattr(value, "dtype") else repr(value)


def how(args, kwargs):
    """One line for one way of calling."""
    return " ".join([*map(told, args), *(f"{name}={told(value)}" for name, value in sorted(kwargs.items()))])


def weight(line, others):
    """A number that is another for another line, or for other arrays that no gradient is taken for."""
    return (
        1.0
        + zlib.crc32(line.encode()) % 1000 / 1000
        + sum((array * (1 + np.arange(array.size).reshape(array.shape))).sum() / array.size**2 for array in others)
    )


@jax.jit  # one program, where eager operations would be one each
def halves(smooth, line_weight, others):
    times = line_weight + weight("", others) - weight("", [])
    return {name: (times * array * array / 2).astype(array.dtype) for name, array in smooth.items()}


def output_of(line, args, kwargs, parameters):
    """The arrays themselves, and half of their squares, times the weight: so the gradient shows the arrays, and the
    weight."""
    arrays = {str(place): value for place, value in enumerate(args)} | kwargs
    arrays = {name: value for name, value in arrays.items() if isinstance(value, jax.Array)} | parameters
    smooth = {name: array for name, array in arrays.items() if jnp.issubdtype(array.dtype, jnp.floating)}
    others = [array for name, array in arrays.items() if name not in smooth]
    return {
        "line": jnp.asarray(np.frombuffer(line.encode(), np.uint8)),
        "arrays": arrays,
        "squares": halves(smooth, weight(line, []), others),
    }


def function(*args, **kwargs):
    line = how(args, kwargs)
    LOG.append(line)
    return output_of(line, args, kwargs, {})


def module(name):
    """A class that makes the parameters in PARAMETERS."""
    from flax import nnx

    class Part(nnx.Module):
        pass

    class Recorder(nnx.Module):
        def __init__(self, *args, rngs, **kwargs):
            self.constructed = f"{name} {how(args, kwargs)}"
            for path, (shape, dtype) in PARAMETERS[self.constructed].items():
                *parts, last = path.split(".")
                owner = self
                for part in parts:
                    if not hasattr(owner, part):
                        setattr(owner, part, Part())
                    owner = getattr(owner, part)
                setattr(owner, last, nnx.Param(jnp.zeros(shape, dtype)))

        def __call__(self, *args, **kwargs):
            line = f"{self.constructed} | {how(args, kwargs)}"
            LOG.append(line)
            variables = nnx.to_flat_state(nnx.state(self, nnx.Param))
            return output_of(
                line, args, kwargs, {".".join(map(str, path)): variable[...] for path, variable in variables}
            )

    return Recorder
