"""A browser for the tests that look at pages: the system's chromium, driven by playwright, and the rules of
axe-core."""

from __future__ import annotations

import importlib
import os
import shutil

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")


def missing(told: str) -> None:
    """A person's machine may do without what these tests need; where CI is set its absence is a failure."""
    if os.environ.get("CI"):
        pytest.fail(told)
    pytest.skip(told, allow_module_level=True)


def needed(module: str):
    """A module that the extras bring, or the end of the test."""
    try:
        return importlib.import_module(module)
    except ImportError:
        missing(f"{module} is not installed")


def executable() -> str:
    """The browser's path."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    return found or missing(f"there is no browser here: none of {', '.join(NAMES)} is on the PATH")


@pytest.fixture(scope="module")
def browser():
    """A chromium without a window."""
    path = executable()
    with needed("playwright.sync_api").sync_playwright() as driver:
        # its sandbox does not start in a container's root
        chromium = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield chromium
        chromium.close()


def serious(page, within: str, *rules: str) -> list[str]:
    """What axe-core finds to be serious or critical within a part of a page, by all of its rules or by some: the rule,
    the element and what is wrong there."""
    axe = needed("axe_playwright_python.sync_playwright").Axe()
    found = axe.run(
        page, context=within, options=dict(runOnly=dict(type="rule", values=[*rules])) if rules else None
    ).response["violations"]
    return [
        f"{rule['id']}: {node['html'][:200]}: {node['failureSummary']}"
        for rule in found
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]
