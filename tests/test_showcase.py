"""What a student's own answers can do together."""

import io
import re
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

from grader.authors.site import chapters, costs
from grader.authors.site.build import HERE
from grader.course.problem import load
from grader.student import cli
from grader.student.showcase import SHOWCASES
from grader.student.showcases import language_model, long_sequences
from tests.conftest import PROBLEMS

NUMBERS = SHOWCASES["language-model"].numbers


def references(pieces) -> SimpleNamespace:
    """Each piece, from the reference of its problem."""
    found = SimpleNamespace()
    for number, names in pieces.items():
        reference = load(PROBLEMS[number].solutions / "reference.py", f"reference_{number}")
        vars(found).update({name: getattr(reference, name) for name in names})
    return found


def test_the_language_is_what_it_is_said_to_be():
    """9216 sentences, each once; a verb agrees with its subject, and nobody does anything to its own kind."""
    said = [" ".join(sentence) for sentence in language_model.LANGUAGE]
    assert len(said) == len({*said}) == 9216
    assert "two big cats hear a mouse ." in said
    for wrong in ("two big cats hears a mouse .", "two big cats hear a cat .", "a cats hear a mouse ."):
        assert wrong not in said


def test_what_counts_is_the_sentence_and_its_end():
    """Behind the first word, which is nobody's target, each row has as many that count as its sentence has words."""
    tokens, mask = language_model.as_tokens(language_model.LANGUAGE[:50])
    for row, counts, sentence in zip(tokens, mask, language_model.LANGUAGE):
        assert counts[1:].sum() == len(sentence) and counts[0]
        assert [language_model.WORDS[token] for token in row[1:][counts[1:]]] == sentence
        assert language_model.as_text(row[1:]) == " ".join(sentence[:-1]) + "."


def test_stubs_that_are_not_written_are_told(capsys):
    """It names each of them, and where to begin."""
    assert cli.main(["showcase", "language-model"]) == 1
    told = capsys.readouterr().out
    assert all(f"{number}_" in told for number in NUMBERS) and "python -m grader lesson 41" in told


def test_another_name_is_told(capsys):
    """An unknown showcase is the command's fault."""
    assert cli.main(["showcase", "poem"]) == 2 and "language-model" in capsys.readouterr().err


@pytest.mark.thorough
def test_the_references_learn_the_language():
    """The loss over the whole language comes close to its entropy, and never below; most of what it writes is right."""
    yours = references(language_model.PIECES)
    told = io.StringIO()
    above = language_model.run(yours, Console(file=told, width=80))
    assert 0 <= above < 0.05
    of, right = map(int, re.search(r"Of (\d+) sentences that it writes, (\d+) are right", told.getvalue()).groups())
    assert right > 0.8 * of and "After “many red mice” these are the likeliest:" in told.getvalue()
    (beams,) = re.findall(r"likeliest:\n(.*)", told.getvalue(), re.DOTALL)
    shares = [float(share) for share in re.findall(r"^  (0\.\d+)", beams, re.MULTILINE)]
    assert len(shares) == 3 and shares == sorted(shares, reverse=True) and np.isfinite(shares).all()


PAGE = (HERE / "pages/long_sequences.md").read_text(encoding="utf-8")


@pytest.mark.thorough
def test_the_table_on_the_page_is_what_the_references_cost():
    """Its numbers are those of the programs, but for what a version of JAX writes otherwise; the picture has a line for
    each mechanism."""
    lengths, rows = costs.read(PAGE)
    assert lengths == [*long_sequences.LENGTHS]
    found = long_sequences.costs(references(long_sequences.PIECES))
    assert [*rows] == [*found]
    for name, at_lengths in found.items():
        numbers = [getattr(one, what) for what in ("forward", "gradient", "operations") for one in at_lengths]
        assert np.allclose(rows[name], numbers, rtol=0.1), (name, numbers)
    drawn = costs.put_into(PAGE)
    assert costs.MARK in PAGE and costs.MARK not in drawn and costs.put_into(PAGE) == drawn


def test_what_is_quadratic_is_seen():
    """A dense mask in one of the programs shows as one that grows by sixteen."""
    import jax.numpy as jnp

    def windowed(q, k, v, window):
        distance = jnp.arange(len(q))[:, None] - jnp.arange(len(k))
        scores = jnp.einsum("qnh,knh->nqk", q, k)
        return jnp.einsum("nqk,knh->qnh", jnp.where((distance >= 0) & (distance < window), scores, 0), v)

    (window,) = (one for one in long_sequences.MECHANISMS if one.name == "50 window")
    naive = SimpleNamespace(sliding_window_attention=windowed)
    short, long = (long_sequences.cost(window.program(naive, length), length) for length in long_sequences.LENGTHS[:2])
    assert long.forward == 16 * short.forward and long.operations > 15 * short.operations


def test_the_table_fits_a_terminal():
    """Of 80 columns; and the page reads back what is printed."""
    cost = long_sequences.Cost(67_000_000, 1_000_000, 276_000_000)
    told = [*long_sequences.lines({one.name: [cost] * 3 for one in long_sequences.MECHANISMS})]
    assert max(map(len, told)) < 80
    lengths, rows = costs.read("\n".join(told))
    assert lengths == [*long_sequences.LENGTHS] and [*rows] == [one.name for one in long_sequences.MECHANISMS]
    assert rows["51 block-sparse"] == [67e6] * 3 + [1e6] * 3 + [276e6] * 3


@pytest.mark.parametrize("number, told", [(640, "640"), (1500, "1.5k"), (32768, "33k"), (4.2e6, "4.2M"), (1e13, "10T")])
def test_how_a_number_is_shortened(number, told):
    assert long_sequences.short(number) == told


@pytest.mark.parametrize("name, script", [("language-model", language_model), ("long-sequences", long_sequences)])
def test_every_piece_is_a_name_of_its_problem(name, script):
    """The script takes from each stub what the contract has there; each showcase has its chapter."""
    for number, names in script.PIECES.items():
        assert {*names} <= {*PROBLEMS[number].names}
    assert (*script.PIECES,) == SHOWCASES[name].numbers
    assert name in {chapter.showcase for chapter in chapters.CHAPTERS.values()}
