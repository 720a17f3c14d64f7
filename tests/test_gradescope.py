"""The autograder for Gradescope: what is in its zip, and what it does with a submission, in a folder that looks like
Gradescope's container."""

import hashlib
import io
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import unescape
from pathlib import Path

import pytest
from rich.console import Console

from grader.authors.site import edition
from grader.classroom import gradescope as building
from grader.classroom.book.late import Policy, lateness
from grader.classroom.book.metadata import metadata
from grader.classroom.book.rules import OF_AN_AUTOGRADER, Grading
from grader.classroom.walls.walls import closed
from grader.course.problem import CourseError
from grader.course.select import UsageError
from tests.browser import missing
from tests.conftest import PROBLEMS, ROOT
from tests.schema import validate
from tests.site_text import opened, squeezed, those_in, unsaid

pytestmark = pytest.mark.thorough

if not sys.platform.startswith("linux"):
    pytest.skip("Gradescope's container is Linux", allow_module_level=True)

MINE = [PROBLEMS[31], PROBLEMS[33]]
SEED = 0x5EED_0FA_C1A55_0123456789ABCDEF
RIGHT = b"import jax\ndef sdpa(q, k, v): return jax.nn.softmax(q @ k.T / q.shape[-1] ** 0.5) @ v\n"
UNSCALED = b"import jax\ndef sdpa(q, k, v): return jax.nn.softmax(q @ k.T) @ v\n"
# what keeps a submission in: all that there is, and what is left where one after the other is refused
WALLS = ("namespaces", "landlock", "own user")

# What Gradescope's documentation says of results.json, as far as we use it.
# https://gradescope-autograders.readthedocs.io/en/latest/specs/
FORMAT = dict(enum=["text", "html", "simple_format", "md", "ansi"])
VISIBILITY = dict(enum=["hidden", "after_due_date", "after_published", "visible"])
NUMBER, TEXT = dict(type="number", minimum=0), dict(type="string")
TEST = dict(
    type="object",
    additionalProperties=False,
    properties=dict(
        score=NUMBER,
        max_score=NUMBER,
        status=dict(enum=["passed", "failed"]),
        name=TEXT,
        number=TEXT,
        output=TEXT,
        output_format=FORMAT,
        visibility=VISIBILITY,
        extra_data=dict(type="object"),
    ),
)
RESULTS = dict(
    type="object",
    additionalProperties=False,
    required=["score"],
    properties=dict(
        score=NUMBER,
        output=TEXT,
        output_format=FORMAT,
        stdout_visibility=VISIBILITY,
        tests=dict(type="array", items=TEST),
        extra_data=dict(type="object"),
    ),
)

# Tries whatever stands around a submission, in a folder that is filled in.
PROBE = """
import os
from pathlib import Path
at = Path({autograder!r})
for path in [at / "source/exams", at / "source/exams/31", at / "source/late.json", at / "results", at / "results/results.json", at / "submission", at / "submission_metadata.json",
             Path(f"/proc/{{os.getppid()}}/mem"), Path(f"/proc/{{os.getppid()}}/environ")]:
    try:
        os.listdir(path) if path.is_dir() else path.open("rb").read(1)
        print("LEAK", path)
    except OSError:
        pass
for path in [at / "results/results.json", at / "run_autograder", at / "source/grader/judge/findings.py", at / "source/exams/31"]:
    try:
        path.write_text("forged")
        print("LEAK writes", path)
    except OSError:
        pass
for old in ("source", "results"):
    try:
        os.rename(at / old, at / "gone")
        print("LEAK renames", old)
    except OSError:
        pass
print("looked around")
def sdpa(q, k, v): return q
"""  # noqa: E501


def built(out: Path, problems=MINE) -> str:
    """Builds the zip, and gives what was said."""
    said = io.StringIO()
    assert building.gradescope(ROOT, problems, out, Console(file=said, width=200)) == 0
    return said.getvalue()


@pytest.fixture(scope="module")
def archive(once):
    """The zip for problems 31 and 33, and what was said. Nobody writes in its folder."""

    def make(folder):
        folder.mkdir()
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(building.secrets, "randbits", lambda bits: SEED)
            (folder / "said").write_text(built(folder / "autograder.zip"))

    return once("gradescope", make) / "autograder.zip"


