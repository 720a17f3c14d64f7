"""56 · The ladders of cases for `LuongAttention` and `LocalAttention`. Source: Luong et al. 2015, sections 3.1, 3.2."""

import ml_dtypes
import numpy as np

from grader.course import Case, Module, ModuleInputs, drawn_until

PART = "Before the transformer"


def states(
    rng,
    score,
    d_query,
    length,
    d_key=None,
    batch=(),
    lift=0.0,
    hidden=None,
    noise=None,
    dtype=np.float32,
    refused=False,
):
    """`lift` is added to every score of the even sequences and taken from those of the odd ones. `hidden` is the mask,
    in which 0 hides a key, and `noise` the size of what stands there. A `refused` module has no parameters."""
    d_key = d_key or d_query

    def draw(*shape):
        return rng.standard_normal(shape)

    query, keys = draw(*batch, d_query), draw(*batch, length, d_key)
    params = dict(out_proj=draw(d_key + d_query, d_query) / (d_key + d_query) ** 0.5)
    if score == "general":
        params["score_proj"] = draw(d_key, d_query) / d_key**0.5
    if score == "concat":
        # a bounded score has to be large to choose among the keys
        params["score_proj"] = draw(d_query + d_key, d_query) / (d_query + d_key) ** 0.5
        params["score_vector"] = 3 * draw(d_query, 1) / d_query**0.5
    if lift:
        _lift(query, keys, params, lift)
    call = dict(query=query, keys=keys)
    if hidden is not None:
        mask = np.broadcast_to(np.array(hidden, bool), (*batch, length))
        if noise:
            keys[~mask] = noise * np.sign(keys[~mask])
        call["mask"] = mask.copy()
    arrays = {name: array if array.dtype == bool else array.astype(dtype) for name, array in call.items()}
    return ModuleInputs(
        init=dict(d_query=d_query, d_key=d_key, score=score),
        params={} if refused else {f"{name}.kernel": array.astype(dtype) for name, array in params.items()},
        call=arrays,
    )


def _lift(query, keys, params, lift):
    """The first feature of a query is ±`lift` and that of a key 1, and they meet each other alone. The output hears as
    much of them as of any other feature."""
    query[..., 0] = lift * (-1.0) ** np.arange(query[..., 0].size).reshape(query.shape[:-1])
    keys[..., 0] = 1.0
    params["out_proj"][keys.shape[-1]] /= lift
    if "score_proj" in params:
        # of [q; k] the first is the query's, and of the key alone the key's: either way row 0
        params["score_proj"][0], params["score_proj"][:, 0] = 0.0, 0.0
        params["score_proj"][0, 0] = 1.0
    if "score_vector" in params:
        params["score_vector"][0] = lift


def sentence(rng, d_query, length, half_width, position=None, lift=0.0, loud=0.0, dtype=np.float32):
    """`lift` is added to every score; `loud` is what keys outside of the window score, about. Without a position the
    layers that say where are the same for all draws of one size, so that each query can be one whose window has no
    key close to its edge."""
    layers = np.random.default_rng([d_query, length, half_width])
    params = {
        "position_proj.kernel": layers.standard_normal((d_query, d_query)) / d_query**0.5,
        "position_vector.kernel": 1.5 * layers.standard_normal((d_query, 1)) / d_query**0.5,
    }
    params = {name: array.astype(dtype) for name, array in params.items()}

    def drawn():
        query = rng.standard_normal(d_query)
        if lift:
            query[0] = lift
        query = query.astype(dtype)
        return query, centre(query, params, length) if position is None else position

    def is_clear(found):
        return position is not None or not _close(found[1], length, half_width)

    query, middle = drawn_until(is_clear, drawn)
    keys = rng.standard_normal((length, d_query))
    if lift:
        keys[:, 0] = 1.0
    if loud:
        far = np.abs(np.arange(length) - middle) > half_width
        keys[far] = loud * query.astype(np.float64) / (query.astype(np.float64) ** 2).sum()
    call = dict(query=query, keys=keys.astype(dtype))
    if position is not None:
        call["position"] = np.float32(position)
    return ModuleInputs(init=dict(d_query=d_query, half_width=half_width), params=params, call=call)


def centre(query, params, length):
    """Where the query looks."""
    proj, vector = (params[f"position_{name}.kernel"].astype(np.float64) for name in ("proj", "vector"))
    return length / (1 + np.exp(-(np.tanh(query.astype(np.float64) @ proj) @ vector)[0]))


def _close(middle, length, half_width):
    """Whether a key is so close to an edge of the window that rounding might decide."""
    return (np.abs(np.abs(np.arange(length) - middle) - half_width) < 0.02).any()


VALUES = ("eager", "jit")
HALF = ml_dtypes.bfloat16
# no width is equal to another by chance: queries of 3, keys of 5, 4 of them
UNEQUAL = dict(d_query=3, d_key=5, length=4)
SQUARE = dict(d_query=4, d_key=4)
SOME = [[1, 0, 1, 1, 0], [0, 1, 0, 1, 1]]
# a given position leaves the layers out
GIVEN = ("position_proj.kernel", "position_vector.kernel")
# one key has all the weight, whatever it scores
ALONE = ("query", *GIVEN)

