"""What names say: of Canvas's and Moodle's downloads whose file it is, of a student's file which problem it is
about."""

from __future__ import annotations

import functools
import hashlib
import os
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from grader.course.problem import Problem
from grader.process.wire import plain

# Canvas (lib/content_zipper.rb): sortable name in small letters, LATE, user id, attachment id, file name; `-1` where it
# was handed in before under that name. A name is no number, and has none between two `_`; but one may end with `_` and
# a number, and a file's name begin with a number and `_`.
CANVAS = re.compile(
    r"(?:(?!LATE_)(?!\d+_\d)(?P<name>[^\s./\\-]+?)_)?(?P<late>LATE_)?(?P<user>\d+|anon_[0-9A-Za-z]+)_"
    r"(?:(?P<file>\d{3,})_(?P<rest>.+)|(?P<text>text|link)\.html)",
    re.DOTALL,
)
VERSION = re.compile(r".+-(?P<version>\d+)(?:\.[A-Za-z][A-Za-z0-9]*)+", re.DOTALL)
# Moodle (mod/assign/classes/downloader.php): full name, participant, plugin, and the file's name unless they are
# folders. No `_` is in the name.
MOODLE = re.compile(
    r"(?P<name>[^_/\\]+)(?:_(?P<user>\d+))?_assignsubmission_(?P<kind>[a-z]+)(?:_(?P<rest>.*))?", re.DOTALL
)
WORDS = r"(?:problem|stub|task|exercise|solution|answer)"
# what a browser or a mail program puts behind a name that is there already
COPY = re.compile(r"[ _.-]*\(\d+\)$")
COPY_OF = re.compile(r"^copy of ", re.IGNORECASE)
OLDER = (
    "old",
    "older",
    "backup",
    "bak",
    "orig",
    "original",
    "previous",
    "prev",
    "before",
    "draft",
    "wip",
    "broken",
    "unused",
    "archive",
    "archived",
    "deprecated",
    "attic",
    "trash",
)
NEWER = ("final", "copy", "new", "fixed", "version")
AGAIN = rf"(?:v\d+|{'|'.join(OLDER + NEWER)})"  # what a student puts behind one
WINDOWS = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?", re.IGNORECASE)


@dataclass(frozen=True)
class Named:
    """What a download's name says. `student` tells students apart, `rest` is what the student called the file, `order`
    is larger for a later one."""

    student: str
    name: str
    rest: str
    ids: Mapping[str, str] = field(default_factory=dict)
    order: tuple[float, ...] = ()
    late: bool = False
    text: bool = False  # something that was typed in, or a link: no file
    file: str = ""  # Canvas's number of the file
    doubt: str = ""  # who else it may be from, where it can be read in two ways


def named(text: str) -> Named | None:
    """Reads a name of Canvas's or Moodle's. A student chooses only the end of it, so what comes first counts."""
    if found := MOODLE.fullmatch(text):
        name, user = found["name"].strip(), found["user"]
        return Named(
            f"{name}_{user}" if user else name,
            "" if name == "Participant" else name,
            found["rest"] or "",
            {"moodle_id": user} if user else {},
            text=found["kind"] != "file",
        )
    if found := CANVAS.fullmatch(text):
        name, user, rest = found["name"] or "", found["user"], found["rest"] or text
        version = VERSION.fullmatch(rest)
        order = (float(found["file"] or 0), float(version["version"] if version else 0))
        ids = {"canvas_id": user} if user.isdecimal() else {}
        student = f"{name}_{user}" if name else user
        doubt = f"{student}_{found['file']}" if name and not found["late"] and re.match(r"\d{3,}_.", rest) else ""
        return Named(
            student, name, rest, ids, order, bool(found["late"]), bool(found["text"]), found["file"] or "", doubt
        )
    return None