@dataclass
class Container:
    """A folder that looks like Gradescope's `/autograder`, in a place that every user can reach."""

    autograder: Path
    tools: Path

    def grades(
        self, submission: dict[str, bytes], walls: str = "namespaces", about=dict(users=[dict(name="Ada")])
    ) -> subprocess.CompletedProcess:
        """Runs the autograder on files, as Gradescope does, which tells `about` them."""
        for name, content in submission.items():
            path = self.autograder / "submission" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        (self.autograder / "submission_metadata.json").write_text(json.dumps(about))
        return subprocess.run(
            [self.autograder / "run_autograder"],
            env=self._environment(walls),
            cwd=self.autograder,
            capture_output=True,
            text=True,
        )

    def _environment(self, walls: str) -> dict[str, str]:
        settings = dict(
            os.environ, AUTOGRADER=str(self.autograder), PYTHON=sys.executable, TMPDIR=str(self.tools / "tmp")
        )
        settings.pop("PYTHONPATH", None)
        if walls != "namespaces":
            settings["PATH"] = str(self.tools)
        elif not shutil.which("bwrap"):
            missing("bubblewrap is not installed")
        if walls == "own user":
            settings["PYTHONPATH"] = str(self.tools)  # its landlockpy knows of no kernel that has Landlock
        return settings

    @property
    def results(self) -> dict:
        return json.loads((self.autograder / "results/results.json").read_text(encoding="utf-8"))


@pytest.fixture
def container(archive):
    with tempfile.TemporaryDirectory(prefix="autograder-") as folder:
        made = Container(Path(folder) / "autograder", Path(folder) / "tools")
        Path(folder).chmod(0o755)
        for path in ("autograder/source", "autograder/submission", "autograder/results", "tools/tmp"):
            (Path(folder) / path).mkdir(parents=True)
        (made.autograder / "results").chmod(0o777)
        (made.tools / "landlockpy.py").touch()
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(made.autograder / "source")
            for entry in packed.infolist():
                (made.autograder / "source" / entry.filename).chmod(entry.external_attr >> 16)
        shutil.copy(made.autograder / "source/run_autograder", made.autograder)
        yield made


def asks_for(walls: str) -> None:
    """Leaves the test where this machine cannot give a submission a user of its own."""
    if walls == "own user" and os.geteuid():
        missing("only root can give a submission a user of its own")
    if walls == "own user" and (shut := closed(None)):
        pytest.skip(f"another user cannot run the Python that is in {shut}")


def in_zip(archive: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(archive) as packed:
        return {name: packed.read(name) for name in packed.namelist()}


# What is in the zip


def test_what_is_in_it(archive):
    """Two scripts, what to install, the grader with the class's part of the instructor's, three files of each problem,
    its exam; and nothing else."""
    names = {*in_zip(archive)}
    wanted = {"setup.sh", "run_autograder", "requirements.txt", ".python-version", "about.json", "late.json"}
    wanted |= {f"problems/{p.name}/{name}" for p in MINE for name in ("README.md", ".stub.py", "checks.py")} | {
        f"exams/{p.number}" for p in MINE
    }
    assert {name for name in names if not name.startswith("grader/")} == wanted
    own = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "grader").rglob("*")
        if path.is_file() and not any(part == "__pycache__" or part[0] == "." for part in path.parts)
    }
    instructors = {name for name in own if name.startswith(("grader/authors/", "grader/bench/"))}
    assert {name for name in names if name.startswith("grader/")} == own - instructors


def test_who_may_read_it(archive):
    """The zip, the exams in it, and who has more time are their owner's alone; the scripts can be run; the rest can be
    read, as a submission's own user has to."""
    assert stat.S_IMODE(archive.stat().st_mode) == 0o600
    with zipfile.ZipFile(archive) as packed:
        for entry in packed.infolist():
            secret, script = (
                entry.filename.startswith("exams/") or entry.filename == "late.json",
                entry.filename in ("setup.sh", "run_autograder"),
            )
            assert entry.external_attr >> 16 == (0o600 if secret else 0o755 if script else 0o644), entry.filename


