"""The site, built as an instructor builds it and looked at in a browser."""

import contextlib
import functools
import html.parser
import http.server
import json
import posixpath
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path, PurePosixPath
from urllib.parse import urldefrag, urljoin, urlsplit

import pytest

from grader.authors.lesson import HEADINGS, cells_of
from grader.authors.notebooks import compose, place_of, repository_of, sources
from grader.authors.site import edition
from tests.browser import browser, serious  # noqa: F401
from tests.conftest import EACH, PROBLEMS, ROOT
from tests.site_text import statements, text_of, those_in, unsaid

pytestmark = pytest.mark.thorough

LESSONS = [f"notebooks/{problem.name}.html" for problem in PROBLEMS.values()]
OTHERS = [
    "index.html",
    "a_language_model.html",
    "long_sequences.html",
    "how_the_grader_decides.html",
    "glossary.html",
    "instructors.html",
    "search.html",
    "genindex.html",
]
LOOKED_AT = [f"notebooks/{PROBLEMS[number].name}.html" for number in EACH]  # in a browser, one by one
FINITE = "document.getAnimations().filter(a => a.effect.getTiming().iterations !== Infinity)"
PHONE, DESKTOP = dict(width=390, height=844), dict(width=1300, height=900)
WIDTHS = (390, 1280, 1920)


