"""45 · The ladder of cases for `LanguageModel`. Source: Radford et al. 2019, section 2, with the tied embeddings of
Press and Wolf 2017."""

import itertools

import numpy as np

from grader.course import Case, Given, Growth, Key, Module, ModuleInputs, Statistic

PART = "A language model"


def inputs(rng, block, num_layers, vocab_size=5, length=4, batch=(), scale=1.0):
    """`block` names a factory of `driver.py`; `scale` is the size of the embeddings."""
    d_model = int(block.rsplit("_")[-1])

    def draw(*shape):
        return rng.standard_normal(shape)

    params = {"embed.embedding": scale * draw(vocab_size, d_model), "final_norm.scale": 1 + draw(d_model) / 2}
    for path, shape in shapes_of(block).items():
        stacked = draw(num_layers, *shape)
        params[f"blocks.{path}"] = stacked / shape[0] ** 0.5 if len(shape) == 2 else 1 + stacked / 2
    return ModuleInputs(
        init=dict(make_block=Given(block), vocab_size=vocab_size, d_model=d_model, num_layers=num_layers),
        params={path: array.astype(np.float32) for path, array in params.items()},
        call=dict(tokens=rng.integers(vocab_size, size=(*batch, length)).astype(np.int32)),
    )


def shapes_of(block):
    """The parameters of one block, by path."""
    kind, width = block.split("_")
    d, wide = int(width), int(width) + 2
    mlp = {"mlp.gate.kernel": (d, wide), "mlp.up.kernel": (d, wide), "mlp.down.kernel": (wide, d)}
    return {
        "bend": {"weight": (d, d)},
        "mixer": {"norm.scale": (d,), "mix.kernel": (d, d), **mlp},
        "tower": {"steps.0.kernel": (d, d), "steps.1.kernel": (d, d), "strength": ()},
        "transformer": {
            "attn_norm.scale": (d,),
            **{f"attn.{name}_proj.kernel": (d, d) for name in "qkvo"},
            "mlp_norm.scale": (d,),
            **mlp,
        },
    }[kind]


# --- what the blocks begin with: `coins_64` tosses 64 coins with one key and 64 with another, so a few seeds will do


def seeds(rng, block, num_layers):
    return dict(key=Key.drawn(rng), make_block=Given(block), num_layers=num_layers)


def coins(drawn, inputs):
    """(draws, 64, num_layers, 2): what each layer tosses with its two keys, 1 or -1."""
    blocks, _ = drawn
    tossed = np.stack([blocks["first"], blocks["second"]], axis=-1)
    if tossed.shape[1] != inputs["num_layers"]:
        raise ValueError("other layers than asked for")
    return tossed.swapaxes(1, 2)


def moving_alike(drawn, inputs):
    """(32 draws, pairs of layers, 2, 2): whether from one seed to the next the coins of two layers turn alike. What no
    seed moves turns with nothing."""
    tossed = coins(drawn, inputs)
    turned = (tossed[1::2] - tossed[0::2]).reshape(-1, LAYERS, 2)
    return np.stack([turned[:, one, :, None] * turned[:, other, None, :] / 2 for one, other in PAIRS], axis=1)


def told_of_layers(place, mean, expected):
    one, other = PAIRS[place[0]]
    return (
        f"Where `make_block` tosses coins, layers {one} and {other} begin with the same side in "
        f"about {min(50 * (1 + mean), 100):.0f}% of all tosses; independent ones do in 50%."
    )


def seed_after_seed(drawn, inputs):
    """(32 draws, num_layers, 3): whether the coins of a seed show what those of the next do, and the heights."""
    tossed, (blocks, _) = coins(drawn, inputs), drawn
    alike = tossed[0::2] * tossed[1::2]
    heights = blocks["height"][0::2].swapaxes(1, 2)[..., None]
    return np.concatenate([alike, heights], axis=-1).reshape(-1, LAYERS, 3)


def told_of_seeds(place, mean, expected):
    layer, number = place
    if number < 2:
        return (
            f"Where `make_block` tosses coins, layer {layer} begins with the same side in {50 * (1 + mean):.0f}% of "
            "all tosses of two seeds; expected 50%."
        )
    return f"Where `make_block` sets a parameter to 0.25, layer {layer} begins with {mean:.4g}."


def either(rng, driven=False, **sizes):
    return (seeds if driven else inputs)(rng, **sizes)


LAYERS = 3
PAIRS = [*itertools.combinations(range(LAYERS), 2)]
VALUES = ("eager", "jit")
LONG = dict(block="mixer_4", under=("jit",))

ENTRIES = [
    Module(
        "LanguageModel",
        either,
        cases={
            "one token, one layer": Case(block="bend_3", num_layers=1, length=1),
            "one token, three layers": Case(block="bend_3", num_layers=3, length=1),
            "several tokens, blocks that mix them": Case(block="mixer_4", num_layers=2, length=5),
            "a block with a list and with a number": Case(block="tower_5", num_layers=4, length=3, under=VALUES),
            "as many words, layers and tokens as features": Case(
                block="bend_4", num_layers=4, vocab_size=4, length=4, under=VALUES
            ),
            "embeddings so small that epsilon counts": Case(
                block="bend_3", num_layers=2, length=2, scale=1e-3, under=("eager",)
            ),
            "one batch dimension": Case(
                block="mixer_6", num_layers=3, vocab_size=7, length=4, batch=(2,), under=VALUES
            ),
            "every axis of length one": Case(
                block="bend_1",
                num_layers=1,
                vocab_size=1,
                length=1,
                batch=(1,),
                idle=("tokens under eager", "tokens under jit", "tokens under vmap"),
            ),
            "two batch dimensions, transformer blocks": Case(
                block="transformer_8", num_layers=3, vocab_size=11, length=5, batch=(2, 3)
            ),
            "12 layers": Case(num_layers=12, **LONG),
            "24 layers": Case(num_layers=24, **LONG),
            "what the blocks begin with": Case(
                driver="first_values", driven=True, block="coins_64", num_layers=LAYERS, under=("eager",)
            ),
        },
        proofs=[
            Growth(
                "the same program for more layers",
                "The program must not grow with num_layers, nor may its loop be unrolled.",
                ["12 layers", "24 layers"],
                of="equations",
                exponent=0.0,
                length=lambda num_layers, **_: num_layers,
                limit=lambda **_: 600,
                rolled=True,
            ),
        ],
        statistics=[
            Statistic(
                "each layer begins by itself",
                "The blocks are initialised independently of one another.",
                "what the blocks begin with",
                of=moving_alike,
                expected=lambda inputs: (0.0, 1.0, 2.0),
                told=told_of_layers,
                advice="Give each layer keys of its own: split the streams before a vmap, `rngs.split(num_layers)`, or "
                "call `make_block(rngs=rngs)` once for each layer.",
                draws=16,
            ),
            Statistic(
                "each seed gives what make_block draws",
                "The blocks begin with what `make_block` draws from `rngs`.",
                "what the blocks begin with",
                of=seed_after_seed,
                expected=lambda inputs: (
                    np.array([0.0, 0.0, 0.25]),
                    np.array([1.0, 1.0, 0.0]),
                    np.array([1.0, 1.0, 0.01]),
                ),
                told=told_of_seeds,
                advice="Hand on what `rngs` draws, and keep what `make_block` returns: a seed of one's own, as in "
                "`nnx.Rngs(0)`, gives the same values each time.",
                draws=16,
            ),
        ],
    ),
]
