"""What a student's own answers can do together."""

import io
import re
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

from grader.course.problem import discover, load
from grader.student import cli
from grader.student.showcase import SHOWCASES
from grader.student.showcases import language_model
from tests.conftest import PROBLEMS

NUMBERS = SHOWCASES["language-model"].numbers


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
    yours = SimpleNamespace()
    for number, names in language_model.PIECES.items():
        reference = load(PROBLEMS[number].solutions / "reference.py", f"reference_{number}")
        vars(yours).update({name: getattr(reference, name) for name in names})
    told = io.StringIO()
    above = language_model.run(yours, Console(file=told, width=80))
    assert 0 <= above < 0.05
    of, right = map(int, re.search(r"Of (\d+) sentences that it writes, (\d+) are right", told.getvalue()).groups())
    assert right > 0.8 * of and "After “many red mice” these are the likeliest:" in told.getvalue()
    (beams,) = re.findall(r"likeliest:\n(.*)", told.getvalue(), re.DOTALL)
    shares = [float(share) for share in re.findall(r"^  (0\.\d+)", beams, re.MULTILINE)]
    assert len(shares) == 3 and shares == sorted(shares, reverse=True) and np.isfinite(shares).all()


def test_every_piece_is_a_name_of_its_problem():
    """The script takes from each stub what the contract has there."""
    for number, names in language_model.PIECES.items():
        assert {*names} <= {*PROBLEMS[number].names}
    assert [*language_model.PIECES] == [*NUMBERS]
    assert {problem.number for problem in discover(PROBLEMS[31].folder.parents[1])} >= {*NUMBERS}
