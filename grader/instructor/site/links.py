"""A Sphinx extension: on each page, the first use of a glossary's term leads to its entry, and "problem 33" to that problem's page.

So lessons stay plain Markdown, and no lesson lists its terms.
"""

from __future__ import annotations

import re

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.transforms.post_transforms import SphinxPostTransform

PROBLEM = re.compile(r"\b[Pp]roblems? (\d\d+)\b")
CLOSED = (nodes.title, nodes.reference, nodes.literal_block, nodes.math, nodes.math_block, nodes.raw, nodes.term, nodes.caption, pending_xref)


class Links(SphinxPostTransform):
    """Runs on the finished page, when every glossary is known."""

    default_priority = 5

    def run(self, **kwargs) -> None:
        page = self.env.docname
        terms = self._terms() if page != "glossary" else {}
        pages = {int(match[1]): name for name in self.env.found_docs if (match := re.fullmatch(r"notebooks/(\d+)_\w+", name))}
        words = sorted((term for term in terms if not _is_letter(term)), key=len, reverse=True)
        pattern = re.compile("|".join([PROBLEM.pattern, *(rf"\b{re.escape(word)}\b" for word in words)]), re.IGNORECASE)
        seen = {page}
        for text in list(self.document.findall(nodes.Text)):
            if any(isinstance(parent, CLOSED) for parent in _parents(text)):
                continue
            if isinstance(text.parent, nodes.literal):
                self._link_letter(text, terms, seen)
            else:
                self._link_words(text, pattern, terms, pages, seen)

    def _terms(self) -> dict[str, tuple[str, str]]:
        """Each term's text, lower-cased unless it is a letter, with the page and the anchor of its entry."""
        found = {}
        for kind_name, (page, anchor) in self.env.domaindata["std"]["objects"].items():
            if kind_name[0] == "term":
                found[kind_name[1] if _is_letter(kind_name[1]) else kind_name[1].lower()] = (page, anchor)
        return found

    def _link_letter(self, text: nodes.Text, terms: dict, seen: set) -> None:
        target = terms.get(str(text))
        if target and target not in seen:
            seen.add(target)
            literal = text.parent
            literal.replace_self(self._reference(*target, "term", literal.deepcopy()))

    def _link_words(self, text: nodes.Text, pattern: re.Pattern, terms: dict, pages: dict, seen: set) -> None:
        pieces, at, told = [], 0, str(text)
        for match in pattern.finditer(told):
            number = next((int(group) for group in match.groups() if group), None)
            target = (pages.get(number), "") if number else terms.get(match[0].lower())
            if not target or not target[0] or target in seen or target[0] == self.env.docname:
                continue
            seen.add(target)
            pieces += [nodes.Text(told[at:match.start()]), self._reference(*target, "problem" if number else "term", nodes.Text(match[0]))]
            at = match.end()
        if pieces:
            text.parent.replace(text, [*pieces, nodes.Text(told[at:])])

    def _reference(self, page: str, anchor: str, kind: str, shown: nodes.Node) -> nodes.reference:
        uri = self.app.builder.get_relative_uri(self.env.docname, page) + (f"#{anchor}" if anchor else "")
        return nodes.reference("", "", shown, internal=True, refuri=uri, classes=[f"to-{kind}"])


def _is_letter(term: str) -> bool:
    """A letter of the track, such as T_q or max_len, is linked in code only and as it is spelt; a word in prose, however it is spelt."""
    return "_" in term or len(term) == 1


def _parents(node: nodes.Node):
    while node.parent is not None:
        node = node.parent
        yield node


def setup(app) -> dict:
    app.add_post_transform(Links)
    return dict(parallel_read_safe=True, parallel_write_safe=True)
