"""The notebook in a real JupyterLab, seen through a browser: verdicts, pictures, a kernel that lives on, and both
themes."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import time
import urllib.request

import pytest

from tests.browser import browser, needed, serious  # noqa: F401  (a fixture)
from tests.conftest import ROOT

pytestmark = pytest.mark.thorough

needed("jupyterlab")
PATIENCE = 180_000  # milliseconds; nothing is decided by time, but a hang must end
NOTEBOOK = json.loads((ROOT / "notebooks/31_sdpa.ipynb").read_text(encoding="utf-8"))
NOTEBOOK["cells"].append(
    {"cell_type": "code", "id": "after", "metadata": {}, "execution_count": None, "outputs": [], "source": "1 + 1"}
)
SOURCES = ["".join(cell["source"]) for cell in NOTEBOOK["cells"]]
LOAD, STUB = (
    next(i for i, source in enumerate(SOURCES) if text in source) for text in ("%load_ext grader", "%%grade 31\n")
)
AFTER = len(SOURCES) - 1
PANEL = "[...window.jupyterapp.shell.widgets('main')][0]"
RUN = f"""async ([index, source]) => {{
    const notebook = {PANEL}.content;
    notebook.activeCellIndex = index;
    notebook.activeCell.model.sharedModel.setSource(source);
    await window.jupyterapp.commands.execute('notebook:run-cell');
}}"""
READY = f"""() => {{
    const panel = window.jupyterapp && {PANEL};
    return panel?.content?.widgets?.length === {len(SOURCES)} && panel.sessionContext.isReady && panel.sessionContext.session?.kernel?.status === 'idle';
}}"""  # noqa: E501
OUTPUT = f"index => {PANEL}.content.widgets[index].model.outputs.toJSON()"
# cells out of sight stay in the page
SETTINGS = {
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
}


RIGHT = (ROOT / "solutions/31_sdpa/reference.py").read_text(encoding="utf-8")
FORGOT = (ROOT / "problems/31_sdpa/attempt.py").read_text(encoding="utf-8")
EMPTY = (ROOT / "problems/31_sdpa/.stub.py").read_text(encoding="utf-8") + "# nothing yet\n"
ENDLESS = "def sdpa(q, k, v):\n    while True:\n        pass\n"


@pytest.fixture(scope="module")
def lab(tmp_path_factory, browser):  # noqa: F811
    """A page of JupyterLab with the notebook of 31 open, in a copy of the course, its first cell run."""
    folder = tmp_path_factory.mktemp("jupyter")
    for part in ("grader", "problems", "solutions"):
        shutil.copytree(ROOT / part, folder / "course" / part, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "course/notebooks").mkdir()
    (folder / "course/notebooks/31_sdpa.ipynb").write_text(json.dumps(NOTEBOOK), encoding="utf-8")
    (folder / "course/problems/33_causal_mask/hints.md").write_text("## A formula\nSee $q k^T$.\n", encoding="utf-8")
    (folder / "config/labconfig").mkdir(parents=True)
    (folder / "config/labconfig/default_setting_overrides.json").write_text(json.dumps(SETTINGS), encoding="utf-8")
    token, runtime = secrets.token_hex(16), folder / "runtime"
    environment = os.environ | dict(
        JUPYTER_CONFIG_DIR=str(folder / "config"),
        JUPYTER_DATA_DIR=str(folder / "data"),
        JUPYTER_RUNTIME_DIR=str(runtime),
        IPYTHONDIR=str(folder / "ipython"),
        PYTHONPATH=str(folder / "course"),
        JUPYTER_TOKEN=token,
    )
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        "--no-browser",
        "--allow-root",
        "--expose-app-in-browser",
        "--ServerApp.ip=127.0.0.1",
        "--ServerApp.port=0",
    ]
    with (folder / "log").open("w+") as log:
        server = subprocess.Popen(command, cwd=folder / "course", env=environment, stdout=log, stderr=log)
        try:
            page = browser.new_context(viewport={"width": 1280, "height": 1000}).new_page()
            page.set_default_timeout(PATIENCE)
            page.goto(
                f"{_address(server, runtime, token, folder / 'log')}/lab/tree/notebooks/31_sdpa.ipynb?token={token}"
            )
            page.wait_for_function(READY)
            page.evaluate(RUN, [LOAD, SOURCES[LOAD]])
            yield page
            page.context.close()
        finally:
            server.terminate()
            server.wait()


def _address(server, runtime, token: str, log) -> str:
    """Where the server listens, as it says itself, once it answers."""
    while True:
        assert server.poll() is None, log.read_text()
        for told in runtime.glob("jpserver-*.json"):
            try:
                address = json.loads(told.read_text())["url"].rstrip("/")
                with urllib.request.urlopen(f"{address}/api/status?token={token}"):
                    return address
            except (ValueError, OSError):
                pass
        time.sleep(0.2)


@pytest.fixture
def show(lab):
    """Runs a text in the stub's cell, and gives the fragment that it shows."""

    def shown(source: str):
        lab.evaluate(RUN, [STUB, source])
        # what went on while it graded is gone
        assert [output["output_type"] for output in lab.evaluate(OUTPUT, STUB)] == ["display_data"]
        return lab.locator(f".jp-Cell[data-windowed-list-index='{STUB}'] .gv-box")

    return shown


