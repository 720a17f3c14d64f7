"""What is written is formatted, and has no line longer than 120."""

import subprocess
import sys

import pytest

from tests.conftest import ROOT


@pytest.mark.parametrize("words", [("format", "--check", "--diff"), ("check",)], ids=["format", "rules"])
def test_the_files_are_as_ruff_has_them(words):
    """`ruff format .` and `ruff check --fix .` mend what this finds; what they leave out stands in pyproject.toml."""
    done = subprocess.run(
        [sys.executable, "-m", "ruff", *words, "--no-cache", "-q", "."], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
