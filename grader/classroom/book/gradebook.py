"""The gradebook: one SQLite file from which every grade follows, whole after `kill -9` or a power cut at any moment.

An attempt is one content for a student and a problem. Its verdict `counts`, or is `proposed` by a regrade, or was
`replaced` by one that was accepted. Nothing is ever deleted but proposals. The file holds the secret seed and grades:
only its owner may read it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import secrets
import sqlite3
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

from grader.classroom.arrivals.submission import Piece, Student, Submission
from grader.classroom.book.late import Came
from grader.course.select import UsageError
from grader.course.verdict import Status, Verdict
from grader.report import machine

NAME = "gradebook.sqlite"
APPLICATION = 0x41545442  # "ATTB", which tells our files from other SQLite files
VERSION = 1
ROUNDS = 1 << 16  # at most, in a class's life
PATIENCE = 60.0  # seconds to wait for a reader that is in the way
SCHEMA = """
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE students (student TEXT PRIMARY KEY, name TEXT NOT NULL, ids TEXT NOT NULL, trouble TEXT NOT NULL, notes TEXT NOT NULL,
    told TEXT NOT NULL DEFAULT '{}') STRICT;
CREATE TABLE contents (digest TEXT PRIMARY KEY, packed BLOB NOT NULL) STRICT;
CREATE TABLE attempts (id INTEGER PRIMARY KEY, student TEXT NOT NULL REFERENCES students, problem INTEGER NOT NULL,
    digest TEXT NOT NULL REFERENCES contents, place TEXT NOT NULL, turn INTEGER NOT NULL, UNIQUE (student, problem, digest)) STRICT;
CREATE UNIQUE INDEX in_turn ON attempts (turn);
CREATE TABLE verdicts (id INTEGER PRIMARY KEY, attempt INTEGER NOT NULL REFERENCES attempts,
    standing TEXT NOT NULL CHECK (standing IN ('counts', 'proposed', 'replaced')), status TEXT NOT NULL, mistakes TEXT NOT NULL, packed BLOB NOT NULL,
    key TEXT NOT NULL, seed TEXT NOT NULL, course TEXT NOT NULL, jax TEXT NOT NULL, grader TEXT NOT NULL, python TEXT NOT NULL,
    waived TEXT NOT NULL, trusted TEXT NOT NULL, seconds REAL NOT NULL, graded_at TEXT NOT NULL) STRICT;
CREATE UNIQUE INDEX one_verdict ON verdicts (attempt, standing) WHERE standing <> 'replaced';
CREATE INDEX of_attempt ON verdicts (attempt);
CREATE TABLE overrides (id INTEGER PRIMARY KEY, student TEXT NOT NULL REFERENCES students, problem INTEGER NOT NULL,
    points REAL, reason TEXT NOT NULL, who TEXT NOT NULL, at TEXT NOT NULL, attempt INTEGER REFERENCES attempts, weight REAL) STRICT;
"""  # noqa: E501
CAME = """CREATE TABLE IF NOT EXISTS came (student TEXT NOT NULL, problem INTEGER NOT NULL, digest TEXT NOT NULL, told TEXT NOT NULL,
    PRIMARY KEY (student, problem, digest)) STRICT"""  # noqa: E501
ADDED = (("overrides", "weight", "REAL"), ("students", "told", "TEXT NOT NULL DEFAULT '{}'"))  # since version 1
GRADE = """SELECT a.student, a.problem, a.digest, a.place, a.id AS attempt,
    (SELECT count(*) FROM attempts b WHERE b.student = a.student AND b.problem = a.problem) AS attempts, v.*
    FROM attempts a JOIN verdicts v ON v.attempt = a.id AND v.standing = ?"""
LAST = """ WHERE a.turn = (SELECT max(b.turn) FROM attempts b WHERE b.student = a.student AND b.problem = a.problem)"""


class Wanted(NamedTuple):
    """What is to be graded: a student's content for a problem, by its digest."""

    student: str
    problem: int
    digest: str


