"""The answer key as a file: what is saved is loaded, and what is half written is computed anew."""

from __future__ import annotations

import json
import os
import shutil
import zipfile

import ml_dtypes
import numpy as np
import pytest

from grader.course.calls import Call
from grader.course.problem import CourseError, discover
from grader.course.verdict import Check, Failure, Outcome
from grader.key import answers as answers_module
from grader.key import key as keys
from grader.key.answers import Answers, key_digest
from grader.key.key import Answer, AnswerKey, KnownMistake
from grader.process.child import Ended
from tests.conftest import ROOT

BFLOAT16 = ml_dtypes.bfloat16
FAILURE = Failure("ValueError", ("ArithmeticError",), "d_model = 8 ✗", ((3, "f", "raise ValueError"),))
TREE = ["dict", [["output", ["tuple", ["array", "array"]]], ["note", "None"]]]


def array(values, dtype="float32") -> Outcome:
    return Outcome("array", {"": np.asarray(values, dtype)})


KEY = AnswerKey(
    answers={
        0: Answer(array([1.5, np.nan, -np.inf]), {"": 1e-6}),
        3: Answer(array([1.25, np.inf], BFLOAT16), {"": 0.0078125}),
        4: Answer(Outcome(TREE, {"output[0]": np.zeros((0, 2), bool), "output[1]": np.asarray(7, np.int32)}), {}),
        9: Answer(Outcome(failure=FAILURE), {}),
        12: Answer(Outcome(["variables", [["q.kernel", "Param", [2, 3], "float32"]]]), {}),
    },
    mistakes=[
        KnownMistake(
            "forgot",
            "f",
            "A sentence with “quotes”, √ and \\.",
            {0: array([2.0, 0, 0]), 3: array([1, 2], BFLOAT16), 9: Outcome(failure=FAILURE)},
        ),
        KnownMistake("nothing_told", "g", "", {}),
    ],
)


def same(one: Outcome, other: Outcome) -> bool:
    as_json = [json.loads(json.dumps(outcome.structure)) for outcome in (one, other)]
    return (
        as_json[0] == as_json[1]
        and one.failure == other.failure
        and one.leaves.keys() == other.leaves.keys()
        and all(
            one.leaves[leaf].dtype == other.leaves[leaf].dtype
            and one.leaves[leaf].shape == other.leaves[leaf].shape
            and one.leaves[leaf].tobytes() == other.leaves[leaf].tobytes()
            for leaf in one.leaves
        )
    )


def same_answers(one: AnswerKey, other: AnswerKey) -> bool:
    return [*one.answers] == [*other.answers] and all(
        same(a.outcome, b.outcome) and a.allowed == b.allowed
        for a, b in zip(one.answers.values(), other.answers.values())
    )


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "deeper" / "key.npz"
    keys.save(KEY, path)
    return path


def test_answers_round_trip(saved):
    """Arrays of every kind, bfloat16, NaN and empty ones too, structures, failures and tolerances come back as they
    were saved."""
    assert same_answers(keys.load(saved), KEY)


def test_mistakes_round_trip(saved):
    """Mistakes come back in order with name, entry, sentence and outcomes by call id, failures too."""
    for back, known in zip(keys.load(saved).mistakes, KEY.mistakes, strict=True):
        assert (back.name, back.entry, back.sentence, [*back.outcomes]) == (
            known.name,
            known.entry,
            known.sentence,
            [*known.outcomes],
        )
        assert all(same(back.outcomes[id], known.outcomes[id]) for id in known.outcomes)


@pytest.mark.parametrize("mistakes", [None, []])
def test_unread_mistakes_are_not_the_same_as_none_at_all(tmp_path, mistakes):
    """A key whose mistakes nobody has asked for comes back with None, one whose bank is empty with an empty list."""
    keys.save(AnswerKey(dict(KEY.answers), mistakes), tmp_path / "key.npz")
    assert keys.load(tmp_path / "key.npz").mistakes == mistakes


def test_the_file_holds_plain_arrays_and_no_code(saved):
    """Every member is an .npy of bytes that loads without pickle."""
    with zipfile.ZipFile(saved) as archive:
        assert all(name.endswith(".npy") for name in archive.namelist())
    with np.load(saved, allow_pickle=False) as stored:
        assert {stored[name].dtype.name for name in stored.files} == {"uint8"}