def test_nothing_of_a_solution_is_in_it(archive):
    """No statement from a reference, a mistake or another style is in any file, exams included, beyond what lessons,
    stubs and mistakes' sentences say; nor is the seed."""
    sentences = "".join(
        sentence
        for p in PROBLEMS.values()
        for _, _, sentence, _ in edition.bank((p.solutions / "mistakes.py").read_text(encoding="utf-8"))
    )
    secrets = unsaid(ROOT, sentences)
    assert len(secrets) > 500
    for name, content in in_zip(archive).items():
        if name.startswith("exams/"):
            content = opened(content)
        text = content.decode("utf-8", "ignore")
        # the grader's own lines may begin like a solution's
        lines = {*map(squeezed, text.splitlines())}
        assert not (secrets & lines if name.startswith("grader/") else those_in(secrets, squeezed(text))), name
        assert (
            str(SEED) not in text
            and SEED.to_bytes(16, "big") not in content
            and SEED.to_bytes(16, "little") not in content
        )


def test_nothing_of_this_machine_is_in_it(archive):
    """No path of it, and no address from which packages come."""
    files = in_zip(archive)
    for name, content in files.items():
        for place in (ROOT, sys.prefix, Path.home(), archive.parent):
            assert f"{place}/".encode() not in content, name
    for name in ("setup.sh", "run_autograder", "requirements.txt", "about.json", ".python-version"):
        assert b"://" not in files[name] and b"index" not in files[name]


def test_the_container_gets_the_versions_that_the_key_was_computed_with(archive):
    """Every package of the course, pinned, and the Python."""
    from importlib.metadata import version

    files = in_zip(archive)
    listed = dict(line.split("==") for line in files["requirements.txt"].decode().splitlines())
    assert {name: version(name) for name in listed} == listed
    assert {"jax", "jaxlib", "flax", "numpy", "landlockpy", "psutil", "rich"} <= {*listed}
    assert files[".python-version"].decode() == f"{sys.version_info.major}.{sys.version_info.minor}"


def test_a_build_says_what_it_made(archive):
    said = (archive.parent / "said").read_text()
    assert said == (
        "computing the answer keys\n"
        f"{archive} is an autograder for 2 problems: upload it at Configure Autograder, as a zip file. It holds the "
        f"answers: give it to no student\n"
        f"next: {archive.with_suffix('.toml')} has the weights and what late work costs; change them and build again. "
        f"Each build draws other inputs\n"
    )
    text = archive.with_suffix(".toml").read_text()
    assert text.startswith(OF_AN_AUTOGRADER) and tomllib.loads(text)["weights"] == {"31": 1, "33": 1}


def test_groups_are_gradescopes_own(archive, tmp_path):
    """A table of groups has no meaning there, and that is told before anything is built."""
    (tmp_path / "a.toml").write_text('[groups]\nteam = ["ada"]\n[weights]\n31 = 1\n33 = 1\n')
    with pytest.raises(UsageError, match=r"a.toml has \[groups\], which Gradescope knows itself: take them away"):
        built(tmp_path / "a.zip")


def test_points_add_up_to_the_maximum():
    """A weight is a part of the whole, among the problems that are in the zip."""
    about = building._about(MINE, Grading({31: 1, 33: 3, 35: 4}, partial=False, maximum=20))
    assert (about["points"], about["maximum"], about["partial"]) == ({31: 5, 33: 15}, 20, False)
    assert building._about(MINE, Grading({31: 0, 33: 0}))["points"] == {31: 0, 33: 0}


@pytest.mark.parametrize(
    "name, there, told",
    [
        ("autograder", None, "autograder is no name for the autograder: name a file that ends with .zip"),
        ("none/a.zip", None, "there is no folder {folder}/none: make it, or name another place"),
        (
            "thesis.zip",
            b"PK, or rather not",
            "thesis.zip is something else than an autograder of this course: name another file",
        ),
    ],
)
def test_what_cannot_be_built_is_told_and_loses_nothing(tmp_path, name, there, told):
    if there:
        (tmp_path / name).write_bytes(there)
    with pytest.raises(UsageError) as raised:
        built(tmp_path / name)
    assert told.format(folder=tmp_path) in str(raised.value)
    assert not there or (tmp_path / name).read_bytes() == there


