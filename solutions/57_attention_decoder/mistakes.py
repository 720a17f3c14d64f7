"""57 · Wrong answers that people really give, each with its sentence."""

import jax
import jax.numpy as jnp
from flax import nnx

from grader.course import mistake


def _linear(d_in, d_out, rngs, use_bias=False):
    return nnx.Linear(d_in, d_out, use_bias=use_bias, rngs=rngs)


# --- what the module holds


@mistake(layers=("hidden_gates", "both gates", "logits", "all three", "the attention", "every layer"))
def layers_with_biases(Ref, *, layers="input_gates"):
    """Layers have a bias, which `nnx.Linear` has unless it is told otherwise. The formulas of a GRU in a paper or in a
    library have some; the layers of this contract have none: `use_bias=False`."""
    three = ("input_gates", "hidden_gates", "logits")
    of = {
        "both gates": three[:2],
        "all three": three,
        "every layer": three,
        "the attention": (),
    }.get(layers, (layers,))

    class Wrong(Ref):
        def make(self, vocab_size, d_embed, d_hidden, d_key, d_attention, rngs):
            super().make(vocab_size, d_embed, d_hidden, d_key, d_attention, rngs)
            for name in of:
                layer = getattr(self, name)
                setattr(self, name, _linear(layer.in_features, layer.out_features, rngs, use_bias=True))
            if layers in ("the attention", "every layer"):
                self.attention.query_proj = _linear(d_hidden, d_attention, rngs, use_bias=True)
                self.attention.key_proj = _linear(d_key, d_attention, rngs, use_bias=True)
                self.attention.score = _linear(d_attention, 1, rngs, use_bias=True)

    return Wrong


@mistake(
    name=(
        "embedding for embed",
        "attn for attention",
        "attend for attention",
        "head for logits",
        "out for logits",
        "output for logits",
        "out_proj for logits",
    )
)
def part_under_another_name(Ref, *, name="logits_proj for logits"):
    """A part stands under another name than the contract's. The names of the attributes are the paths of the
    parameters, by which weights are loaded: `embed`, `attention`, `input_gates`, `hidden_gates`, `logits`."""
    other, own = name.split(" for ")

    class Wrong(Ref):
        def make(self, *sizes):
            super().make(*sizes)
            setattr(self, other, getattr(self, own))
            delattr(self, own)

    return Wrong


@mistake
def gru_cell_of_the_library(Ref):
    """The gates are those of an `nnx.GRUCell` that the module holds. It computes nearly the same, under other paths and
    with biases; here the two layers of the gates are parts of the decoder, and the step is written out."""

    class Wrong(Ref):
        def make(self, vocab_size, d_embed, d_hidden, d_key, d_attention, rngs):
            super().make(vocab_size, d_embed, d_hidden, d_key, d_attention, rngs)
            del self.input_gates, self.hidden_gates
            self.cell = nnx.GRUCell(d_embed + d_key, d_hidden, rngs=rngs)

    return Wrong


@mistake
def rngs_kept(Ref):
    """`rngs` is kept on the module, and its keys and counts are state beside the parameters. Nothing is drawn after
    `__init__`: use it there and let it go."""

    class Wrong(Ref):
        def make(self, vocab_size, d_embed, d_hidden, d_key, d_attention, rngs):
            super().make(vocab_size, d_embed, d_hidden, d_key, d_attention, rngs)
            self.rngs = rngs

    return Wrong


@mistake
def state_kept_on_the_module(Ref):
    """The module holds a state of its own, a variable that each call goes on from. Here the state comes as an argument
    and goes back as a result, so that whoever calls decides where to go on: keep nothing."""

    class Wrong(Ref):
        def make(self, vocab_size, d_embed, d_hidden, d_key, d_attention, rngs):
            super().make(vocab_size, d_embed, d_hidden, d_key, d_attention, rngs)
            self.state = nnx.Variable(jnp.zeros(d_hidden))

        def __call__(self, tokens, keys, state, mask=None):
            logits, weights, self.state[...] = super().__call__(tokens, keys, self.state[...], mask)
            return logits, weights, self.state[...]

    return Wrong


