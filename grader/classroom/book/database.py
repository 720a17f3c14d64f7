"""The file of a gradebook: SQLite, whole after `kill -9` or a power cut at any moment. What it raises is a sentence.

The file holds the secret seed and grades: only its owner may read it.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Self

from grader.classroom.book.lock import locked
from grader.course.select import UsageError

APPLICATION = 0x41545442  # "ATTB", which tells our files from other SQLite files
VERSION = 1
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


class Database:
    """Opens the file at `path`, or begins one; with `write=False` only reads, also while a run writes. To be used in a
    `with` statement.

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
                stack.callback(locked(path))
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

    def __enter__(self) -> Self:
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

    def setting(self, name: str, default: str = "") -> str:
        found = self._rows("SELECT value FROM settings WHERE name = ?", [name])
        return found[0]["value"] if found else default

    def set(self, name: str, value: str) -> None:
        with self._transaction() as run:
            run(
                "INSERT INTO settings VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                [name, value],
            )


def _begun(path: Path) -> None:
    """An empty file that nobody else may read, where there is none. SQLite gives its other files the same rights."""
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
