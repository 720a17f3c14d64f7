"""A class of made-up students whose work arrives in every form that it has, made from what the course holds: right
answers, the bank of mistakes, `hostile/`.

What becomes of each is in `classroom.csv`: who, the problem, the status (`|` where a machine's limits decide), the
mistake that is named, and whether it could be read.
"""

from __future__ import annotations

import ast
import contextlib
import csv
import itertools
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest

from grader.bench.loop import environment
from grader.classroom.book.entries import ROUNDS
from grader.classroom.book.gradebook import NAME, Gradebook
from grader.course.problem import mistakes
from tests.browser import missing
from tests.conftest import PROBLEMS
from tests.test_arrivals import mode, notebook, overlapping, tarred, zipped

EXPECTED = Path(__file__).with_suffix(".csv")
FIELDS = ("student", "problem", "status", "mistake", "unread")
HOSTILE = {path.stem: path.read_bytes() for path in sorted(Path(__file__).with_name("hostile").glob("*.py"))}
# each keeps a core for long
SLOW = {
    "fork_bomb",
    "sleeps",
    "ignores_signals",
    "loops_in_a_handler",
    "huge_frame",
    "memory_flood",
    "memory_flood_by_children",
    "thread_bomb",
    "long_names",
    "loops_in_xla",
}

# A sample of the mistakes: `verify` tries them all.
SAMPLE = {
    31: (
        "forgot_the_scale",
        "divided_by_the_width",
        "multiplied_by_the_scale",
        "scale_of_the_values",
        "scale_of_the_length",
        "softmax_over_queries",
        "softmax_over_everything",
        "no_softmax",
        "overflowing_softmax",
        "scale_after_softmax",
        "never_normalised",
        "gradient_stopped_at_the_weights",
    ),
    33: ("mask_aligned_at_the_start", "mask_without_the_token_itself", "mask_with_one_key_too_many"),
}
STYLES = {33: ("library", "online", "softmax_where")}


# What they answer.


def right(number: int) -> dict[str, bytes]:
    """Right answers in every style that the course knows, the reference among them."""
    folder = PROBLEMS[number].solutions
    return {
        path.stem: path.read_bytes() for path in [folder / "reference.py", *sorted((folder / "right").glob("*.py"))]
    }


def wrong(number: int, name: str) -> bytes:
    """A mistake of the bank as a stub of its own: the reference under another name, and what makes it wrong. It imports
    nothing of the course."""
    folder = PROBLEMS[number].solutions
    known = next(known for known in mistakes(folder / "mistakes.py") if known.id == name)
    entry = known.entry or PROBLEMS[number].names[0]
    reference, bank = (ast.parse((folder / part).read_text()) for part in ("reference.py", "mistakes.py"))
    mine = [
        node
        for node in bank.body
        if not getattr(node, "decorator_list", ())
        and not (isinstance(node, ast.ImportFrom) and node.module.startswith("grader"))
    ]
    made = next(node for node in bank.body if getattr(node, "name", "") == name)
    made.decorator_list, made.body = [], made.body[1:]
    is_class = any(isinstance(node, ast.ClassDef) and node.name == entry for node in reference.body)
    ending = (
        f"{entry} = {name}(Reference)"
        if is_class
        else f"def {entry}(*args, **options):\n    return {name}(Reference, *args, **options)"
    )
    return "\n\n".join(
        [
            ast.unparse(_Renamed(entry, "Reference").visit(reference)),
            ast.unparse(ast.Module([*mine[1:], made], [])),
            ending,
            "",
        ]
    ).encode()


class _Renamed(ast.NodeTransformer):
    """The same program, with another name for one of its own."""

    def __init__(self, old: str, new: str):
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> ast.AST:
        for field in ("id", "name"):
            if getattr(node, field, None) == self.old:
                setattr(node, field, self.new)
        return self.generic_visit(node)


# In which form it arrives. Each gives the files of one student, by path; `who` is a word, `index` a number of the
# student's own.


def in_a_folder(who: str, index: int, answers: Mapping[int, bytes]) -> dict[str, bytes]:
    return {f"{who}/{number}.py": answer for number, answer in answers.items()}


def in_a_zip(who: str, index: int, answers: Mapping[int, bytes]) -> dict[str, bytes]:
    return {
        f"{who}.zip": zipped(
            {f"problems/{PROBLEMS[number].name}/stub.py": answer for number, answer in answers.items()}
        )
    }


def in_a_tar(who: str, index: int, answers: Mapping[int, bytes]) -> dict[str, bytes]:
    return {f"{who}.tar.gz": tarred({f"{PROBLEMS[number].name}.py": answer for number, answer in answers.items()})}


def loose(who: str, index: int, answers: Mapping[int, bytes]) -> dict[str, bytes]:
    return {f"{who}_{number}.py": answer for number, answer in answers.items()}


