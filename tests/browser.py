"""A browser for the tests that look at pages: the system's chromium, driven by playwright, and the rules of axe-core."""

from __future__ import annotations

import os
import shutil

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")


def executable() -> str:
    """The browser's path. A person's machine may do without one; where CI is set its absence is a failure."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if not found:
        told = f"there is no browser here: none of {', '.join(NAMES)} is on the PATH"
        pytest.fail(told) if os.environ.get("CI") else pytest.skip(told)
    return found


@pytest.fixture(scope="module")
def browser():
    """A chromium without a window."""
    path = executable()
    playwright = pytest.importorskip("playwright.sync_api") if not os.environ.get("CI") else __import__("playwright.sync_api").sync_api
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])     # its sandbox does not start in a container's root
        yield chromium
        chromium.close()


def serious(page, within: str) -> list[str]:
    """What axe-core finds to be serious or critical within a part of a page: the rule, the element and what is wrong there."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page, context=within).response["violations"]
    return [f"{rule['id']}: {node['html'][:200]}: {node['failureSummary']}" for rule in found if rule["impact"] in ("serious", "critical") for node in rule["nodes"]]
