"""A kernel on an accelerator: what is measured, what is told, and what happens where there is none."""

from __future__ import annotations

import pytest

from grader.student import cli, device
from grader.student.device import Report, Row
from tests.conftest import PROBLEMS

pytestmark = pytest.mark.thorough

REFERENCE = PROBLEMS[40].solutions / "reference.py"
ROW = Row("T 4096, H 128, bfloat16", flops=4e12, seconds={"yours": 0.04, "XLA": 0.08, "cuDNN": 0.02}, error=0.0039)
REFUSED = Row(
    "T 8192, H 128, float32",
    flops=8e12,
    seconds={"XLA": 0.1},
    refused={"yours": "out of memory", "cuDNN": "no float32"},
)


def measured(source: str, **options) -> Report:
    return device.measure(PROBLEMS[40], REFERENCE, source, table="interpret", platform="cpu", **options)


@pytest.fixture(scope="module")
def interpreted() -> Report:
    return measured(REFERENCE.read_text(encoding="utf-8"), tune=True)


def test_a_kernel_is_timed_beside_the_library(interpreted):
    """Each size is run as the stub and as the library, and compared with the library's float32 answer."""
    assert interpreted.trouble == "" and interpreted.device and interpreted.versions.startswith("jax ")
    assert [row.label for row in interpreted.rows] == ["T 40, H 8, float32, causal", "T 40, H 8, bfloat16, causal"]
    for row, allowed in zip(interpreted.rows, (1e-5, 0.02)):
        assert {"yours", "XLA"} <= {*row.seconds} and row.error <= allowed and 0 < row.share <= 1
        assert row.flops == 4 * 2 * 40 * 40 * 8 / 2


def test_other_blocks_are_tried(interpreted):
    """With --tune the best blocks are named, and what they gain."""
    assert all("×" in row.blocks and row.blocks.endswith("the default's rate") for row in interpreted.rows)


@pytest.mark.parametrize(
    "source, trouble, refused",
    [
        ("raise RuntimeError('no')", "RuntimeError: no", None),
        ("x = 1", "AttributeError: module 'stub' has no attribute 'tiled_attention'", None),
        ("def tiled_attention(q, k, v, **options): raise ValueError('not today')", "", "ValueError: not today"),
        ("import os; os._exit(3)", "it did not finish (exit 3)", None),
    ],
)
def test_a_file_that_fails_is_told(source, trouble, refused):
    """Whatever the file does, the report says what became of it."""
    report = measured(source)
    assert report.trouble == trouble
    assert [row.refused.get("yours") for row in report.rows] == ([refused] * 2 if refused else [])


def test_the_table():
    """Rates, the share of the best and the largest error stand in a Markdown table; what did not run is told below
    it."""
    assert (
        device.markdown(Report("NVIDIA H200", "jax 0.12", (ROW, REFUSED)), "2026-11-21")
        == """\
NVIDIA H200, jax 0.12, 2026-11-21. TFLOP/s, causal products counted once.

| size | yours | XLA | cuDNN | share of the best | largest error |
|---|--:|--:|--:|--:|--:|
| T 4096, H 128, bfloat16 | 100.0 | 50.0 | 200.0 | 50% | 0.004 |
| T 8192, H 128, float32 | – | 80.0 | – | – | – |

- T 8192, H 128, float32, yours: out of memory
- T 8192, H 128, float32, cuDNN: no float32"""
    )


def test_the_note_below_a_verdict():
    """A verdict is followed by a line for each size, which informs and decides nothing."""
    assert (
        device.note(Report("NVIDIA H200", "jax 0.12", (ROW, REFUSED)))
        == """\
On NVIDIA H200, compiled (this informs, and decides nothing):
  T 4096, H 128, bfloat16: 100.0 TFLOP/s, 50% of the best (XLA 50.0, cuDNN 200.0); off by at most 0.004
  T 8192, H 128, float32: it does not run: out of memory"""
    )
    assert (
        device.note(Report(trouble="it did not finish (signal SIGSEGV)"))
        == "On the accelerator (not started): it did not finish (signal SIGSEGV)"
    )


@pytest.fixture
def bare(monkeypatch):
    """A machine without accelerators."""
    monkeypatch.setattr(device, "HARDWARE", {})


def test_a_machine_without_one(bare, monkeypatch, capsys):
    """Without an accelerator and without libtpu the command says what is missing, and how to try it all the same."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert cli.main(["device", "40", "--file", str(REFERENCE)]) == 2
    assert capsys.readouterr().err == (
        "grader: there is no GPU or TPU here, and no libtpu (the extra tpu) to compile ahead of time with; "
        "--interpret tries the command itself\n"
    )


def test_an_accelerator_that_jax_cannot_use(monkeypatch, capsys):
    """A GPU without the plugin for it is told with the extra to install."""
    monkeypatch.setattr(device, "HARDWARE", {"gpu": ("/", "*")})
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert cli.main(["device", "40", "--file", str(REFERENCE)]) == 2
    assert (
        capsys.readouterr().err
        == "grader: there is a GPU here that JAX cannot use; install the extra: pip install -e '.[cuda]'\n"
    )


def test_a_problem_without_a_kernel(capsys):
    """Only a problem with sizes for a device has something to run there."""
    assert cli.main(["device", "31"]) == 2
    assert capsys.readouterr().err == "grader: problem 31 has no kernel to run on an accelerator\n"


def test_a_passing_kernel_says_that_it_did_not_run_on_a_device(bare, capsys):
    """On a machine without an accelerator the verdict is the same, and says what was not done."""
    assert cli.main(["40", "--file", str(REFERENCE)]) == 0
    assert "Not run on a GPU or TPU: there is none here that JAX can use." in capsys.readouterr().out
