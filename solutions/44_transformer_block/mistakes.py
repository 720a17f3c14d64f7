"""44 · Wrong answers that people really give, each with its sentence."""

import functools

import jax
import jax.numpy as jnp
from flax import nnx

from grader.course import mistake

# --- the feed-forward network


@mistake("FeedForward", activation=("gelu by tanh", "silu", "softplus"))
def smooth_activation(Ref, *, activation="gelu"):
    """The activation is a smooth one, such as gelu or silu. Most models since the first have taken one, so it is what
    one types; here it is relu, which cuts off at 0 and leaves positive numbers as they are."""
    return _activated(Ref, SMOOTH[activation])


SMOOTH = {
    "gelu": functools.partial(jax.nn.gelu, approximate=False),
    "gelu by tanh": functools.partial(jax.nn.gelu, approximate=True),
    "silu": jax.nn.silu,
    "softplus": jax.nn.softplus,
}


def _activated(Ref, activation):
    class Wrong(Ref):
        def activate(self, hidden):
            return activation(hidden)

    return Wrong


@mistake("FeedForward")
def no_activation_between(Ref):
    """Nothing stands between `up` and `down`. Two linear maps in a row are one linear map, so that the hidden units
    gain nothing: put relu between the two."""
    return _activated(Ref, lambda hidden: hidden)


@mistake("FeedForward", how=("a fifth", "three tenths", "elu"))
def leaky_relu(Ref, *, how="a hundredth"):
    """Negative hidden units leak: something small and negative is left of them. That is a leaky relu, or an elu; relu
    makes them 0."""
    return _activated(Ref, LEAKY[how])


LEAKY = {
    "a hundredth": jax.nn.leaky_relu,
    "a fifth": functools.partial(jax.nn.leaky_relu, negative_slope=0.2),
    "three tenths": functools.partial(jax.nn.leaky_relu, negative_slope=0.3),
    "elu": jax.nn.elu,
}


@mistake("FeedForward")
def relu_that_ends_at_six(Ref):
    """The activation is cut off above as well, at 6. `relu6` comes from networks for telephones with few bits; relu has
    no upper end."""
    return _activated(Ref, jax.nn.relu6)


@mistake("FeedForward")
def squared_relu(Ref):
    """The hidden units are squared after relu. Some models do so; here relu alone stands between the two layers."""
    return _activated(Ref, lambda hidden: jax.nn.relu(hidden) ** 2)


@mistake("FeedForward")
def activation_after_down(Ref):
    """relu comes after `down`, and nothing is between the two layers. What is added to a token could then never be
    negative, and the hidden units are linear: apply relu to what `up` gives."""

    class Wrong(Ref):
        def __call__(self, x):
            return self.activate(self.down(self.up(x)))

    return Wrong


@mistake("FeedForward")
def activation_after_down_too(Ref):
    """relu comes twice, after `up` and once more after `down`. A loop over layers with one activation each does this;
    the last layer is linear, so that what it adds to a token can have either sign."""

    class Wrong(Ref):
        def __call__(self, x):
            return self.activate(super().__call__(x))

    return Wrong


@mistake("FeedForward")
def activation_before_up(Ref):
    """relu is applied to the input, before `up`. Half of what a token says is lost there, and nothing is between the
    two layers: apply it to what `up` gives."""

    class Wrong(Ref):
        def __call__(self, x):
            return self.down(self.up(self.activate(x)))

    return Wrong


# --- both networks


def _biased(Ref):
    class Wrong(Ref):
        def make(self, d_model, d_ff, rngs):
            super().make(d_model, d_ff, rngs)
            for name, layer in [*vars(self).items()]:
                if isinstance(layer, nnx.Linear):
                    setattr(self, name, nnx.Linear(layer.in_features, layer.out_features, rngs=rngs))

    return Wrong


def _with_residual(Ref):
    class Wrong(Ref):
        def __call__(self, x):
            return x + super().__call__(x)

    return Wrong


def _transposed(Ref):
    class Transposed(nnx.Linear):
        def __call__(self, x):
            return x @ self.kernel[...].T

    class Wrong(Ref):
        def make(self, d_model, d_ff, rngs):
            super().make(d_model, d_ff, rngs)
            for name, layer in [*vars(self).items()]:
                if isinstance(layer, nnx.Linear):
                    setattr(self, name, Transposed(layer.out_features, layer.in_features, use_bias=False, rngs=rngs))

    return Wrong


def _four_times_as_wide(Ref):
    class Wrong(Ref):
        def make(self, d_model, d_ff, rngs):
            super().make(d_model, 4 * d_model, rngs)

    return Wrong


def _keeping_the_rngs(Ref):
    class Wrong(Ref):
        def make(self, d_model, d_ff, rngs):
            super().make(d_model, d_ff, rngs)
            self.rngs = rngs

    return Wrong


def _with_dropout(Ref):
    class Wrong(Ref):
        def make(self, d_model, d_ff, rngs):
            super().make(d_model, d_ff, rngs)
            self.dropout = nnx.Dropout(0.1, rngs=rngs)

        def hidden(self, x):
            return self.dropout(super().hidden(x))

    return Wrong


