"""A Sphinx extension: on each page, the first use of a glossary's term leads to its entry and shows it when pointed at,
and "problem 33" leads to that problem's page. Titles of papers use words in senses of their own: further reading has
no terms.

So lessons stay plain Markdown, and no lesson lists its terms.
"""

from __future__ import annotations

import re

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.transforms.post_transforms import SphinxPostTransform

from grader.authors.site import senses
from grader.authors.site.searched import readable

GLOSSARY = "glossary"
LONGEST = 300  # characters of a meaning
TITLES = "further-reading"
SENTENCE = re.compile(r"(?<=[.!?]) ")
PROBLEM = re.compile(r"\b[Pp]roblems? (\d\d+)\b")
CLOSED = (
    nodes.title,
    nodes.reference,
    nodes.literal_block,
    nodes.math,
    nodes.math_block,
    nodes.raw,
    nodes.term,
    nodes.caption,
    pending_xref,
)


class Term(nodes.reference):
    """A link that carries the meaning of what it stands on."""


class Links(SphinxPostTransform):
    """Runs on the finished page, when every glossary is known."""

    default_priority = 5

    def run(self, **kwargs) -> None:
        terms = self._terms() if self.env.docname != GLOSSARY else {}
        pages = {
            int(match[1]): name for name in self.env.found_docs if (match := re.fullmatch(r"notebooks/(\d+)_\w+", name))
        }
        words = sorted((term for term, (_, is_code) in terms.items() if not is_code), key=len, reverse=True)
        pattern = re.compile("|".join([PROBLEM.pattern, *(rf"\b{re.escape(word)}\b" for word in words)]), re.IGNORECASE)
        seen: set[str] = set()
        for text in list(self.document.findall(nodes.Text)):
            if any(map(_is_closed, _parents(text))):
                continue
            if isinstance(text.parent, nodes.literal):
                self._link_code(text, terms, seen)
            else:
                self._link_words(text, pattern, terms, pages, seen)

    def _terms(self) -> dict[str, tuple[str, bool]]:
        """By each spelling of a term the anchor of its entry, and whether it is code: a letter, or a name with a dot.
        Words are in lower case."""
        glossary = self.env.get_doctree(GLOSSARY) if GLOSSARY in self.env.found_docs else nodes.Element()
        found = {}
        self._meanings = {}
        for entry in glossary.findall(nodes.definition_list_item):
            letter = any(isinstance(parent, nodes.section) and "letters" in parent["ids"] for parent in _parents(entry))
            spellings = [child for child in entry.children if isinstance(child, nodes.term)]
            self._meanings[spellings[0]["ids"][0]] = _meaning(entry)
            for told in (spelling.astext() for spelling in spellings):
                is_code = letter or "." in told
                found[told if is_code else told.lower()] = spellings[0]["ids"][0], is_code
        return found

    def _link_code(self, text: nodes.Text, terms: dict[str, tuple[str, bool]], seen: set[str]) -> None:
        spelled = next((told for told in (str(text), str(text).lower()) if told in terms), "")
        anchor, _ = terms.get(spelled, ("", False))
        if anchor and GLOSSARY + anchor not in seen and self._meant(spelled, text, 0):
            seen.add(GLOSSARY + anchor)
            literal = text.parent
            literal.parent.replace(literal, self._reference(GLOSSARY, anchor, "term", literal.deepcopy()))

    def _link_words(
        self,
        text: nodes.Text,
        pattern: re.Pattern,
        terms: dict[str, tuple[str, bool]],
        pages: dict[int, str],
        seen: set[str],
    ) -> None:
        pieces, at, told, page = [], 0, str(text), self.env.docname
        for match in pattern.finditer(told):
            number = next((int(group) for group in match.groups() if group), None)
            target, anchor, kind = (
                (pages.get(number), "", "problem") if number else (GLOSSARY, terms[match[0].lower()][0], "term")
            )
            once = target + anchor if target else ""
            if not target or target == page or once in seen and page != GLOSSARY:
                continue
            if kind == "term" and not self._meant(match[0].lower(), text, match.start()):
                continue
            seen.add(once)
            pieces += [
                nodes.Text(told[at : match.start()]),
                self._reference(target, anchor, kind, nodes.Text(match[0])),
            ]
            at = match.end()
        if pieces:
            text.parent.replace(text, [*pieces, nodes.Text(told[at:])])

    def _meant(self, word: str, text: nodes.Text, at: int) -> bool:
        if any(TITLES in parent.get("ids", ()) for parent in _parents(text)):
            return False
        return senses.meant(word, _said_around(text, at), lesson=self.env.docname.startswith("notebooks/"))

    def _reference(self, page: str, anchor: str, kind: str, shown: nodes.Node) -> nodes.reference:
        uri = self.app.builder.get_relative_uri(self.env.docname, page) + (f"#{anchor}" if anchor else "")
        if kind == "term":
            return Term("", "", shown, internal=True, refuri=uri, classes=["to-term"], meaning=self._meanings[anchor])
        return nodes.reference("", "", shown, internal=True, refuri=uri, classes=[f"to-{kind}"])


def _said_around(text: nodes.Text, at: int) -> str:
    """The sentence that a place in a text belongs to; in a table, the row."""
    parents = list(_parents(text))
    row = next((parent for parent in parents if isinstance(parent, nodes.row)), None)
    if row is not None:
        return " ".join(entry.astext() for entry in row.children)
    block = next((parent for parent in parents if not isinstance(parent, nodes.Inline)), text)
    for other in block.findall(nodes.Text):
        if other is text:
            break
        at += len(other)
    begin = 0
    for sentence in SENTENCE.split(block.astext()):
        begin += len(sentence) + 1
        if at < begin:
            return sentence
    return ""


def _meaning(entry: nodes.definition_list_item) -> str:
    """The first sentences of an entry, its formulas in Unicode."""
    [definition] = [child for child in entry.children if isinstance(child, nodes.definition)]
    told = ""
    for sentence in SENTENCE.split(" ".join(readable(definition.children[0]).split())):
        if told and len(told) + len(sentence) > LONGEST:
            break
        told += (" " if told else "") + sentence
    return told


def _open_term(translator, node: Term) -> None:
    translator.visit_reference(node)
    translator.body[-1] = translator.body[-1].replace(
        "<a ", f'<a data-meaning="{translator.attval(node["meaning"])}" ', 1
    )


def _is_closed(node: nodes.Node) -> bool:
    """No link belongs there, or a link is there already: a card of the home page, the head of what unfolds."""
    return (
        isinstance(node, CLOSED)
        or type(node).__name__ == "dropdown_title"
        or any(name.startswith("sd-card") for name in node.get("classes", ()))
    )


def _parents(node: nodes.Node):
    while node.parent is not None:
        node = node.parent
        yield node


def setup(app) -> dict:
    app.add_node(Term, html=(_open_term, lambda translator, node: translator.depart_reference(node)))
    app.add_post_transform(Links)
    return dict(parallel_read_safe=True, parallel_write_safe=True)