def test_equal_arrays_are_written_once(tmp_path):
    """A bank in which mistakes leave an array as it is takes hardly more than the array; one that differs in shape,
    dtype or the sign of a zero is another."""
    large = np.zeros(50_000, np.float32)
    others = [large.reshape(2, -1), large.view(np.int32), -large]
    outcomes = {id: Outcome("array", {"": values}) for id, values in enumerate([large, large.copy(), *others])}
    bank = [KnownMistake(f"mistake {n}", "sdpa", "…", outcomes) for n in range(20)]
    keys.save(AnswerKey({1: Answer(array(large), {})}, bank), tmp_path / "key.npz")
    assert all(
        same(back.outcomes[id], outcomes[id]) for back in keys.load(tmp_path / "key.npz").mistakes for id in outcomes
    )
    assert (tmp_path / "key.npz").stat().st_size < 6 * large.nbytes


def test_saving_leaves_one_file(saved):
    """No temporary file stays beside the key, and saving again replaces it."""
    keys.save(AnswerKey({1: Answer(array([1]), {})}), saved)
    assert [path.name for path in saved.parent.iterdir()] == ["key.npz"]
    assert [*keys.load(saved).answers] == [1]


def test_a_key_that_cannot_be_written_leaves_the_old_one(saved, monkeypatch):
    """When writing breaks off, the old key stays as it was and the half-written file is removed."""

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(keys.os, "replace", full)
    with pytest.raises(OSError):
        keys.save(AnswerKey(), saved)
    assert [path.name for path in saved.parent.iterdir()] == ["key.npz"]
    assert same_answers(keys.load(saved), KEY)


# What follows plays the reference's process, so that the way from key to file and back is tested without one.

CALLS = [Call(0, Check("sdpa", "eager", "a")), Call(1, Check("sdpa", "eager", "b"))]
FRAMES = [
    ({"answer": 0, "allowed": {"": 0.5}, "structure": "array"}, {"": np.ones(2, np.float32)}),
    ({"answer": 1, "allowed": {}, "failure": ["ValueError", [], "no", []]}, {}),
    ({"answered": 2}, {}),
    ({"mistake": "wrong", "entry": "sdpa", "sentence": "So.", "about": "it"}, {}),
    ({"outcome": 0, "structure": "array"}, {"": np.zeros(2, np.float32)}),
    ({"mistake": "other", "entry": "sdpa", "sentence": "Or so.", "about": ""}, {}),
    ({"done": True}, {}),
]


class Played:
    """Stands in for the reference's process."""

    started = 0
    ended = Ended("finished")
    sent = FRAMES
    prints = ""

    def __init__(self, *_, **__):
        type(self).started += 1

    def send(self, frames):
        self.order, self.calls = frames[0][0], frames[1:]

    def frames(self):
        yield from self.sent
        return self.ended

    def kill(self):
        pass


@pytest.fixture
def played(tmp_path, monkeypatch):
    """Problem 31 in a course of its own that knows no key yet, and the class that stands in for the reference's
    process."""
    for part in ("problems/31_sdpa", "solutions/31_sdpa"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))

    class Fresh(Played):
        started = 0

    monkeypatch.setattr(answers_module, "Child", lambda module, devices: module)
    monkeypatch.setattr(answers_module, "Process", Fresh)
    (problem,) = discover(tmp_path)
    return problem, Fresh


def ask(problem, mistakes=True):
    with Answers(problem, CALLS) as found:
        expected = found.expected()
        known = found.mistakes() if mistakes else None
    return expected, known, found


def test_answers_and_mistakes_are_computed_once_and_kept(played):
    """The reference runs once; later the key comes from its file, with the same content."""
    problem, process = played
    first, again = ask(problem), ask(problem)
    assert process.started == 1
    for expected, known, _ in (first, again):
        assert expected[0].outcome.leaves[""].tolist() == [1, 1] and expected[0].allowed == {"": 0.5}
        assert expected[1].outcome.failure == Failure("ValueError", (), "no")
        assert [(m.name, m.sentence, [*m.outcomes]) for m in known] == [("wrong", "So.", [0]), ("other", "Or so.", [])]


def test_mistakes_are_read_only_when_they_are_asked_for(played):
    """A passing verdict keeps a key without mistakes; the first failing one computes them and keeps the whole."""
    problem, process = played
    ask(problem, mistakes=False)
    assert keys.load(ask(problem, mistakes=False)[2].path).mistakes is None and process.started == 1
    _, known, found = ask(problem)
    assert process.started == 2 and [m.name for m in known] == ["wrong", "other"]
    assert [m.name for m in keys.load(found.path).mistakes] == ["wrong", "other"]


def test_answers_that_are_known_are_told_and_not_computed_again(played):
    """A process that is asked for the mistakes alone is told the answers, from which it tells them."""
    problem, _ = played
    first = ask(problem, mistakes=False)
    assert first[2]._process.order["answers"] == 0
    process = ask(problem)[2]._process
    told = {id: answer for frame in process.calls[len(CALLS) :] for id, answer in Answer.from_wire(*frame).items()}
    assert process.order["answers"] == len(told) == len(first[0]) and told[0].allowed == {"": 0.5}