@mistake("FeedForward")
def biases_in_the_feed_forward(Ref):
    """The two layers have biases. The paper's have, and `nnx.Linear` adds one unless it is told not to; this contract
    has none: pass `use_bias=False`."""
    return _biased(Ref)


@mistake("FeedForward")
def feed_forward_with_a_residual(Ref):
    """The input is added to the output. That sum belongs to the block around the network: return what `down` gives,
    and nothing else."""
    return _with_residual(Ref)


@mistake("FeedForward")
def kernels_as_out_by_in(Ref):
    """The kernels are (out, in) and are multiplied as `x @ kernel.T`, as PyTorch keeps its weights. A Flax kernel is
    (in, out): `nnx.Linear(d_model, d_ff)` leads into the hidden units, and is called, or multiplied as `x @ kernel`."""
    return _transposed(Ref)


@mistake("FeedForward")
def four_times_the_width(Ref):
    """There are four times d_model hidden units, whatever `d_ff` says. Four is the usual factor, and still an argument:
    take `d_ff`."""
    return _four_times_as_wide(Ref)


@mistake("FeedForward")
def layers_by_other_names(Ref):
    """The layers are called otherwise, such as `w_1` and `w_2`, `fc1` and `fc2`, or `linear1` and `linear2`. Parameters
    are found by their paths, so the names are part of the contract: `up` and `down`."""

    class Wrong(Ref):
        def make(self, d_model, d_ff, rngs):
            self.w_1 = nnx.Linear(d_model, d_ff, use_bias=False, rngs=rngs)
            self.w_2 = nnx.Linear(d_ff, d_model, use_bias=False, rngs=rngs)

        def __call__(self, x):
            return self.w_2(self.activate(self.w_1(x)))

    return Wrong


@mistake("FeedForward")
def feed_forward_keeps_the_rngs(Ref):
    """The network keeps `rngs`. `self.rngs = rngs` makes keys and counters part of its variables, to be saved and
    passed along for nothing: use `rngs` in `__init__` and let it go."""
    return _keeping_the_rngs(Ref)


@mistake("FeedForward")
def dropout_inside(Ref):
    """There is dropout in the network. An `nnx.Dropout` that is given `rngs` keeps a stream of random keys, which are
    variables of the module; and what it gives in training is random. This contract has none."""
    return _with_dropout(Ref)


# --- the gated network


@mistake("GatedFeedForward")
def gate_without_its_product(Ref):
    """The gate is computed and nothing is gated: `down(silu(gate(x)))`, in which `up` has no part. So the plain network
    is written, with one layer less; here the activated gate is multiplied with `up(x)`, unit by unit."""

    class Wrong(Ref):
        def hidden(self, x):
            return self.activate(self.gate(x))

    return Wrong


@mistake("GatedFeedForward")
def gate_never_used(Ref):
    """The gate has no part in the result: `down(silu(up(x)))`. So the plain network is written; here `silu(gate(x))` is
    multiplied with `up(x)`, unit by unit."""

    class Wrong(Ref):
        def hidden(self, x):
            return self.activate(self.up(x))

    return Wrong


@mistake("GatedFeedForward")
def activation_on_the_wrong_branch(Ref):
    """silu is applied to `up(x)`, and the gate stays linear. Both layers have the same shape, so nothing complains; but
    values that were trained with `silu(gate(x)) * up(x)` give something else then."""

    class Wrong(Ref):
        def hidden(self, x):
            return self.gate(x) * self.activate(self.up(x))

    return Wrong


@mistake("GatedFeedForward")
def activation_on_both_branches(Ref):
    """silu is applied to both branches. The one that is gated stays linear: silu belongs to `gate(x)` alone."""

    class Wrong(Ref):
        def hidden(self, x):
            return self.activate(self.gate(x)) * self.activate(self.up(x))

    return Wrong


@mistake("GatedFeedForward")
def activation_of_the_product(Ref):
    """The branches are multiplied first, and silu is applied to the product. A pair of brackets that closes too late
    does this: activate the gate, then multiply."""

    class Wrong(Ref):
        def hidden(self, x):
            return self.activate(self.gate(x) * self.up(x))

    return Wrong


@mistake("GatedFeedForward")
def branches_added(Ref):
    """The two branches are added. A gate lets through more or less of what the other branch says, and that is a
    product: `silu(gate(x)) * up(x)`."""

    class Wrong(Ref):
        def hidden(self, x):
            return self.activate(self.gate(x)) + self.up(x)

    return Wrong


@mistake("GatedFeedForward")
def no_activation_on_the_gate(Ref):
    """The gate has no activation: `down(gate(x) * up(x))`. The paper lists this one too, as bilinear; here the gate is
    `silu(gate(x))`."""
    return _activated(Ref, lambda gate: gate)


@mistake("GatedFeedForward")
def sigmoid_for_silu(Ref):
    """The gate goes through a sigmoid. That is the first gated unit, GLU; SwiGLU's gate is silu, which is the gate
    times its sigmoid."""
    return _activated(Ref, jax.nn.sigmoid)