@mistake(instead=("zeros",))
def context_left_out_of_the_gates(Ref, *, instead="a narrower layer"):
    """The context does not go into the gates: `input_gates` takes the embedding alone. So the state never hears of what
    was found, and every later query is as if nothing had been: `input_gates` takes both, `[e; context]`."""

    class Wrong(Ref):
        def make(self, vocab_size, d_embed, d_hidden, d_key, d_attention, rngs):
            super().make(vocab_size, d_embed, d_hidden, d_key, d_attention, rngs)
            if instead == "a narrower layer":
                self.input_gates = _linear(d_embed, 3 * d_hidden, rngs)

        def joined(self, embedding, context):
            if instead == "zeros":
                return super().joined(embedding, jnp.zeros_like(context))
            return embedding

    return Wrong


@mistake(instead=("zeros",))
def context_left_out_of_the_logits(Ref, *, instead="a narrower layer"):
    """The logits come of the state alone. The state has read the context, which looks enough; but then all that was
    looked up has to pass through the gates first: `logits` takes both, `[state; context]`."""

    class Wrong(Ref):
        def make(self, vocab_size, d_embed, d_hidden, d_key, d_attention, rngs):
            super().make(vocab_size, d_embed, d_hidden, d_key, d_attention, rngs)
            if instead == "a narrower layer":
                self.logits = _linear(d_hidden, vocab_size, rngs)

        def read(self, state, context):
            if instead == "zeros":
                return super().read(state, jnp.zeros_like(context))
            return self.logits(state)

    return Wrong


@mistake
def embedding_in_the_logits(Ref):
    """The logits come of the state, the context and the embedding. The paper's output layer takes the word before as
    well; in this contract it takes `[state; context]`."""

    class Wrong(Ref):
        def make(self, vocab_size, d_embed, d_hidden, d_key, d_attention, rngs):
            super().make(vocab_size, d_embed, d_hidden, d_key, d_attention, rngs)
            self.logits = _linear(d_hidden + d_key + d_embed, vocab_size, rngs)

        def step(self, state, embedding, keys, mask):
            context, weights = self.attend(state, embedding, keys, mask)
            new = self.next_state(state, self.joined(embedding, context))
            return new, (self.logits(jnp.concatenate([new, context, embedding])), weights)

    return Wrong


@mistake
def query_of_state_and_embedding(Ref):
    """The query is the state and the embedding side by side, so that `query_proj` is too wide. Other decoders ask so;
    here the state alone asks."""

    class Wrong(Ref):
        def make(self, vocab_size, d_embed, d_hidden, d_key, d_attention, rngs):
            super().make(vocab_size, d_embed, d_hidden, d_key, d_attention, rngs)
            self.attention.query_proj = _linear(d_hidden + d_embed, d_attention, rngs)

        def attend(self, state, embedding, keys, mask):
            return self.attention(jnp.concatenate([state, embedding]), keys, mask)

    return Wrong


# --- the attention


@mistake
def query_is_the_embedding(Ref):
    """The embedding of the token is the query. It is as wide as the state here, or it does not fit at all. What is
    looked for depends on all that came before: the query is the state before the step."""

    class Wrong(Ref):
        def attend(self, state, embedding, keys, mask):
            return super().attend(embedding, embedding, keys, mask)

    return Wrong


@mistake
def attention_once_for_all_steps(Ref):
    """The attention is computed once, from the state that is given, and every step has the same context. This is the
    decoder of 2014 before attention, with one vector for the whole sentence. Each step asks anew, inside the loop."""

    class Wrong(Ref):
        def __call__(self, tokens, keys, state, mask=None):
            context, weights = self.attend(state, None, keys, mask)

            def step(state, embedding):
                new = self.next_state(state, self.joined(embedding, context))
                return new, (self.read(new, context), weights)

            state, (logits, rows) = self.loop(step, state, self.embedded(tokens))
            return logits, rows, state

    return Wrong


