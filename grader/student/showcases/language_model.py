"""A language model that is made of your own 41 to 47: it learns a small language, and writes.

The language has 9216 sentences, such as "two big cats hear a mouse .", all of them equally likely. A verb agrees with
its subject, and nobody does anything to its own kind: what a word may be depends on words far before it. The surprise
that is left when all of that has been understood is known, log(9216) nats a sentence, so that the loss says how much
has been learned.
"""

from __future__ import annotations

import itertools
import sys
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from grader.student.showcases.pieces import taken

PIECES = {
    41: ("sample_token",),
    42: ("rotate",),
    43: ("RelativeBias",),
    44: ("TransformerBlock",),
    45: ("LanguageModel",),
    46: ("generate", "beam_search"),
    47: ("next_token_loss", "make_optimizer", "train_step"),
}

# The language

SINGULAR, PLURAL = ("a", "the"), ("two", "many")
ADJECTIVES = ("", "big", "small", "red")
NOUNS = {"cat": "cats", "dog": "dogs", "bird": "birds", "mouse": "mice"}
VERBS = {"sees": "see", "likes": "like", "hears": "hear"}


def sentences() -> list[list[str]]:
    """All that can be said, once each."""
    phrases = [
        (noun, determiner in PLURAL, [determiner, *filter(None, [adjective]), NOUNS[noun] if plural else noun])
        for noun in NOUNS
        for determiners, plural in ((SINGULAR, False), (PLURAL, True))
        for determiner in determiners
        for adjective in ADJECTIVES
    ]
    return [
        [*subject, VERBS[verb] if plural else verb, *object, "."]
        for (noun, plural, subject), verb, (other, _, object) in itertools.product(phrases, VERBS, phrases)
        if noun != other
    ]


LANGUAGE = sentences()
WORDS = [".", *sorted({word for sentence in LANGUAGE for word in sentence} - {"."})]
NUMBER = {word: number for number, word in enumerate(WORDS)}
STOP = NUMBER["."]  # ends a sentence, and stands before one
LENGTH = 1 + max(map(len, LANGUAGE))


def as_tokens(chosen: list[list[str]]) -> tuple[np.ndarray, np.ndarray]:
    """Sentences as rows of one length, and which of their words count: what fills a short one up does not."""
    tokens = np.full((len(chosen), LENGTH), STOP, np.int32)
    for row, sentence in zip(tokens, chosen):
        row[1 : 1 + len(sentence)] = [NUMBER[word] for word in sentence]
    return tokens, np.arange(LENGTH) <= np.array([len(sentence) for sentence in chosen])[:, None]


def as_text(tokens) -> str:
    """The words up to the end of the sentence."""
    words = [WORDS[token] for token in tokens]
    return " ".join(words[: words.index(".")] if "." in words else words) + "."


# The model


def make_model(yours: SimpleNamespace, d_model: int = 48, num_heads: int = 3, num_layers: int = 2) -> nnx.Module:
    """45, of blocks of 44, in which words know where they stand by 42 and 43."""

    class Attention(nnx.Module):
        def __init__(self, plain, rngs):
            self.q_proj, self.k_proj, self.v_proj, self.o_proj = plain.q_proj, plain.k_proj, plain.v_proj, plain.o_proj
            self.bias = yours.RelativeBias(num_heads, 8, 16, rngs=rngs)

        def __call__(self, x):
            count = x.shape[-2]
            q, k, v = (
                projection(x).reshape(*x.shape[:-1], num_heads, -1)
                for projection in (self.q_proj, self.k_proj, self.v_proj)
            )
            q, k = (yours.rotate(array, jnp.arange(count)) for array in (q, k))
            scores = jnp.einsum("...qnh,...knh->...nqk", q, k) / q.shape[-1] ** 0.5 + self.bias(count, count)
            weights = jax.nn.softmax(scores, axis=-1, where=jnp.tri(count, dtype=bool))
            return self.o_proj(jnp.einsum("...nqk,...knh->...qnh", weights, v).reshape(x.shape))

    def make_block(*, rngs):
        block = yours.TransformerBlock(d_model, num_heads, 3 * d_model, rngs=rngs)
        block.attn = Attention(block.attn, rngs)
        return block

    return yours.LanguageModel(make_block, len(WORDS), d_model, num_layers, rngs=nnx.Rngs(0))


