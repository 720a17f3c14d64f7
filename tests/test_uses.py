"""A name that fails, of which nothing is known, and that is made of another one that fails too, is told of as that."""

import pytest

from grader.course.verdict import EntryVerdict, Named, Status
from grader.judge.uses import with_uses
from grader.report import words

FILE = """
import jax
from functools import partial

def filtered(x):
    return x

class Layer:
    def __call__(self, x):
        return shared(x)

shared = partial(filtered)

def drawn(key, x):
    return jax.random.categorical(key, Layer()(x))
"""


def said(source: str, *entries: EntryVerdict) -> list[str]:
    return [entry.uses for entry in with_uses(entries, source)]


def wrong(name: str, **known) -> EntryVerdict:
    return EntryVerdict(name, Status.FAILED, **known)


def test_what_is_used_is_found_through_what_stands_between():
    assert said(FILE, wrong("filtered"), wrong("drawn")) == ["", "filtered"]
    assert said(FILE, wrong("filtered"), wrong("Layer"), wrong("drawn")) == ["", "filtered", "filtered"]


@pytest.mark.parametrize(
    "filtered, drawn",
    [
        (EntryVerdict("filtered", Status.PASSED), wrong("drawn")),
        (EntryVerdict("filtered", Status.NOT_WRITTEN), wrong("drawn")),
        (wrong("filtered"), EntryVerdict("drawn", Status.PASSED)),
        (wrong("filtered"), wrong("drawn", mistake="key_left_out")),
        (wrong("filtered"), wrong("drawn", partly=Named("key_left_out", "The key."))),
    ],
)
def test_who_is_right_or_known_is_left_alone(filtered, drawn):
    """Nothing is said where the other is right or not written, or where a mistake explains what is wrong."""
    assert said(FILE, filtered, drawn) == ["", ""]


@pytest.mark.parametrize(
    "source",
    [
        "def filtered(x): return x\ndef drawn(x): return x",
        "def filtered(x): return drawn(x)\ndef drawn(x): return filtered(x)",
        "def filtered(x): return x\ndef drawn(x):\n    filtered = x + 1\n    return filtered",
        "def filtered(x): return x\ndef drawn(x, filtered=0): return filtered",
        "def filtered(x): return x\ndef drawn(x):\n    def filtered(y): return 2 * y\n    return filtered(x)",
        "def filtered(x): return x\ndef drawn(x):\n    from jax.nn import relu as filtered\n    return filtered(x)",
        "def drawn(:",
        "",
    ],
)
def test_who_is_not_made_of_the_other(source):
    """Not where the name does not stand in it, where both use one another, nor where the file cannot be read."""
    assert said(source, wrong("filtered"), wrong("drawn")) == ["", ""]


def test_what_is_said():
    (_, drawn) = with_uses([wrong("filtered"), wrong("drawn")], FILE)
    assert words.diagnosis(drawn) == (
        "it uses filtered",
        (
            "`drawn` is made of `filtered`, which is wrong too. Mend that first: "
            "what is wrong here may be no more than that.",
        ),
    )


def test_a_verdict_says_it(attempt):
    """Of 33, the second is told of as made of the first, where no known mistake explains either."""
    source = (
        "import jax\nimport jax.numpy as jnp\n\n\n"
        "def causal_mask(t_q, t_k):\n    return (jnp.arange(t_q)[:, None] + jnp.arange(t_k)) % 3 != 1\n\n\n"
        "def causal_sdpa(q, k, v):\n"
        "    scores = jnp.where(causal_mask(len(q), len(k)), q @ k.T / q.shape[-1] ** 0.5, -1e9)\n"
        "    return jax.nn.softmax(scores, axis=-1) @ v\n"
    )
    first, second = attempt(source, number=33).entries
    assert (first.uses, second.uses) == ("", "causal_mask")