@mistake(weights=("of the new state",))
def logits_with_a_second_context(Ref, *, weights="of the state before"):
    """The keys are looked at twice in a step, and the logits get the context of the new state. In Luong's decoder the
    new state asks, so both orders are around; here there is one context in a step, that of the state before, and the
    logits have it as well."""

    class Wrong(Ref):
        def step(self, state, embedding, keys, mask):
            new, (_, before) = super().step(state, embedding, keys, mask)
            context, after = self.attend(new, embedding, keys, mask)
            return new, (self.read(new, context), after if weights == "of the new state" else before)

    return Wrong


@mistake
def weights_of_the_new_state(Ref):
    """The weights that are returned are those of the state after the step, one step ahead of the context that was used.
    Return what the step itself looked with."""

    class Wrong(Ref):
        def step(self, state, embedding, keys, mask):
            new, (logits, _) = super().step(state, embedding, keys, mask)
            return new, (logits, self.attend(new, embedding, keys, mask)[1])

    return Wrong


@mistake(logits=("with the new one",))
def context_of_the_step_before(Ref, *, logits="with the old one"):
    """The gates read the context of the step before, zeros at the first one. Luong's input feeding does this, where the
    context comes after the state; here the step looks first, and moves with what it found."""

    class Wrong(Ref):
        def __call__(self, tokens, keys, state, mask=None):
            def step(carry, embedding):
                state, old = carry
                context, weights = self.attend(state, embedding, keys, mask)
                new = self.next_state(state, self.joined(embedding, old))
                return (new, context), (self.read(new, context if logits == "with the new one" else old), weights)

            begin = state, jnp.zeros(keys.shape[-1], keys.dtype)
            (state, _), (told, weights) = self.loop(step, begin, self.embedded(tokens))
            return told, weights, state

    return Wrong


@mistake
def attention_after_the_step(Ref):
    """The step is made with an empty context, and the new state then asks. A decoder of Luong's kind steps first; this
    one asks with the state before the step, and the gates read the answer."""

    class Wrong(Ref):
        def step(self, state, embedding, keys, mask):
            new = self.next_state(state, self.joined(embedding, jnp.zeros(keys.shape[-1], keys.dtype)))
            context, weights = self.attend(new, embedding, keys, mask)
            return new, (self.read(new, context), weights)

    return Wrong


@mistake(about="the attention", how=("a dot product",))
def scores_of_another_attention(Ref, *, how="no tanh"):
    """The scores are not those of problem 55: there is no tanh, or a dot product of both projections stands in its
    place. A score is `score(tanh(query_proj(query) + key_proj(keys)))`."""

    class Wrong(Ref):
        def attend(self, state, embedding, keys, mask):
            own = self.attention
            asked, offered = own.query_proj(state), own.key_proj(keys)
            scores = own.score(asked + offered)[:, 0] if how == "no tanh" else offered @ asked
            weights = own.weights(scores, mask)
            return weights @ keys, weights

    return Wrong


@mistake(about="the attention", by=("d_key", "d_hidden"))
def scaled_scores(Ref, *, by="d_attention"):
    """The scores are divided by a square root, as those of a dot product are. These are bounded by tanh, and nothing
    scales them."""

    class Wrong(Ref):
        def attend(self, state, embedding, keys, mask):
            own = self.attention
            width = {
                "d_attention": own.key_proj.out_features,
                "d_key": own.key_proj.in_features,
                "d_hidden": own.query_proj.in_features,
            }[by]
            weights = own.weights(own.scores(state, keys) / width**0.5, mask)
            return weights @ keys, weights

    return Wrong