def publish(*arguments):
    done = subprocess.run(
        [sys.executable, "-m", "grader", "publish", *map(str, arguments)], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(once):
    """The students' site and the single files, from one command."""

    def make(out):
        with others_taken_as_executed():
            publish("--site", out / "site", "--html", out / "html")

    return once("published", make)


@contextlib.contextmanager
def others_taken_as_executed():
    """For as long as this lasts, the notebook of the course stands for one that ran, but for the problems of EACH."""
    lent = []
    for number in PROBLEMS.keys() - {*EACH}:
        problem = PROBLEMS[number]
        kept = place_of(problem, compose(problem, repository_of(ROOT)))
        if kept and not kept.exists():
            lent.append(Path(shutil.copy(ROOT / "notebooks" / f"{problem.name}.ipynb", kept)))
    try:
        yield
    finally:
        for path in lent:
            path.unlink(missing_ok=True)


@pytest.fixture(scope="module")
def address(built):
    """The site on a server of its own."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *told):
            pass

    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=built / "site")
    ) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture
def opened(browser, address):  # noqa: F811
    """Opens a page of the site; collects what the browser complains of, and what it asks other hosts for."""
    contexts = []

    def open_page(name, viewport=DESKTOP, scheme="light"):
        context = browser.new_context(viewport=viewport, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.complaints = []
        page.on(
            "console",
            lambda message: page.complaints.append(message.text) if message.type in ("error", "warning") else None,
        )
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on("requestfailed", lambda request: page.complaints.append(f"failed: {request.url}"))
        page.on(
            "request",
            lambda request: (
                page.complaints.append(f"asked for {request.url}")
                if not request.url.startswith((address, "data:", "blob:"))
                else None
            ),
        )
        page.on(
            "response",
            lambda response: (
                page.complaints.append(f"{response.status} {response.url}") if response.status >= 400 else None
            ),
        )
        page.goto(urljoin(address, name))
        page.wait_for_function("!document.querySelector('.math') || window.MathJax?.startup?.promise")
        page.evaluate("window.MathJax?.startup?.promise?.then(() => null)")
        # a colour on its way is none to judge
        page.evaluate(f"Promise.allSettled({FINITE}.map(a => a.finished)).then(() => null)")
        return page

    yield open_page
    for context in contexts:
        context.close()


def test_every_page_opens_in_peace(opened):
    """No error on the console, nothing from another host, every picture there and described, every formula set, nothing
    wider than a phone."""
    for name in [*OTHERS, *LOOKED_AT]:
        for viewport in (DESKTOP, PHONE):
            page = opened(name, viewport)
            assert page.complaints == [], name
            formulas = page.evaluate(
                "[...document.querySelectorAll('.math')].filter(e => !e.querySelector('mjx-container svg')).map(e => "
                "e.textContent)"
            )
            assert formulas == [], name
            assert page.locator("mjx-merror, [data-mjx-error]").count() == 0, name
            pictures = page.evaluate(
                "[...document.querySelectorAll('article.bd-article img')].map(i => [i.src, i.naturalWidth > 0, (i.alt "
                "|| '').length > 40])"
            )
            assert all(shown and described for _, shown, described in pictures), (name, pictures)
            assert not name.startswith("notebooks/") or pictures, f"{name} has no figure"
            assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"], name


@pytest.mark.parametrize(
    "scheme, pages, rules",
    [
        ("light", [*OTHERS, LESSONS[0], LESSONS[-1]], ()),
        (
            "dark",
            ("index.html", LESSONS[0], "how_the_grader_decides.html", "glossary.html"),
            ("color-contrast", "link-in-text-block"),
        ),
    ],
    ids=["light", "dark"],
)
def test_axe_has_no_serious_finding(opened, scheme, pages, rules):
    """The rules of axe-core, on every page, of the lessons on the first and the last; in dark, those that look at
    colours, on one page of each kind."""
    found = {}
    for name in pages:
        page = opened(name, scheme=scheme)
        assert page.evaluate("document.documentElement.dataset.theme") == scheme
        if faults := serious(page, "html", *rules):
            found[name] = faults
    assert not found, json.dumps(found, indent=1)


class Markup(html.parser.HTMLParser):
    """A page's links by what they look like, its places that a link can lead to, and what stands within a link or a
    button though it is a link itself."""

    def __init__(self, text):
        super().__init__()
        self.links, self.places, self.nested, self._open = [], {"", "top"}, [], 0
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.places |= {given[name] for name in ("id", "name") if given.get(name)}
        self.links += [(given.get("class") or "", given[name]) for name in ("href", "src") if given.get(name)]
        if tag == "a" and self._open:
            self.nested.append(given.get("href"))
        self._open += tag in ("a", "summary", "button")

    def handle_endtag(self, tag):
        self._open -= tag in ("a", "summary", "button")

    def of_class(self, name):
        return [link for classes, link in self.links if name in classes.split()]


@pytest.fixture(scope="module")
def pages(built):
    """Every page of the site by its path."""
    root = built / "site"
    return {
        path.relative_to(root).as_posix(): Markup(path.read_text(encoding="utf-8"))
        for path in root.rglob("*.html")
        if "_static" not in path.parts
    }


def test_no_link_leads_nowhere(built, pages):
    """Every link within the site leads to a page that is there, and to a place that is on it; none stands within
    another, or within what unfolds."""
    root = built / "site"
    assert {*OTHERS, *LESSONS} <= {*pages}
    for name, page in pages.items():
        assert page.nested == [], name
        for _, link in page.links:
            if urlsplit(link).scheme:
                assert link.startswith(("https://", "data:")), (name, link)
                continue
            target, place = urldefrag(urljoin(name, link))
            assert (root / target.partition("?")[0]).is_file(), (name, link)
            assert target not in pages or place in pages[target].places, (name, link)


@pytest.mark.parametrize(
    "number, word",
    [
        (31, "saturation"),
        (32, "chunk"),
        (33, "diagonal"),
        (34, "padding"),
        (35, "translation"),
        (36, "prefill"),
        (37, "group"),
        (38, "slope"),
        (39, "online"),
        (40, "Pallas"),
        (41, "nucleus"),
        (42, "angle"),
        (43, "skew"),
        (44, "residual"),
        (45, "layers"),
        (46, "beam"),
        (47, "perplexity"),
        (48, "boundaries"),
        (49, "checkpointed"),
        (50, "sinks"),
        (51, "dilation"),
        (52, "prefix"),
        (53, "interviewer"),
        (54, "Linformer"),
        (55, "Bahdanau"),
        (56, "Luong"),
        (57, "teacher"),
        (58, "Tacotron"),
        (59, "REINFORCE"),
        (60, "Srivastava"),
        (61, "rollout"),
    ],
)
def test_search_finds_a_word_of_each_lesson(opened, number, word):
    text = PROBLEMS[number].lesson.read_text(encoding="utf-8")
    assert word.lower() in text.lower(), "the test's word is not in the lesson"
    page = opened(f"search.html?q={word}")
    page.wait_for_selector(f"#search-results a[href*='{PROBLEMS[number].name}']")
    assert page.complaints == []


def test_pages_follow_one_another(pages):
    """Each problem has the one before it and the one after it, with a chapter between its parts, and the map and the
    cards of the home page lead to each."""
    for name in LESSONS:
        assert (
            sum(
                link.startswith(name)
                for classes, link in pages["index.html"].links
                if "reference internal" not in classes or "sd-" in classes
            )
            >= 2
        ), name
    # the chapter stands before the part that it is about
    chapters = {41: "a_language_model.html", 48: "long_sequences.html", 55: "before_the_transformer.html"}
    row = [
        page
        for number, name in zip(PROBLEMS, LESSONS)
        for page in ([chapters[number]] if number in chapters else []) + [name]
    ]
    for before, name, after in zip([None, *row], row, [*row[1:], None]):
        folder = PurePosixPath(name).parent
        if before:
            assert pages[name].of_class("left-prev") == [posixpath.relpath(before, folder)]
        if after:
            assert pages[name].of_class("right-next") == [posixpath.relpath(after, folder)]


def test_buttons_open_the_notebook_in_colab_and_download_it(pages, built):
    """Colab gets it from the repository that pyproject.toml names; the download is the notebook itself."""
    repository = repository_of(ROOT).removeprefix("https://github.com/")
    for problem in PROBLEMS.values():
        links = {link for _, link in pages[f"notebooks/{problem.name}.html"].links}
        assert (
            f"https://colab.research.google.com/github/{repository}/blob/main/notebooks/{problem.name}.ipynb" in links
        )
        [download] = {link for link in links if link.endswith(".ipynb") and "_sources" in link}
        there = json.loads((built / "site/notebooks" / download).read_text(encoding="utf-8"))
        wanted = sources(compose(problem, repository_of(ROOT)))
        assert [(cell["cell_type"], "".join(cell["source"])) for cell in there["cells"]] == wanted


def test_terms_lead_to_the_glossary(pages):
    """On each lesson the first use of a term is a link to its entry."""
    for name in LESSONS:
        links = pages[name].of_class("to-term")
        assert len(links) >= 5 and len({*links}) == len(links), name
        assert all(link.startswith("../glossary.html#term-") for link in links)


def test_dark_mode_is_remembered(opened):
    """What is chosen on one page holds on the next."""
    page = opened("index.html")
    for theme in ("dark", "light"):
        page.locator("button.theme-switch-button").click()
        page.locator(f"button.theme-change-button[data-mode={theme}]").click()
        page.goto(page.url.replace("index.html", "glossary.html"))
        assert page.evaluate("document.documentElement.dataset.theme") == theme


def test_a_single_file_needs_no_other_and_no_network(browser, built):  # noqa: F811
    """Opened from the disk, without a network, a lesson shows its formulas and its figures, and complains of
    nothing."""
    context = browser.new_context(offline=True)
    for problem in map(PROBLEMS.get, EACH):
        page, complaints = context.new_page(), []
        page.on(
            "console",
            lambda message, to=complaints: to.append(message.text) if message.type in ("error", "warning") else None,
        )
        page.on("pageerror", lambda error, to=complaints: to.append(str(error)))
        page.on(
            "request",
            lambda request, to=complaints: (
                to.append(request.url) if not request.url.startswith(("file:", "data:", "blob:")) else None
            ),
        )
        page.goto((built / "html" / f"{problem.name}.html").as_uri())
        page.wait_for_selector("mjx-container svg")
        assert (
            page.evaluate("[...document.images].every(i => i.naturalWidth > 0 && i.alt.length > 40)")
            and page.locator("img").count()
        )
        told = page.locator("body").inner_text()
        assert "$$" not in told and "buttons at the top" not in told
        assert page.locator(f"a[href^='https://colab'][href$='/{problem.name}.ipynb']").count() == 1
        answers = sum(bool(cell.exercise) for cell in cells_of(problem.lesson))
        assert page.locator("details:not(.drawn-by, nav details)").count() == len(problem.hints) + answers
        assert complaints == [], problem.name
    context.close()


LEAVES = (Path(__file__).with_name("leaves_the_column.js")).read_text(encoding="utf-8")


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_leaves_the_column(opened, width):
    """At no width is a formula, a line of code or a picture cut, or too small to be read, or a word broken in a table;
    on a phone alone some are scrolled, each in its own box."""
    found = {
        name: told
        for name in [*OTHERS, *LOOKED_AT]
        if name != "genindex.html" and (told := opened(name, dict(width=width, height=900)).evaluate(LEAVES))
    }
    assert not found, json.dumps(found, indent=1)


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_leaves_the_column_of_a_single_file(browser, built, width):  # noqa: F811
    page, found = browser.new_page(viewport=dict(width=width, height=900)), {}
    for problem in map(PROBLEMS.get, EACH):
        page.goto((built / "html" / f"{problem.name}.html").as_uri())
        page.wait_for_selector("mjx-container svg")
        page.evaluate("MathJax.startup.promise.then(() => null)")
        if told := page.evaluate(LEAVES):
            found[problem.name] = told
    page.close()
    assert not found, json.dumps(found, indent=1)


def test_what_leaves_the_column_is_found(browser):  # noqa: F811
    """The test above can fail: a line that scrolls, a picture that is too wide, letters that are too small, a word that
    is broken."""
    page = browser.new_page(viewport=dict(width=390, height=900))
    for fault in (
        "<pre style='overflow-x: auto'>" + "x" * 200 + "</pre>",
        "<img width=900 height=9>",
        "<pre style='font-size: 8px'>x</pre>",
        "<figure><img width=340 height=9></figure>",
        "<table style='table-layout: fixed; width: 20px'><td style='overflow-wrap: anywhere'>network</table>",
        "<mjx-container><svg width='90ex' style='width: 100px'></svg></mjx-container>",
    ):
        page.set_content(f"<main style='overflow: hidden'>{fault}</main>")
        assert page.evaluate(LEAVES), fault
    page.set_content("<main><p>x</p><pre>x</pre></main>")
    assert page.evaluate(LEAVES) == []
    page.close()


@pytest.mark.parametrize("width", (390, 1280))
def test_the_map_can_be_read(opened, width):
    """Every problem has a box on it, its words stand within the box, and are at least 10 pixels tall."""
    page = opened("index.html", dict(width=width, height=900))
    boxes = page.locator(
        ".track-map:visible a"
    ).evaluate_all("""boxes => boxes.map(box => {
        const frame = box.querySelector("rect").getBoundingClientRect(), words = [...box.querySelectorAll("text")].map(text => text.getBoundingClientRect());
        return [box.getAttribute("href"), Math.min(...words.map(word => word.height)),
                words.every(word => word.left >= frame.left && word.right <= frame.right && word.top >= frame.top && word.bottom <= frame.bottom)]; })""")  # noqa: E501
    assert [name for name, *_ in boxes] == LESSONS
    assert all(height >= 10 and within for _, height, within in boxes), boxes


def test_the_home_page_shows_a_verdict(opened):
    page = opened("index.html")
    assert page.locator(".gv .gv-panel").count() == 1 and "forgot the scale" in page.locator(".gv").inner_text()


def test_a_term_shows_its_meaning(opened):
    """Each link to the glossary carries the meaning, without TeX, and shows it when it is pointed at or focused."""
    for name in LOOKED_AT:
        page = opened(name)
        terms = page.locator("a.to-term")
        meanings = terms.evaluate_all("terms => terms.map(term => term.dataset.meaning)")
        assert all(len(meaning) > 20 and not re.search(r"[$\\]", meaning) for meaning in meanings), name
    shown = "term => getComputedStyle(term, '::after').content"
    term = terms.nth(1)
    assert term.evaluate(shown) == "none"
    term.hover()
    assert meanings[1][:20] in term.evaluate(shown)
    page.mouse.move(0, 0)
    terms.nth(0).focus()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    assert meanings[0][:20] in terms.nth(0).evaluate(shown)


@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_no_meaning_is_cut_by_the_box_of_a_table(opened, viewport):
    """A meaning that is shown makes no box higher that has its own bars: it hangs out of it. Where no page that is
    looked at has a term there, others are until one has."""
    tried = 0
    for name in [*LOOKED_AT, *(name for name in LESSONS if name not in LOOKED_AT)]:
        if tried and name not in LOOKED_AT:
            break
        page = opened(name, viewport)
        for term in page.locator("table tr:last-child a.to-term").all():
            term.hover()
            assert term.evaluate("term => getComputedStyle(term, '::after').content") != "none"
            assert term.evaluate(
                "term => { const box = term.closest('.pst-scrollable-table-container'); "
                "return box.scrollHeight <= box.clientHeight + 1; }"
            ), (name, term.inner_text())
            tried += 1
    assert tried


@pytest.mark.parametrize(
    "name, elsewhere",
    [
        ("instructors.html", {"key", "value", "weights", "scale", "score", "packed"}),
        ("how_the_grader_decides.html", {"key", "value", "weights", "scale"}),
        (LESSONS[[*PROBLEMS].index(47)], {"decay", "scale", "m", "v"}),
        (LESSONS[[*PROBLEMS].index(43)], {"weights", "context"}),
        (LESSONS[[*PROBLEMS].index(42)], {"weights", "context"}),
    ],
    ids=["instructors", "grader", "47", "43", "42"],
)
def test_no_term_stands_where_another_thing_is_meant(pages, name, elsewhere):
    shown = {link.rpartition("#term-")[2] for link in pages[name].of_class("to-term")}
    assert shown and not shown & elsewhere


def test_a_figure_stands_before_its_code(opened):
    """Each figure has a caption, and the code that draws it is folded under it; on a dark page it is dark."""
    for number, name in zip(EACH, LOOKED_AT):
        page = opened(name, scheme="dark")
        figures = sum(cell.alt != "" for cell in cells_of(PROBLEMS[number].lesson))
        told = page.locator(".cell_output figure").evaluate_all("""figures => figures.map(figure => {
            const code = figure.closest(".cell").querySelector("details.drawn-by");
            return [figure.querySelector("figcaption").innerText.length > 20, code.open, !!(figure.compareDocumentPosition(code) & Node.DOCUMENT_POSITION_FOLLOWING),
                    code.innerText.length, getComputedStyle(figure.querySelector("img")).filter]; })""")  # noqa: E501
        assert len(told) == figures and all(
            caption and not unfolded and after and "invert(1)" in look for caption, unfolded, after, _, look in told
        ), (name, told)


def test_the_search_shows_no_markup(opened):
    """Excerpts have formulas in Unicode, told apart, and a blank after each title, and no pictures of characters; the
    index has no word of TeX, and none that is two: boxes of the map and cells of a verdict are no prose."""
    told = []
    for word in ("softmax", "projects"):
        page = opened(f"search.html?q={word}")
        page.wait_for_selector("#search-results p.context")
        page.wait_for_function("document.querySelectorAll('#search-results p.context').length >= 3")
        told += page.locator("#search-results p.context").all_inner_texts()
    assert not [
        excerpt
        for excerpt in told
        if re.search(r"\\[a-z(\[]|\$|¶|#|[─-╿]", excerpt)
        or re.search("|".join(f"{heading}[A-Z]" for heading in HEADINGS), excerpt)
    ]
    assert any("√" in excerpt or "ᵢ" in excerpt for excerpt in told), told
    assert not [excerpt for excerpt in told if re.search(r"Q = \S+ [^\s;]+ K =", excerpt)]
    words = page.evaluate("Object.keys(Search._index.terms)")
    assert not {"frac", "mathrm"} & {*words}
    assert not [word for word in words if re.search(r"[a-z]{4}3\d[a-z]{4}|sdpa.*jit|jitvmap", word)]


def test_a_single_file_leads_to_the_others(browser, built):  # noqa: F811
    """It has a dark page for those who want one, contents that lead to its sections, and links to the other files."""
    context = browser.new_context(offline=True, color_scheme="dark")
    page = context.new_page()
    page.goto((built / "html" / f"{PROBLEMS[32].name}.html").as_uri())
    light = (
        "element => { const [r, g, b] = getComputedStyle(element).{}.match(/[\\d.]+/g).map(Number); return (r + g "
        "+ b) / 3; }"
    )
    assert (
        page.locator("body").evaluate(light.replace("{}", "backgroundColor"))
        < 60
        < 180
        < page.locator("main p").first.evaluate(light.replace("{}", "color"))
    )
    places, *_ = page.locator("nav details").evaluate_all(
        "lists => lists.map(list => [...list.querySelectorAll('a')].map(link => link.getAttribute('href')))"
    )
    assert len(places) >= len(HEADINGS) and page.evaluate(
        "places => places.every(place => document.getElementById(decodeURI(place.slice(1))))", places
    )
    page.locator("nav a.before").click()
    assert page.url.endswith(f"{PROBLEMS[31].name}.html") and page.locator("nav a.before").count() == 0
    page.locator("nav summary").nth(1).click()
    page.locator(f"nav a[href='{PROBLEMS[40].name}.html']").click()
    assert "Tiled attention" in page.title()
    context.close()


def texts(*folders):
    """What the pages and notebooks under some folders say, by path."""
    return {
        path: text_of(path)
        for folder in folders
        for path in folder.rglob("*")
        if path.suffix in (".html", ".ipynb", ".md", ".txt") and "_static" not in path.parts
    }


def test_no_statement_of_a_solution_is_published(built):
    """No statement from the body of a reference, a mistake or another style is in the site, the single files or the
    notebooks."""
    assert len(unsaid(ROOT)) > 500
    leaks = {
        (path.name, statement)
        for path, text in texts(built / "site", built / "html", ROOT / "notebooks").items()
        for statement in those_in(unsaid(ROOT), text)
    }
    assert not leaks


def test_the_instructors_edition_has_them_all_and_says_what_it_is(built, tmp_path):
    """With --solutions every reference, mistake, sentence and style has its place, by which the test above can fail;
    each page says that it is not for students. The lessons ran when the students' site was `built`."""
    out = tmp_path / "site"
    with others_taken_as_executed():
        publish("--site", out, "--solutions")
    said = "".join(texts(out / "solutions").values())
    for problem in PROBLEMS.values():
        for path in [problem.solutions / "reference.py", *(problem.solutions / "right").glob("*.py")]:
            missing = [statement for statement in statements(path) if statement not in said and "#" not in statement]
            assert not missing, path
        for _, _, sentence, _ in edition.bank((problem.solutions / "mistakes.py").read_text(encoding="utf-8")):
            assert sentence and re.sub(r"\W+", "", sentence.split("$")[0]) in re.sub(r"\W+", "", said)
    assert those_in(unsaid(ROOT), said)
    assert all(
        "Not for students." in path.read_text(encoding="utf-8")
        for path in out.rglob("*.html")
        if "_static" not in path.parts
    )
