"""A Sphinx extension: a figure comes first, and the code that draws it is folded under it; what is aligned by blanks
says how many columns it has."""

from __future__ import annotations

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxTranslator

DRAWN_BY = "The code that draws it"
ALIGNED = ("text", "myst-ansi", "none")  # lexers of what is printed, and of pictures made of characters


class Folded(nodes.container):
    """Code that a click unfolds."""


class Figures(SphinxPostTransform):
    """Runs before the links: what it moves is still linked."""

    default_priority = 4

    def run(self, **kwargs) -> None:
        for cell in list(self.document.findall(_draws)):
            code, shown = (
                next(part for part in cell.children if name in part["classes"])
                for name in ("cell_input", "cell_output")
            )
            cell.children.clear()
            cell += [shown, Folded("", code)]
        for block in list(self.document.findall(nodes.literal_block)):
            if block.get("language") in ALIGNED:
                columns = max(map(len, block.astext().splitlines()), default=1)
                block.parent.replace(block, Aligned("", block, columns=columns))


class Aligned(nodes.container):
    """A block whose lines must not be broken."""


def _draws(node: nodes.Node) -> bool:
    return isinstance(node, nodes.container) and bool(node.get("cell_metadata", {}).get("alt"))


def _open_folded(translator: SphinxTranslator, node: Folded) -> None:
    translator.body.append(f'<details class="drawn-by"><summary>{DRAWN_BY}</summary>\n')


def _close_folded(translator: SphinxTranslator, node: Folded) -> None:
    translator.body.append("</details>\n")


def _open_aligned(translator: SphinxTranslator, node: Aligned) -> None:
    translator.body.append(f'<div class="aligned" style="--columns: {node["columns"]}">\n')


def _close_aligned(translator: SphinxTranslator, node: Aligned) -> None:
    translator.body.append("</div>\n")


def setup(app) -> dict:
    app.add_node(Folded, html=(_open_folded, _close_folded))
    app.add_node(Aligned, html=(_open_aligned, _close_aligned))
    app.add_post_transform(Figures)
    return dict(parallel_read_safe=True, parallel_write_safe=True)