@mistake
def context_of_projected_keys(Ref):
    """The context is the sum of the projected keys, whose width is d_attention. The projection serves the comparison
    alone: what is summed are the keys themselves."""

    class Wrong(Ref):
        def attend(self, state, embedding, keys, mask):
            _, weights = super().attend(state, embedding, keys, mask)
            return weights @ self.attention.key_proj(keys), weights

    return Wrong


@mistake
def softmax_over_the_hidden_units(Ref):
    """The softmax runs over an axis of length 1. The last layer gives `(S, 1)`, and the softmax of a single number is
    1, so that each key has all the weight: take that axis off first."""

    class Wrong(Ref):
        def attend(self, state, embedding, keys, mask):
            weights = jnp.ones(len(keys)) if mask is None else mask.astype(keys.dtype)
            return weights @ keys, weights

    return Wrong


# --- the mask


@mistake
def ignored_the_mask(Ref):
    """The mask is ignored. It is easily lost on the way into the step: hand it to the attention at every one."""

    class Wrong(Ref):
        def attend(self, state, embedding, keys, mask):
            return super().attend(state, embedding, keys, None)

    return Wrong


@mistake
def mask_at_the_first_step_only(Ref):
    """The mask is used at the first step, and no longer after that. It is the same for all steps and has no axis of
    steps: the step closes over it."""

    class Wrong(Ref):
        def __call__(self, tokens, keys, state, mask=None):
            logits, weights, state = super().__call__(tokens[:1], keys, state, mask)
            if len(tokens) == 1:
                return logits, weights, state
            others, rows, state = super().__call__(tokens[1:], keys, state, None)
            return jnp.concatenate([logits, others]), jnp.concatenate([weights, rows]), state

    return Wrong


@mistake
def mask_turned_round(Ref):
    """Keys that may be attended to are hidden, and the others are seen. In some libraries True means padding; here True
    means that a key may be attended to."""

    class Wrong(Ref):
        def attend(self, state, embedding, keys, mask):
            return super().attend(state, embedding, keys, None if mask is None else ~mask)

    return Wrong


@mistake
def keys_of_zeros_for_hidden_ones(Ref):
    """Hidden keys are set to zero and stay in the softmax. A key of zeros has a score too, from the query alone, and
    takes its share of the weights: hide scores, not keys."""

    class Wrong(Ref):
        def attend(self, state, embedding, keys, mask):
            if mask is not None:
                keys = jnp.where(mask[:, None], keys, 0.0)
            return super().attend(state, embedding, keys, None)

    return Wrong


@mistake
def masked_after_the_softmax(Ref):
    """Hidden weights are set to zero behind the softmax. The weights that are left then sum to less than 1: hidden
    scores have to be out before the softmax."""

    class Wrong(Ref):
        def attend(self, state, embedding, keys, mask):
            _, weights = super().attend(state, embedding, keys, None)
            weights = weights if mask is None else jnp.where(mask, weights, 0.0)
            return weights @ keys, weights

    return Wrong


@mistake
def equal_weights_where_nothing_may_be_seen(Ref):
    """Where no key may be attended to, all keys get the same weight. Every score is the same large negative number
    there, and a softmax does not see that it is low: context and weights have to be zeros."""

    class Wrong(Ref):
        def attend(self, state, embedding, keys, mask):
            scores = self.attention.scores(state, keys)
            weights = jax.nn.softmax(scores if mask is None else jnp.where(mask, scores, -1e9))
            return weights @ keys, weights

    return Wrong


@mistake
def nan_where_nothing_may_be_seen(Ref):
    """Where no key may be attended to, everything is NaN, from the first step on: all scores are -inf, and
    -inf - (-inf) is no number. `jax.nn.softmax(scores, where=mask)` gives zeros there."""

    class Wrong(Ref):
        def attend(self, state, embedding, keys, mask):
            scores = self.attention.scores(state, keys)
            weights = jax.nn.softmax(scores if mask is None else jnp.where(mask, scores, -jnp.inf))
            return weights @ keys, weights

    return Wrong