def train(yours: SimpleNamespace, model: nnx.Module, console: Console, updates: int = 300) -> None:
    """47: updates of four micro-batches each."""
    transformation = yours.make_optimizer(5e-3, updates // 10, updates, 0.01, 1.0)
    optimizer = nnx.Optimizer(model, transformation, wrt=nnx.Param)
    step, rng = nnx.jit(yours.train_step), np.random.default_rng(0)
    columns = TextColumn("training"), BarColumn(), TextColumn("{task.fields[loss]} nats a word"), TimeElapsedColumn()
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=updates, loss="")
        for update in range(updates):
            tokens, mask = as_tokens([LANGUAGE[place] for place in rng.integers(len(LANGUAGE), size=128)])
            loss = step(model, optimizer, *(jnp.asarray(array.reshape(4, 32, LENGTH)) for array in (tokens, mask)))
            progress.update(task, advance=1, loss=f"{loss:.3f}")
            if not console.is_terminal and update % (updates // 5) == 0:
                console.print(f"update {update:3} of {updates}: {loss:.3f} nats a word")


def reader(model: nnx.Module):
    """A `step` for 46, and the state that it begins with: the words so far go through the model each time."""
    graphdef, params = nnx.split(model)

    def step(state, token):
        tokens = state["tokens"].at[state["length"]].set(token)
        logits = nnx.merge(graphdef, params)(tokens)[state["length"]]
        return {"tokens": tokens, "length": state["length"] + 1}, logits

    return step, {"tokens": jnp.full(LENGTH, STOP, jnp.int32), "length": jnp.int32(0)}


def picked(yours: SimpleNamespace, step, state, key, top_p: float) -> list[int]:
    """A sentence of words that 41 draws from the likeliest few."""
    step, token, said = jax.jit(step), jnp.int32(STOP), []
    while len(said) < LENGTH - 1 and (not said or said[-1] != STOP):
        state, logits = step(state, token)
        key, one = jax.random.split(key)
        token = yours.sample_token(one, logits, jnp.float32(1.0), top_p=jnp.float32(top_p))
        said.append(int(token))
    return said


def run(yours: SimpleNamespace, console: Console) -> float:
    """Trains and writes. Returns by how much the loss is above the entropy of the language, in nats a word."""
    model = make_model(yours)
    sizes = [array.size for array in jax.tree.leaves(nnx.state(model, nnx.Param))]
    console.print(f"A model of {sum(sizes):,} parameters, and a language of {len(LANGUAGE):,} sentences.\n")
    train(yours, model, console)

    tokens, mask = map(jnp.asarray, as_tokens(LANGUAGE))
    loss = float(yours.next_token_loss(nnx.jit(lambda model: model(tokens))(model), tokens, mask))
    entropy = np.log(len(LANGUAGE)) / float(mask[:, 1:].sum(-1).mean())
    console.print(f"\nOver the whole language: {loss:.4f} nats a word. Its entropy is {entropy:.4f}.")

    step, state = reader(model)
    keys, start = jax.random.split(jax.random.key(1), 200), jnp.array([STOP])
    write = jax.jit(
        jax.vmap(lambda key: yours.generate(step, state, start, LENGTH - 1, key, jnp.float32(1.0), eos=STOP))
    )
    written = [as_text(row) for row in np.asarray(write(keys))]
    known = {" ".join(sentence[:-1]) + "." for sentence in LANGUAGE}
    console.print(f"Of {len(written)} sentences that it writes, {sum(map(known.__contains__, written))} are right:")
    for text in written[:5]:
        console.print(f"  {text}", highlight=False)
    careful = [as_text(picked(yours, step, state, key, 0.5)) for key in keys[:3]]
    console.print("and with half of the probability cut off:", *careful, sep="\n  ", highlight=False)
    prompt = jnp.array([STOP, NUMBER["many"], NUMBER["red"], NUMBER["mice"]])
    beams, sums = yours.beam_search(step, state, prompt, 2, 3)
    console.print("After “many red mice” these are the likeliest:", highlight=False)
    for beam, sum_of in zip(np.asarray(beams), np.asarray(sums)):
        console.print(f"  {np.exp(sum_of):.3f}  … {' '.join(WORDS[token] for token in beam)}", highlight=False)
    return loss - entropy


if __name__ == "__main__":
    run(taken(sys.argv[1:], PIECES), Console())
