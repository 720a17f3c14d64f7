"""A lesson as one HTML file that needs no other and no network: for a learning-management system."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from grader.problem import CourseError, Problem

if TYPE_CHECKING:
    from nbformat import NotebookNode

# nbconvert's page, less the parts that it would load from other hosts; formulas are set by the MathJax within.
TEMPLATE = """{%- extends 'lab/index.html.j2' -%}
{%- block html_head_js_requirejs -%}{%- endblock -%}
{%- block html_head_js_mermaidjs -%}{%- endblock -%}
{%- block html_head_js_mathjax -%}
<script>MathJax = {tex: {inlineMath: [['$', '$'], ['\\\\(', '\\\\)']], processEscapes: true}, options: {ignoreHtmlClass: 'highlight|jp-OutputArea'}};</script>
<script>{{ resources.mathjax }}</script>
<style>body { max-width: 60rem; margin: 0 auto; padding: 0 1rem; } .jp-RenderedHTMLCommon { font-size: 16px; } .jp-InputPrompt, .jp-OutputPrompt { display: none; } .jp-RenderedImage img { max-width: 100%; height: auto; }
.jp-Notebook pre, .jp-Notebook .highlight pre { white-space: pre; word-break: normal; overflow-x: auto; } mjx-container { max-width: 100%; overflow-x: auto; overflow-y: hidden; }</style>
{%- endblock -%}"""


def export(problem: Problem, notebook: NotebookNode, folder: Path) -> None:
    """Writes `NN_topic.html` into the folder."""
    from nbconvert import HTMLExporter
    from traitlets.config import Config

    exporter = HTMLExporter(raw_template=TEMPLATE, language_code="en", config=Config(
        TagRemovePreprocessor=dict(enabled=True, remove_cell_tags=["remove-cell"]),
        HTMLExporter=dict(preprocessors=["nbconvert.preprocessors.TagRemovePreprocessor"])))
    text, _ = exporter.from_notebook_node(notebook, dict(metadata=dict(name=f"{problem.number} · {problem.title}"), mathjax=mathjax()))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{problem.name}.html").write_text(text, encoding="utf-8")
    except OSError as error:
        raise CourseError(f"{folder / problem.name}.html cannot be written: {error.strerror}") from error


def mathjax() -> str:
    """MathJax with its glyphs in one script."""
    package = Path(importlib.util.find_spec("sphinx-mathjax-offline").origin).parent
    return (package / "static/mathjax/tex-svg.js").read_text(encoding="utf-8").replace("</script", "<\\/script")