def by_canvas(who: str, index: int, answers: Mapping[int, bytes]) -> dict[str, bytes]:
    """What was handed in first does not count."""
    first = {f"{who}_{1000 + index}_{50000 + number}_{number}.py": b"raise SystemExit\n" for number in answers}
    return first | {
        f"{who}_LATE_{1000 + index}_{60000 + number}_{number}-1.py": answer for number, answer in answers.items()
    }


def by_moodle(who: str, index: int, answers: Mapping[int, bytes]) -> dict[str, bytes]:
    return {
        f"{who.replace('_', ' ').title()}_{2000 + index}_assignsubmission_file_/{PROBLEMS[number].name}/stub.py": answer
        for number, answer in answers.items()
    }


def by_clone(who: str, index: int, answers: Mapping[int, bytes]) -> dict[str, bytes]:
    """The whole course, with the other problems' stubs as they ship."""
    stubs = {problem.number: problem.pristine.read_bytes() for problem in PROBLEMS.values()} | answers
    files = {f"attention-{who}/problems/{PROBLEMS[number].name}/stub.py": stub for number, stub in stubs.items()}
    return files | {
        f"attention-{who}/.git/HEAD": b"ref: refs/heads/main\n",
        f"attention-{who}/grader/stub.py": b"raise SystemExit\n",
    }


def in_a_notebook(who: str, index: int, answers: Mapping[int, bytes]) -> dict[str, bytes]:
    """The cells of the course's notebooks, with a trial below that fails."""
    return {
        f"{who}/work.ipynb": notebook(
            "import os", *(f"%%grade {number}\n{answer.decode()}" for number, answer in answers.items()), "1 / 0"
        )
    }


def in_an_own_notebook(who: str, index: int, answers: Mapping[int, bytes]) -> dict[str, bytes]:
    return {
        f"{who}/homework.ipynb": notebook(
            "%matplotlib inline\nimport matplotlib.pyplot as plt",
            *(answer.decode() for answer in answers.values()),
            "plt.plot(sdpa(1, 2, 3))",
        )
    }


FORMS = (in_a_folder, in_a_zip, in_a_tar, loose, by_canvas, by_moodle, by_clone, in_a_notebook, in_an_own_notebook)


# The class.


def everyone() -> Iterator[tuple[str, Mapping[int, bytes]]]:
    """Who hands in what that can be read: a word that says what it is, and the answers."""
    styles = right(31)
    slow = {style: styles.pop(style) for style in ("loops",)}  # these come last
    for style, answer in styles.items():
        yield f"right_{style}", {31: answer}
    for name in SAMPLE[31]:
        yield name, {31: wrong(31, name)}
    for number, styles in STYLES.items():
        answers = right(number)
        for style in styles:
            yield f"both_{style}", {31: right(31)["einsum"], number: answers[style]}
    for name in SAMPLE[33]:
        yield name, {33: wrong(33, name)}
    yield "everything", {number: right(number)["reference"] for number in (31, *STYLES)}
    for style, answer in slow.items():
        yield f"right_{style}", {31: answer}


def odd() -> dict[str, bytes]:
    """What is broken, empty, misnamed, or not what it seems. Each is a student's of its own."""
    answer = right(31)["reference"]
    return {
        "bomb.zip": overlapping(),
        "broken.zip": zipped({"31.py": answer * 50})[:-30],
        "climbs.zip": zipped({"../../right_einsum/31.py": answer}),
        "linked.zip": zipped({mode("31.py", 0o120000): b"/etc/passwd"}),
        "large/31.py": b"#" * (2 << 20),
        "nothing/31.py": b"",
        "no_answer/readme.txt": b"I was ill.\n",
        "no_python/31.py": b"def sdpa(q, k, v:\n    return v\n",
        "no_text/31.py": b"\xff\xfe\x00\x01",
        "no_such_name/31.py": b"def attention(q, k, v):\n    return v\n",
        "untouched/31_sdpa/stub.py": PROBLEMS[31].pristine.read_bytes(),
        "raises/31.py": b"def sdpa(q, k, v):\n    return q @ k\n",
        "unnamed/31.py": b"def sdpa(q, k, v):\n    return 2 * v[:1] + q[:, :1] * 0\n",
        "twice/31.py": answer,
        "twice.zip": zipped({"31.py": answer}),
        "=cmd|' /C calc'!A0/31.py": answer,
        "<script>alert(1)<_script>.zip": zipped({"31.py": answer}),
    }


def made(folder: Path) -> None:
    """Writes the class into a folder."""
    forms = itertools.cycle(FORMS)
    for index, (form, (who, answers)) in enumerate(zip(forms, everyone())):
        put(folder, form(who, index, answers))
    for name, content in HOSTILE.items():
        if name not in SLOW:
            put(folder, in_a_folder(f"hostile_{name}", 0, {31: content}))
    put(folder, odd())
    (folder / "link").mkdir()
    (folder / "link/31.py").symlink_to("../large/31.py")
    (folder / "links").symlink_to("/etc", target_is_directory=True)
    (folder / "pipe").mkdir()
    os.mkfifo(folder / "pipe/31.py")
    (folder / "empty").mkdir()


