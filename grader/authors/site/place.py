"""The folder that a site is put into: only what an earlier build of the same edition wrote is replaced, and all at
once."""

from __future__ import annotations

import shutil
from pathlib import Path

from grader.course.problem import CourseError

MARK = ".attention-track-site"  # lists the edition and the files that a build wrote


def refuse(root: Path, out: Path, edition: str) -> None:
    """Raises CourseError where something would be lost."""
    place = out.resolve()
    if place in (root.resolve(), *root.resolve().parents):
        raise CourseError(f"{out} holds the course itself; name another folder")
    if place.exists() and not place.is_dir():
        raise CourseError(f"{out} is a file; name a folder")
    there = (
        {path.relative_to(place).as_posix() for path in place.rglob("*") if not path.is_dir()}
        if place.exists()
        else set()
    )
    if there and MARK not in there:
        raise CourseError(
            f"{out} holds something that is no site of this course, and would be lost; name an empty folder"
        )
    if there:
        was, *written = (place / MARK).read_text(encoding="utf-8").splitlines() or [""]
        if was != edition:
            raise CourseError(f"{out} holds the {was}; give the {edition} a folder of its own")
        if strange := sorted(there - {MARK, *written}):
            raise CourseError(
                f"{out} holds what no build wrote, and it would be lost: "
                f"{', '.join(strange[:3])}{' …' if len(strange) > 3 else ''}"
            )


def replace(built: Path, out: Path, edition: str) -> None:
    """Puts the site there. Until all of it is written, what was there before stays."""
    place = out.resolve()
    new, old = (place.with_name(f".{place.name}.{word}") for word in ("new", "old"))
    shutil.rmtree(new, ignore_errors=True)
    try:
        shutil.copytree(built, new, ignore=shutil.ignore_patterns(".buildinfo*", "objects.inv"))
        (new / ".nojekyll").touch()  # GitHub Pages would drop folders that begin with _
        names = sorted(path.relative_to(new).as_posix() for path in new.rglob("*") if not path.is_dir())
        (new / MARK).write_text("\n".join([edition, *names]) + "\n", encoding="utf-8")
        shutil.rmtree(old, ignore_errors=True)
        if place.exists():
            place.rename(old)
        new.rename(place)
    except OSError as error:
        if old.exists() and not place.exists():
            old.rename(place)
        reason = error.args[0][0][2] if isinstance(error, shutil.Error) else error
        raise CourseError(f"the site could not be written to {out}: {reason}") from error
    finally:
        shutil.rmtree(new, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)