@dataclass(frozen=True)
class Circumstances:
    """What a verdict was given under: what is needed to give it again when a student complains."""

    key: str = ""  # digest of the answer key
    seed: int = 0  # that the inputs were drawn from
    course: str = ""  # its version
    jax: str = ""
    grader: str = ""
    python: str = ""
    waived: tuple[str, ...] = ()  # limits that the machine could not give
    trusted: tuple[str, ...] = ()  # facts that the submission's own process told
    seconds: float = 0.0
    graded_at: str = ""  # in UTC; now, where it is empty


@dataclass(frozen=True)
class Record:
    """One verdict to write down. `verdict` is its JSON (`machine.data`). One that was `stopped` by the clock may be
    another on a machine that does nothing else."""

    wanted: Wanted
    verdict: Mapping
    content: bytes = b""
    place: str = ""
    under: Circumstances = Circumstances()
    stopped: bool = False


@dataclass(frozen=True)
class Grade:
    """The verdict on an attempt, as the gradebook has it."""

    student: str
    problem: int
    digest: str
    place: str
    attempt: int
    attempts: int  # how many different contents this student has handed in for the problem
    status: Status
    mistakes: tuple[str, ...]
    under: Circumstances
    packed: bytes

    @property
    def data(self) -> dict:
        """The verdict's JSON."""
        return json.loads(zlib.decompress(self.packed))

    @property
    def unjudged(self) -> bool:
        """Whether the grader failed on it."""
        return self.status == Status.UNCHECKED and self.verdict.unjudged

    @property
    def verdict(self) -> Verdict:
        """Made anew each time: ten thousand of them would fill the memory."""
        return machine.restored(self.data)


@dataclass(frozen=True)
class Override:
    """Points that an instructor gave by hand, or took back (`points` is None). `attempt` is the one that counted then,
    `weight` what the problem was worth."""

    student: str
    problem: int
    points: float | None
    reason: str
    who: str
    at: str
    attempt: int | None
    weight: float | None = None  # unknown in gradebooks from before it was kept

    def worth(self, weight: float) -> float:
        """The points, where the problem is worth `weight` now: as large a part of it as they were then."""
        return self.points / self.weight * weight if self.weight else self.points


def digest_of(piece: Piece) -> str:
    """Names what was handed in. What could not be read is known by its trouble, so that another trouble is another
    attempt."""
    return hashlib.sha256(
        piece.content if not piece.trouble else b"trouble\0" + piece.trouble.encode() + b"\0" + piece.content
    ).hexdigest()


