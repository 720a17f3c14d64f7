"""Runs one case in the student's own terminal, where `print` and `breakpoint()` work, without reference and verdict.

The case is written out as a script that needs only JAX and the student's file, and that script is what runs.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

from grader.course.cases import TRANSFORMS
from grader.course.problem import CourseError, Problem
from grader.course.verdict import Status
from grader.process import store
from grader.process.stub import open_stub


def debug(problem: Problem, case: str | None, file: Path | None, console) -> int:
    """Runs the case named, or the first failing one; returns 1 when the student's code raises."""
    stub = open_stub(problem, file)
    if stub.trouble and stub.trouble.status != Status.NOT_WRITTEN:
        console.print(f"nothing can be run yet: {stub.trouble.summary}", markup=False)
        return 1
    from grader.course.calls import calls_for

    calls = calls_for(problem.entries)
    call = _named(calls, case) if case else _first_failing(problem, file, calls)
    if call is None:
        cases = ", ".join(dict.fromkeys(f"“{c.check.case}”" for c in calls))
        if case:
            console.print(f"there is no case “{case}” in problem {problem.number}; there are {cases}", markup=False)
            return 2
        console.print(f"nothing fails in {problem.number}; name a case to run it all the same: {cases}", markup=False)
        return 0
    folder = store.folder(problem.folder.parents[1], "debug")
    if folder is None:
        raise CourseError("there is nowhere to write the script that would run the case")
    script = folder / f"{problem.number}_{''.join(c if c.isalnum() else '_' for c in call.check.case)}_{call.check.kind}.py"
    store.write(script, snippet(call, stub.path.resolve(), problem.number).encode())
    several = f"{call.check.entry} · " if len(problem.names) > 1 else ""
    console.print(f"{several}{call.check.case} · {call.check.kind}   {call.described()}", style="bold", markup=False)
    console.print(f"the same in any Python:\npython {shlex.quote(_near(script))}\n", style="dim", markup=False, soft_wrap=True)       # whole, to be copied
    try:
        return 1 if subprocess.run([sys.executable, str(script)], env=os.environ | {"JAX_PLATFORMS": "cpu"}).returncode else 0
    except KeyboardInterrupt:
        return 130


def _named(calls, text: str):
    """The call of the case whose name begins so, at its first transform. "one key grad" names the transform too, and in a problem
    with several names "causal_sdpa one token" says which one is meant."""
    words = text.strip("“”\"' ").lower()
    entry = next((c.check.entry for c in calls if f"{words} ".startswith(f"{c.check.entry.lower()} ")), None)
    if entry:
        words, calls = words[len(entry):].strip(), [c for c in calls if c.check.entry == entry]
    kind = next((t for t in TRANSFORMS if words.endswith(f" {t}")), None)
    shown = (*TRANSFORMS, "proof")
    if kind:
        words = words[: -len(kind)].rstrip(" ·")
    fitting = [c for c in calls if c.check.kind in shown and c.check.case.lower().startswith(words) and (kind is None or c.check.kind == kind)]
    return next((c for c in fitting if c.check.case.lower() == words), fitting[0] if fitting else None)


def _first_failing(problem: Problem, file: Path | None, calls):
    from grader.judge.grade import grade

    verdict = grade(problem, file, mistakes=False)
    if verdict.status == Status.NOT_WRITTEN:
        return calls[0]
    for entry in verdict.entries:
        if entry.first:
            return next((c for c in calls if c.check == entry.first.check), calls[0])
    return calls[0] if verdict.trouble else None


