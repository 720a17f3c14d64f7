"""A Sphinx extension: the search reads prose, and formulas as people do. Neither TeX nor the words of drawings and
verdicts are in its index; on the page each formula carries its Unicode, which `search.js` puts into excerpts."""

from __future__ import annotations

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform

from grader.report import formula

MATH = nodes.math, nodes.math_block
DRAWN = "<svg", "gv-panel"  # of raw HTML: its words are in boxes and cells, and Sphinx would glue them


class Told(nodes.inline):
    """A formula beside its Unicode."""


class ToldBlock(nodes.container):
    """The same for a displayed one."""


class Formulas(SphinxPostTransform):
    """Runs on the finished page, last."""

    default_priority = 900

    def run(self, **kwargs) -> None:
        for found in list(self.document.findall(lambda node: isinstance(node, MATH))):
            told = (Told if isinstance(found, nodes.math) else ToldBlock)(told=_told(found))
            found.parent.replace(found, told)
            told += found


def readable(node: nodes.Node) -> str:
    """What a node says, its formulas in Unicode."""
    if isinstance(node, MATH):
        return _told(node)
    return node.astext() if isinstance(node, nodes.Text) else "".join(map(readable, node.children))


def _told(node: nodes.Node) -> str:
    """Formulas that stand side by side are told apart."""
    return "; ".join(formula.in_lines(node.astext()))


def _leave_out(app, document: nodes.document) -> None:
    """Sphinx indexes a page as soon as it is read."""
    for found in document.findall(lambda node: isinstance(node, MATH) or _is_drawn(node)):
        found["classes"].append("no-search")


def _is_drawn(node: nodes.Node) -> bool:
    return isinstance(node, nodes.raw) and any(mark in node.astext() for mark in DRAWN)


def _opens(name: str):
    return lambda translator, node: translator.body.append(
        f'<{name} class="told" data-told="{translator.attval(node["told"])}">'
    )


def _closes(name: str):
    return lambda translator, node: translator.body.append(f"</{name}>")


def setup(app) -> dict:
    app.connect("doctree-read", _leave_out)
    app.add_node(Told, html=(_opens("span"), _closes("span")))
    app.add_node(ToldBlock, html=(_opens("div"), _closes("div")))
    app.add_post_transform(Formulas)
    return dict(parallel_read_safe=True, parallel_write_safe=True)
