"""Sphinx's settings for the site."""

import importlib.util
from pathlib import Path

from grader.authors.notebooks import repository_of
from grader.course.problem import course_root

project = "The attention track"
author = "The attention track authors"
html_show_copyright = False
extensions = [
    "myst_nb",
    "sphinx_copybutton",
    "sphinx_design",
    "grader.authors.site.figures",
    "grader.authors.site.links",
    "grader.authors.site.searched",
]
exclude_patterns = ["_build"]

nb_execution_mode = "off"  # the notebooks come executed
nb_render_image_options = {"class": "figure"}
myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist", "html_image"]
myst_heading_anchors = 3
myst_links_external_new_tab = False
suppress_warnings = ["myst.header"]  # a cell that begins a section is no page of its own
copybutton_exclude = ".linenos, .gp, .go"

html_theme = "sphinx_book_theme"
html_title = project
html_favicon = "static/favicon.svg"
html_context = dict(default_mode="auto")
html_theme_options = dict(
    repository_url=repository_of(course_root()),
    repository_branch="main",
    path_to_docs="",
    use_repository_button=True,
    use_download_button=True,
    use_fullscreen_button=False,
    launch_buttons=dict(colab_url="https://colab.research.google.com"),
    home_page_in_toc=True,
    show_toc_level=2,
    show_navbar_depth=1,
    navbar_persistent=[],
)
html_sourcelink_suffix = ""  # the copy to download is the notebook itself
html_static_path = [
    "static",
    str(Path(importlib.util.find_spec("sphinx-mathjax-offline").origin).parent / "static/mathjax/tex-svg.js"),
]
html_css_files = ["track.css"]
html_js_files = [(name, dict(defer="defer")) for name in ("search.js", "formulas.js")]
mathjax_path = "tex-svg.js"  # one file, fonts included: formulas need no network
