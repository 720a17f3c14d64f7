"""A kernel on the accelerator of this machine: is it right there too, and how fast beside the library's attention. It
informs; it decides nothing."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grader.course.problem import Problem
from grader.process.child import Child, Limits, Process

PATIENT = Limits(cpu=600, idle=600, work=float("inf"), total=float("inf"), memory=64 << 30)
HARDWARE = {"gpu": ("/dev", "nvidia[0-9]*"), "tpu": ("/dev", "accel*")}
PLUGINS = {"gpu": ("jax_cuda12_plugin", "jax_cuda13_plugin"), "tpu": ("libtpu",)}
EXTRAS = {"gpu": "cuda", "tpu": "tpu"}


@dataclass(frozen=True)
class Row:
    """One size on one device: seconds for one call of each program that ran, what did not run and why, and how far off
    the answer is."""

    label: str
    flops: float
    seconds: dict[str, float] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    error: float | None = None
    blocks: str = ""

    def rate(self, name: str) -> float | None:
        """TFLOP/s."""
        return self.flops / self.seconds[name] / 1e12 if name in self.seconds else None

    @property
    def share(self) -> float | None:
        """The student's rate as a share of the best."""
        return min(self.seconds.values()) / self.seconds["yours"] if "yours" in self.seconds else None


@dataclass(frozen=True)
class Report:
    """What a device said. `compiled` are programs that were compiled ahead of time for a device that is not here."""

    device: str = ""
    versions: str = ""
    rows: tuple[Row, ...] = ()
    compiled: tuple[tuple[str, str], ...] = ()
    trouble: str = ""


def hardware() -> str:
    """The accelerator that this machine has, "gpu", "tpu" or ""."""
    return next((kind for kind, (folder, pattern) in HARDWARE.items() if any(Path(folder).glob(pattern))), "")


def usable() -> str:
    """The accelerator that JAX can use here."""
    kind = hardware()
    return kind if kind and any(importlib.util.find_spec(name) for name in PLUGINS[kind]) else ""


def measure(
    problem: Problem,
    path: Path,
    source: str,
    *,
    table: str,
    platform: str,
    tune: bool = False,
    ahead: bool = False,
    progress: Callable[[str], None] = lambda text: None,
) -> Report:
    """Runs the file in a process of its own: `table` names the sizes of the problem's `DEVICE` to go through.
    `platform` "cpu" interprets the kernel."""
    worker = Process(Child("grader.student.device_worker", platforms="cpu" if platform in ("cpu", "") else ""), PATIENT)
    order = dict(
        checks=str(problem.folder / "checks.py"),
        stub=str(path),
        source=source,
        name=problem.names[0],
        table=table,
        platform=platform,
        tune=tune,
        ahead=ahead,
    )
    worker.send([(order, None)])
    found: dict[str, Any] = dict(rows=[], compiled=[])
    frames = worker.frames()
    try:
        while True:
            try:
                message, _ = next(frames)
            except StopIteration as stop:
                if stop.value.how != "finished":
                    found["trouble"] = found.get(
                        "trouble"
                    ) or f"it did not finish ({stop.value.how} {stop.value.detail})".replace(" )", ")")
                break
            if "doing" in message:
                progress(str(message["doing"]))
            elif "row" in message:
                found["rows"].append(Row(**message["row"]))
            elif "compiled" in message:
                found["compiled"].append(tuple(map(str, message["compiled"])))
            else:
                found |= {name: str(message[name]) for name in ("device", "versions", "trouble") if name in message}
    except (TypeError, ValueError, KeyError, AttributeError):
        found["trouble"] = "it wrote something of its own into the channel that carries the report"
    finally:
        worker.kill()
    return Report(
        found.get("device", ""),
        found.get("versions", ""),
        tuple(found["rows"]),
        tuple(found["compiled"]),
        found.get("trouble", ""),
    )


def note(report: Report) -> str:
    """The report in a few lines, for the end of a verdict."""
    if report.trouble:
        return f"On the accelerator ({report.device or 'not started'}): {report.trouble}"
    lines = [f"On {report.device}, compiled (this informs, and decides nothing):"]
    for row in report.rows:
        told = [f"{name} {row.rate(name):.1f}" for name in row.seconds if name != "yours"]
        if "yours" in row.seconds:
            right = f"off by at most {row.error:.1g}" if row.error is not None else "not compared"
            lines.append(
                f"  {row.label}: {row.rate('yours'):.1f} TFLOP/s, {row.share:.0%} of the best"
                + (f" ({', '.join(told)})" if told else "")
                + f"; {right}"
            )
        else:
            lines.append(f"  {row.label}: it does not run: {row.refused.get('yours', 'no reason given')}")
    return "\n".join(lines)


def markdown(report: Report, date: str) -> str:
    """The report as a table for the lesson."""
    names = list(dict.fromkeys(name for row in report.rows for name in (*row.seconds, *row.refused)))
    lines = [
        f"{report.device}, {report.versions}, {date}. TFLOP/s, causal products counted once.",
        "",
        f"| size | {' | '.join(names)} | share of the best | largest error |"
        + (" best blocks |" if any(row.blocks for row in report.rows) else ""),
        "|---|" + "--:|" * (len(names) + 2) + ("---|" if any(row.blocks for row in report.rows) else ""),
    ]
    for row in report.rows:
        cells = [f"{row.rate(name):.1f}" if name in row.seconds else "–" for name in names]
        cells += [f"{row.share:.0%}" if row.share else "–", f"{row.error:.1g}" if row.error is not None else "–"]
        lines.append(
            f"| {row.label} | {' | '.join(cells)} |"
            + (f" {row.blocks} |" if any(r.blocks for r in report.rows) else "")
        )
    lines += ["", *(f"- {row.label}, {name}: {why}" for row in report.rows for name, why in row.refused.items())]
    return "\n".join(lines).strip()
