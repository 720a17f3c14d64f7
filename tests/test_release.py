"""The students' course: everything that a student needs, nothing of a solution, and the same verdicts."""

import io
import json
import re
import subprocess
import sys
import zipfile

import pytest
from rich.console import Console

from grader.authors import release as releasing
from grader.authors.site import edition
from grader.classroom.arrivals.arrivals import arrivals, submitted
from grader.course.cases import Module
from grader.course.problem import CourseError, discover
from grader.key import key as keys
from tests.conftest import PROBLEMS, ROOT
from tests.site_text import opened, squeezed, those_in, unsaid

pytestmark = pytest.mark.thorough

WITH_KEYS = (31, 32)
ANSWER = "def sdpa(q, k, v):\n    return v\n"


def grader(folder, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "grader", *map(str, arguments)], cwd=folder, capture_output=True, text=True
    )


@pytest.fixture(scope="module")
def released(once):
    """The whole students' course, with the answer keys of a function and of a module: what one key holds is what each
    holds. Nobody writes in it."""

    def make(out):
        key_of = releasing._key
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                releasing,
                "_key",
                lambda problem: key_of(problem) if problem.number in WITH_KEYS else keys.packed(keys.AnswerKey()),
            )
            assert releasing.release(ROOT, [*PROBLEMS.values()], out, Console(file=io.StringIO())) == 0

    return once("released", make)


@pytest.fixture
def small(course, tmp_path):
    """A course to release from, with its notebooks, and the folder of a first release of 31."""
    (course / "notebooks").symlink_to(ROOT / "notebooks")
    (course / "LICENSE").write_bytes((ROOT / "LICENSE").read_bytes())
    out = tmp_path / "students"
    assert grader(course, "release", out, "--problems", "31").returncode == 0
    return course, out


@pytest.mark.sample
def test_what_is_in_it(released):
    """Lesson, stub, checks, hints, key and notebook of every problem; the grader; README, licence, workflow; and
    nothing else."""
    there = {
        path.relative_to(released).as_posix()
        for path in released.rglob("*")
        if path.is_file() and ".grader" not in path.parts and "__pycache__" not in path.parts
    }
    wanted = {
        f"problems/{p.name}/{name}"
        for p in PROBLEMS.values()
        for name in ("README.md", "stub.py", ".stub.py", "checks.py", "hints.md", "answers.npz")
    } | {f"problems/{p.name}/driver.py" for p in PROBLEMS.values() if p.driver}
    wanted |= {f"notebooks/{p.name}.ipynb" for p in PROBLEMS.values()} | {
        "problems/31_sdpa/attempt.py",
        "problems/31_sdpa/mended.py",
    }
    wanted |= {"README.md", "LICENSE", ".gitignore", "pyproject.toml", ".github/workflows/grade.yml", ".release.json"}
    assert {name for name in there if not name.startswith("grader/")} == wanted
    own = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "grader").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in there if name.startswith("grader/")} == {
        name for name in own if not name.startswith(("grader/authors/", "grader/bench/", "grader/classroom/"))
    }


def test_nothing_of_a_solution_is_in_it(released):
    """No statement from the body of a reference, a mistake or another style is in any file, answer keys included,
    beyond what lessons, stubs and mistakes' sentences say."""
    sentences = "".join(
        sentence
        for p in PROBLEMS.values()
        for _, _, sentence, _ in edition.bank((p.solutions / "mistakes.py").read_text(encoding="utf-8"))
    )
    secrets = unsaid(ROOT, sentences)
    assert len(secrets) > 500
    for path in released.rglob("*"):
        if not path.is_file():
            continue
        content = path.read_bytes()
        if path.suffix == ".npz":
            content = opened(content)
        text = squeezed(
            content.decode("utf-8", "ignore").encode().decode("unicode_escape", "ignore")
            if path.suffix == ".ipynb"
            else content.decode("utf-8", "ignore")
        )
        assert not those_in(secrets, text), path
    assert not [
        path
        for path in released.rglob("*")
        if path.name in ("mistakes.py", "right", "reference.py", "solutions", "authors", "classroom", "bench")
    ]