@mistake(logits=("of the context",))
def no_step_where_nothing_may_be_seen(Ref, *, logits="of zeros"):
    """Where no key may be attended to, nothing happens: the state stays as it is. Only the context is zeros then; the
    step reads its token and goes on."""

    class Wrong(Ref):
        def step(self, state, embedding, keys, mask):
            new, (told, weights) = super().step(state, embedding, keys, mask)
            if mask is None:
                return new, (told, weights)
            some = mask.any()
            other = told * 0 if logits == "of zeros" else self.read(state, weights @ keys)
            return jnp.where(some, new, state), (jnp.where(some, told, other), weights)

    return Wrong


@mistake
def mask_needed(Ref):
    """It needs a mask: without one, something is done with None that only an array can do. `mask` is None by default,
    and then every key may be attended to."""

    class Wrong(Ref):
        def attend(self, state, embedding, keys, mask):
            return super().attend(state, embedding, keys, jnp.logical_and(mask, True))

    return Wrong


# --- the gates


@mistake(about="the order of the gates", order=("r n z", "z n r", "n r z", "n z r"))
def gates_in_another_order(Ref, *, order="z r n"):
    """The thirds of the gates are taken in another order. Some papers and libraries put `z` first; here they are `r`,
    `z` and `n`, in both layers."""

    class Wrong(Ref):
        def split(self, gates):
            named = dict(zip(order.split(), super().split(gates)))
            return [named[name] for name in "rzn"]

    return Wrong


@mistake
def gates_feature_by_feature(Ref):
    """The gates are read as `(d_hidden, 3)`, three numbers for each feature. The layer has all of `r` first, then all
    of `z`, then all of `n`: split into three, or reshape to `(3, d_hidden)`."""

    class Wrong(Ref):
        def split(self, gates):
            return gates.reshape(-1, 3).T

    return Wrong


@mistake
def update_gate_on_the_new_state(Ref):
    """`z` weighs the candidate, and `1 - z` the old state. So it stands in the paper of 2014, and the libraries have it
    the other way round, as this contract has: `(1 - z) * n + z * state`."""

    class Wrong(Ref):
        def blend(self, z, new, old):
            return super().blend(z, old, new)

    return Wrong


@mistake(kept=("all of the old state",))
def shares_that_do_not_sum_to_one(Ref, *, kept="all of the candidate"):
    """Old and new do not share: one of them is taken whole, and the state can grow without end. What `z` gives to the
    one it takes from the other: `1 - z` and `z`."""

    class Wrong(Ref):
        def blend(self, z, new, old):
            return new + z * old if kept == "all of the candidate" else (1 - z) * new + old

    return Wrong


@mistake
def no_update_gate(Ref):
    """The candidate is the new state, whatever `z` says. That is a simple recurrent network; the gate keeps a part of
    the old state."""

    class Wrong(Ref):
        def blend(self, z, new, old):
            return new

    return Wrong


@mistake
def reset_gate_before_the_matrix(Ref):
    """The reset gate multiplies the state before the matrix. This is the GRU of the paper; that of the libraries, and
    of this contract, multiplies what the matrix gives: `r * h_n`."""

    class Wrong(Ref):
        def candidate(self, r, x, h, state):
            return self.squash(x + self.split(self.hidden_gates(r * state))[2])

    return Wrong


@mistake
def reset_gate_over_the_whole_sum(Ref):
    """The reset gate multiplies the whole sum, what comes in as well. It says how much of the past the candidate hears
    of: `x_n + r * h_n`, without parentheses around the sum."""

    class Wrong(Ref):
        def candidate(self, r, x, h, state):
            return super().candidate(r, r * x, h, state)

    return Wrong