@pytest.fixture
def grade(show):
    """Grades an answer there, and gives the verdict."""
    return lambda answer: show(f"%%grade 31\n{answer}")


def test_a_right_answer_passes_in_a_line(grade):
    """A right answer is told as passed in one line, with the table behind a fold, and no hints."""
    box = grade(RIGHT)
    assert "31 · Scaled dot-product attention passed: 31 checks in " in box.inner_text()
    assert "✗" not in box.inner_text() and "hint" not in box.inner_text()
    table = box.locator("table")
    assert not table.is_visible()
    box.locator("summary", has_text="every check").click()
    assert table.is_visible() and table.locator("td [aria-label=passed]").count() == 28


def test_a_named_mistake_is_shown_with_three_heatmaps(grade):
    """Whoever forgot the scale reads so, and sees what was expected, what came and the difference."""
    box = grade(FORGOT)
    assert "forgot the scale" in box.inner_text() and "divide by sqrt(d_k) before the softmax." in box.inner_text()
    maps = box.locator("svg[role=img]")
    assert [maps.nth(i).get_attribute("aria-label").split(":")[0] for i in range(maps.count())] == [
        "expected",
        "yours",
        "difference",
    ]
    for i in range(3):
        assert maps.nth(i).is_visible() and min(maps.nth(i).bounding_box()[side] for side in ("width", "height")) > 20
        assert maps.nth(i).locator("text").first.evaluate("text => getComputedStyle(text).fill") == box.evaluate(
            "box => getComputedStyle(box).color"
        )


def test_the_hints_unfold_one_inside_the_other(grade):
    """The second hint cannot be seen before the first is open."""
    box = grade(FORGOT)
    first, second = (box.locator("summary", has_text=f"hint {number} of 4") for number in (1, 2))
    assert first.is_visible() and not second.is_visible()
    first.click()
    assert (
        second.is_visible()
        and "Write down the shape of each step" in box.inner_text()
        and "Each score is a sum" not in box.inner_text()
    )


def test_math_is_typeset_in_a_hint_alone(lab, show, grade):
    """JupyterLab typesets a hint's formula; what the student's code raised or printed keeps its dollars."""
    show("%hint 33").locator("summary").click()
    lab.locator(".gv-hint mjx-container").wait_for()
    box = grade("print('$a$')\nraise ValueError('$b$ and $c$')\n")
    assert "$b$ and $c$" in box.inner_text() and "$a$" in box.inner_text() and box.locator("mjx-container").count() == 0


def test_the_kernel_outlives_an_endless_loop(lab, grade):
    """An endless loop is told with its line, and the kernel computes on."""
    text = grade(ENDLESS).inner_text()
    assert "was still running after" in text and "Look for a loop" in text
    lab.evaluate(RUN, [AFTER, "1 + 1"])
    assert lab.evaluate(OUTPUT, AFTER)[0]["data"]["text/plain"] == "2"


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
@pytest.mark.parametrize("answer", [RIGHT, FORGOT, EMPTY, "!ls\n"], ids=["pass", "mistake", "empty", "syntax"])
def test_axe_finds_nothing_serious(lab, grade, theme, answer):
    """Every kind of verdict can be read in both themes, by eye and by screen reader."""
    lab.evaluate("async theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", theme)
    box = grade(answer)
    for fold in box.locator("details").all():
        fold.evaluate("fold => { fold.open = true }")
    assert serious(lab, ".gv-box") == []