ENTRIES = [
    Module(
        "LuongAttention",
        states,
        cases={
            "dot, one key": Case(score="dot", d_query=4, length=1, under=("eager", "jit", "grad")),
            "dot": Case(score="dot", d_query=4, length=5),
            "general": Case(score="general", **UNEQUAL),
            "general, keys as wide as the query": Case(
                score="general", **SQUARE, length=5, under=("eager", "jit", "grad")
            ),
            "concat": Case(score="concat", **UNEQUAL),
            "concat, keys as wide as the query": Case(score="concat", **SQUARE, length=5, under=("eager", "grad")),
            "some keys hidden": Case(score="dot", d_query=4, length=5, batch=(2,), hidden=SOME),
            "as many sequences as keys and features": Case(
                score="dot", d_query=4, length=4, batch=(4,), under=("eager", "grad")
            ),
            "nothing to attend to": Case(
                score="general",
                **UNEQUAL,
                hidden=[0, 0, 0, 0],
                idle=("keys", "score_proj.kernel"),
                under=("eager", "grad"),
            ),
            "one sequence of three with nothing to attend to": Case(
                score="concat",
                **UNEQUAL,
                batch=(3,),
                hidden=[[1, 1, 0, 1], [0, 0, 0, 0], [0, 1, 0, 0]],
                under=("eager", "jit", "grad"),
            ),
            "large scores, one sequence's far below the other's": Case(
                score="dot", d_query=4, length=5, batch=(2,), lift=300.0, hidden=SOME, under=("eager", "grad")
            ),
            "general, large scores": Case(
                score="general", d_query=4, d_key=5, length=3, batch=(2,), lift=300.0, under=("eager",)
            ),
            "concat, large scores": Case(
                score="concat", d_query=4, d_key=5, length=3, batch=(2,), lift=300.0, under=("eager", "grad")
            ),
            "hidden keys of any size": Case(
                score="dot", d_query=4, length=5, batch=(2,), hidden=SOME, noise=3e38, under=VALUES
            ),
            "concat, hidden keys of any size": Case(
                score="concat", **UNEQUAL, batch=(2,), hidden=[[1, 0, 1, 1], [0, 1, 1, 0]], noise=3e38, under=("eager",)
            ),
            "two batch dimensions": Case(
                score="general",
                d_query=5,
                d_key=3,
                length=6,
                batch=(2, 3),
                hidden=[1, 1, 0, 1, 1, 0],
                under=("eager", "jit", "vmap"),
            ),
            "concat, two batch dimensions": Case(
                score="concat", d_query=5, d_key=3, length=6, batch=(2, 3), under=("eager", "vmap")
            ),
            "every axis of length one": Case(
                score="concat",
                d_query=1,
                length=1,
                batch=(1,),
                idle=("score_proj.kernel", "score_vector.kernel"),
                under=("eager", "grad"),
            ),
            "general, bfloat16": Case(
                score="general", d_query=8, d_key=6, length=5, batch=(2,), hidden=SOME, dtype=HALF, under=VALUES
            ),
            "concat, bfloat16": Case(score="concat", d_query=6, d_key=8, length=5, dtype=HALF, under=("eager",)),
            "another word": Case(
                score="additive", d_query=4, length=2, refused=True, raises="ValueError", under=("eager",)
            ),
            "dot, of unequal widths": Case(
                score="dot", d_query=4, d_key=5, length=2, refused=True, raises="ValueError", under=("eager",)
            ),
        },
    ),
    Module(
        "LocalAttention",
        sentence,
        cases={
            "one key, a given position": Case(
                d_query=3, length=1, half_width=1, position=0.4, idle=ALONE, under=("eager", "jit", "grad")
            ),
            "a given position": Case(d_query=3, length=9, half_width=2, position=4.3, idle=GIVEN),
            "a whole position, keys at both edges": Case(
                d_query=3, length=9, half_width=2, position=4.0, idle=GIVEN, under=("eager", "jit", "vmap")
            ),
            "position 0": Case(d_query=3, length=6, half_width=1, position=0.0, idle=GIVEN, under=VALUES),
            "position T, which only the last key reaches": Case(
                d_query=3, length=6, half_width=1, position=6.0, idle=ALONE, under=VALUES
            ),
            "a window beyond the start": Case(
                d_query=3, length=9, half_width=3, position=1.4, idle=GIVEN, under=("eager", "jit", "grad")
            ),
            "a window beyond the end": Case(
                d_query=3, length=9, half_width=3, position=7.7, idle=GIVEN, under=("eager", "jit", "grad")
            ),
            "a window beyond both ends": Case(d_query=3, length=4, half_width=9, position=1.3, idle=GIVEN),
            "position T, a window beyond both ends": Case(
                d_query=3, length=4, half_width=6, position=4.0, idle=GIVEN, under=("eager", "grad")
            ),
            "keys outside of the window score hundreds higher": Case(
                d_query=3, length=8, half_width=2, position=3.6, loud=400.0, idle=GIVEN, under=("eager", "grad")
            ),
            "large scores": Case(
                d_query=4, length=7, half_width=2, position=3.2, lift=300.0, idle=GIVEN, under=("eager", "grad")
            ),
            "scores hundreds below 0": Case(
                d_query=4, length=7, half_width=2, position=3.2, lift=-300.0, idle=GIVEN, under=("eager",)
            ),
            "the query says where": Case(d_query=5, length=8, half_width=2),
            "the query says where, one key": Case(
                d_query=3,
                length=1,
                half_width=1,
                under=("eager", "grad"),
            ),
            "the query says where, a window beyond both ends": Case(
                d_query=4, length=4, half_width=7, under=("eager", "jit", "grad")
            ),
            "the query says where, a narrow window": Case(
                d_query=4, length=13, half_width=1, under=("eager", "jit", "grad")
            ),
            "as many keys as features": Case(d_query=4, length=4, half_width=1, under=("eager", "grad")),
            "dozens of keys": Case(d_query=6, length=41, half_width=10, under=("eager", "jit", "vmap")),
            "every axis of length one": Case(d_query=1, length=1, half_width=1, under=("eager", "grad")),
            "bfloat16": Case(d_query=8, length=9, half_width=3, position=4.3, dtype=HALF, idle=GIVEN, under=VALUES),
        },
    ),
]