def attempts(number):
    """A right answer in another style, and the bank's first mistake, by their texts, as a student would hand them
    in."""
    problem = PROBLEMS[number]
    yield "right", sorted((problem.solutions / "right").glob("*.py"))[0].read_text(encoding="utf-8")
    reference, mistakes = (
        (problem.solutions / name).read_text(encoding="utf-8") for name in ("reference.py", "mistakes.py")
    )
    name, entry, *_ = edition.bank(mistakes)[0]
    entry = entry or problem.entries[0].name
    wrong = (
        f"{entry} = {name}(right)"
        if isinstance(problem.entries[0], Module)
        else f"def {entry}(*arguments, **options):\n    return {name}(right, *arguments, **options)"
    )
    yield name, f"{reference}\nright = {entry}\n{mistakes}\n\n{wrong}\n"


@pytest.mark.parametrize("number", WITH_KEYS)
def test_a_verdict_there_is_the_same_as_here(released, tmp_path, number):
    """Right answers pass, mistakes are named, and the smallest failing case is the same one, with the same numbers."""
    named = set()
    for name, text in attempts(number):
        path = tmp_path / "stub.py"
        path.write_text(text, encoding="utf-8")
        here, there = (grader(folder, number, "--file", path, "--json") for folder in (ROOT, released))
        assert here.returncode == there.returncode == (0 if name == "right" else 1), there.stdout + there.stderr
        one, other = (
            [verdict | dict(seconds=0) for verdict in json.loads(done.stdout)["problems"]] for done in (here, there)
        )
        assert one == other
        named |= {entry["mistake"] for entry in one[0]["names"]}
    assert next(name for name, _ in attempts(number) if name != "right") in named


def test_the_commands_of_authors_are_not_there(released):
    """They are neither in the help nor understood, and what a student needs is."""
    told = grader(released, "--help").stdout
    for word in ("verify", "publish", "release", "bench", "for authors", "for instructors"):
        assert word not in told
    assert "there is no command 'verify'" in grader(released, "verify").stderr
    assert grader(released).returncode == 0 and "31" in grader(released).stdout


def test_the_workflow_and_the_readme_name_every_problem(released):
    """GitHub Classroom gets a step and a point for each; every command of the README's table is understood."""
    workflow, readme = (
        (released / name).read_text(encoding="utf-8") for name in (".github/workflows/grade.yml", "README.md")
    )
    for number, problem in PROBLEMS.items():
        assert (
            f"command: python -m grader {number}\n" in workflow
            and f"PROBLEM-{number}_RESULTS: ${{{{ steps.problem-{number}.outputs.result }}}}" in workflow
        )
        assert f"](problems/{problem.name}/README.md)" in readme
    assert not re.search(r"\{\w+\}", readme)
    for target in re.findall(r"\]\(([^)]+)\)", readme):
        assert (released / target).exists()


def test_what_the_readme_says_to_hand_in_arrives(tmp_path):
    """Every way to hand in is told, and what is to be handed in there is read as the answer to its problem."""
    readme = (
        dict(releasing._about([*PROBLEMS.values()]))["README.md"]
        .decode()
        .partition("## Hand it in")[2]
        .partition("\n## ")[0]
    )
    assert all(
        way in readme for way in ("Canvas", "Moodle", "Gradescope", "GitHub Classroom", "a mail or a shared folder")
    )
    first, packed = PROBLEMS[31], io.BytesIO()
    stub, single = f"problems/{first.name}/stub.py", "ada_31.py"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(stub, ANSWER)
    assert "`ada.zip`" in readme and f"`{stub}`" in readme and f"`{single}`" in readme
    handed = {
        "bela.zip": packed.getvalue(),
        single: ANSWER.encode(),
        "lovelaceada_1_222_problems.zip": packed.getvalue(),
        "Ada Lovelace_9_assignsubmission_file_stub.py": ANSWER.encode(),
    }
    for name, content in handed.items():
        (tmp_path / name).write_bytes(content)
    assert [
        submission.pieces[31].content.decode() for submission in arrivals(tmp_path, [*PROBLEMS.values()], [first])
    ] == [ANSWER] * 4
    (tmp_path / "alone" / stub).parent.mkdir(parents=True)
    (tmp_path / "alone" / stub).write_text(ANSWER)
    assert submitted(tmp_path / "alone", [*PROBLEMS.values()]).pieces[31].content.decode() == ANSWER