@mistake(what=("1 - r", "on the input"))
def reset_gate_used_otherwise(Ref, *, what="not at all"):
    """The reset gate is not used, or `1 - r` is, or it multiplies what comes in. It multiplies the part of the
    candidate that comes from the state: `r * h_n`."""

    class Wrong(Ref):
        def candidate(self, r, x, h, state):
            if what == "on the input":
                return self.squash(r * x + h)
            return super().candidate(jnp.ones_like(r) if what == "not at all" else 1 - r, x, h, state)

    return Wrong


@mistake(instead=("tanh", "relu", "hard sigmoid"))
def gates_without_sigmoid(Ref, *, instead="nothing"):
    """The gates do not go through a sigmoid. A gate is a share between 0 and 1; other numbers turn signs round or let
    the state grow: `sigmoid` for `r` and for `z`."""
    function = {
        "nothing": lambda x: x,
        "tanh": jnp.tanh,
        "relu": jax.nn.relu,
        "hard sigmoid": jax.nn.hard_sigmoid,
    }[instead]

    class Wrong(Ref):
        def gate(self, x):
            return function(x)

    return Wrong


@mistake(instead=("sigmoid", "relu"))
def candidate_without_tanh(Ref, *, instead="nothing"):
    """The candidate does not go through tanh. tanh has both signs and keeps the state bounded, however many steps
    follow."""
    function = {"nothing": lambda x: x, "sigmoid": jax.nn.sigmoid, "relu": jax.nn.relu}[instead]

    class Wrong(Ref):
        def squash(self, x):
            return function(x)

    return Wrong


@mistake
def state_left_out_of_the_gates(Ref):
    """The gates come of what comes in alone, and the state goes into the candidate only. Both layers have three parts
    each, and `r` and `z` are sums of two as well."""

    class Wrong(Ref):
        def next_state(self, state, inputs):
            x, h = self.split(self.input_gates(inputs)), self.split(self.hidden_gates(state))
            return self.blend(self.gate(x[1]), self.candidate(self.gate(x[0]), x[2], h[2], state), state)

    return Wrong


# --- what is joined


@mistake
def context_before_the_embedding(Ref):
    """The gates read `[context; embedding]`. The sizes fit either way, and the rows of the kernel belong to another
    order: the embedding first."""

    class Wrong(Ref):
        def joined(self, embedding, context):
            return jnp.concatenate([context, embedding])

    return Wrong


@mistake
def context_before_the_state(Ref):
    """The logits are those of `[context; state]`. The sizes fit either way, and the rows of the kernel belong to
    another order: the state first. (Luong's layer in problem 56 has the context first.)"""

    class Wrong(Ref):
        def read(self, state, context):
            return self.logits(jnp.concatenate([context, state]))

    return Wrong


@mistake
def logits_of_the_old_state(Ref):
    """The logits come of the state before the step, so that a step's token does not reach its own logits. They come of
    the new state."""

    class Wrong(Ref):
        def step(self, state, embedding, keys, mask):
            new, (_, weights) = super().step(state, embedding, keys, mask)
            return new, (self.read(state, self.attend(state, embedding, keys, mask)[0]), weights)

    return Wrong


@mistake(logarithms=(True,))
def probabilities_for_logits(Ref, *, logarithms=False):
    """The logits go through a softmax, or through its logarithm. A loss does this by itself, and twice is too often:
    return what the layer gives."""

    class Wrong(Ref):
        def read(self, state, context):
            return (jax.nn.log_softmax if logarithms else jax.nn.softmax)(super().read(state, context))

    return Wrong


@mistake
def tanh_around_the_logits(Ref):
    """tanh is applied to the logits. Luong's layer has one around its output; logits have any size, and no function
    stands behind the layer."""

    class Wrong(Ref):
        def read(self, state, context):
            return jnp.tanh(super().read(state, context))

    return Wrong


@mistake
def scaled_embeddings(Ref):
    """The embeddings are multiplied by sqrt(d_embed), as the first transformers do it. Here a row of the table goes in
    as it is."""

    class Wrong(Ref):
        def embedded(self, tokens):
            embeddings = super().embedded(tokens)
            return embeddings * embeddings.shape[-1] ** 0.5

    return Wrong