@mistake("GatedFeedForward")
def relu_for_silu(Ref):
    """The gate goes through relu, as in the network above it in the file. This one asks for silu, which is smooth, and
    a little below 0 for negative numbers."""
    return _activated(Ref, jax.nn.relu)


@mistake("GatedFeedForward", how=("tanh", "quick"))
def gelu_for_silu(Ref, *, how="exact"):
    """The gate goes through gelu, or through one of its approximations, such as `z * sigmoid(1.702 * z)`. That is
    GEGLU; this one asks for silu, `z * sigmoid(z)`."""
    return _activated(Ref, GELU[how])


GELU = {"exact": SMOOTH["gelu"], "tanh": SMOOTH["gelu by tanh"], "quick": lambda z: z * jax.nn.sigmoid(1.702 * z)}


@mistake("GatedFeedForward", how=("quotient of exponentials",))
def silu_that_overflows(Ref, *, how="1 + exp(-z)"):
    """silu is written out with an exponential that overflows. On paper `z / (1 + exp(-z))` is right; where the gate is
    some hundreds below 0, exp is inf, and the gradient inf / inf = NaN. The other form, exp(z) / (1 + exp(z)), is NaN
    above. Call `jax.nn.silu` or `jax.nn.sigmoid`."""
    if how == "1 + exp(-z)":
        return _activated(Ref, lambda z: z / (1 + jnp.exp(-z)))
    return _activated(Ref, lambda z: z * (jnp.exp(z) / (1 + jnp.exp(z))))