class Topics:
    """What a file's or folder's name says of problems: by number (`31`, `31_sdpa`), by topic (`sdpa`), by what the
    student writes (`causal_mask`)."""

    def __init__(self, problems: Iterable[Problem]):
        told = {problem.number: (str(problem.number), problem.slug, *problem.names) for problem in problems}
        self._told = [(number, _tokens(word)) for number, words in told.items() for word in words]
        one = "|".join(
            re.escape(word)
            for word in sorted(
                (word for problem in problems for word in (problem.name, *told[problem.number])), key=len, reverse=True
            )
        )
        # atomic: `stub_31` is one word and also two, and a name may repeat it
        word = f"(?>(?:{WORDS}[_ -]?)?(?:{one})|{WORDS})"
        self._last = re.compile(rf"(?:(?:^|[_ .-]+){word})+(?:[_ .-]+{AGAIN})*$", re.IGNORECASE)
        self._first = re.compile(rf"^(?:{word}(?:[_ .-]+|$))+", re.IGNORECASE)
        self._exact = re.compile(rf"(?:{word}(?:[_ .-]+|$))+(?:(?<=-)\d+)?", re.IGNORECASE)  # `-1` is Canvas's
        self.of = functools.lru_cache(1024)(self._of)

    def _of(self, name: str) -> frozenset[int]:
        """The problems that a name tells of."""
        tokens = _tokens(name)
        return frozenset(
            number
            for number, words in self._told
            if any(tokens[at : at + len(words)] == words for at in range(len(tokens) - len(words) + 1))
        )

    def by_word(self, name: str) -> frozenset[int]:
        """Those that it tells of by more than a number, which may be a week's or a date's."""
        return self.of(" ".join(token for token in _tokens(name) if not token.isdecimal()))

    def owner(self, stem: str) -> str:
        """Whose a loose file is: `ada_31`, `31 ada`, `ada_31_sdpa` and `ada_31_v2 (1)` are ada's. Empty where the name
        tells only of a problem."""
        return self._first.sub("", self._last.sub("", COPY.sub("", COPY_OF.sub("", stem)))).strip(" _.-")

    def exactly(self, stem: str) -> frozenset[int]:
        """The problems that a name tells of, where it tells of nothing else."""
        return self.of(stem) if self._exact.fullmatch(stem) else frozenset()

    def version(self, stem: str) -> tuple:
        """How a name stands beside others of one student for one problem, the largest first: as the course names it,
        with something more, marked as another version."""
        tokens = _tokens(stem)
        marked = bool(COPY.search(stem)) or any(re.fullmatch(AGAIN, token) for token in tokens)
        exact = self._exact.fullmatch(stem) and ("stub" in tokens or self.of(stem))
        return (0 if marked else 2 if exact else 1, *_turn(tokens))


def older(parts: Iterable[str]) -> bool:
    """Whether a path says of itself that it is what was before: `31_old.py`, `backup/31.py`."""
    return any(token in OLDER for part in parts for token in _tokens(part))


def beside_another(folders: Iterable[str], stem: str) -> bool:
    """Whether a path says of itself that there is another than this: `31 (1).py`, `31_old.py`, `backup/31.py`."""
    return bool(COPY.search(stem) or COPY_OF.search(stem)) or older((*folders, stem))


def _turn(tokens: list[str]) -> tuple[int, int]:
    """`v2` comes after `v1`, and `final` after both."""
    return tokens.count("final"), max(
        (int(token[1:]) for token in tokens if re.fullmatch(r"v\d{1,6}", token)), default=0
    )


def _tokens(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.casefold())


def safe(text: str) -> str:
    """A name as a file of any system can have it; where more than blanks had to go, with a piece of its digest, so that
    two stay two."""
    asked = re.sub(r"\s+", "_", unicodedata.normalize("NFC", plain(text)).strip())
    kept = re.sub(r"[^\w.@+-]+", "_", asked).lstrip(".-").rstrip(".")
    kept = kept if len(kept.encode()) <= 120 else kept.encode()[:100].decode(errors="ignore")
    return kept if kept and kept == asked and not WINDOWS.fullmatch(kept) else apart(kept, text)


def apart(key: str, text: str) -> str:
    """A key that no other text has."""
    return f"{key or 'student'}-{hashlib.sha256(os.fsencode(text)).hexdigest()[:6]}"
