"""45 · Wrong answers that people really give, each with its sentence."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from grader.course import mistake

# --- what the model holds


@mistake
def list_of_blocks(Ref):
    """The blocks are kept in a list, each with parameters of its own, `blocks.0.…`, `blocks.1.…`. A list has to be
    walked by a Python loop, so the program gets longer with each layer: make one module whose arrays have the layers as
    their first axis."""

    class Wrong(Ref):
        def make_blocks(self, make_block, num_layers, rngs):
            return nnx.List([make_block(rngs=rngs) for _ in range(num_layers)])

        def through_blocks(self, x):
            for block in self.blocks:
                x = block(x)
            return x

    return Wrong


@mistake
def one_block_for_all_layers(Ref):
    """There is one block, and every layer uses it: its parameters have no axis for the layers. Sharing weights between
    layers is a model of its own (the Universal Transformer); here each layer has parameters of its own, stacked along a
    new first axis."""

    class Wrong(Ref):
        def __init__(self, make_block, vocab_size, d_model, num_layers, *, rngs):
            self.num_layers = num_layers
            super().__init__(make_block, vocab_size, d_model, num_layers, rngs=rngs)

        def make_blocks(self, make_block, num_layers, rngs):
            return make_block(rngs=rngs)

        def through_blocks(self, x):
            graphdef, params = nnx.split(self.blocks)
            return jax.lax.fori_loop(0, self.num_layers, lambda _, x: nnx.merge(graphdef, params)(x), x)

    return Wrong


@mistake(name=("layers", "block", "stack"))
def blocks_under_another_name(Ref, *, name="layer"):
    """The stacked parameters stand under another name than `blocks`. The name of the attribute is the beginning of
    every path in the model, by which weights are loaded and saved: `self.blocks`."""

    class Wrong(Ref):
        def __init__(self, make_block, vocab_size, d_model, num_layers, *, rngs):
            super().__init__(make_block, vocab_size, d_model, num_layers, rngs=rngs)
            setattr(self, name, self.blocks)
            del self.blocks

        def through_blocks(self, x):
            graphdef, stacked = nnx.split(getattr(self, name))
            return jax.lax.scan(lambda x, one: (nnx.merge(graphdef, one)(x), None), x, stacked)[0]

    return Wrong


@mistake(name=("template", "layer"))
def block_left_beside_the_stack(Ref, *, name="block"):
    """A single block is kept on the model beside the stacked ones, as a template, and brings parameters that no layer
    uses. They would be saved, counted and decayed: keep its graph alone, or make it again under `nnx.eval_shape`."""

    class Wrong(Ref):
        def __init__(self, make_block, vocab_size, d_model, num_layers, *, rngs):
            super().__init__(make_block, vocab_size, d_model, num_layers, rngs=rngs)
            setattr(self, name, make_block(rngs=rngs))

    return Wrong


@mistake
def layers_on_the_last_axis(Ref):
    """The parameters are stacked along a new last axis. A scan slices first axes, and the contract has the layers in
    front: stack along axis 0."""

    class Wrong(Ref):
        def make_blocks(self, make_block, num_layers, rngs):
            return nnx.vmap(lambda rngs: make_block(rngs=rngs), out_axes=-1)(rngs.split(num_layers))

        def through_blocks(self, x):
            graphdef, stacked = nnx.split(self.blocks)
            in_front = jax.tree.map(lambda a: jnp.moveaxis(a, -1, 0), stacked)
            return jax.lax.scan(lambda x, one: (nnx.merge(graphdef, one)(x), None), x, in_front)[0]

    return Wrong


@mistake
def rngs_kept(Ref):
    """The model keeps `rngs`. They are state: a key and a counter for each stream, which stand among the variables, are
    saved with the weights and have to be carried through every transform. Use them in `__init__` and let them go."""

    class Wrong(Ref):
        def __init__(self, make_block, vocab_size, d_model, num_layers, *, rngs):
            super().__init__(make_block, vocab_size, d_model, num_layers, rngs=rngs)
            self.rngs = rngs

    return Wrong


@mistake(name=("head", "unembed", "output", "out", "out_proj", "output_proj", "to_logits"))
def head_of_its_own(Ref, *, name="lm_head"):
    """The logits come from a linear layer of their own. Many models have one, which costs `vocab_size * d_model`
    parameters once more; in this one the embeddings are tied, and the table that looks tokens up also scores them:
    multiply with its transpose."""

    class Wrong(Ref):
        def __init__(self, make_block, vocab_size, d_model, num_layers, *, rngs):
            super().__init__(make_block, vocab_size, d_model, num_layers, rngs=rngs)
            setattr(self, name, nnx.Linear(d_model, vocab_size, use_bias=False, rngs=rngs))

        def logits(self, x):
            return getattr(self, name)(x)

    return Wrong


@mistake
def layer_norm_at_the_end(Ref):
    """The last norm is an `nnx.LayerNorm`, which takes off the mean and adds a bias. GPT-2 has it; the contract asks
    for an `nnx.RMSNorm`, which has a scale and nothing else."""

    class Wrong(Ref):
        def __init__(self, make_block, vocab_size, d_model, num_layers, *, rngs):
            super().__init__(make_block, vocab_size, d_model, num_layers, rngs=rngs)
            self.final_norm = nnx.LayerNorm(d_model, rngs=rngs)

    return Wrong


# --- what the layers begin with


@mistake
def all_layers_begin_alike(Ref):
    """All layers begin with the same values: one block was made, or all were made with the same keys, and repeated. The
    shapes are right and nothing complains. Under `nnx.vmap` with `in_axes=None` every call sees the same streams: split
    them first, and map over the split."""

    class Wrong(Ref):
        def make_blocks(self, make_block, num_layers, rngs):
            graphdef, state = nnx.split(make_block(rngs=rngs))
            return nnx.merge(graphdef, jax.tree.map(lambda a: jnp.stack([a] * num_layers), state))

    return Wrong


@mistake
def a_seed_of_its_own(Ref):
    """The blocks are made from a seed that stands in the code, such as `nnx.Rngs(0)` or the number of the layer, so
    that every model in the world begins with the same ones. Let the keys come from the `rngs` that are handed in."""

    class Wrong(Ref):
        def make_blocks(self, make_block, num_layers, rngs):
            layers = [nnx.split(make_block(rngs=nnx.Rngs(i))) for i in range(num_layers)]
            return nnx.merge(layers[0][0], jax.tree.map(lambda *a: jnp.stack(a), *(state for _, state in layers)))

    return Wrong


@mistake
def stacked_by_numpy(Ref):
    """The stacked parameters are NumPy arrays, as `np.stack` gives them. They compute the same, until somebody writes
    `.at[...]`, or makes the model under a transform, where values are not known: the parameters of a model are JAX's
    arrays, and `jnp.stack` stacks those."""

    class Wrong(Ref):
        def make_blocks(self, make_block, num_layers, rngs):
            layers = [nnx.split(make_block(rngs=rngs)) for _ in range(num_layers)]
            return nnx.merge(layers[0][0], jax.tree.map(lambda *a: np.stack(a), *(state for _, state in layers)))

    return Wrong


# --- the loop over the layers


@mistake
def python_loop(Ref):
    """The values are right, but each layer stands in the program by itself, as after a Python loop over the layers.
    Twice the layers take twice as long to trace and to compile: scan one block over the stacked parameters."""

    class Wrong(Ref):
        def through_blocks(self, x):
            graphdef, stacked = nnx.split(self.blocks)
            for i in range(len(jax.tree.leaves(stacked)[0])):
                x = nnx.merge(graphdef, jax.tree.map(lambda a: a[i], stacked))(x)
            return x

    return Wrong


@mistake(unroll=(2,))
def loop_unrolled(Ref, *, unroll=True):
    """The values are right, but `unroll` has the compiler write the body of the loop out, again and again. The traced
    program looks short, and what is compiled is not. Leave it out."""

    class Wrong(Ref):
        def through_blocks(self, x):
            graphdef, stacked = nnx.split(self.blocks)
            return jax.lax.scan(lambda x, one: (nnx.merge(graphdef, one)(x), None), x, stacked, unroll=unroll)[0]

    return Wrong


@mistake
def layers_in_reverse(Ref):
    """The layers run from the last to the first. Parameters are stacked in the order of the layers, and `lax.scan`
    takes them from the front unless it is told `reverse=True`."""

    class Wrong(Ref):
        def through_blocks(self, x):
            graphdef, stacked = nnx.split(self.blocks)
            return jax.lax.scan(lambda x, one: (nnx.merge(graphdef, one)(x), None), x, stacked, reverse=True)[0]

    return Wrong


@mistake(which=(-1,))
def one_layer_again_and_again(Ref, *, which=0):
    """One layer's parameters are used in every turn of the loop, and those of the others are never read. A scan slices
    what it is given as its third argument; what its body closes over stays whole. Take layer i in turn i."""

    class Wrong(Ref):
        def through_blocks(self, x):
            graphdef, stacked = nnx.split(self.blocks)
            one = jax.tree.map(lambda a: a[which], stacked)
            return jax.lax.scan(lambda x, _: (nnx.merge(graphdef, one)(x), None), x, stacked)[0]

    return Wrong


@mistake(which=(-1,))
def one_layer_twice(Ref, *, which=0):
    """The first or the last layer runs twice: once by itself, to have something to begin the loop with or to end it,
    and once as a turn of it. The embeddings are what the loop begins with, and all layers are in it."""

    class Wrong(Ref):
        def through_blocks(self, x):
            graphdef, stacked = nnx.split(self.blocks)
            more = nnx.merge(graphdef, jax.tree.map(lambda a: a[which], stacked))
            return super().through_blocks(more(x)) if which == 0 else more(super().through_blocks(x))

    return Wrong


@mistake(end=(True,))
def a_layer_left_out(Ref, *, end=False):
    """The first or the last layer is left out. A loop over `range(1, num_layers)`, or to `num_layers - 1`, has one turn
    less than there are layers; with one layer the embeddings go straight to the norm."""

    class Wrong(Ref):
        def through_blocks(self, x):
            graphdef, stacked = nnx.split(self.blocks)
            rest = jax.tree.map(lambda a: a[:-1] if end else a[1:], stacked)
            return jax.lax.scan(lambda x, one: (nnx.merge(graphdef, one)(x), None), x, rest)[0]

    return Wrong


@mistake
def layers_counted_from_one(Ref):
    """The layers are counted from 1 to num_layers, and indices begin at 0. So the first layer is never used and the
    last one twice: JAX takes the last slice for an index that is too large, and says nothing. Count from 0, or let a
    scan do it."""

    class Wrong(Ref):
        def through_blocks(self, x):
            graphdef, stacked = nnx.split(self.blocks)
            moved = jax.tree.map(lambda a: jnp.concatenate([a[1:], a[-1:]]), stacked)
            return jax.lax.scan(lambda x, one: (nnx.merge(graphdef, one)(x), None), x, moved)[0]

    return Wrong


@mistake
def every_layer_reads_the_embeddings(Ref):
    """Every layer gets the embeddings, and what the last of them gives is kept. So it comes out where the body of a
    loop uses the `x` of outside and not the one that it is handed, or where the layers run under a `vmap`: what a layer
    gives has to be what the next one gets."""

    class Wrong(Ref):
        def through_blocks(self, x):
            graphdef, stacked = nnx.split(self.blocks)
            return jax.lax.scan(lambda _, one: (nnx.merge(graphdef, one)(x), None), x, stacked)[0]

    return Wrong


@mistake(mean=(True,))
def layers_side_by_side(Ref, *, mean=False):
    """All layers get the embeddings, side by side under a `vmap`, and their outputs are added up or averaged. That is a
    wide model and not a deep one: the layers stand one behind the other, each on what the one before gave."""

    class Wrong(Ref):
        def through_blocks(self, x):
            graphdef, stacked = nnx.split(self.blocks)
            each = jax.vmap(lambda one: nnx.merge(graphdef, one)(x))(stacked)
            return each.mean(0) if mean else each.sum(0)

    return Wrong


@mistake
def residual_around_each_block(Ref):
    """What goes into a block is added to what comes out of it. A block has its residual connections inside, and is
    handed on as it is: added once more, the stream doubles in each layer."""

    class Wrong(Ref):
        def layer(self, block, x):
            return x + block(x)

    return Wrong


@mistake
def residual_around_all_blocks(Ref):
    """The embeddings are added to what comes out of the last block. The stream holds them already, since each block
    adds to what it gets: norm the stream as it comes."""

    class Wrong(Ref):
        def through_blocks(self, x):
            return x + super().through_blocks(x)

    return Wrong


@mistake
def every_layer_gives_logits(Ref):
    """There are logits for each layer, with the layers as first axis. A scan returns a pair: what it carried to the
    end, and what it stacked on the way. The stream after the last layer is the first of the two."""

    class Wrong(Ref):
        def through_blocks(self, x):
            graphdef, stacked = nnx.split(self.blocks)

            def layer(x, one):
                x = nnx.merge(graphdef, one)(x)
                return x, x

            return jax.lax.scan(layer, x, stacked)[1]

    return Wrong


@mistake
def sequences_run_together(Ref):
    """The sequences of a batch are laid one behind the other before they go through the blocks, so that a sequence
    reads the ones before it. Blocks take any leading dimensions: leave `(..., T, d_model)` as it is."""

    class Wrong(Ref):
        def through_blocks(self, x):
            return super().through_blocks(x.reshape(-1, x.shape[-1])).reshape(x.shape)

    return Wrong


# --- the two ends


@mistake(about="the norm")
def no_final_norm(Ref):
    """The last norm is made and never used. Pre-norm blocks add to the stream and never rescale it, so that without it
    logits grow with the depth: norm what comes out of the last block."""

    class Wrong(Ref):
        def norm(self, x):
            return x

    return Wrong


@mistake(about="the norm")
def no_final_norm_at_all(Ref):
    """There is no last norm, neither among the parameters nor in the call. A pre-norm block norms what it reads and not
    what it gives, so the stream that reaches the head was never normed: that is what `final_norm` is for."""

    class Wrong(Ref):
        def __init__(self, make_block, vocab_size, d_model, num_layers, *, rngs):
            super().__init__(make_block, vocab_size, d_model, num_layers, rngs=rngs)
            del self.final_norm

        def norm(self, x):
            return x

    return Wrong


@mistake(about="the norm")
def norm_before_the_blocks(Ref):
    """The embeddings are normed, and what comes out of the blocks is not. `final_norm` stands at the other end, between
    the last block and the head; before the blocks each of them norms for itself."""

    class Wrong(Ref):
        def embedded(self, tokens):
            return self.final_norm(super().embedded(tokens))

        def norm(self, x):
            return x

    return Wrong


@mistake(about="the norm")
def norm_after_every_block(Ref):
    """The last norm runs inside the loop, after every block. The stream then loses its size at each layer, which is
    what pre-norm blocks are built to keep: norm once, when the loop is through."""

    class Wrong(Ref):
        def layer(self, block, x):
            return self.final_norm(block(x))

        def norm(self, x):
            return x

    return Wrong


@mistake(about="the norm", epsilon=(1e-8, 1e-12))
def another_epsilon(Ref, *, epsilon=1e-5):
    """The last norm has another epsilon than `nnx.RMSNorm` has by itself. It shows where the stream is small: its mean
    square is then no larger than what is added to it. Leave it at its default, 1e-6."""

    class Wrong(Ref):
        def __init__(self, make_block, vocab_size, d_model, num_layers, *, rngs):
            super().__init__(make_block, vocab_size, d_model, num_layers, rngs=rngs)
            self.final_norm = nnx.RMSNorm(d_model, epsilon=epsilon, rngs=rngs)

    return Wrong


@mistake(about="the norm")
def normed_twice(Ref):
    """The stream is normed twice on its way out, with the same scale. A norm that follows a norm is not nothing: the
    scale acts twice. One norm stands between the last block and the head."""

    class Wrong(Ref):
        def norm(self, x):
            return self.final_norm(self.final_norm(x))

    return Wrong


@mistake(about="the norm")
def norm_without_its_scale(Ref):
    """The stream is divided by its root mean square, and `final_norm.scale` is never read. At first it is all ones and
    nothing is missing; a trained one is not. Call `final_norm` itself."""

    class Wrong(Ref):
        def norm(self, x):
            return x * jax.lax.rsqrt((x**2).mean(axis=-1, keepdims=True) + 1e-6)

    return Wrong


@mistake
def embeddings_scaled(Ref):
    """The embeddings are multiplied by sqrt(d_model) on their way in. The Transformer of 2017 does that, and so does
    Gemma; this contract takes the rows of the table as they are."""

    class Wrong(Ref):
        def embedded(self, tokens):
            x = super().embedded(tokens)
            return x * x.shape[-1] ** 0.5

    return Wrong


@mistake
def positions_added(Ref):
    """Sinusoids of the positions are added to the embeddings. In this model it is the blocks that know where a token
    stands, by rotation or by their mask: what goes into the first block is the rows of the table and nothing else."""

    class Wrong(Ref):
        def embedded(self, tokens):
            x = super().embedded(tokens)
            pair = jnp.arange(x.shape[-1]) // 2
            angles = jnp.arange(x.shape[-2])[:, None] / 10000.0 ** (2 * pair / x.shape[-1])
            return x + jnp.where(jnp.arange(x.shape[-1]) % 2, jnp.cos(angles), jnp.sin(angles)).astype(x.dtype)

    return Wrong


@mistake(about="the head")
def table_not_transposed(Ref):
    """The stream is multiplied with the table as it is, `(vocab_size, d_model)`. That is an error of shape unless the
    vocabulary is as large as the model is wide, and then it is wrong without a word: a logit is a product with a *row*
    of the table, so the table is transposed."""

    class Wrong(Ref):
        def logits(self, x):
            return x @ self.embed.embedding[...]

    return Wrong


@mistake(about="the head")
def logits_scaled(Ref):
    """The logits are divided by sqrt(d_model). Attention scales its scores so, and T5 its tied head; here logits are
    the plain product, and a temperature, if any, comes when tokens are drawn."""

    class Wrong(Ref):
        def logits(self, x):
            return super().logits(x) / x.shape[-1] ** 0.5

    return Wrong


@mistake(about="the head", logarithm=(True,))
def probabilities_returned(Ref, *, logarithm=False):
    """A softmax or its logarithm is taken of the logits. Losses and samplers take logits, and would take the softmax of
    a softmax: return what the product gives."""

    class Wrong(Ref):
        def logits(self, x):
            return (jax.nn.log_softmax if logarithm else jax.nn.softmax)(super().logits(x), axis=-1)

    return Wrong


@mistake(about="the head")
def head_not_trained(Ref):
    """The values are right, but the gradient does not go through the table where it gives the logits. Tied means that
    one parameter works at both ends, and is moved by both: take it as it is, without a copy and without
    `stop_gradient`."""

    class Wrong(Ref):
        def logits(self, x):
            return x @ jax.lax.stop_gradient(self.embed.embedding[...]).T

    return Wrong


@mistake
def embeddings_not_trained(Ref):
    """The values are right, but the gradient stops where the tokens are looked up. Tied means that one parameter works
    at both ends, and is moved by both: take its rows as they are."""

    class Wrong(Ref):
        def embedded(self, tokens):
            return jax.lax.stop_gradient(super().embedded(tokens))

    return Wrong


@mistake(about="the head", cap=(30.0, 50.0))
def logits_capped(Ref, *, cap=20.0):
    """The logits are bent by `cap * tanh(logits / cap)`. Gemma 2 does that to keep them small; the contract asks for
    the plain product."""

    class Wrong(Ref):
        def logits(self, x):
            return cap * jnp.tanh(super().logits(x) / cap)

    return Wrong


@mistake
def last_position_only(Ref):
    """There are logits for the last position alone. That is what a sampler needs; a loss needs all of them, and the
    contract asks for all T."""

    class Wrong(Ref):
        def __call__(self, tokens):
            return super().__call__(tokens)[..., -1, :]

    return Wrong


@mistake
def axes_of_length_one_dropped(Ref):
    """Axes of length one are dropped by `squeeze()`: with one token, or a batch of one, the result has fewer axes than
    the contract says. Nothing has to be dropped where no axis was added; if one was, drop that one, `squeeze(axis)`."""

    class Wrong(Ref):
        def __call__(self, tokens):
            return super().__call__(tokens).squeeze()

    return Wrong


@mistake
def tokens_shifted_right(Ref):
    """The tokens are moved one place to the right before they are looked up, with a zero in front, so that position t
    reads the tokens before it and not its own. Encoder-decoder models feed their decoder like that; here logits at
    position t are about the token after t, and the loss takes care of it."""

    class Wrong(Ref):
        def embedded(self, tokens):
            moved = jnp.concatenate([jnp.zeros_like(tokens[..., :1]), tokens[..., :-1]], axis=-1)
            return super().embedded(moved)

    return Wrong


@mistake
def shifted_inside(Ref):
    """The last position is missing. Only a loss compares each position with the token after it, and so has no use for
    the last one; whoever generates text needs nothing else. Return logits for all T positions."""

    class Wrong(Ref):
        def __call__(self, tokens):
            return super().__call__(tokens)[..., :-1, :]

    return Wrong