@mistake("GatedFeedForward")
def two_thirds_of_the_width(Ref):
    """There are two thirds of `d_ff` hidden units. Papers shrink them like this, so that three layers have the
    parameters of two; whoever calls this module has done so already: make `d_ff` of them."""

    class Wrong(Ref):
        def make(self, d_model, d_ff, rngs):
            super().make(d_model, max(1, 2 * d_ff // 3), rngs)

    return Wrong


@mistake("GatedFeedForward")
def gate_and_up_in_one(Ref):
    """Gate and `up` come out of one layer of twice the width, and are split afterwards. Many models fuse the two
    because one large product is faster; this contract keeps them apart: `gate` and `up`."""

    class Wrong(Ref):
        def make(self, d_model, d_ff, rngs):
            self.gate_up = nnx.Linear(d_model, 2 * d_ff, use_bias=False, rngs=rngs)
            self.down = nnx.Linear(d_ff, d_model, use_bias=False, rngs=rngs)

        def hidden(self, x):
            gate, up = jnp.split(self.gate_up(x), 2, axis=-1)
            return self.activate(gate) * up

    return Wrong


@mistake("GatedFeedForward")
def numbered_layers(Ref):
    """The layers are called `w1`, `w2` and `w3`, as in LLaMA's code, where `w3` is the one that is gated. Parameters
    are found by their paths, so the names are part of the contract: `gate`, `up` and `down`."""

    class Wrong(Ref):
        def make(self, d_model, d_ff, rngs):
            self.w1 = nnx.Linear(d_model, d_ff, use_bias=False, rngs=rngs)
            self.w2 = nnx.Linear(d_ff, d_model, use_bias=False, rngs=rngs)
            self.w3 = nnx.Linear(d_model, d_ff, use_bias=False, rngs=rngs)

        def __call__(self, x):
            return self.w2(self.activate(self.w1(x)) * self.w3(x))

    return Wrong


@mistake("GatedFeedForward")
def biases_in_the_gated_network(Ref):
    """The three layers have biases. `nnx.Linear` adds one unless it is told not to: pass `use_bias=False`."""
    return _biased(Ref)


@mistake("GatedFeedForward")
def gated_network_with_a_residual(Ref):
    """The input is added to the output of the gated network. That sum belongs to the block around it: return what
    `down` gives, and nothing else."""
    return _with_residual(Ref)


# --- the block: where norms and sums stand


@mistake("TransformerBlock")
def post_norm(Ref):
    """The norms stand behind the sums: `norm(x + attn(x))`, and the same for the feed-forward network. So did the first
    transformers. Every block then rescales the stream itself, and a deep one is hard to train; here each part reads
    through its norm, and the sum is left alone: `x + attn(attn_norm(x))`."""

    class Wrong(Ref):
        def after_attention(self, x):
            return self.attn_norm(x + self.attn(x))

        def after_mlp(self, h):
            return self.mlp_norm(h + self.mlp(h))

    return Wrong


@mistake("TransformerBlock")
def norm_after_each_part(Ref):
    """Each part reads the stream as it is, and its result is normed before it is added: `x + attn_norm(attn(x))`. The
    sum is in its place and the norm is not: it goes in front, `attn(attn_norm(x))`."""

    class Wrong(Ref):
        def after_attention(self, x):
            return x + self.attn_norm(self.attn(x))

        def after_mlp(self, h):
            return h + self.mlp_norm(self.mlp(h))

    return Wrong


@mistake("TransformerBlock")
def norm_on_both_sides(Ref):
    """What a part gives is normed once more before it is added: `x + norm(attn(norm(x)))`. Some models have norms on
    both sides, four in a block; this one has two, each in front of its part."""

    class Wrong(Ref):
        def after_attention(self, x):
            return x + self.attn_norm(self.attn(self.attn_norm(x)))

        def after_mlp(self, h):
            return h + self.mlp_norm(self.mlp(self.mlp_norm(h)))

    return Wrong


@mistake("TransformerBlock")
def first_half_normed_after_its_sum(Ref):
    """The first sum goes through a norm before the second half begins: `h = attn_norm(x + attn(attn_norm(x)))`. Then
    the stream of the second half is not what came in plus what was added; the norm of the second half is `mlp_norm`,
    and only the network reads through it."""

    class Wrong(Ref):
        def after_attention(self, x):
            return self.attn_norm(super().after_attention(x))

    return Wrong


@mistake("TransformerBlock")
def stream_normed_between_the_halves(Ref):
    """The second half keeps the normed stream: `h = mlp_norm(h)`, and then `h + mlp(h)`. One name for both the stream
    and what the network reads does this; the sum takes `h` as it was before its norm."""

    class Wrong(Ref):
        def after_mlp(self, h):
            h = self.mlp_norm(h)
            return h + self.mlp(h)

    return Wrong


@mistake("TransformerBlock")
def sums_with_what_was_normed(Ref):
    """Both halves add to the normed stream: `x = attn_norm(x)`, and then `x + attn(x)`. One name for both does this.
    What comes in never reaches the output as it was, however many blocks there are; keep it beside the normed one, and
    add to it."""

    class Wrong(Ref):
        def after_attention(self, x):
            x = self.attn_norm(x)
            return x + self.attn(x)

        def after_mlp(self, h):
            h = self.mlp_norm(h)
            return h + self.mlp(h)

    return Wrong


@mistake("TransformerBlock")
def first_sum_with_what_was_normed(Ref):
    """The first half adds to the normed stream: `x = attn_norm(x)`, and then `x + attn(x)`. One name for both does
    this; the sum takes `x` as it came in."""

    class Wrong(Ref):
        def after_attention(self, x):
            x = self.attn_norm(x)
            return x + self.attn(x)

    return Wrong


@mistake("TransformerBlock")
def no_norm_at_the_end_of_the_block(Ref):
    """The output of the block is normed once more. A stack of such blocks ends with a norm, once, behind the last; the
    block itself returns the sum."""

    class Wrong(Ref):
        def __call__(self, x):
            return self.mlp_norm(super().__call__(x))

    return Wrong


@mistake("TransformerBlock")
def attention_without_a_residual(Ref):
    """The first half returns what the attention gives, without `x`. A token then knows what it has read from others and
    no more what it was itself: `h = x + attn(attn_norm(x))`."""

    class Wrong(Ref):
        def after_attention(self, x):
            return self.attn(self.attn_norm(x))

    return Wrong


@mistake("TransformerBlock")
def feed_forward_without_a_residual(Ref):
    """The second half returns what the feed-forward network gives, without `h`: add it to `h`, as the first half adds
    to `x`."""

    class Wrong(Ref):
        def after_mlp(self, h):
            return self.mlp(self.mlp_norm(h))

    return Wrong


@mistake("TransformerBlock")
def no_residual_at_all(Ref):
    """Nothing is added to anything: the block returns `mlp(norm(attn(norm(x))))`. Each half adds what it gives to the
    stream that it has read: `x + …`, then `h + …`."""

    class Wrong(Ref):
        def after_attention(self, x):
            return self.attn(self.attn_norm(x))

        def after_mlp(self, h):
            return self.mlp(self.mlp_norm(h))

    return Wrong


@mistake("TransformerBlock")
def second_sum_from_the_start(Ref):
    """The second half adds to `x`, which came into the block, and not to `h`. What the attention has added is lost but
    for what the network makes of it: the second sum is `h + mlp(mlp_norm(h))`."""

    class Wrong(Ref):
        def __call__(self, x):
            return x + self.mlp(self.mlp_norm(self.after_attention(x)))

    return Wrong


@mistake("TransformerBlock")
def input_added_twice(Ref):
    """The input is in the result twice: a part that adds it itself, and a block that adds it once more. Attention and
    feed-forward network return what is to be added, and the block adds it."""

    class Wrong(Ref):
        def __call__(self, x):
            return x + super().__call__(x)

    return Wrong


@mistake("TransformerBlock")
def parallel_halves(Ref):
    """Both parts read the stream that came in: `x + attn(attn_norm(x)) + mlp(mlp_norm(x))`. Some large models do so, to
    save time; here the network reads `h`, in which the attention's result already is."""

    class Wrong(Ref):
        def __call__(self, x):
            return x + self.attn(self.attn_norm(x)) + self.mlp(self.mlp_norm(x))

    return Wrong


@mistake("TransformerBlock")
def parallel_halves_of_one_norm(Ref):
    """Both parts read the stream that came in, through one norm: `n = attn_norm(x)`, then `x + attn(n) + mlp(n)`. Some
    large models do so, to save time; here the network reads `mlp_norm(h)`, in which the attention's result already
    is."""

    class Wrong(Ref):
        def __call__(self, x):
            read = self.attn_norm(x)
            return x + self.attn(read) + self.mlp(read)

    return Wrong


@mistake("TransformerBlock")
def feed_forward_first(Ref):
    """The feed-forward network comes first, and the attention reads what it has written. The attention goes first."""

    class Wrong(Ref):
        def __call__(self, x):
            return self.after_attention(self.after_mlp(x))

    return Wrong


@mistake("TransformerBlock")
def feed_forward_reads_the_attention_alone(Ref):
    """The feed-forward network reads what the attention gave, without `x`: `a = attn(attn_norm(x))`, then
    `x + a + mlp(mlp_norm(a))`. It reads the stream, in which both are: `mlp(mlp_norm(x + a))`."""

    class Wrong(Ref):
        def __call__(self, x):
            added = self.attn(self.attn_norm(x))
            return x + added + self.mlp(self.mlp_norm(added))

    return Wrong


@mistake("TransformerBlock")
def attention_in_both_halves(Ref):
    """The second half calls the attention once more, and the feed-forward network has no effect. A line copied for the
    second half and not changed does this: what is added to `h` is `mlp(mlp_norm(h))`."""

    class Wrong(Ref):
        def after_mlp(self, h):
            return h + self.attn(self.mlp_norm(h))

    return Wrong


# --- the block: which norm


@mistake("TransformerBlock")
def one_norm_for_both(Ref):
    """Both halves read through `attn_norm`, and `mlp_norm` has no effect. A line copied for the second half and not
    changed does this; each half has a norm of its own, with a scale of its own."""

    class Wrong(Ref):
        def after_mlp(self, h):
            return h + self.mlp(self.attn_norm(h))

    return Wrong


@mistake("TransformerBlock")
def one_norm_made(Ref):
    """The block has one norm, which both halves use. Their scales are learned apart: make two, `attn_norm` and
    `mlp_norm`."""

    class Wrong(Ref):
        def make(self, d_model, num_heads, d_ff, rngs):
            super().make(d_model, num_heads, d_ff, rngs)
            self.mlp_norm = self.attn_norm

    return Wrong


@mistake("TransformerBlock")
def norms_exchanged(Ref):
    """The norms have changed places: the attention reads through `mlp_norm` and the network through `attn_norm`. Fresh
    scales are all ones, so nothing shows until they are trained or loaded."""

    class Wrong(Ref):
        def after_attention(self, x):
            return x + self.attn(self.mlp_norm(x))

        def after_mlp(self, h):
            return h + self.mlp(self.attn_norm(h))

    return Wrong


@mistake("TransformerBlock")
def attention_without_its_norm(Ref):
    """The attention reads the stream as it is, and `attn_norm` has no effect: `attn(attn_norm(x))`. The stream grows
    from block to block, and scores with it."""

    class Wrong(Ref):
        def after_attention(self, x):
            return x + self.attn(x)

    return Wrong


@mistake("TransformerBlock")
def feed_forward_without_its_norm(Ref):
    """The feed-forward network reads the stream as it is, and `mlp_norm` has no effect: `mlp(mlp_norm(h))`."""

    class Wrong(Ref):
        def after_mlp(self, h):
            return h + self.mlp(h)

    return Wrong


def _normed_by(Ref, norm):
    """The block with norms that are computed otherwise, in float32: `norm(x, scale)`."""

    def cast(x, scale):
        return norm(*(array.astype(jnp.promote_types(array.dtype, jnp.float32)) for array in (x, scale))).astype(
            x.dtype
        )

    return _normed_as_it_comes(Ref, cast)


def _normed_as_it_comes(Ref, norm):

    class Other(nnx.RMSNorm):
        def __call__(self, x):
            return norm(x, self.scale[...])

    class Wrong(Ref):
        Norm = Other

    return Wrong


def _root(x, eps=1e-6, axis=-1):
    return jnp.sqrt(jnp.mean(x * x, axis, keepdims=True) + eps)


@mistake("TransformerBlock")
def layer_norm_for_rms_norm(Ref):
    """The norms take the mean off first: they are LayerNorms, if ones without a bias. RMSNorm divides by the root of
    the mean of squares, and nothing is taken off."""
    return _normed_by(Ref, lambda x, scale: (x - (m := x.mean(-1, keepdims=True))) / _root(x - m) * scale)


@mistake("TransformerBlock")
def layer_norm_with_its_bias(Ref):
    """The norms are `nnx.LayerNorm`s. They take the mean off, and have a bias beside the scale: `nnx.RMSNorm(d_model)`
    has neither."""

    class Wrong(Ref):
        Norm = nnx.LayerNorm

    return Wrong


@mistake("TransformerBlock", eps=(1e-8, 0.0))
def another_epsilon(Ref, *, eps=1e-5):
    """The norms have another epsilon than 1e-6, `nnx.RMSNorm`'s default. Others take 1e-5 or 1e-8; a token whose
    numbers are about 1e-3 tells them apart, since the mean of its squares is as small."""
    return _normed_by(Ref, lambda x, scale: x / _root(x, eps) * scale)


@mistake("TransformerBlock")
def epsilon_outside_of_the_root(Ref):
    """The epsilon is added to the root, not to the mean of squares under it. Most tokens are the same in both; one of
    numbers about 1e-3 or smaller is not, and the root of a token of zeros has a gradient of NaN."""
    return _normed_by(Ref, lambda x, scale: x / (_root(x, 0.0) + 1e-6) * scale)


@mistake("TransformerBlock")
def sum_of_squares_for_their_mean(Ref):
    """The norms divide by the root of the *sum* of squares, which is the length of the vector, as `jnp.linalg.norm`
    gives it. Then the features are smaller by sqrt(d_model): divide by the root of the mean."""
    return _normed_by(Ref, lambda x, scale: x / jnp.sqrt((x * x).sum(-1, keepdims=True) + 1e-6) * scale)


@mistake("TransformerBlock")
def no_root_in_the_norm(Ref):
    """The norms divide by the mean of squares, without its root."""
    return _normed_by(Ref, lambda x, scale: x / (jnp.mean(x * x, -1, keepdims=True) + 1e-6) * scale)


@mistake("TransformerBlock")
def norm_over_all_tokens(Ref):
    """The norms take the mean of squares over all tokens at once. Each token is divided by its own, the mean over the
    last axis alone; else a token's result depends on others, later ones and other sequences included."""
    return _normed_by(Ref, lambda x, scale: x / _root(x, axis=None) * scale)


@mistake("TransformerBlock")
def norm_over_time(Ref):
    """The norms take the mean of squares over the tokens of a sequence, feature by feature. The mean is over the
    features of one token, the last axis; over time later tokens change earlier ones."""
    return _normed_by(Ref, lambda x, scale: x / _root(x, axis=-2) * scale)


@mistake("TransformerBlock")
def norm_without_its_scale(Ref):
    """The norms leave their scale out. Fresh scales are all ones, so nothing shows until they are trained or loaded:
    multiply with `scale`."""
    return _normed_by(Ref, lambda x, scale: x / _root(x))


@mistake("TransformerBlock")
def one_added_to_the_scale(Ref):
    """The norms multiply with 1 + scale. Models that keep scales around 0 do so, such as Gemma; `nnx.RMSNorm` keeps
    them around 1 and multiplies with them as they are."""
    return _normed_by(Ref, lambda x, scale: x / _root(x) * (1 + scale))


# --- the block: its parts


@mistake("TransformerBlock")
def network_without_gates(Ref):
    """The block holds the plain feed-forward network: there is no `mlp.gate`. It is a `GatedFeedForward` here."""
    plain = _plain_network(Ref)

    class Wrong(Ref):
        Mlp = plain

    return Wrong


def _plain_network(Ref):
    class Plain(Ref.Mlp):
        def make(self, d_model, d_ff, rngs):
            super().make(d_model, d_ff, rngs)
            del self.gate

        def hidden(self, x):
            return jax.nn.relu(self.up(x))

    return Plain


def _attending(Ref, change):
    """The block with another attention, made of the right one."""

    class Wrong(Ref):
        Attention = change(Ref.Attention)

    return Wrong


@mistake("TransformerBlock")
def no_causal_mask(Ref):
    """Every token attends to every token, later ones included. The attention of problem 32 alone does this; a decoder's
    block has problem 33's mask: query i sees key j when `j <= i`."""

    class Open(Ref.Attention):
        def visible(self, length):
            return jnp.ones((length, length), bool)

    return _attending(Ref, lambda _: Open)


@mistake("TransformerBlock")
def mask_the_other_way_round(Ref):
    """The mask lies the other way round: each token sees itself and the later ones. In `jnp.tril` the rows are the
    queries; `triu`, or comparing `i <= j`, turns it over."""

    class Turned(Ref.Attention):
        def visible(self, length):
            return super().visible(length).T

    return _attending(Ref, lambda _: Turned)


@mistake("TransformerBlock")
def a_token_does_not_see_itself(Ref):
    """The mask is strict: a token sees the tokens before it and not itself, so that the first sees nothing. Itself is
    among them: `j <= i`."""

    class Strict(Ref.Attention):
        def visible(self, length):
            return jnp.tri(length, k=-1, dtype=bool)

    return _attending(Ref, lambda _: Strict)


@mistake("TransformerBlock", added=(True,))
def hidden_by_a_small_number(Ref, *, number=-100.0, added=False):
    """Later tokens are hidden by a number such as -100 in place of their scores, or added to them. Visible scores may
    be lower than that, and then what is hidden wins: only -inf is below every score."""

    class Small(Ref.Attention):
        def weights(self, scores):
            seen = self.visible(scores.shape[-1])
            hidden = scores + jnp.where(seen, 0.0, number) if added else jnp.where(seen, scores, number)
            return jax.nn.softmax(hidden, axis=-1)

    return _attending(Ref, lambda _: Small)


@mistake("TransformerBlock")
def hidden_scores_made_zero(Ref):
    """The scores of later tokens are set to 0, or multiplied with the mask. The softmax takes exp(0) = 1 for them,
    which is a share like any other: a hidden score is -inf."""

    class Zero(Ref.Attention):
        def weights(self, scores):
            return jax.nn.softmax(jnp.where(self.visible(scores.shape[-1]), scores, 0.0), axis=-1)

    return _attending(Ref, lambda _: Zero)


@mistake("TransformerBlock")
def mask_after_the_softmax(Ref):
    """The mask is applied to the weights, after the softmax. Later tokens have had their share by then, and what is
    left of a row sums to less than 1: hide the scores, before the softmax."""

    class Late(Ref.Attention):
        def weights(self, scores):
            return jax.nn.softmax(scores, axis=-1) * self.visible(scores.shape[-1])

    return _attending(Ref, lambda _: Late)


@mistake("TransformerBlock", about="the scale")
def scores_by_the_whole_width(Ref):
    """The scores are divided by sqrt(d_model). A score of one head adds up d_model // num_heads products: divide by the
    square root of that."""

    class Scaled(Ref.Attention):
        def scores(self, q, k):
            return super().scores(q, k) / self.num_heads**0.5

    return _attending(Ref, lambda _: Scaled)


@mistake("TransformerBlock", about="the scale")
def scores_divided_by_the_width(Ref):
    """The scores are divided by the width of a head, without its root. The root keeps them about as large as one
    product is; without it they all come close to 0, and the weights close to equal."""

    class Scaled(Ref.Attention):
        def scores(self, q, k):
            return super().scores(q, k) / self.head_dim**0.5

    return _attending(Ref, lambda _: Scaled)


@mistake("TransformerBlock", about="the scale")
def scores_without_their_scale(Ref):
    """The scores are not divided by the square root of a head's width."""

    class Unscaled(Ref.Attention):
        def scores(self, q, k):
            return super().scores(q, k) * self.head_dim**0.5

    return _attending(Ref, lambda _: Unscaled)


@mistake("TransformerBlock")
def heads_never_split(Ref):
    """The features are never split into heads: one head as wide as the model attends, and `num_heads` changes nothing.
    The parameters are the same, so nothing complains."""

    class Whole(Ref.Attention):
        def __init__(self, d_model, num_heads, *, rngs):
            super().__init__(d_model, 1, rngs=rngs)

    return _attending(Ref, lambda _: Whole)


@mistake("TransformerBlock", joined=("in chunks",))
def heads_interleaved(Ref, *, joined="as they were split"):
    """The heads are interleaved: head n owns features n, n + N, n + 2N and so on. Heads are contiguous chunks of the
    features: reshape to (..., T, N, H), the head first."""

    class Interleaved(Ref.Attention):
        def split(self, x):
            return jnp.moveaxis(x.reshape(*x.shape[:-1], self.head_dim, self.num_heads), -1, -3)

        def join(self, heads):
            if joined == "in chunks":
                return super().join(heads)
            return jnp.moveaxis(heads, -3, -1).reshape(*heads.shape[:-3], heads.shape[-2], -1)

    return _attending(Ref, lambda _: Interleaved)


@mistake("TransformerBlock")
def heads_joined_by_reshape_alone(Ref):
    """The heads are joined in the wrong order. A reshape of (..., N, T, H) to (..., T, d_model) lays whole heads one
    behind the other: swap the axes of heads and tokens back first."""

    class Joined(Ref.Attention):
        def join(self, heads):
            *batch, num_heads, length, width = heads.shape
            return heads.reshape(*batch, length, num_heads * width)

    return _attending(Ref, lambda _: Joined)


@mistake("TransformerBlock")
def attention_without_its_last_projection(Ref):
    """The joined heads are added without `o_proj`. They have the shape of a token, so the work looks done; the heads
    are only mixed by the last projection."""

    class Unmixed(Ref.Attention):
        def __call__(self, x):
            return self.join(
                self.attend(*(self.split(project(x)) for project in (self.q_proj, self.k_proj, self.v_proj)))
            )

    return _attending(Ref, lambda _: Unmixed)


@mistake("TransformerBlock")
def biases_in_the_attention(Ref):
    """The projections have biases. `nnx.Linear` adds one unless it is told not to: pass `use_bias=False` to the four of
    the attention as well as to the network's."""

    class Biased(Ref.Attention):
        def make(self, d_model, rngs):
            for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
                setattr(self, name, nnx.Linear(d_model, d_model, rngs=rngs))

    return _attending(Ref, lambda _: Biased)


@mistake("TransformerBlock")
def attention_of_the_library(Ref):
    """`attn` is an `nnx.MultiHeadAttention`. Its parameters are called `query`, `key`, `value` and `out`, and are
    shaped by head; the contract's are `q_proj`, `k_proj`, `v_proj` and `o_proj`, all (d_model, d_model): write the
    class yourself."""

    class Library(nnx.Module):
        def __init__(self, d_model, num_heads, *, rngs):
            self.attention = nnx.MultiHeadAttention(num_heads, d_model, use_bias=False, decode=False, rngs=rngs)

        def __call__(self, x):
            return self.attention(x, mask=nnx.make_causal_mask(x[..., 0]))

    return _attending(Ref, lambda _: Library)


@mistake("TransformerBlock")
def projections_in_the_block(Ref):
    """The projections are attributes of the block itself, so that their paths are `q_proj.kernel` and so on. The
    contract has them inside of `attn`: make the attention a module of its own, and the block holds that."""

    class Wrong(Ref):
        def make(self, d_model, num_heads, d_ff, rngs):
            super().make(d_model, num_heads, d_ff, rngs)
            for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
                setattr(self, name, getattr(self.attn, name))
            del self.attn

    return Wrong


@mistake("TransformerBlock")
def norms_numbered(Ref):
    """The norms are called `norm1` and `norm2`, or `ln_1` and `ln_2`. Parameters are found by their paths, so the names
    are part of the contract: `attn_norm` and `mlp_norm`."""

    class Wrong(Ref):
        def make(self, d_model, num_heads, d_ff, rngs):
            super().make(d_model, num_heads, d_ff, rngs)
            self.norm1, self.norm2 = self.attn_norm, self.mlp_norm
            del self.attn_norm, self.mlp_norm

        def after_attention(self, x):
            return x + self.attn(self.norm1(x))

        def after_mlp(self, h):
            return h + self.mlp(self.norm2(h))

    return Wrong


@mistake("TransformerBlock")
def only_without_batch(Ref):
    """It works without batch dimensions only. `T, d_model = x.shape` is natural while one thinks of one sequence; any
    number of dimensions may stand in front: take `x.shape[:-2]` along, or `*batch, T, d_model = x.shape`."""

    class Single(Ref.Attention):
        def __call__(self, x):
            _, _ = x.shape
            return super().__call__(x)

    return _attending(Ref, lambda _: Single)


@mistake("TransformerBlock")
def only_with_one_batch_dimension(Ref):
    """It works with exactly one batch dimension only. `B, T, d_model = x.shape` is how most code starts, and a single
    sequence or two batch dimensions do not fit it: take `x.shape[:-2]` along, or `*batch, T, d_model = x.shape`."""

    class Batched(Ref.Attention):
        def __call__(self, x):
            _, _, _ = x.shape
            return super().__call__(x)

    return _attending(Ref, lambda _: Batched)


@mistake("TransformerBlock")
def overflowing_softmax(Ref):
    """exp overflows, or every exp is 0: scores in the hundreds give inf / inf or 0 / 0, and so NaN. Take the row's
    maximum off first, or call `jax.nn.softmax`, which does."""

    class Overflowing(Ref.Attention):
        def weights(self, scores):
            powers = jnp.exp(scores) * self.visible(scores.shape[-1])
            return powers / powers.sum(-1, keepdims=True)

    return _attending(Ref, lambda _: Overflowing)


# --- the block: precision


@mistake("TransformerBlock", how=("squares", "mean", "root"))
def norms_in_half_precision(Ref, *, how="all of it"):
    """The norms compute in the dtype of the tokens. Their squares have 8 bits then, and in float16 anything above 255
    overflows to inf, so that the norm gives zeros. Cast the token to float32, square, take mean and root there,
    multiply, and cast the result back."""

    def norm(x, scale):
        wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
        squares = x * x if how in ("all of it", "squares") else wide * wide
        mean = jnp.mean(squares if how == "all of it" else squares.astype(wide.dtype), -1, keepdims=True)
        factor = jax.lax.rsqrt((mean.astype(x.dtype) if how == "mean" else mean) + 1e-6)
        y = x * factor.astype(x.dtype) if how in ("all of it", "root") else wide * factor
        return (y * scale).astype(x.dtype)

    return _normed_as_it_comes(Ref, norm)


@mistake("TransformerBlock", how=("scores cast", "sum"))
def softmax_in_half_precision(Ref, *, how="weights"):
    """The softmax computes in the dtype of the tokens. A sum of many weights in bfloat16 is off in its third digit, for
    every token alike, and no value of a short test shows it: cast the scores to float32 before the softmax, and the
    weights back afterwards."""

    class Coarse(Ref.Attention):
        def attend(self, q, k, v):
            scores = self.scores(q, k)
            seen = self.visible(scores.shape[-1])
            if how == "sum":
                powers = jnp.exp(scores - scores.max(-1, keepdims=True, where=seen, initial=-jnp.inf)) * seen
                return (powers.astype(q.dtype) / powers.sum(-1, keepdims=True).astype(q.dtype)) @ v
            return jax.nn.softmax(jnp.where(seen, scores, -jnp.inf).astype(q.dtype), axis=-1) @ v

    return _attending(Ref, lambda _: Coarse)


@mistake("TransformerBlock")
def stream_left_in_float32(Ref):
    """What comes out of a norm, or the whole stream, stays float32 for bfloat16 tokens, and so does the result. The
    norm computes in float32 and gives back what it got: `.astype(x.dtype)` at its end."""

    def norm(x, scale):
        wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
        return wide * jax.lax.rsqrt(jnp.mean(wide * wide, -1, keepdims=True) + 1e-6) * scale

    return _normed_as_it_comes(Ref, norm)
