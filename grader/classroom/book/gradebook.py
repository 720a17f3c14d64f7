"""The gradebook, from which every grade follows.

An attempt is one content for a student and a problem. Its verdict `counts`, or is `proposed` by a regrade, or was
`replaced` by one that was accepted. Nothing is ever deleted but proposals.
"""

from __future__ import annotations

import json
import math
import sqlite3
import zlib
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timezone

from grader.classroom.arrivals.submission import Student, Submission
from grader.classroom.book.database import Database
from grader.classroom.book.entries import ROUNDS, Circumstances, Grade, Override, Record, Wanted
from grader.classroom.book.late import Came
from grader.course.select import UsageError
from grader.course.verdict import Status

NAME = "gradebook.sqlite"
GRADE = """SELECT a.student, a.problem, a.digest, a.place, a.id AS attempt,
    (SELECT count(*) FROM attempts b WHERE b.student = a.student AND b.problem = a.problem) AS attempts, v.*
    FROM attempts a JOIN verdicts v ON v.attempt = a.id AND v.standing = ?"""
LAST = """ WHERE a.turn = (SELECT max(b.turn) FROM attempts b WHERE b.student = a.student AND b.problem = a.problem)"""


class Gradebook(Database):
    """The grades of a class, in one file: opened as a Database is."""

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
