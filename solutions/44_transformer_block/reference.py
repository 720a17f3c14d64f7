"""44 · The reference: a pre-norm block after Xiong et al. 2020, with the norm of Zhang and Sennrich 2019 and the gated
network of Shazeer 2020. Each step is a method and each part an attribute of the class, so that a mistake can change
one."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx


def linear(features_in, features_out, rngs):
    # A Linear adds a bias unless it is told not to. Here nothing has one, as in PaLM and LLaMA.
    return nnx.Linear(features_in, features_out, use_bias=False, rngs=rngs)


class FeedForward(nnx.Module):
    def __init__(self, d_model, d_ff, *, rngs):
        self.make(d_model, d_ff, rngs)

    def make(self, d_model, d_ff, rngs):
        # Into the hidden units and back: `(d_model, d_ff)` and `(d_ff, d_model)`. The names are those of the paths
        # under which the parameters are loaded.
        self.up = linear(d_model, d_ff, rngs)
        self.down = linear(d_ff, d_model, rngs)

    def __call__(self, x):
        # A Linear works on the last axis and leaves all others alone, so each token goes through by itself, whatever
        # stands in front. `down` is linear to the end: what it adds to a token may have either sign.
        return self.down(self.hidden(x))

    def hidden(self, x):
        # `(..., T, d_ff)`. The activation stands between the two layers. Without it they would be one linear map, of
        # rank `d_model` at most, whatever `d_ff` is.
        return self.activate(self.up(x))

    def activate(self, hidden):
        return jax.nn.relu(hidden)


class GatedFeedForward(nnx.Module):
    def __init__(self, d_model, d_ff, *, rngs):
        self.make(d_model, d_ff, rngs)

    def make(self, d_model, d_ff, rngs):
        # Two layers of the same shape go into the hidden units. Nothing but their names says which one is the gate.
        self.gate = linear(d_model, d_ff, rngs)
        self.up = linear(d_model, d_ff, rngs)
        self.down = linear(d_ff, d_model, rngs)

    def __call__(self, x):
        return self.down(self.hidden(x))

    def hidden(self, x):
        # Both read the same `x`. The activation is on the gate alone; the other branch stays linear, and the two are
        # multiplied unit by unit.
        return self.activate(self.gate(x)) * self.up(x)

    def activate(self, gate):
        # $z \, \sigma(z)$. The library's sigmoid does not overflow, nor does its gradient; `x / (1 + exp(-x))` gives a
        # gradient of NaN below about -88.
        return jax.nn.silu(gate)


class CausalAttention(nnx.Module):
    """Problem 32 under the mask of problem 33."""

    def __init__(self, d_model, num_heads, *, rngs):
        # The width of a head is a plain number, no array: an array on a module would be one of its variables.
        self.num_heads, self.head_dim = num_heads, d_model // num_heads
        self.make(d_model, rngs)

    def make(self, d_model, rngs):
        for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
            setattr(self, name, linear(d_model, d_model, rngs))

    def __call__(self, x):
        q, k, v = self.split(self.q_proj(x)), self.split(self.k_proj(x)), self.split(self.v_proj(x))
        return self.o_proj(self.join(self.attend(q, k, v)))

    def split(self, x):
        """(..., T, d_model) -> (..., N, T, H)"""
        return x.reshape(*x.shape[:-1], self.num_heads, self.head_dim).swapaxes(-3, -2)

    def attend(self, q, k, v):
        # The weights are float32 until here. For the product with the values they may have the dtype of the model
        # again, as every array has that one half of the block hands to the other.
        return self.weights(self.scores(q, k)).astype(v.dtype) @ v

    def scores(self, q, k):
        # A product of two bfloat16 arrays is bfloat16 unless one asks for more. To round the scores is allowed here; to
        # ask costs nothing. (`promote_types` gives float64 for float64: the answer key is computed in it too.)
        wide = jnp.promote_types(q.dtype, jnp.float32)
        return jnp.einsum("...qh,...kh->...qk", q, k, preferred_element_type=wide) / self.head_dim**0.5

    def weights(self, scores):
        # The softmax in float32: a sum of many small bfloat16 numbers would be off in its second digit. With `where`
        # hidden scores take no part in the maximum nor in the sum, however large they are.
        return jax.nn.softmax(scores, axis=-1, where=self.visible(scores.shape[-1]))

    def visible(self, length):
        # Query $i$ sees key $j \le i$. The token itself is among them, so that no row is empty.
        return jnp.tri(length, dtype=bool)

    def join(self, heads):
        """(..., N, T, H) -> (..., T, d_model)"""
        together = heads.swapaxes(-3, -2)
        return together.reshape(*together.shape[:-2], self.num_heads * self.head_dim)


class TransformerBlock(nnx.Module):
    # What the parts are made of, each by itself exchangeable.
    Norm, Attention, Mlp = nnx.RMSNorm, CausalAttention, GatedFeedForward

    def __init__(self, d_model, num_heads, d_ff, *, rngs):
        self.make(d_model, num_heads, d_ff, rngs)

    def make(self, d_model, num_heads, d_ff, rngs):
        # Two norms, each with a scale of its own: what the attention wants to see enlarged is not what the feed-forward
        # network wants. The library's RMSNorm takes bfloat16, computes in float32 and gives bfloat16 back. (Its own
        # square is float32, its mean, its root, and the product; only the result is cast.)
        self.attn_norm = self.Norm(d_model, rngs=rngs)
        self.attn = self.Attention(d_model, num_heads, rngs=rngs)
        self.mlp_norm = self.Norm(d_model, rngs=rngs)
        self.mlp = self.Mlp(d_model, d_ff, rngs=rngs)

    def __call__(self, x):
        # Two halves of one form: the stream, plus what a part makes of the *normed* stream. The sum adds to the stream
        # itself, and nothing ever stands between it and the next block; that is the way that a gradient takes through
        # a hundred blocks unchanged.
        return self.after_mlp(self.after_attention(x))

    def after_attention(self, x):
        # $h = x + \text{attn}(\text{norm}(x))$. Only here does a token learn of others.
        return x + self.attn(self.attn_norm(x))

    def after_mlp(self, h):
        # $h + \text{mlp}(\text{norm}(h))$. The second half reads what the first has written: `h` goes into the norm and
        # into the sum, and `x` into neither.
        return h + self.mlp(self.mlp_norm(h))


ROUNDINGS = 4  # that a hidden unit goes through: of the two branches, the activation and the product


def error_scale(init, params, x):
    """How large the numbers become that are added up: sums of absolute values of the last products, each as often as it
    was rounded, and in a block scores as well."""
    if "num_heads" not in init:
        return ROUNDINGS * np.max(_sums(x, params, ""))

    def normed(x, name):
        return x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-6) * params[f"{name}.scale"]

    def heads(name):
        projected = normed(x, "attn_norm") @ params[f"attn.{name}.kernel"]
        return np.swapaxes(projected.reshape(*x.shape[:-1], init["num_heads"], -1), -3, -2)

    # What attention adds to a token is an average of values, so it is no larger than they are, and off by the error of
    # a score at most. What the norm of the second half divides by is a number at least as large as `x` had.
    q, k, v = heads("q_proj"), heads("k_proj"), heads("v_proj")
    scores = q @ np.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1])
    added = (1 + np.abs(scores).max()) * np.abs(v).max() * np.abs(params["attn.o_proj.kernel"]).sum(0).max()
    return np.abs(x).max() + added + ROUNDINGS * np.max(_sums(normed(x, "mlp_norm"), params, "mlp."))


def _sums(x, params, path):
    up, gate = x @ params[f"{path}up.kernel"], params.get(f"{path}gate.kernel")
    hidden = np.abs(up) * (1 if gate is None else np.abs(x @ gate))
    return hidden @ np.abs(params[f"{path}down.kernel"])