# --- the tokens and the state


@mistake(begins=("with token 0", "with the last token"))
def tokens_shifted(Ref, *, begins="with zeros"):
    """The tokens are shifted by one: the first step reads zeros, or a token of its own choice, and the last token is
    never read. In training somebody has to shift, and that is whoever calls: step `t` reads token `t`."""

    class Wrong(Ref):
        def embedded(self, tokens):
            if begins == "with zeros":
                return jnp.roll(super().embedded(tokens), 1, axis=0).at[0].set(0.0)
            tokens = jnp.roll(tokens, 1)
            return super().embedded(tokens if begins == "with the last token" else tokens.at[0].set(0))

    return Wrong


@mistake(results=("in the order of the tokens",))
def tokens_in_reverse(Ref, *, results="as they come"):
    """The tokens are read from the last to the first. An encoder of 2014 reads in both directions, and a decoder in
    one, from the first token to the last."""

    class Wrong(Ref):
        def __call__(self, tokens, keys, state, mask=None):
            logits, weights, state = super().__call__(tokens[::-1], keys, state, mask)
            return (logits, weights, state) if results == "as they come" else (logits[::-1], weights[::-1], state)

    return Wrong


@mistake
def own_choices_fed_back(Ref):
    """From the second step on it reads the token that it chose itself, the one with the largest logit. So one
    generates; here all tokens are given, and step `t` reads token `t`."""

    class Wrong(Ref):
        def __call__(self, tokens, keys, state, mask=None):
            def step(carry, _):
                state, token = carry
                new, (logits, weights) = self.step(state, self.embedded(token), keys, mask)
                return (new, logits.argmax().astype(token.dtype)), (logits, weights)

            (state, _), (logits, weights) = self.loop(step, (state, tokens[0]), tokens)
            return logits, weights, state

    return Wrong


@mistake
def given_state_ignored(Ref):
    """The first step begins from zeros, whatever state is given. In training one often does; here the state is an
    argument, such as what an encoder ended with, or what an earlier call returned."""

    class Wrong(Ref):
        def __call__(self, tokens, keys, state, mask=None):
            return super().__call__(tokens, keys, jnp.zeros_like(state), mask)

    return Wrong


@mistake
def every_step_from_the_given_state(Ref):
    """Every step begins from the state that is given, as a `vmap` over the tokens does it. Then no step knows of the
    one before: carry the new state into the next."""

    class Wrong(Ref):
        def loop(self, step, state, embeddings):
            states, told = jax.vmap(step, (None, 0))(state, embeddings)
            return states[-1], told

    return Wrong


@mistake(about="the state that is returned", which=("that before the last step",))
def another_state_returned(Ref, *, which="the given one"):
    """The state that is returned is not the last one: it is the one that was given, or that before the last step.
    Whoever goes on from there reads tokens twice: return what the last step made."""

    class Wrong(Ref):
        def __call__(self, tokens, keys, state, mask=None):
            def step(carry, embedding):
                new, told = self.step(carry[0], embedding, keys, mask)
                return (new, carry[0]), told

            (_, before), (logits, weights) = self.loop(step, (state, state), self.embedded(tokens))
            return logits, weights, state if which == "the given one" else before

    return Wrong


@mistake(about="the state that is returned")
def all_states_returned(Ref):
    """The states of all steps are returned, `(T, d_hidden)`. Layers of the libraries do so; this contract asks for the
    last one, `(d_hidden,)`."""

    class Wrong(Ref):
        def __call__(self, tokens, keys, state, mask=None):
            def step(state, embedding):
                new, (logits, weights) = self.step(state, embedding, keys, mask)
                return new, (logits, weights, new)

            return self.loop(step, state, self.embedded(tokens))[1]

    return Wrong


