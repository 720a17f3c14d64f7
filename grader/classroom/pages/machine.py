"""A class as JSON, for machines. `class.schema.json` beside this file documents every field. No seed is in it: from one
follow the inputs of all rounds, also of those to come."""

from __future__ import annotations

from collections.abc import Sequence

from grader.classroom.book.marks import Mark, Marks
from grader.classroom.book.rules import Grading
from grader.classroom.pages.overview import Report
from grader.classroom.pages.similar import Alike

SCHEMA_VERSION = 1


def class_report(marks: Sequence[Marks], grading: Grading, report: Report, tally) -> dict:
    return dict(
        schema=SCHEMA_VERSION,
        maximum=grading.maximum,
        graded=tally.graded,
        kept=tally.kept,
        proposed=tally.proposed,
        waived=sorted({*tally.missing, *report.waived}),
        warnings=list(report.warnings),
        students=[_student(row) for row in marks],
        misconceptions=[
            dict(
                name=found.name, sentence=found.sentence, students=sorted(found.students), problems=list(found.problems)
            )
            for found in report.teach
        ],
        alike=None if report.alike is None else [_alike(alike) for alike in report.alike],
        faults=[dict(student=wanted.student, problem=wanted.problem, why=why) for wanted, why in tally.faults],
    )


def _alike(alike: Alike) -> dict:
    return dict(problem=alike.problem, students=[*alike.students], share=round(alike.share, 3), same=alike.same)


def _student(row: Marks) -> dict:
    return dict(
        student=row.student.student,
        name=row.student.name,
        ids=dict(row.student.ids),
        total=None if row.blank else row.total,
        trouble=row.student.trouble or None,
        notes=list(row.student.notes),
        problems=[_mark(mark) for mark in row.by_problem.values()],
    )


def _mark(mark: Mark) -> dict:
    grade = mark.grade
    under = grade.under if grade else None
    return dict(
        problem=mark.problem,
        weight=mark.weight,
        points=None if mark.blank else mark.points,
        status=grade.status.value if grade else None,
        unread=mark.unread,
        trouble=mark.trouble or None,
        attempts=grade.attempts if grade else 0,
        names=[
            dict(
                name=name.name,
                status=name.status.value,
                mistake=name.mistake or None,
                second=name.second.name if name.second else None,
                first=name.first or None,
            )
            for name in mark.names
        ],
        override={name: getattr(mark.override, name) for name in ("points", "weight", "reason", "who", "at")}
        if mark.override
        else None,
        came=_came(mark),
        late=dict(days=mark.late.days, cost=round(mark.late.cost, 6), told=mark.late.told) if mark.late else None,
        flags=list(mark.flags),
        under=dict(
            key=under.key,
            round=under.round,
            course=under.course,
            jax=under.jax,
            waived=list(under.waived),
            trusted=list(under.trusted),
            graded_at=under.graded_at,
        )
        if under
        else None,
    )


def _came(mark: Mark) -> dict | None:
    came = mark.came
    return dict(source=came.source, at=came.at.isoformat() if came.at else None, late=came.late) if came else None
