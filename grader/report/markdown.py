"""Markdown in which what stands between dollars is a formula, and no Markdown."""

from __future__ import annotations

import re
from collections.abc import Callable

from markdown_it import MarkdownIt

FORMULA = re.compile(r"\$\$.+?\$\$|\$[^$]+\$", re.DOTALL)


def with_formulas(parser: MarkdownIt, told: Callable[[str], str] = str) -> MarkdownIt:
    """The parser, which takes for a formula, dollars and all, the text that is `told` of it."""

    def rule(state, silent: bool) -> bool:
        found = FORMULA.match(state.src, state.pos)
        if found and not silent:
            state.pending += told(found[0])
        if found:
            state.pos = found.end()
        return bool(found)

    parser.inline.ruler.before("escape", "formula", rule)
    return parser