def test_an_earlier_autograder_is_replaced(archive, tmp_path, monkeypatch):
    """Its weights are kept, and a problem more gets a line."""
    monkeypatch.setattr(building, "packed", lambda exam: b"an exam")
    monkeypatch.setattr(building, "exam_for", lambda problem, seed: None)
    shutil.copy(archive, tmp_path / "a.zip")
    (tmp_path / "a.toml").write_text("maximum = 10\n[weights]\n33 = 4\n")
    built(tmp_path / "a.zip")
    files = in_zip(tmp_path / "a.zip")
    assert json.loads(files["about.json"])["points"] == {"31": 2.0, "33": 8.0} and files["exams/31"] == b"an exam"


def test_without_solutions_there_is_no_autograder(course, tmp_path):
    from grader.course.problem import discover

    shutil.rmtree(course / "solutions/31_sdpa")
    with pytest.raises(CourseError, match="without solutions/31_sdpa/ there is no answer key to grade with"):
        building.gradescope(course, discover(course)[:1], tmp_path / "a.zip", Console(file=io.StringIO()))
    assert not [*tmp_path.glob("a.*")]


@pytest.mark.parametrize("name", building.SHELL)
def test_the_scripts_are_shell(archive, name):
    """They are read without a complaint, and can be run."""
    path = Path(building.__file__).with_suffix("") / name
    done = subprocess.run(["sh", "-n", path], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert os.access(path, os.X_OK) and path.read_bytes().startswith(b"#!/bin/sh\n")


def test_setup_installs_bubblewrap_and_what_is_pinned(container):
    """apt brings bubblewrap; the rest is pip's, into a Python of its own beside the source."""
    heard = container.tools / "heard"
    for name in ("apt-get", "python3"):
        (container.tools / name).write_text(f'#!/bin/sh\necho "{name} $*" >> {heard}\n')
    for name in ("pip", "uv"):
        path = container.autograder / "uv/bin" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            f'#!/bin/sh\necho "{name} $*" >> {heard}\n[ -e requirements.txt ] && echo "in $PWD, Python in '
            f'$UV_PYTHON_INSTALL_DIR" >> {heard}\nexit 0\n'
        )
    for path in [*container.tools.glob("*"), *(container.autograder / "uv/bin").iterdir()]:
        path.chmod(0o755)
    environment = dict(os.environ, AUTOGRADER=str(container.autograder), PATH=f"{container.tools}:{os.environ['PATH']}")
    done = subprocess.run([container.autograder / "source/setup.sh"], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    at, there = container.autograder, "in {0}/source, Python in {0}/uv/python".format(container.autograder)
    assert heard.read_text().splitlines() == [
        "apt-get update",
        "apt-get install -y --no-install-recommends bubblewrap python3-venv",
        f"python3 -m venv {at}/uv",
        "pip install uv",
        f"uv venv {at}/python",
        there,
        f"uv pip install --python {at}/python -r requirements.txt",
        there,
    ]


# What it does with a submission


def test_a_submission_is_graded(container):
    """Each problem is a test with its points; one that could not be read has no score, which is told, and keeps no
    other from its points; what is Gradescope's is as its documentation says."""
    done = container.grades({"problems/31_sdpa/stub.py": RIGHT, "notes/33_causal_mask.ipynb": b"{", "33.py": b""})
    assert (done.returncode, done.stderr) == (0, "")
    results = container.results
    validate(results, RESULTS)
    right, unread = results["tests"]
    assert results["score"] == 50 and results["stdout_visibility"] == "hidden"
    assert (
        right["name"],
        right["number"],
        right["score"],
        right["max_score"],
        right["status"],
        right["visibility"],
    ) == (PROBLEMS[31].title, "31", 50, 50, "passed", "visible")
    assert "passed</strong>: " in right["output"] and right["output_format"] == "html"
    assert {"key", "course", "jax", "python", "waived", "graded_at", "sha256", "place"} <= {
        *right["extra_data"]
    } and "seed" not in right["extra_data"]
    assert (
        right["extra_data"]["place"] == "problems/31_sdpa/stub.py"
        and right["extra_data"]["course"] == json.loads(in_zip_of(container, "about.json"))["course"]
    )
    assert not {"score", "max_score", "status"} & {*unread}
    without = "The score is without what could not be read (33) and has no points yet."
    assert f"{without} Hand it in again, or ask whoever runs the course." in results["output"]
    assert f"{without} Have it handed in again, or give its points by hand." in done.stdout
    assert (
        "is empty: hand in the file with your answer" in unread["output"]
        and "Nothing was run. This says nothing about your answer" in unread["output"]
    )
    assert "33: could not be read" in done.stdout.splitlines()
    assert stat.S_IMODE((container.autograder / "results").stat().st_mode) == 0o700


def test_students_see_their_total(container):
    """No test and no result is hidden, since Gradescope may keep the total from whoever may not see every test. What
    came beside the answers is told to both; what is printed is for instructors alone."""
    done = container.grades({"31.py": b"", "extra.py": b"x = 1"})
    results = container.results
    assert (
        {"visible"} == {test["visibility"] for test in results["tests"]}
        and "visibility" not in results
        and results["stdout_visibility"] == "hidden"
    )
    assert all("elongs to no problem: extra.py" in told for told in (done.stdout, results["output"]))


def in_zip_of(container: Container, name: str) -> bytes:
    return (container.autograder / "source" / name).read_bytes()


def test_a_mistake_is_named_and_nothing_expected_is_told(container):
    """The sentence, the student's own value, where it is wrong; by how much in one digit. Points for the checks that
    passed. An untouched stub is told."""
    done = container.grades({"ada/31_sdpa.py": UNSCALED, "ada/33_causal_mask.py": PROBLEMS[33].pristine.read_bytes()})
    assert done.returncode == 0
    wrong, untouched = container.results["tests"]
    assert (
        0 < wrong["score"] < 50
        and wrong["status"] == "failed"
        and container.results["score"] == wrong["score"] + untouched["score"]
    )
    assert (
        "<strong>forgot the scale</strong>" in wrong["output"]
        and "divide by sqrt(d_k) before the softmax" in wrong["output"]
    )
    assert (
        "yours is " in wrong["output"]
        and "expected" not in wrong["output"]
        and "<svg" not in wrong["output"]
        and "<style" not in wrong["output"]
    )
    assert wrong["extra_data"]["mistakes"] == ["forgot_the_scale"]
    assert untouched["score"] == 0 and untouched["extra_data"]["status"] == "not written"
    assert done.stdout == "Every limit was in place, and there is nothing to look at.\n"


@pytest.mark.parametrize("walls", WALLS)
def test_a_submission_reaches_neither_exams_nor_results(container, walls):
    """Whatever walls the container allows: what is around stays unread and unchanged. The limits that are missing are
    named to instructors, and to nobody else."""
    asks_for(walls)
    before = {path: path.read_bytes() for path in container.autograder.rglob("*") if path.is_file()}
    done = container.grades({"31.py": PROBE.format(autograder=str(container.autograder)).encode()}, walls)
    assert (done.returncode, done.stderr) == (0, "")
    results = container.results
    validate(results, RESULTS)
    probed, _ = results["tests"]
    assert "looked around" in probed["output"] and "LEAK" not in json.dumps(results)
    assert {path: path.read_bytes() for path in before} == before
    assert not [path for path in (container.tools / "tmp").iterdir()]
    absent = {
        "namespaces": set(),
        "landlock": {"network", "disk"},
        "own user": {"files", "network", "strangers", "processes", "memory", "disk"},
    }[walls]
    assert absent <= {*results["extra_data"]["missing"]} and (
        walls != "namespaces" or not results["extra_data"]["missing"]
    )
    for limit in absent:
        assert f"graded without the limit {limit!r}: " in done.stdout
    assert not [test for test in results["tests"] if "without the limit" in test["output"]]
    assert set(probed["extra_data"]["waived"]) == {*results["extra_data"]["missing"]}


@pytest.mark.parametrize(
    "name, walls, told",
    [
        ("writes_a_result_file", "namespaces", "4 of 4 values of the output differ"),
        ("patches_the_worker", "own user", ""),
        ("forges_results", "landlock", ""),
    ],
)
def test_a_hostile_submission_earns_nothing(container, name, walls, told):
    """It gets its verdict, and the results are the autograder's."""
    asks_for(walls)
    assert (
        container.grades({"31.py": (Path(__file__).with_name("hostile") / f"{name}.py").read_bytes()}, walls).returncode
        == 0
    )
    results = container.results
    validate(results, RESULTS)
    assert results["tests"][0]["status"] == "failed" and results["score"] < 25 and told in results["tests"][0]["output"]


@pytest.mark.parametrize(
    "files, told",
    [
        ({"work.zip": b"PK\3\4"}, "work.zip is damaged and cannot be unpacked"),
        ({"thesis.pdf": b"%PDF"}, "(there is only thesis.pdf)"),
        ({"31.py": b"", "33.py": b""}, "31.py is empty: hand in the file with your answer."),
    ],
    ids=["damaged", "no code", "empty"],
)
def test_what_cannot_be_read_is_no_zero(container, files, told):
    """There are no results, which Gradescope shows as the autograder's failure, without a score; the instructor reads
    why."""
    (container.autograder / "results/results.json").write_text('{"score": 100}')
    done = container.grades(files)
    assert (done.returncode, done.stderr) == (2, "") and not [*(container.autograder / "results").iterdir()]
    assert (
        done.stdout.startswith("Nothing was graded, since nothing could be read: ")
        and told in done.stdout
        and "or give the points by hand" in done.stdout
    )


def test_nothing_handed_in_earns_nothing(container):
    """An empty submission is told so, and has no points."""
    done = container.grades({})
    assert done.returncode == 0
    results = container.results
    validate(results, RESULTS)
    assert (
        results["score"] == 0
        and "Nothing is in it: hand in stub.py, or a zip of your problems folder." in results["output"]
    )
    assert (
        all("nothing was handed in" in test["output"] for test in results["tests"])
        and "nothing handed in" in done.stdout
    )


# Late work

DUE = "2025-03-01T23:59:00-08:00"
POLICY = Policy(per_day=0.1, grace=timedelta(minutes=30), extensions={"grace": 1})


def about(created: str, **more) -> dict:
    """What Gradescope tells of a submission, by its documentation."""
    return (
        dict(
            id=1,
            created_at=created,
            assignment=dict(due_date=DUE, late_due_date=None, total_points="100.0"),
            users=[dict(email="ada@example.org", id=7, name="Ada L.")],
            previous_submissions=[],
        )
        | more
    )


def test_late_work_costs_what_the_policy_says(container):
    """By Gradescope's dates, and the student reads by how much it is late and what that costs; what came in time costs
    nothing, nor does handing the same in again."""
    (container.autograder / "source/late.json").write_text(POLICY.packed())
    in_time = dict(number="33", extra_data=dict(sha256=hashlib.sha256(PROBLEMS[33].pristine.read_bytes()).hexdigest()))
    earlier = [dict(submission_time="2025-02-28T10:00:00-08:00", score=0.0, results=dict(tests=[in_time]))]
    done = container.grades(
        {"31.py": RIGHT, "33.py": PROBLEMS[33].pristine.read_bytes()},
        about=about("2025-03-03T09:00:00-08:00", previous_submissions=earlier),
    )
    late, again = container.results["tests"]
    assert (late["score"], late["max_score"], late["status"], container.results["score"]) == (40, 50, "passed", 40)
    read = unescape(re.sub("<[^>]*>", "", late["output"]))
    assert (
        "Late by 1 day and 9 hours, as Gradescope says. It counts as 2 days. Each day begun costs 10 % of the points. "
        "50 × 0.8 = 40 of 50 points." in read
    )
    assert "came 2025-03-03 09:00, by Gradescope" in read
    assert (
        "31: late by 2 days (-20 %)" in done.stdout
        and "late" not in again["output"]
        and "came 2025-02-28 10:00, by Gradescope" in again["output"]
    )


@pytest.mark.parametrize(
    "told, by, cost",
    [
        (about("2025-03-01T23:58:00-08:00"), None, None),
        (about("2025-03-02T00:10:00-08:00"), 11, 0),
        (about("2025-03-02T08:59:00+01:00", assignment={}), None, None),
        (about("2025-03-02T12:00:00-08:00"), 721, 0.1),
        (about("2025-03-02T12:00:00-08:00", users=[dict(email="grace@example.org")]), 721, 0),
        (
            about(
                "2025-03-02T12:00:00-08:00",
                users=[
                    dict(name="A", assignment=dict(due_date=DUE)),
                    dict(name="B", assignment=dict(due_date="2025-03-02T23:59:00-08:00")),
                ],
            ),
            None,
            None,
        ),
        (about("yesterday"), None, None),
        ("nonsense", None, None),
        (dict(users=3, assignment=[], previous_submissions=[dict(results=[])]), None, None),
    ],
)
def test_what_gradescope_says_of_dates(tmp_path, told, by, cost):
    """Its due date, a student's own where there is one, and the extensions of the policy; what is missing or strange is
    not known, and takes nothing off."""
    (tmp_path / "m.json").write_text(json.dumps(told))
    found = metadata(tmp_path / "m.json")
    came = found.came(31, "d")
    late = lateness(
        found.extended(POLICY), came, {part for name in found.ids.values() for part in (name, name.partition("@")[0])}
    )
    assert (came.by if came else None, late.cost if late else None) == (timedelta(minutes=by) if by else None, cost)


def test_gradescopes_extension_moves_the_policys_date(tmp_path):
    """Where grading.toml has a date of its own, who has more time on Gradescope has as much more there."""
    own = dict(name="Ada", assignment=dict(due_date="2025-03-04T23:59:00-08:00"))
    (tmp_path / "m.json").write_text(json.dumps(about("2025-03-04T12:00:00-08:00", users=[own])))
    policy = Policy(datetime.fromisoformat("2025-02-28T12:00:00-08:00"), per_day=0.1)
    found = metadata(tmp_path / "m.json")
    assert (
        found.extended(policy).due.isoformat() == "2025-03-03T12:00:00-08:00"
        and lateness(found.extended(policy), found.came(31, "d"), ()).days == 1
    )
    assert Policy.unpacked(found.extended(policy).packed()) == found.extended(policy)


def test_without_a_date_nothing_is_taken_off(container):
    """What Gradescope does not tell is not made up: instructors read that late work cannot be told."""
    (container.autograder / "source/late.json").write_text(POLICY.packed())
    done = container.grades({"33.py": PROBLEMS[33].pristine.read_bytes()})
    assert "late work cannot be told here" in done.stdout


@pytest.mark.parametrize(
    "break_it, told",
    [
        (
            lambda source: (source / "exams/31").write_bytes(b"torn"),
            "the exam of 31 is missing or damaged: build the autograder again, and upload it",
        ),
        (
            lambda source: (source / "exams/31").unlink(),
            "the exam of 31 is missing or damaged: build the autograder again, and upload it",
        ),
        (lambda source: (source / "about.json").unlink(), "about.json"),
    ],
    ids=["torn", "missing", "no about"],
)
def test_where_the_course_is_at_fault_nobody_gets_a_zero(container, break_it, told):
    """No results, not even earlier ones, a sentence for the instructor and an exit code: Gradescope says that the
    autograder failed."""
    (container.autograder / "results/results.json").write_text('{"score": 100}')
    break_it(container.autograder / "source")
    done = container.grades({"31.py": RIGHT})
    assert done.returncode == 2 and done.stderr == ""
    assert done.stdout.startswith("Nothing was graded, by no student's fault: ") and told in done.stdout
    assert not [*(container.autograder / "results").iterdir()]
