"""A lesson as one HTML file that needs no other and no network: for a learning-management system. It leads to its
neighbours, where they lie beside it."""

from __future__ import annotations

import copy
import importlib.util
import re
from collections.abc import Sequence
from html import escape, unescape
from pathlib import Path
from typing import TYPE_CHECKING

from grader.authors.notebooks import ON_THE_SITE, repository_of
from grader.course.problem import CourseError, Problem

if TYPE_CHECKING:
    from nbformat import NotebookNode

HERE = Path(__file__).parent
HEADING = re.compile(r'<h2 id="([^"]+)">(.*?)<a class="anchor-link"')
ALIGNED = re.compile(r'(<div class="(?:highlight|jp-RenderedText[^"]*)"[^>]*>\s*)(<pre>(.*?)</pre>)', re.DOTALL)
CONTENTS = "<!-- contents -->"
ON_THIS_PAGE = (
    "(Nothing runs on this page: first open the notebook, `notebooks/{name}.ipynb` of the course, in Jupyter or "
    "[in Colab](https://colab.research.google.com/github/{repository}/blob/main/notebooks/{name}.ipynb).)"
)

# nbconvert's page, less the parts that it would load from other hosts; formulas are set by the MathJax within. A figure
# stands before the code that draws it.
TEMPLATE = (
    """{%- extends 'lab/index.html.j2' -%}
{%- block html_head_js_requirejs -%}{%- endblock -%}
{%- block html_head_js_mermaidjs -%}{%- endblock -%}
{%- block html_head_js_mathjax -%}
<script>MathJax = {tex: {inlineMath: [['$', '$'], ['\\\\(', '\\\\)']], processEscapes: true}, options: {ignoreHtmlClass: 'highlight|jp-OutputArea'}};</script>
<script>{{ resources.mathjax }}</script>
<script>{{ resources.formulas }}</script>
<style>@media screen and (prefers-color-scheme: dark) { {{ resources.dark }} }</style>
<style>{{ resources.style }}</style>
{%- endblock -%}
{%- block body_header -%}{{ super() }}"""  # noqa: E501
    + CONTENTS
    + """{%- endblock -%}
{%- block input_group -%}{%- if not cell.metadata.alt -%}{{ super() }}{%- endif -%}{%- endblock -%}
{%- block output_group -%}{{ super() }}
{%- if cell.metadata.alt -%}
<p class="caption">{{ cell.metadata.caption | escape_html }}</p>
<details class="drawn-by"><summary>The code that draws it</summary>{{ cell.source | highlight_code(metadata=cell.metadata) }}</details>
{%- endif -%}
{%- endblock -%}"""  # noqa: E501
)


def export(problem: Problem, notebook: NotebookNode, folder: Path, beside: Sequence[Problem]) -> None:
    """Writes `NN_topic.html` into the folder, in which those of some problems lie `beside` it."""
    from nbconvert import HTMLExporter
    from traitlets.config import Config

    exporter = HTMLExporter(
        raw_template=TEMPLATE,
        language_code="en",
        config=Config(
            TagRemovePreprocessor=dict(enabled=True, remove_cell_tags=["remove-cell"]),
            HTMLExporter=dict(preprocessors=["nbconvert.preprocessors.TagRemovePreprocessor"]),
        ),
    )
    dark, *_ = exporter.environment.loader.get_source(exporter.environment, "static/theme-dark.css")
    text, _ = exporter.from_notebook_node(
        _on_this_page(problem, notebook),
        dict(
            metadata=dict(name=f"{problem.number} · {problem.title}"),
            mathjax=mathjax(),
            formulas=(HERE / "site/static/formulas.js").read_text(encoding="utf-8"),
            dark=dark,
            style=(HERE / "single.css").read_text(encoding="utf-8"),
        ),
    )
    text = ALIGNED.sub(_with_columns, text.replace(CONTENTS, _contents(problem, HEADING.findall(text), beside), 1))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{problem.name}.html").write_text(text, encoding="utf-8")
    except OSError as error:
        raise CourseError(f"{folder / problem.name}.html cannot be written: {error.strerror}") from error


def _on_this_page(problem: Problem, notebook: NotebookNode) -> NotebookNode:
    """The notebook, with the way to it in place of that of the site, whose buttons are not here."""
    repository = repository_of(problem.folder.parents[1]).removeprefix("https://github.com/")
    way, changed = ON_THIS_PAGE.format(name=problem.name, repository=repository), copy.deepcopy(notebook)
    for cell in changed.cells:
        cell.source = cell.source.replace(ON_THE_SITE, way)
    return changed


def _contents(problem: Problem, headings: Sequence[tuple[str, str]], beside: Sequence[Problem]) -> str:
    """Where the lesson can be entered, and the way to the other problems."""
    within = "".join(f'<li><a href="#{place}">{title}</a></li>' for place, title in headings)
    others = "".join(
        f'<li><a href="{other.name}.html"{" aria-current=page" if other == problem else ""}>{other.number} · '
        f"{escape(other.title)}</a></li>"
        for other in beside
    )
    at = list(beside).index(problem)
    ways = [
        f'<a class="{word}" href="{beside[to].name}.html">{beside[to].number} · {escape(beside[to].title)}</a>'
        for word, to in (("before", at - 1), ("after", at + 1))
        if 0 <= to < len(beside)
    ]
    return (
        f'<nav aria-label="Contents"><details><summary>Contents</summary><ul>{within}</ul></details>'
        + (f"<details><summary>All problems</summary><ul>{others}</ul></details>" if len(beside) > 1 else "")
        + "".join(ways)
        + "</nav>"
    )


def _with_columns(found: re.Match) -> str:
    """What is aligned by blanks says how many columns it has."""
    columns = max(map(len, unescape(re.sub(r"<[^>]+>", "", found[3])).splitlines()), default=1)
    return f'{found[1]}<div class="aligned" style="--columns: {columns}">{found[2]}</div>'


def mathjax() -> str:
    """MathJax with its glyphs in one script."""
    package = Path(importlib.util.find_spec("sphinx-mathjax-offline").origin).parent
    return (package / "static/mathjax/tex-svg.js").read_text(encoding="utf-8").replace("</script", "<\\/script")
