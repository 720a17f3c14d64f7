"""57 · The reference: one step of a GRU with attention, scanned over the tokens. One method for each part of a step, so
that a mistake can change one of them."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx


class AdditiveAttention(nnx.Module):
    """Problem 55, for one query."""

    def __init__(self, d_query, d_key, d_attention, *, rngs):
        self.query_proj = nnx.Linear(d_query, d_attention, use_bias=False, rngs=rngs)
        self.key_proj = nnx.Linear(d_key, d_attention, use_bias=False, rngs=rngs)
        self.score = nnx.Linear(d_attention, 1, use_bias=False, rngs=rngs)

    def __call__(self, query, keys, mask=None):
        weights = self.weights(self.scores(query, keys), mask)
        return weights @ keys, weights

    def scores(self, query, keys):
        # One query stands against all keys. The keys' part is the same at every step, and a compiler that knows this
        # may take it out of the loop.
        return self.score(jnp.tanh(self.query_proj(query) + self.key_proj(keys)))[:, 0]

    def weights(self, scores, mask):
        # `where` leaves hidden scores out, whatever they are, and gives zeros where there is no other: the context of
        # nothing is a row of zeros, and the step goes on with it.
        return jax.nn.softmax(scores, where=mask)


class AttentionDecoder(nnx.Module):
    def __init__(self, vocab_size, d_embed, d_hidden, d_key, d_attention, *, rngs):
        self.make(vocab_size, d_embed, d_hidden, d_key, d_attention, rngs)

    def make(self, vocab_size, d_embed, d_hidden, d_key, d_attention, rngs):
        def linear(d_in, d_out):
            return nnx.Linear(d_in, d_out, use_bias=False, rngs=rngs)

        self.embed = nnx.Embed(vocab_size, d_embed, rngs=rngs)
        # The state asks and the keys answer, so a query is as wide as the state.
        self.attention = AdditiveAttention(d_hidden, d_key, d_attention, rngs=rngs)
        # What comes in at a step, the word and what was found for it, meets the state in three places: in both gates
        # and in the candidate. Three matrices side by side are one layer and one product.
        self.input_gates = linear(d_embed + d_key, 3 * d_hidden)
        self.hidden_gates = linear(d_hidden, 3 * d_hidden)
        # The context goes to the logits directly as well: what was looked up need not pass through the state.
        self.logits = linear(d_hidden + d_key, vocab_size)

    def __call__(self, tokens, keys, state, mask=None):
        def step(state, embedding):
            return self.step(state, embedding, keys, mask)

        # `scan` traces the step once, hands the state from turn to turn and stacks what each turn gives. Keys and mask
        # are the same at every turn: the step closes over them.
        state, (logits, weights) = self.loop(step, state, self.embedded(tokens))
        return logits, weights, state

    def loop(self, step, state, embeddings):
        return jax.lax.scan(step, state, embeddings)

    def embedded(self, tokens):
        # Row $t$ of the table for token $t$, for all tokens at once. `nnx.Embed` would give the dtype that it was made
        # with.
        return self.embed.embedding[...][tokens]

    def step(self, state, embedding, keys, mask):
        # Look first, then move: the state before the step says what is looked for, and what is found helps to make the
        # state after it.
        context, weights = self.attend(state, embedding, keys, mask)
        new = self.next_state(state, self.joined(embedding, context))
        # The word is chosen from where the step has led to, with the same context at hand.
        return new, (self.read(new, context), weights)

    def attend(self, state, embedding, keys, mask):
        return self.attention(state, keys, mask)

    def joined(self, embedding, context):
        # $[e_t; c_t]$: the first rows of `input_gates` are for the word, and the others for the context.
        return jnp.concatenate([embedding, context])

    def next_state(self, state, inputs):
        x, h = self.split(self.input_gates(inputs)), self.split(self.hidden_gates(state))
        # Two gates, each a number between 0 and 1 for each feature of the state.
        r, z = self.gate(x[0] + h[0]), self.gate(x[1] + h[1])
        return self.blend(z, self.candidate(r, x[2], h[2], state), state)

    def split(self, gates):
        # $r$, $z$ and $n$ in this order, each as wide as the state.
        return jnp.split(gates, 3)

    def gate(self, x):
        return jax.nn.sigmoid(x)

    def candidate(self, r, x, h, state):
        # The reset gate says, feature by feature, how much of the past the candidate hears of. It stands behind the
        # matrix, $r \odot (U s)$, as in the libraries, which so need one product for all three. In the paper of 2014
        # it stands in front, $U (r \odot s)$.
        return self.squash(x + r * h)

    def squash(self, x):
        return jnp.tanh(x)

    def blend(self, z, new, old):
        # $z = 1$ keeps a feature as it was, for as many steps as it likes, and the gradient with it.
        return (1 - z) * new + z * old

    def read(self, state, context):
        # $[s_t; c_t]$: the first rows of `logits` are for the state.
        return self.logits(jnp.concatenate([state, context]))


def error_scale(params, tokens, keys, state, mask=None, **_):
    """How large the intermediate values are: (1 + largest score) times the largest sum in a layer of the gates or of
    the logits."""
    sums = [np.abs(params[f"{name}.kernel"]).sum(0).max() for name in ("input_gates", "hidden_gates", "logits")]
    seen = keys if mask is None else keys[mask]
    largest = max(np.abs(array).max(initial=1.0) for array in (params["embed.embedding"], seen, state))
    # tanh is at most 1
    return (1 + np.abs(params["attention.score.kernel"]).sum()) * max(sums) * largest
