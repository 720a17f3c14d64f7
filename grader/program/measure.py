"""What a proof's call asks to be measured, as plain data: of a traced program, or of what a kernel lowers to and how it
runs."""

from __future__ import annotations

from grader.course.calls import Call
from grader.program import denominators, flow, lowering, read, work

MEASURES = {
    "largest": read.largest,
    "equations": read.equations,
    "flops": work.flops,
    "products": work.products,
    "turns": work.turns,
    "precision": flow.precision,
    "denominators": denominators.denominators,
    "kernel": work.kernel,
    "copies": flow.copies,
    "collectives": work.collectives,
    "kept": read.kept,
}


def of_program(closed, call: Call, path: str) -> dict:
    """Facts about a traced program, with the lines of the file at `path`."""
    options = {name: value for name, value in call.measure.items() if name not in ("of", "under")}
    of, part = call.measure["of"], read.program(closed)
    if of in ("copies", "denominators"):
        options["names"] = call.names
    if of == "denominators":
        options["arguments"] = [*call.arrays]
    facts = lowering.memory(closed, **options) if of == "memory" else MEASURES[of](part, path, **options)
    return facts | {"opaque": read.opaque(part)}


def interpretation(call: Call):
    """The `interpret` of the kernels that a call is about; for what is measured of programs, None."""
    return {"lowering": lambda: False, "races": lowering.tpu_interpreter}.get(call.measure.get("of"), lambda: None)()


def of_kernel(function, arguments, call: Call, path: str) -> dict:
    """Whether the function lowers, or races, with its kernels interpreted as `interpretation` says."""
    if call.measure["of"] == "races":
        facts = lowering.races(function, arguments)
    else:
        facts = lowering.lowering(function, arguments, call.measure["platform"])
    return facts | {"line": read.line_of_complaint(function, arguments, facts["complaint"], path)}