def put(folder: Path, files: Mapping[str, bytes]) -> None:
    for path, content in files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)


# What becomes of it.


def expected() -> list[dict[str, str]]:
    with EXPECTED.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def rows(report: Mapping) -> list[dict[str, str]]:
    """What `--json` printed of a class, in the form of `classroom.csv`: who handed nothing in that could be read has a
    row without a problem."""
    found = []
    for student in report["students"]:
        graded = [mark for mark in student["problems"] if mark["status"]]
        found += [
            _row(
                student["student"],
                mark["problem"],
                mark["status"],
                [name["mistake"] for name in mark["names"] if name["mistake"]],
                mark["unread"],
            )
            for mark in graded
        ]
        found += [] if graded else [_row(student["student"], "", "", (), bool(student["trouble"]))]
    return found


def _row(student: str, problem: int | str, status: str, names: Iterable[str], unread: bool) -> dict[str, str]:
    return dict(zip(FIELDS, (student, str(problem), status, " ".join(names), "yes" if unread else "")))


def unlike(found: list[dict], expected: list[dict]) -> list[str]:
    """Where a gradebook is not the expected one. A status may be one of several."""

    def keyed(rows):
        return {(row["student"], row["problem"]): row for row in rows}

    assert len(keyed(found)) == len(found), "somebody is there twice"
    mine, wanted = keyed(found), keyed(expected)
    faults = [f"not expected: {mine[which]}" for which in mine if which not in wanted] + [
        f"missing: {wanted[which]}" for which in wanted if which not in mine
    ]
    return faults + [
        f"{mine[which]}, not {row}"
        for which, row in wanted.items()
        if which in mine
        and (mine[which] | dict(status="")) != (row | dict(status=""))
        or which in mine
        and mine[which]["status"] not in row["status"].split("|")
    ]


def expected_of(folder: Path) -> list[dict]:
    """The rows of the expected gradebook for those who are in a small class, where all hand in by folders."""
    students = {path.name for path in (folder / "submissions").iterdir()}
    rows = [row for row in expected() if row["problem"] == "31"]
    return [
        next(row | dict(student=student) for row in rows if student in row["student"].lower())
        for student in sorted(students)
    ]


def recorded(folder: Path) -> int:
    with contextlib.closing(sqlite3.connect(f"file:{folder / 'results' / NAME}?mode=ro", uri=True)) as book:
        return book.execute("SELECT count(*) FROM verdicts").fetchone()[0]


# The command.

# in every gradebook of the tests, so that an answer key is computed once
SECRET = 0x5EED_0FAC_1A5
SEED = SECRET * ROUNDS  # of the first round


def need_a_sandbox() -> None:
    """The end of a test module where there is none to test."""
    if not sys.platform.startswith("linux"):
        pytest.skip("the class run needs Linux", allow_module_level=True)
    if not shutil.which("bwrap"):
        missing("bubblewrap is not installed: sudo apt install bubblewrap")


@contextlib.contextmanager
def reachable() -> Iterator[Path]:
    """A folder that every user can reach, as /tmp is and pytest's own are not: where there are no namespaces a
    submission has a user of its own."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def begun(results: Path) -> Path:
    """A folder for results whose gradebook has the tests' secret."""
    results.mkdir(parents=True)
    with Gradebook(results / NAME) as book:
        book.set("secret", str(SECRET))
    return results


def start(root: Path, mark: Path, *words: object, **more: str) -> subprocess.Popen:
    """`python -m grader class` with some words, which keeps its temporary files in `mark`, a folder of its own by which
    its processes are known."""
    mark.mkdir(parents=True, exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "grader", "class", *map(str, words)],
        cwd=root,
        env=environment(root) | dict(TMPDIR=str(mark), COLUMNS="200") | more,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(root: Path, mark: Path, *words: object, code: int = 0, **more: str) -> tuple[str, str]:
    """What the command printed, and said on the side."""
    process = start(root, mark, *words, **more)
    printed, said = process.communicate()
    assert process.returncode == code, f"it ended with {process.returncode}:\n{printed[-2000:]}\n{said[-4000:]}"
    return printed, said


def processes(mark: Path) -> dict[int, str]:
    """The processes of a run, whatever became of it: who has its folder in the environment."""
    import psutil

    found = {}
    for process in psutil.process_iter():
        try:
            if f"TMPDIR={mark}".encode() in Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0"):
                found[process.pid] = " ".join(process.cmdline())
        except (OSError, psutil.Error):
            pass
    return found


def groups(pid: int) -> list[str]:
    """The control groups that a run made and that are still there."""
    return [str(path) for path in Path("/sys/fs/cgroup").rglob(f"attention-{pid}-*")]