DAMAGES = {
    "empty": lambda whole: b"",
    "half": lambda whole: whole[: len(whole) // 2],
    "its end is missing": lambda whole: whole[:-1],
    "something else": lambda whole: b"hello, this is no archive\n",
    "a byte in its middle has turned": lambda whole: whole[:200] + bytes([whole[200] ^ 0xFF]) + whole[201:],
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_is_computed_anew(played, damage):
    """A key that is half written or no key at all is put aside, computed again and replaced by a whole one."""
    problem, process = played
    expected, _, found = ask(problem)
    found.path.write_bytes(damage(found.path.read_bytes()))
    again, known, _ = ask(problem)
    assert process.started == 2 and same_answers(AnswerKey(again), AnswerKey(expected)) and len(known) == 2
    assert same_answers(keys.load(found.path), AnswerKey(expected))


def test_the_reference_is_told_the_problem_and_every_call(played):
    """The order names the course and the problem, and the calls follow in their wire form."""
    problem, _ = played
    found = Answers(problem, CALLS)
    order = found._process.order
    assert (order["root"], order["problem"], order["calls"]) == (str(problem.folder.parents[1]), 31, 2)
    assert [message["id"] for message, _ in found._process.calls] == [0, 1]
    found.close()


@pytest.mark.parametrize(
    "prints, said",
    [
        ("", "the reference of 31_sdpa did not finish (exit 1): it said nothing"),
        (
            "Traceback\n  lines\nNameError: oops\n\n",
            "the reference of 31_sdpa did not finish (exit 1): NameError: oops",
        ),
        (
            "Traceback\n  lines\ngrader.course.problem.CourseError: at one key the reference fails\n",
            "31_sdpa: at one key the reference fails",
        ),
    ],
)
def test_a_reference_that_dies_is_the_courses_fault(played, prints, said):
    """When the reference ends early, the CourseError gives its last words, and no key is kept."""
    problem, process = played
    process.sent, process.ended, process.prints = FRAMES[:1], Ended("exit", "1"), prints
    with pytest.raises(CourseError) as caught:
        ask(problem)
    assert str(caught.value) == said
    assert not [*(problem.folder.parents[1] / ".grader" / "keys").glob("31_sdpa-*")]


@pytest.mark.parametrize("part", ["reference.py", "mistakes.py"])
def test_a_part_of_the_solutions_that_is_missing_is_the_courses_fault(played, part):
    """The CourseError names the file, and no process is started."""
    problem, process = played
    (problem.solutions / part).unlink()
    with pytest.raises(CourseError) as caught:
        ask(problem)
    assert (str(caught.value), process.started) == (f"solutions/31_sdpa/{part} is missing", 0)


def test_old_keys_are_dropped(played):
    """Saving a key removes those of the same problem that are more than a day older, and no others."""
    problem, _ = played
    folder = problem.folder.parents[1] / ".grader" / "keys"
    folder.mkdir(parents=True)
    for name in ("31_sdpa-old.npz", "31_sdpa-recent.npz", "32_other-old.npz"):
        (folder / name).write_bytes(b"")
        if "old" in name:
            os.utime(folder / name, (0, 0))
    own = ask(problem)[2].path.name
    assert {path.name for path in folder.iterdir()} == {own, "31_sdpa-recent.npz", "32_other-old.npz"}


def test_a_key_that_cannot_be_kept_is_a_note(played, monkeypatch):
    """A full disk costs the next run time and this one a note, not the verdict."""

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(keys, "save", full)
    expected, _, found = ask(played[0])
    assert len(expected) == 2
    assert found.notes == [
        "The answer key could not be kept (No space left on device); the next run computes it again."
    ]


def test_a_key_is_named_by_everything_that_it_follows_from(played):
    """Any change of checks, stub, reference or mistakes, or of the seed, asks for another key; a lesson or a student's
    file does not."""
    problem, _ = played
    digest = key_digest(problem, 0)
    assert key_digest(problem, 0) == digest != key_digest(problem, 1)
    for path in (problem.lesson, problem.stub):
        path.write_text("changed")
    assert key_digest(problem, 0) == digest
    seen = {digest}
    for path in (
        problem.folder / "checks.py",
        problem.pristine,
        problem.solutions / "reference.py",
        problem.solutions / "mistakes.py",
    ):
        path.write_bytes(path.read_bytes() + b"#\n")
        seen.add(key_digest(problem, 0))
    assert len(seen) == 5
