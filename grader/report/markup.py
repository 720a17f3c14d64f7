"""HTML that cannot be written without escaping: a tag's children are text unless they were made by `tag` themselves."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable

# what HTML and a notebook's JSON have no place for
UNSHOWN = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


class Markup(str):
    """Text that is HTML already."""


def text(value: object) -> Markup:
    """A text as HTML that shows it, whatever stands in it."""
    return (
        value
        if isinstance(value, Markup)
        else Markup(html.escape(UNSHOWN.sub("\N{REPLACEMENT CHARACTER}", str(value))))
    )


def join(*children: object) -> Markup:
    return Markup("".join(map(text, children)))


def joined(separator: str, children: Iterable[object]) -> Markup:
    return Markup(text(separator).join(map(text, children)))


def tag(name: str, *children: object, **attributes: object) -> Markup:
    """An element. `class_` and `aria_label` stand for `class` and `aria-label`; an attribute that is None is left
    out."""
    told = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{text(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{name}{told}>{join(*children)}</{name}>")