class Gradebook:
    """Opens the gradebook at `path`, or begins one; with `write=False` only reads, also while a run writes. To be used
    in a `with` statement.

    It may be used from several threads, but not from a forked process.

    Raises:
        UsageError: another run writes to it, the file is no gradebook, is damaged, or was written by a newer grader.
        OSError: the disk is full or fails. What was recorded before is not lost.
    """

    def __init__(self, path: Path, *, write: bool = True):
        self.path, self.write = path, write
        self._mutex = threading.RLock()
        if not write and not path.is_file():
            raise UsageError(f"there is no gradebook at {path}: nothing is graded yet")
        with contextlib.ExitStack() as stack:
            if write:
                stack.callback(_locked(path))
                _begun(path)
            with self._told():
                self._connection = sqlite3.connect(
                    f"{path.resolve().as_uri()}?mode={'rw' if write else 'ro'}",
                    uri=True,
                    timeout=PATIENCE,
                    isolation_level=None,
                    check_same_thread=False,
                )
                stack.callback(self._connection.close)
                self._connection.row_factory = sqlite3.Row
                self._open()
            self._opened = stack.pop_all()

    def _open(self) -> None:
        run = self._connection.execute
        application, version = (run(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version"))
        new = application == version == 0 and not run("SELECT count(*) FROM sqlite_schema").fetchone()[0]
        if new and not self.write:
            raise UsageError(f"{self.path} is empty: nothing is graded yet")
        if not new and application != APPLICATION:
            raise UsageError(f"{self.path} is not a gradebook of this course; name another folder for the results")
        if version > VERSION:
            raise UsageError(
                f"{self.path} was written by a newer grader (version {version}; this one knows {VERSION}): use that one"
            )
        run("PRAGMA foreign_keys = ON")
        if not self.write:
            return
        run("PRAGMA journal_mode = WAL")
        run("PRAGMA synchronous = FULL")
        run("PRAGMA fullfsync = ON")
        if new:
            with self._transaction():
                for statement in SCHEMA.split(";\n"):
                    run(statement)
                run(f"PRAGMA application_id = {APPLICATION}")
                run(f"PRAGMA user_version = {VERSION}")
                run("INSERT INTO settings VALUES ('secret', ?)", [str(secrets.randbits(128))])
        elif (found := run("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise sqlite3.DatabaseError(found)
        else:
            for table, name, kind in ADDED:
                if name not in {column["name"] for column in run(f"PRAGMA table_info({table})")}:
                    run(f"ALTER TABLE {table} ADD COLUMN {name} {kind}")
        run(CAME)

    def close(self) -> None:
        self._opened.close()

    def __enter__(self) -> Gradebook:
        return self

    def __exit__(self, *exception) -> None:
        self.close()

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """What SQLite raises, as a sentence."""
        with self._mutex:
            try:
                yield
            except sqlite3.IntegrityError:
                raise
            except sqlite3.DatabaseError as error:
                name = getattr(error, "sqlite_errorname", "") or ""
                if name == "SQLITE_FULL" or "disk is full" in str(error):
                    raise OSError(
                        f"the disk is full, and {self.path} cannot grow; make room and run the same command again: "
                        f"what was recorded is kept"
                    ) from error
                if name.startswith(("SQLITE_IOERR", "SQLITE_READONLY", "SQLITE_CANTOPEN")):
                    raise OSError(f"{self.path} cannot be {'written' if self.write else 'read'}: {error}") from error
                if name.startswith("SQLITE_BUSY"):
                    raise UsageError(
                        f"another program keeps {self.path} locked; close it, and run the same command again"
                    ) from error
                if name == "SQLITE_NOTADB":
                    raise UsageError(
                        f"{self.path} is not a gradebook of this course; name another folder for the results"
                    ) from error
                raise UsageError(
                    f"{self.path} is damaged ({error}): put back a copy of it, or move it away to begin anew"
                ) from error

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[Callable]:
        """All of the block, on the disk when it ends, or nothing of it."""
        with self._told():
            if not self.write:
                raise UsageError("the gradebook was opened to be read")
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection.execute
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # a full disk has rolled it back already
                    self._connection.execute("ROLLBACK")
                raise

    def _rows(self, statement: str, values: Iterable = ()) -> list[sqlite3.Row]:
        with self._told():
            return self._connection.execute(statement, tuple(values)).fetchall()

    # Settings

    @property
    def secret(self) -> int:
        """What all seeds follow from: made once, and never told to a process that runs student code."""
        return int(self.setting("secret"))

    @property
    def seed(self) -> int:
        """The seed of this round. Each finished run begins another one: what a student's program printed of its inputs
        helps nobody who hands in again."""
        return self.secret * ROUNDS + int(self.setting("round", "0"))

    def next_round(self) -> None:
        self.set("round", str(int(self.setting("round", "0")) + 1))

    def setting(self, name: str, default: str = "") -> str:
        found = self._rows("SELECT value FROM settings WHERE name = ?", [name])
        return found[0]["value"] if found else default

    def set(self, name: str, value: str) -> None:
        with self._transaction() as run:
            run(
                "INSERT INTO settings VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                [name, value],
            )

    # What is handed in

    def arrived(self, submissions: Iterable[Submission]) -> None:
        """Notes who handed in, and what is wrong with it. Who was there before stays."""
        with self._transaction() as run:
            for s in submissions:
                run(
                    "INSERT INTO students VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (student) DO UPDATE SET name = "
                    "excluded.name, ids = excluded.ids, trouble = excluded.trouble,"
                    " notes = excluded.notes, told = excluded.told",
                    [
                        s.student,
                        _text(s.name),
                        _json(dict(s.ids)),
                        _text(s.trouble),
                        _json(list(s.notes)),
                        _json({number: list(said) for number, said in s.told.items()}),
                    ],
                )

    def students(self) -> list[Student]:
        return [
            Student(
                row["student"],
                row["name"],
                json.loads(row["ids"]),
                row["trouble"],
                tuple(json.loads(row["notes"])),
                _said(row),
            )
            for row in self._rows("SELECT * FROM students ORDER BY student")
        ]

    def graded(self, wanted: Wanted) -> bool:
        """Whether a verdict on this content counts."""
        return bool(
            self._rows(
                "SELECT 1 FROM attempts a JOIN verdicts v ON v.attempt = a.id AND v.standing = 'counts'"
                " WHERE (a.student, a.problem, a.digest) = (?, ?, ?)",
                wanted,
            )
        )

    def handed_in(self, wanted: Iterable[Wanted]) -> list[Wanted]:
        """Notes what counts from now on, also where a student went back to an earlier content, and gives what of it is
        not graded yet."""
        missing = []
        with self._transaction() as run:
            for one in wanted:
                found = run(
                    "SELECT a.id, a.turn, (SELECT max(b.turn) FROM attempts b WHERE b.student = a.student AND "
                    "b.problem = a.problem) AS last"
                    " FROM attempts a WHERE (a.student, a.problem, a.digest) = (?, ?, ?)",
                    one,
                ).fetchone()
                if found is None:
                    missing.append(one)
                elif found["turn"] != found["last"]:
                    run("UPDATE attempts SET turn = (SELECT max(turn) + 1 FROM attempts) WHERE id = ?", [found["id"]])
        return missing

    def note(self, came: Mapping[Wanted, Came]) -> None:
        """Notes when contents came. What was known of one stays: to hand the same in again makes it no later."""
        with self._transaction() as run:
            for wanted, told in came.items():
                run("INSERT OR IGNORE INTO came VALUES (?, ?, ?, ?)", [*wanted, told.packed()])

    def came(self) -> dict[Wanted, Came]:
        """When each content came, where something said so."""
        # a gradebook of earlier that is only read has none
        there = self._rows("SELECT 1 FROM sqlite_schema WHERE name = 'came'")
        return {
            Wanted(row["student"], row["problem"], row["digest"]): Came.unpacked(row["told"])
            for row in (self._rows("SELECT * FROM came") if there else ())
        }

    # Verdicts

    def record(self, record: Record, *, proposed: bool = False) -> bool:
        """Writes a verdict down in one transaction; False where this content had one already, which then stays.

        A proposed one takes the place of an earlier proposal, and changes no grade.
        """
        student, problem, digest = record.wanted
        under = record.under
        mistakes = [entry["mistake"] for entry in record.verdict["names"] if entry["mistake"]]
        mistakes += [entry["second"]["name"] for entry in record.verdict["names"] if entry.get("second")]
        with self._transaction() as run:
            found = self.graded(record.wanted)
            if found and not proposed:
                return False
            if not found:
                run(
                    "INSERT OR IGNORE INTO students (student, name, ids, trouble, notes) VALUES (?, '', '{}', '', "
                    "'[]')",
                    [student],
                )
                run("INSERT OR IGNORE INTO contents VALUES (?, ?)", [digest, zlib.compress(record.content)])
                run(
                    "INSERT INTO attempts (student, problem, digest, place, turn) VALUES (?, ?, ?, ?, (SELECT "
                    "coalesce(max(turn), 0) + 1 FROM attempts))",
                    [student, problem, digest, _text(record.place)],
                )
            (attempt,) = run(
                "SELECT id FROM attempts WHERE (student, problem, digest) = (?, ?, ?)", record.wanted
            ).fetchone()
            run("DELETE FROM verdicts WHERE attempt = ? AND standing = 'proposed'", [attempt])
            run(
                "INSERT INTO verdicts (attempt, standing, status, mistakes, packed, key, seed, course, jax, grader, "
                "python, waived, trusted, seconds, graded_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    attempt,
                    "proposed" if found else "counts",
                    record.verdict["status"],
                    _json(mistakes),
                    zlib.compress(_json(record.verdict).encode()),
                    under.key,
                    str(under.seed),
                    under.course,
                    under.jax,
                    under.grader,
                    under.python,
                    _json(list(under.waived)),
                    _json(list(under.trusted)),
                    under.seconds,
                    under.graded_at or _now(),
                ],
            )
        return True

    def grades(self) -> list[Grade]:
        """The verdict that counts for each student and problem: that on the last content handed in."""
        return [_grade(row) for row in self._rows(GRADE + LAST + " ORDER BY a.student, a.problem", ["counts"])]

    def history(self, student: str, problem: int) -> list[Grade]:
        """Every attempt, the one that counts last."""
        return [
            _grade(row)
            for row in self._rows(
                GRADE + " WHERE (a.student, a.problem) = (?, ?) ORDER BY a.turn", ["counts", student, problem]
            )
        ]

    def content(self, digest: str) -> bytes | None:
        """What was handed in: the evidence, when a student complains."""
        found = self._rows("SELECT packed FROM contents WHERE digest = ?", [digest])
        return zlib.decompress(found[0]["packed"]) if found else None

    # A mended check

    def outdated(self, key: Callable[[Grade], str | None], course: str) -> list[Grade]:
        """The grades that were given under another answer key or course, or on which the grader failed, and for which
        nothing is proposed yet under the present ones.

        `key` gives the digest of a grade's key as it is now, for the seed that the grade was given under; None for what
        is not asked about.
        """
        proposed = {
            (row["attempt"], row["key"], row["course"])
            for row in self._rows("SELECT attempt, key, course FROM verdicts WHERE standing = 'proposed'")
        }
        now = ((grade, key(grade)) for grade in self.grades() if grade.under.key)
        return [
            grade
            for grade, digest in now
            if digest
            and ((grade.under.key, grade.under.course) != (digest, course) or grade.unjudged)
            and (grade.attempt, digest, course) not in proposed
        ]

    def withdraw(self, key: Callable[[Grade], str | None], course: str) -> int:
        """Forgets what was proposed under another answer key or course than the present ones, which are told as in
        `outdated`. Gives its number."""
        stale = [
            grade
            for grade in map(_grade, self._rows(GRADE, ["proposed"]))
            if (grade.under.key, grade.under.course) != (key(grade), course)
        ]
        with self._transaction() as run:
            for grade in stale:
                run("DELETE FROM verdicts WHERE attempt = ? AND standing = 'proposed'", [grade.attempt])
        return len(stale)

    def proposals(self) -> list[tuple[Grade, Grade]]:
        """The grades that count now, each with the one that a regrade proposes."""
        now = {grade.attempt: grade for grade in self.grades()}
        proposed = map(_grade, self._rows(GRADE + LAST + " ORDER BY a.student, a.problem", ["proposed"]))
        return [(now[grade.attempt], grade) for grade in proposed]

    def accept(self) -> int:
        """Lets every proposed verdict count, all at once; the ones that counted are kept as replaced. Gives their
        number."""
        with self._transaction() as run:
            run(
                "UPDATE verdicts SET standing = 'replaced' WHERE standing = 'counts' AND attempt IN (SELECT attempt "
                "FROM verdicts WHERE standing = 'proposed')"
            )
            return run("UPDATE verdicts SET standing = 'counts' WHERE standing = 'proposed'").rowcount

    def discard(self) -> int:
        """Forgets what was proposed. Gives its number."""
        with self._transaction() as run:
            return run("DELETE FROM verdicts WHERE standing = 'proposed'").rowcount

    # Points by hand

    def override(
        self,
        student: str,
        problem: int,
        points: float | None,
        reason: str,
        who: str,
        weight: float | None = None,
        new: Student | None = None,
    ) -> None:
        """Gives points by hand, of `weight` if it is known, or takes an earlier override back (`points=None`). Nothing
        but another override undoes it.

        `new` says who that is who handed in nothing yet.
        """
        if points is not None and not (math.isfinite(points) and points >= 0):
            raise UsageError(f"{points} are no points: give a number from 0 up")
        if points is not None and weight is not None and points > weight:
            raise UsageError(
                f"{points:g} points are more than problem {problem} is worth: give at most {weight:g}, or change its "
                f"weight in grading.toml"
            )
        if not reason.strip():
            raise UsageError(
                "an override needs its reason: the student reads it, and so does whoever hears a complaint"
            )
        with self._transaction() as run:
            if new:
                run(
                    "INSERT OR IGNORE INTO students (student, name, ids, trouble, notes) VALUES (?, ?, ?, '', '[]')",
                    [new.student, _text(new.name), _json(dict(new.ids))],
                )
            if not run("SELECT 1 FROM students WHERE student = ?", [student]).fetchone():
                raise UsageError(f"there is no student {student!r} in {self.path.name}")
            run(
                "INSERT INTO overrides (student, problem, points, reason, who, at, weight, attempt) VALUES (?, ?, ?, "
                "?, ?, ?, ?,"
                " (SELECT id FROM attempts WHERE student = ? AND problem = ? ORDER BY turn DESC LIMIT 1))",
                [student, problem, points, _text(reason.strip()), _text(who), _now(), weight, student, problem],
            )

    def waiting(self) -> list[Student]:
        """Who has points by hand, and never handed anything in."""
        return [
            one
            for one in self.students()
            if not (one.trouble or one.notes)
            and self._rows("SELECT 1 FROM overrides WHERE student = ?", [one.student])
            and not self._rows("SELECT 1 FROM attempts WHERE student = ?", [one.student])
        ]

    def give(self, old: str, new: str) -> None:
        """Makes the points by hand of one who never handed in another's, who is the same student."""
        with self._transaction() as run:
            run("UPDATE overrides SET student = ? WHERE student = ?", [new, old])
            run("DELETE FROM students WHERE student = ?", [old])

    def overrides(self) -> list[Override]:
        """Every override that was ever made, the oldest first: of each student and problem the last one holds."""
        return [
            Override(**{name: row[name] for name in row.keys() if name != "id"})
            for row in self._rows("SELECT * FROM overrides ORDER BY id")
        ]


def _grade(row: sqlite3.Row) -> Grade:
    under = Circumstances(
        row["key"],
        int(row["seed"]),
        row["course"],
        row["jax"],
        row["grader"],
        row["python"],
        tuple(json.loads(row["waived"])),
        tuple(json.loads(row["trusted"])),
        row["seconds"],
        row["graded_at"],
    )
    return Grade(
        row["student"],
        row["problem"],
        row["digest"],
        row["place"],
        row["attempt"],
        row["attempts"],
        Status(row["status"]),
        tuple(json.loads(row["mistakes"])),
        under,
        row["packed"],
    )


def _said(row: sqlite3.Row) -> dict[int, tuple[str, ...]]:
    # in a gradebook of earlier that is only read there is none
    told = json.loads(row["told"]) if "told" in row.keys() else {}
    return {int(number): tuple(said) for number, said in told.items()}


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def _json(value) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def _text(text: str) -> str:
    """Without halves of surrogate pairs, which SQLite has no place for."""
    return text.encode("utf-8", "replace").decode()


def _begun(path: Path) -> None:
    """An empty file that nobody else may read, where there is none. SQLite gives its other files the same rights."""
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


_held: set[str] = set()  # by this process, which its own lock does not keep out


def _locked(path: Path) -> Callable[[], None]:
    """Keeps other runs out until the function that it returns is called, or this process is gone, however it went. No
    child of it inherits the lock.

    To close the lock's file once more would give the lock up, so that this process looks in `_held` first.
    """
    import fcntl

    lock, name = path.with_name(f"{path.name}.lock"), str(path.resolve())
    if name in _held:
        raise _taken(path, str(os.getpid()))
    handle = os.open(lock, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(handle, 0)
        os.write(handle, str(os.getpid()).encode())
    except OSError as error:
        who = os.read(handle, 20).decode(errors="replace")
        os.close(handle)
        if isinstance(error, (BlockingIOError, PermissionError)):
            raise _taken(path, who) from error
        raise
    _held.add(name)

    def release() -> None:
        _held.discard(name)
        os.close(handle)

    return release


def _taken(path: Path, who: str) -> UsageError:
    return UsageError(
        f"another run{f' (process {who})' if who.isdigit() else ''} is writing to {path}; wait until it is done, or "
        f"stop it"
    )
