"""What is remembered between runs, and that nothing is torn, lost or kept for ever."""

from __future__ import annotations

import os

import platformdirs
import pytest

from grader.process import store


@pytest.fixture
def fallback(tmp_path, monkeypatch):
    """The user's own folder for programs' state, moved into the test's."""
    folder = tmp_path / "user"
    monkeypatch.setattr(platformdirs, "user_state_path", lambda name: folder / name)
    return folder / "attention-grader"


@pytest.fixture
def root(tmp_path, fallback):
    (tmp_path / "course").mkdir()
    return tmp_path / "course"


@pytest.fixture
def closed(root):
    """A checkout in which no folder can be made: a file stands in its place, which holds for every user."""
    (root / ".grader").write_text("")
    return root


def test_what_is_kept_lies_in_the_checkout(root, fallback):
    """A checkout that can be written to keeps everything under .grader/, and the user's folder is not touched."""
    assert store.home(root) == root / ".grader"
    assert store.folder(root, "xla", "student") == root / ".grader" / "xla" / "student"
    assert (root / ".grader" / "xla" / "student").is_dir() and not fallback.exists()


def test_looking_for_a_folder_leaves_nothing_in_it(root):
    """Whether a folder can be written to is tried without a trace."""
    assert [*store.home(root).iterdir()] == []


def test_a_closed_checkout_is_remembered_in_the_users_folder(closed, fallback):
    """Where the checkout cannot be written to, everything goes to a folder of the user's, and works the same."""
    assert store.home(closed).parent == fallback
    assert store.remember(closed, "31_sdpa", hints=2) and store.recall(closed, "31_sdpa") == {"hints": 2}


def test_two_closed_checkouts_do_not_share_a_folder(tmp_path, closed):
    """The user's folder has a place for each checkout."""
    other = tmp_path / "other"
    other.mkdir()
    (other / ".grader").write_text("")
    assert store.home(closed) != store.home(other)


def test_where_nothing_can_be_written_nothing_is_remembered(closed, fallback):
    """With no place at all there is no folder and no memory, and no exception."""
    fallback.parent.mkdir()
    fallback.write_text("")
    assert store.home(closed) is None and store.folder(closed, "keys") is None
    assert store.remember(closed, "31_sdpa", hints=1) is False and store.recall(closed, "31_sdpa") == {}


def test_a_part_that_cannot_be_made_is_none(root):
    """A file where a folder should be costs that folder alone."""
    (store.home(root) / "keys").write_text("")
    assert store.folder(root, "keys") is None and store.folder(root, "progress") is not None


def test_changes_are_added_to_what_is_remembered(root):
    """A change keeps what it does not name, and each problem has its own memory."""
    store.remember(root, "31_sdpa", hints=1, status="failed")
    store.remember(root, "31_sdpa", status="passed")
    assert store.recall(root, "31_sdpa") == {"hints": 1, "status": "passed"} and store.recall(root, "32_other") == {}


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[1, 2]", b"3", b"null"])
def test_a_damaged_memory_is_an_empty_one(root, content):
    """A file that is torn, or holds something else, is forgotten and written anew."""
    (store.folder(root, "progress") / "31_sdpa.json").write_bytes(content)
    assert store.recall(root, "31_sdpa") == {}
    assert store.remember(root, "31_sdpa", hints=1) and store.recall(root, "31_sdpa") == {"hints": 1}


def test_writing_replaces_a_file_and_leaves_nothing_beside_it(tmp_path):
    """A file that is written holds the new content, alone in its folder."""
    path = tmp_path / "file"
    assert store.write(path, b"old") and store.write(path, b"new")
    assert path.read_bytes() == b"new" and [*tmp_path.iterdir()] == [path]


@pytest.mark.parametrize("step", ["fdopen", "replace"])
def test_a_write_that_fails_keeps_the_old_file(tmp_path, monkeypatch, step):
    """When the disk is full or the rename refused, the old content stays, the temporary file goes, and the answer is
    False."""
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def refuse(first, *_):
        if step == "fdopen":
            os.close(first)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, step, refuse)
    assert store.write(path, b"new") is False
    assert path.read_bytes() == b"old" and [*tmp_path.iterdir()] == [path]


def test_a_write_into_no_folder_is_false(tmp_path):
    """A folder that is not there is no exception."""
    assert store.write(tmp_path / "nowhere" / "file", b"") is False


def test_a_digest_tells_contents_apart():
    """Sixteen hexadecimal digits of SHA-256: the same on every machine, another one for every change."""
    assert store.digest(b"") == "e3b0c44298fc1c14" and store.digest(b"\n") != store.digest(b"") != store.digest(b" ")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache of four files of 10 bytes, `0` the oldest, and a limit for it: `cache(25)`."""

    def limited(limit):
        monkeypatch.setattr(store, "CACHE_LIMIT", limit)
        for i in range(4):
            path = tmp_path / str(i)
            path.write_bytes(b"x" * 10)
            os.utime(path, (1000 + i, 1000 + i))
        return tmp_path

    return limited


@pytest.mark.parametrize("limit, left", [(100, "0123"), (40, "0123"), (39, "123"), (20, "23"), (9, "")])
def test_a_cache_keeps_its_newest_files_within_the_limit(cache, limit, left):
    """The oldest files go first, until what is left fits."""
    path = cache(limit)
    store.prune(path)
    assert "".join(sorted(file.name for file in path.iterdir() if file.name != ".looked")) == left


def test_pruning_survives_what_cannot_be_dropped(cache):
    """A folder among the files, a folder that is not there, and none at all are no exceptions."""
    path = cache(9)
    (path / "folder").mkdir()
    store.prune(path)
    assert {file.name for file in path.iterdir()} == {"folder", ".looked"}
    store.prune(path / "nowhere")
    store.prune(None)


def test_what_is_saved_while_a_file_is_graded_is_not_remembered_as_graded(course, monkeypatch):
    """The text that was graded is the text that counts as passed; what was saved meanwhile is changed since."""
    import contextlib

    from grader.course.problem import discover
    from grader.course.verdict import Status, Verdict
    from grader.judge import grade as stages
    from grader.student import cli
    from grader.student.progress import where_it_stands

    problem = next(problem for problem in discover(course) if problem.number == 31)
    problem.stub.write_text("graded = True\n")

    def grade(problem, *, stub, **_):
        problem.stub.write_text("saved_meanwhile = True\n")
        assert stub.source == "graded = True\n"
        return Verdict(31, problem.name, problem.title, "", Status.PASSED)

    monkeypatch.setattr(stages, "grade", grade)
    cli.verdict_on(problem, None, lambda problem: contextlib.nullcontext(lambda text: None))
    assert where_it_stands(problem) == ("passed, but changed since", "yellow")
    problem.stub.write_text("graded = True\n")
    assert where_it_stands(problem) == ("passed", "green")


def test_after_the_last_problem_comes_the_first_that_is_not_solved(course):
    """Who began in the middle of the track is sent back to its beginning; and only who solved all is told so."""
    from grader.course.problem import discover
    from grader.course.verdict import Status, Verdict
    from grader.student.progress import after, remember

    first, second, last = problems = discover(course)[:3]

    def solve(problem):
        problem.stub.write_text("graded = True\n")
        remember(problem, b"graded = True\n", Verdict(31, problem.name, problem.title, "", Status.PASSED))

    solve(last)
    assert after(first, problems) == second and after(second, problems) == last
    assert after(last, problems) == first
    solve(first)
    assert after(last, problems) == second
    solve(second)
    assert after(last, problems) is None
