"""45 · Blocks to be stacked, each with a parameter tree of its own, and what a model of them begins with.

A width stands in each factory's name: `mixer_4` makes a `Mixer` of width 4.
"""

import jax
import jax.numpy as jnp
from flax import nnx


class Bend(nnx.Module):
    """x + tanh(x W): a block in one line, each token by itself."""

    def __init__(self, d_model, *, rngs):
        self.weight = nnx.Param(nnx.initializers.lecun_normal()(rngs.params(), (d_model, d_model)))

    def __call__(self, x):
        return x + jnp.tanh(x @ self.weight[...])


class Mixer(nnx.Module):
    """A gated feed-forward of a token and of the mean of all tokens so far."""

    def __init__(self, d_model, *, rngs):
        self.norm = nnx.RMSNorm(d_model, rngs=rngs)
        self.mix = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.mlp = GatedFeedForward(d_model, d_model + 2, rngs=rngs)

    def __call__(self, x):
        normed, count = self.norm(x), jnp.arange(1, x.shape[-2] + 1)[:, None]
        return x + self.mlp(normed + self.mix(jnp.cumsum(normed, axis=-2) / count))


class Tower(nnx.Module):
    """Two maps in a list, and a number that says how strongly they act: a parameter without axes."""

    def __init__(self, d_model, *, rngs):
        self.steps = nnx.List([nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs) for _ in range(2)])
        self.strength = nnx.Param(jnp.ones(()))

    def __call__(self, x):
        first, second = self.steps
        return x + self.strength[...] * second(jnp.sin(first(x)))


class GatedFeedForward(nnx.Module):
    """As in problem 44."""

    def __init__(self, d_model, d_ff, *, rngs):
        self.gate = nnx.Linear(d_model, d_ff, use_bias=False, rngs=rngs)
        self.up = nnx.Linear(d_model, d_ff, use_bias=False, rngs=rngs)
        self.down = nnx.Linear(d_ff, d_model, use_bias=False, rngs=rngs)

    def __call__(self, x):
        return self.down(jax.nn.silu(self.gate(x)) * self.up(x))


class CausalSelfAttention(nnx.Module):
    """As in problems 32 and 33, with two heads."""

    def __init__(self, d_model, *, rngs):
        for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
            setattr(self, name, nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs))

    def __call__(self, x):
        q, k, v = (p(x).reshape(*x.shape[:-1], 2, -1) for p in (self.q_proj, self.k_proj, self.v_proj))
        scores = jnp.einsum("...qnh,...knh->...nqk", q, k) / q.shape[-1] ** 0.5
        weights = jax.nn.softmax(scores, axis=-1, where=jnp.tri(x.shape[-2], dtype=bool))
        return self.o_proj(jnp.einsum("...nqk,...knh->...qnh", weights, v).reshape(x.shape))


class TransformerBlock(nnx.Module):
    """As in problem 44."""

    def __init__(self, d_model, *, rngs):
        self.attn_norm = nnx.RMSNorm(d_model, rngs=rngs)
        self.attn = CausalSelfAttention(d_model, rngs=rngs)
        self.mlp_norm = nnx.RMSNorm(d_model, rngs=rngs)
        self.mlp = GatedFeedForward(d_model, d_model + 2, rngs=rngs)

    def __call__(self, x):
        x = x + self.attn(self.attn_norm(x))
        return x + self.mlp(self.mlp_norm(x))


class Coins(nnx.Module):
    """Begins with coins, each 1 or -1 equally often, which it tosses with two keys, as many with each, and with a
    height that is always 0.25."""

    def __init__(self, d_model, *, rngs):
        self.first = nnx.Param(jax.random.rademacher(rngs.params(), (d_model,), jnp.float32))
        self.second = nnx.Param(jax.random.rademacher(rngs.params(), (d_model,), jnp.float32))
        self.height = nnx.Param(jnp.full((d_model,), 0.25))

    def __call__(self, x):
        return self.second[...] * x + self.height[...] * self.first[...]


def of_width(block, d_model):
    def make_block(*, rngs):
        return block(d_model, rngs=rngs)

    return make_block


bend_1, bend_3, bend_4 = (of_width(Bend, d_model) for d_model in (1, 3, 4))
mixer_4, mixer_5, mixer_6, mixer_7 = (of_width(Mixer, d_model) for d_model in (4, 5, 6, 7))
tower_5 = of_width(Tower, 5)
transformer_6, transformer_8, transformer_10 = (of_width(TransformerBlock, d_model) for d_model in (6, 8, 10))
coins_64 = of_width(Coins, 64)


def first_values(names, key, make_block, num_layers):
    """What the blocks of a new model begin with, for a key in the place of a seed, and what it gives for two tokens."""
    model = names.LanguageModel(make_block, vocab_size=3, d_model=64, num_layers=num_layers, rngs=nnx.Rngs(key))
    return nnx.to_pure_dict(nnx.state(model, nnx.Param))["blocks"], model(jnp.array([2, 0]))