def test_a_course_that_changes_meanwhile_is_not_released(small, monkeypatch):
    """A key fits the checks and the grader that it was computed with, and a student's verdict would be refused."""
    course, _ = small
    checks = course / "problems/31_sdpa/checks.py"
    monkeypatch.setattr(releasing, "_key", lambda problem: checks.write_text(f"{checks.read_text()}\n") and b"")
    with pytest.raises(CourseError, match="problems/31_sdpa/checks.py changed while the answer keys were computed"):
        releasing.release(course, discover(course)[:1], course / "out", Console(file=io.StringIO()))
    assert not (course / "out").exists()


def test_a_second_release_adds_problems_and_touches_no_students_work(small):
    """A solved stub, a notebook with an answer in it, a changed README and a student's own file stay as they are;
    everything else is brought up to date."""
    course, out = small
    work = {
        "problems/31_sdpa/stub.py": "# my answer\n",
        "notebooks/31_sdpa.ipynb": "{}",
        "README.md": "# mine\n",
        "notes.txt": "mine\n",
    }
    for name, text in work.items():
        (out / name).write_text(text)
    lesson = course / "problems/31_sdpa/hints.md"
    lesson.write_text(lesson.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    (course / "notebooks").unlink()
    (course / "notebooks").mkdir()
    for name in ("31_sdpa", "33_causal_mask"):
        (course / f"notebooks/{name}.ipynb").write_bytes((ROOT / f"notebooks/{name}.ipynb").read_bytes())
    done = grader(course, "release", out, "--problems", "31,33")
    assert done.returncode == 0, done.stderr
    assert {name: (out / name).read_text() for name in work} == work
    assert sorted(line.removeprefix("left as the student has it: ") for line in done.stdout.splitlines()[2:]) == sorted(
        name for name in work if name != "notes.txt"
    )
    assert (out / "problems/31_sdpa/hints.md").read_bytes() == lesson.read_bytes() and (
        out / "problems/33_causal_mask/answers.npz"
    ).exists()
    assert (
        "python -m grader 33" in (out / ".github/workflows/grade.yml").read_text()
        and "python -m grader 31" in (out / ".github/workflows/grade.yml").read_text()
    )
    assert "33 · The causal mask" in grader(out).stdout.replace("  ", " · ") or "The causal mask" in grader(out).stdout


@pytest.mark.parametrize(
    "break_it, told",
    [
        (
            lambda folder: (folder / "answers.npz").unlink(),
            "neither solutions/31_sdpa/ nor problems/31_sdpa/answers.npz is here",
        ),
        (lambda folder: (folder / "answers.npz").write_bytes(b"PK"), "problems/31_sdpa/answers.npz cannot be read"),
        (
            lambda folder: (folder / "checks.py").write_text((folder / "checks.py").read_text() + "\n# changed\n"),
            "belongs to other checks, another stub or another grader",
        ),
    ],
    ids=["missing", "torn", "other checks"],
)
def test_a_key_that_does_not_fit_is_the_courses_fault(small, break_it, told):
    """Exit code 2 and a sentence: nobody is failed by a key of something else."""
    _, out = small
    break_it(out / "problems/31_sdpa")
    done = grader(out, "31", "--file", "problems/31_sdpa/attempt.py")
    assert done.returncode == 2 and told in " ".join(done.stdout.split()) and "not your mistake" in done.stdout


def test_what_cannot_be_released_is_told(small, tmp_path):
    """A folder of something else is not written to; an old notebook and a missing half stop the release."""
    course, _ = small
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("mine")
    done = grader(course, "release", other)
    assert (
        done.returncode == 2
        and "holds something that is no release of this course" in done.stderr
        and len([*other.iterdir()]) == 1
    )
    lesson = course / "problems/31_sdpa/README.md"
    lesson.write_text(lesson.read_text(encoding="utf-8") + "\nMore.\n", encoding="utf-8")
    assert (
        "run `python -m grader publish --notebooks` first"
        in grader(course, "release", tmp_path / "new", "--problems", "31").stderr
    )
    assert not (tmp_path / "new").exists()


def test_line_ends_of_another_system_do_not_matter(small):
    """A course that git checked out with other line ends has the same checks."""
    _, out = small
    path = out / "problems/31_sdpa/checks.py"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert grader(out, "31", "--file", "problems/31_sdpa/attempt.py").returncode == 1


def test_settings_without_authors_extras_are_settings():
    import tomllib

    settings = tomllib.loads(releasing._settings((ROOT / "pyproject.toml").read_text(encoding="utf-8")))
    assert {*settings["project"]["optional-dependencies"]} == {"notebook", "cuda", "tpu"} and "pytest" not in settings[
        "tool"
    ]
