"""A page of HTML that needs no other file and runs no script: for feedback and for reports."""

from __future__ import annotations

from pathlib import Path

from grader.report.markup import Markup, join, tag
from grader.report.page import style

# a student's text could load nothing, even if it got past the escaping
POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def sheet(title: str, *parts: object) -> Markup:
    """The whole document around its parts."""
    head = tag(
        "head",
        Markup('<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'),
        tag("title", title),
        style(),
        style(Path(__file__).with_name("sheet.css")),
    )
    return join(Markup("<!doctype html>\n"), tag("html", head, "\n", tag("body", tag("main", *parts)), lang="en"), "\n")
