"""A folder under `problems/`, and the one of the same name under `solutions/`, become a Problem. The folder is the
registration."""

from __future__ import annotations

import ast
import functools
import importlib.util
import re
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

from grader.course.cases import Entry, Mistake

FOLDER = re.compile(r"(\d+)_([a-z0-9_]+)")


class CourseError(Exception):
    """The course, not the student, is at fault: a part is missing or broken."""


@dataclass(frozen=True)
class Problem:
    """A pair of folders of the same name under `problems/` and, where the instructor's half is there, `solutions/`."""

    number: int
    slug: str
    folder: Path
    solutions: Path | None = field(repr=False)

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def stub(self) -> Path:
        return self.folder / "stub.py"

    @property
    def pristine(self) -> Path:
        """The stub as it ships: what `reset` puts back, and how an untouched stub is known without running it."""
        return self.folder / ".stub.py"

    @property
    def released_key(self) -> Path:
        """The answer key that a students' course has in the place of `solutions/`."""
        return self.folder / "answers.npz"

    @property
    def attempt(self) -> Path:
        """A typical wrong attempt, where the problem has one to show what a verdict says; `mended` is the same without
        its mistake."""
        return self.folder / "attempt.py"

    @property
    def mended(self) -> Path:
        return self.folder / "mended.py"

    @functools.cached_property
    def driver(self) -> str:
        """The text of `driver.py`, whose functions drive what the student wrote; most problems have none."""
        path = self.folder / "driver.py"
        return read(path).decode() if path.exists() else ""

    @property
    def lesson(self) -> Path:
        return self.folder / "README.md"

    @functools.cached_property
    def title(self) -> str:
        try:
            text = self.lesson.read_text(encoding="utf-8")
        except OSError:
            return self.slug.replace("_", " ")
        heading = re.search(r"^# +(?:\d+ *· *)?(.+)$", text, re.MULTILINE)
        return heading.group(1).strip() if heading else self.slug.replace("_", " ")

    @functools.cached_property
    def part(self) -> str:
        """The part of the track that it belongs to, as `checks.py` declares it: `PART = "The core"`."""
        try:
            declared = re.search(
                r'^PART = "(.+)"', (self.folder / "checks.py").read_text(encoding="utf-8"), re.MULTILINE
            )
        except OSError:
            return ""
        return declared[1] if declared else ""

    @functools.cached_property
    def devices(self) -> int:
        """How many devices its programs run on: `DEVICES = 8` in `checks.py`. On a CPU they are virtual."""
        declared = re.search(rb"^DEVICES = (\d+)", read(self.folder / "checks.py"), re.MULTILINE)
        return int(declared[1]) if declared else 1

    @functools.cached_property
    def hints(self) -> list[str]:
        """The sections of `hints.md`, from a nudge to nearly the answer."""
        try:
            text = (self.folder / "hints.md").read_text(encoding="utf-8")
        except OSError:
            return []
        return [part.strip() for part in re.split(r"^## .*$", text, flags=re.MULTILINE)[1:]]

    @functools.cached_property
    def names(self) -> list[str]:
        """The names that the student writes, read off the shipped stub without running it."""
        return list(self.signatures)

    @functools.cached_property
    def signatures(self) -> dict[str, list[str]]:
        """Argument names of each top-level function or class constructor of the shipped stub."""
        found = {}
        for node in ast.parse(read(self.pristine)).body:
            if isinstance(node, ast.FunctionDef):
                found[node.name] = _argument_names(node)
            elif isinstance(node, ast.ClassDef):
                init = next((n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"), None)
                found[node.name] = _argument_names(init)[1:] if init else []
        return found

    @functools.cached_property
    def keyword_only(self) -> dict[str, tuple[str, ...]]:
        """The arguments that each top-level function of the shipped stub takes by name only."""
        if not self.pristine.exists():
            return {}
        return {
            node.name: tuple(a.arg for a in node.args.kwonlyargs)
            for node in ast.parse(read(self.pristine)).body
            if isinstance(node, ast.FunctionDef)
        }

    @functools.cached_property
    def returns(self) -> dict[str, str]:
        """The shape that each name returns, as the shipped stub's annotation has it (`"T_q d_v"`)."""
        found = {}
        for node in ast.parse(read(self.pristine)).body:
            if isinstance(node, ast.ClassDef):
                node, name = (
                    next((n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "__call__"), None),
                    node.name,
                )
            else:
                name = getattr(node, "name", "")
            shape = (
                re.search(r"'([^']*)'", ast.unparse(node.returns))
                if isinstance(node, ast.FunctionDef) and node.returns
                else None
            )
            if shape:
                found[name] = shape[1]
        return found

    @property
    def needs_flax(self) -> bool:
        return b"nnx" in read(self.pristine)

    @functools.cached_property
    def entries(self) -> list[Entry]:
        module = load(self.folder / "checks.py", f"checks_{self.number}")
        entries = getattr(module, "ENTRIES", None)
        if not entries:
            raise CourseError(f"{self.folder.name}/checks.py declares no ENTRIES")
        return [replace(entry, keyword_only=self.keyword_only.get(entry.name, ())) for entry in entries]

    @functools.cached_property
    def has_device_sizes(self) -> bool:
        """Whether `checks.py` has a table `DEVICE` of sizes at which a kernel is run on an accelerator."""
        return b"\nDEVICE = " in read(self.folder / "checks.py")

    def content(self) -> list[Path]:
        """Every file that decides this problem's answer key."""
        files = [self.folder / "checks.py", self.folder / "driver.py", self.pristine]
        if self.solutions:
            files += [self.solutions / name for name in ("reference.py", "mistakes.py", "unseen.py")]
        return [path for path in files if path.exists()]


def _argument_names(node: ast.FunctionDef) -> list[str]:
    arguments = node.args
    return [a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]


def read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CourseError(f"cannot read {path.parent.name}/{path.name}: {error.strerror}") from error


def load(path: Path, name: str):
    """Imports one of the course's own files (never a student's)."""
    if not path.exists():
        raise CourseError(f"{path.parent.name}/{path.name} is missing")
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise CourseError(f"{path.parent.name}/{path.name} does not import: {type(error).__name__}: {error}") from error
    finally:
        sys.dont_write_bytecode = before
    return module


def mistakes(path: Path) -> list[Mistake]:
    """The bank of mistakes in one `mistakes.py`, in the order in which it lists them, each followed by its other
    forms."""
    found = []
    for written, make in vars(load(path, "mistakes")).items():
        if hasattr(make, "is_mistake_of"):
            sentence = " ".join((make.__doc__ or "").split())
            first = Mistake(make.misconception, make.is_mistake_of, sentence, make, about=make.about, written=written)
            found.append(first)
            found += [
                replace(first, make=functools.partial(make, **{argument: value}), form=f"{argument}={value}")
                for argument, values in make.forms.items()
                for value in values
            ]
    return found


def course_root() -> Path:
    """The checkout to work on: the nearest folder from here upwards that has `problems/`, else the one that the grader
    lies in."""
    for folder in (Path.cwd(), *Path.cwd().parents):
        if (folder / "problems").is_dir() and (folder / "grader").is_dir():
            return folder
    return Path(__file__).resolve().parents[2]


def discover(root: Path) -> list[Problem]:
    """Every problem of the checkout, in order of its number. The folder is the registration."""
    try:
        folders = sorted((root / "problems").iterdir())
    except OSError as error:
        raise CourseError(f"there is no problems/ folder in {root}") from error
    found = []
    for folder in folders:
        match = FOLDER.fullmatch(folder.name)
        if match and folder.is_dir():
            solutions = root / "solutions" / folder.name
            found.append(Problem(int(match[1]), match[2], folder, solutions if solutions.is_dir() else None))
    return sorted(found, key=lambda problem: problem.number)