@mistake(where=("the given one", "the returned one"))
def gradient_of_the_state_stopped(Ref, *, where="between the steps"):
    """No gradient goes through the state, as with `detach` or `stop_gradient`. In training on long texts people cut it
    between two pieces; the contract asks for the gradient of all that is computed."""

    class Wrong(Ref):
        def __call__(self, tokens, keys, state, mask=None):
            if where == "the given one":
                state = jax.lax.stop_gradient(state)
            logits, weights, state = super().__call__(tokens, keys, state, mask)
            return logits, weights, jax.lax.stop_gradient(state) if where == "the returned one" else state

        def step(self, state, embedding, keys, mask):
            if where == "between the steps":
                state = jax.lax.stop_gradient(state)
            return super().step(state, embedding, keys, mask)

    return Wrong


# --- the loop and the results


@mistake
def python_loop_over_the_tokens(Ref):
    """A Python loop runs over the tokens. It gives the right numbers, and the program holds every step once, so that
    compiling takes longer the longer the text: `jax.lax.scan` has the step once."""

    class Wrong(Ref):
        def loop(self, step, state, embeddings):
            told = []
            for t in range(len(embeddings)):
                state, one = step(state, embeddings[t])
                told.append(one)
            return state, tuple(jnp.stack(rows) for rows in zip(*told))

    return Wrong


@mistake(turns=(2, 5))
def unrolled_scan(Ref, *, turns=True):
    """The scan is unrolled, by `unroll=True` or by a number. It is still one equation, and the compiled program holds
    the step many times: leave `unroll` out."""

    class Wrong(Ref):
        def loop(self, step, state, embeddings):
            return jax.lax.scan(step, state, embeddings, unroll=turns)

    return Wrong


@mistake(order=("state, logits, weights", "logits, state, weights", "state, (logits, weights)"))
def results_in_another_order(Ref, *, order="weights, logits, state"):
    """The results come in another order, or nested as `scan` gives them. They are the logits, the weights and the last
    state, in this order."""

    class Wrong(Ref):
        def __call__(self, tokens, keys, state, mask=None):
            logits, weights, state = super().__call__(tokens, keys, state, mask)
            named = dict(logits=logits, weights=weights, state=state)
            if order == "state, (logits, weights)":
                return state, (logits, weights)
            return tuple(named[name] for name in order.split(", "))

    return Wrong


@mistake(missing=("the state", "both"))
def result_missing(Ref, *, missing="the weights"):
    """Not everything is returned: the weights are missing, or the last state, or both. Without the state no call can go
    on from this one, and without the weights nobody sees where it looked: return all three."""

    class Wrong(Ref):
        def __call__(self, tokens, keys, state, mask=None):
            logits, weights, state = super().__call__(tokens, keys, state, mask)
            return {"the weights": (logits, state), "the state": (logits, weights), "both": logits}[missing]

    return Wrong


@mistake
def results_of_the_last_step(Ref):
    """Logits and weights are those of the last step alone. Each step has its own row: what `scan` stacks is what comes
    back."""

    class Wrong(Ref):
        def __call__(self, tokens, keys, state, mask=None):
            logits, weights, state = super().__call__(tokens, keys, state, mask)
            return logits[-1], weights[-1], state

    return Wrong


@mistake
def weights_by_key(Ref):
    """The weights have the keys as their first axis, `(S, T)`. A picture is drawn either way; the steps come first,
    `(T, S)`, as `scan` stacks them."""

    class Wrong(Ref):
        def __call__(self, tokens, keys, state, mask=None):
            logits, weights, state = super().__call__(tokens, keys, state, mask)
            return logits, weights.T, state

    return Wrong


@mistake
def squeezed(Ref):
    """`squeeze()` takes off every axis of length 1, and one token, one key or one word is enough for that. Take off an
    axis by an index or by its number."""

    class Wrong(Ref):
        def __call__(self, tokens, keys, state, mask=None):
            return tuple(array.squeeze() for array in super().__call__(tokens, keys, state, mask))

    return Wrong