def snippet(call, path: Path, number: int) -> str:
    """A script that makes the case's inputs and calls the student's function, in plain JAX."""
    name, kind = call.check.entry, call.check.kind
    lines = [f'"""Problem {number}, case “{call.check.case}”, {kind}. Needs jax and the file below, nothing else."""', "",
             "import importlib.util", "", "import jax", "import jax.numpy as jnp", "import numpy as np"]
    if call.module:
        lines.append("from flax import nnx")
    lines += ["", f"spec = importlib.util.spec_from_file_location('stub', {str(path)!r})", "stub = importlib.util.module_from_spec(spec)",
              "spec.loader.exec_module(stub)", ""]
    lines += [_literal(n, a) for n, a in call.arrays.items()]
    given = {n: n if n in call.arrays else repr(call.static[n]) for n in call.order}
    arguments = ", ".join(f"{n}={v}" if call.by_name or n in call.keyword_only else v for n, v in given.items())
    names = ", ".join(call.arrays)
    if call.module:
        init = ", ".join(f"{n}={v!r}" if call.by_name else repr(v) for n, v in call.init.items())
        lines.append(f"module = stub.{name}({init}, rngs=nnx.Rngs(0))")
        for path_, array in call.params.items():
            lines.append(f"module.{path_}[...] = {_values(array)}")
        if call.steps:
            lines += _sequence(call, arguments)
        else:
            lines += ["graphdef, variables = nnx.split(module)", "", f"def call({names}):", f"    return nnx.merge(graphdef, variables)({arguments})", ""]
    else:
        lines += ["", f"def call({names}):", f"    return stub.{name}({arguments})", ""]
    if kind == "grad":
        from grader.course.calls import is_float

        smooth = tuple(i for i, a in enumerate(call.arrays.values()) if is_float(a))
        lines += ["", f"def loss({names}):", f"    output = call({names})",
                  f"    cotangent = np.random.default_rng([{call.seed}, *output.shape]).standard_normal(output.shape)",
                  "    return (output * jnp.asarray(cotangent, output.dtype)).sum()", ""]
        lines += ["", f"for name, gradient in zip({[list(call.arrays)[i] for i in smooth]!r}, jax.grad(loss, {smooth})({names})):",
                  "    print('gradient for', name)", "    print(gradient)"]
    else:
        run = {"jit": f"jax.jit(call)({names})", "vmap": f"jax.vmap(call)({names})",
               "traces": f"jax.vmap(call)({names})",
               "again": f"[call(*[a[draw] for a in ({names},)]) for draw in (0, 1, 0)]"}.get(kind, f"call({names})")
        if kind == "proof":
            return "\n".join([*lines, "", "# the program as JAX traces it, which the claim is about", f"print(jax.make_jaxpr(call)({names}))"]) + "\n"
        if kind == "leaks":
            lines += ["", "with jax.checking_leaks():", f"    output = jax.jit(call)({names})"]
        else:
            lines += ["", f"output = {run}"]
        lines += ["print('output', type(output).__name__, getattr(output, 'shape', ''), getattr(output, 'dtype', ''))", "print(output)"]
    return "\n".join(lines) + "\n"


def _sequence(call, arguments: str) -> list[str]:
    """A function that takes a fresh copy of a stateful module through the case's steps, in the way that the case names."""
    names = ", ".join(call.arrays)
    parts = ", ".join(f"{name}[start:start + size]" for name in call.arrays)
    step = {"nnx.jit": ["step = nnx.jit(step)"], "jax.jit": [
        "", "@jax.jit", f"def pure(variables, {names}):", "    module = nnx.merge(graphdef, variables)", f"    output = module({arguments})",
        "    return output, nnx.split(module)[1]"]}.get(call.drive, [])
    lines = ["graphdef, variables = nnx.split(module)", "", f"def step(module, {names}):", f"    return module({arguments})", *step, "", f"def call({names}):",
             "    module, outputs, start = nnx.merge(graphdef, variables, copy=True), [], 0"]
    if call.drive == "jax.jit":
        lines += ["    state = nnx.split(module)[1]", f"    for size in {call.steps!r}:", f"        output, state = pure(state, {parts})",
                  "        outputs.append(output)", "        start += size"]
    elif call.drive == "lax.scan":
        size = call.steps[0]
        cut = ", ".join(f"{name}.reshape(-1, {size}, *{name}.shape[1:])" for name in call.arrays)
        lines += ["    def body(state, parts):", "        module = nnx.merge(graphdef, state)", "        output = step(module, *parts)",
                  "        return nnx.split(module)[1], output", f"    outputs = jax.lax.scan(body, nnx.split(module)[1], ({cut},))[1]"]
    else:
        lines += [f"    for size in {call.steps!r}:", f"        outputs.append(step(module, {parts}))", "        start += size"]
    lines += ["    return jnp.concatenate(outputs)", ""]
    return lines + (["call = jax.vmap(call)", ""] if call.drive == "jax.vmap" else [])


def _literal(name: str, array) -> str:
    return f"{name} = {_values(array)}"


def _values(array) -> str:
    return f"jnp.array({array.tolist()!r}, '{array.dtype.name}')"


def _near(path: Path) -> str:
    try:
        return path.relative_to(Path.cwd()).as_posix()
    except ValueError:
        return str(path)
