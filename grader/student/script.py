"""A call written out as a script in plain JAX, which needs the student's file, the problem's `driver.py` where it has
one, and nothing of the grader's."""

from __future__ import annotations

import dataclasses
import keyword
import re
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from grader.course.calls import RNGS, is_float, received
from grader.course.cases import Given
from grader.course.trees import WITH_FIELDS

TOLD = "    print('traced')"  # which a body says once a trace


def snippet(call, path: Path, number: int, driver: Path | None = None, devices: int = 1, changes: Sequence = ()) -> str:
    """A script that makes the case's inputs and calls the student's function, in plain JAX. `driver` is the problem's
    `driver.py`, where it has one; `changes` are the changed calls of a property."""
    name, kind = call.check.entry, call.check.kind
    variables = _variables(call)
    names = ", ".join(variables.values())
    arguments = call.arguments(
        {path: _Code(variable) for path, variable in variables.items()},
        static=lambda value: _coded(received(value)),
        dataclass=_dataclass,
    )
    passed = ", ".join(
        f"{n}={_coded(v)!r}" if call.by_name or n in call.keyword_only else repr(_coded(v))
        for n, v in arguments.items()
    )
    init = ", ".join(f"{n}={_coded(v)!r}" if call.by_name else repr(_coded(v)) for n, v in call.init.items())
    files = {"stub": path} | ({"driver": driver} if driver and (call.driver or "driver." in passed + init) else {})
    types = [*dict.fromkeys(line for structure in call.trees.values() for line in _types(structure))]
    lines = [
        f'"""Problem {number}, case “{call.check.case}”, {kind}. Needs jax and the '
        f'file{"s" if len(files) > 1 else ""} below, nothing else."""',
        "",
        *(["import collections"] if any("collections" in line for line in types) else []),
        *(["import dataclasses"] if any("dataclasses" in line for line in types) else []),
        "import importlib.util",
        *(["import sys"] if len(files) > 1 else []),
        "",
        "import jax",
        "import jax.numpy as jnp",
        "import numpy as np",
    ]
    if call.module:
        lines.append("from flax import nnx")
    if devices > 1:
        lines += ["", f'jax.config.update("jax_num_cpu_devices", {devices})']
    for file, place in files.items():
        lines += [
            "",
            f"spec = importlib.util.spec_from_file_location({file!r}, {str(place)!r})",
            f"{file} = importlib.util.module_from_spec(spec)",
            *([f"sys.modules[{file!r}] = {file}"] if len(files) > 1 else []),
            f"spec.loader.exec_module({file})",
        ]
    lines += ["", *types, *_inputs(call, variables)]
    if call.module:
        lines.append(f"module = stub.{name}({init}{', ' if init else ''}rngs=nnx.Rngs(0))")
        lines += [f"module.{call.mode}()"] if call.mode else []
        if kind == "parameters":
            lines += [
                "for path, variable in nnx.to_flat_state(nnx.state(module)):",
                "    print('.'.join(map(str, path)), type(variable).__name__, variable.shape, variable.dtype)",
            ]
            return "\n".join(lines) + "\n"
        for path_, array in call.params.items():
            lines.append(f"module{_attribute(path_)}[...] = {_values(array)}")
        if call.steps:
            lines += _sequence(call, passed)
        elif RNGS in call.arrays:
            lines += [
                "graphdef, variables = nnx.split(module)",
                "",
                f"def call({names}):",
                "    flat = enumerate(nnx.to_flat_state(variables))        # its streams draw from the key",
                f"    drawn = [(path, v.replace(jax.random.fold_in({RNGS}, i)) if isinstance(v, nnx.RngKey) else v) "
                f"for i, (path, v) in flat]",
                f"    return nnx.merge(graphdef, nnx.from_flat_state(drawn), copy=True)({passed})",
                "",
            ]
        elif kind == "traces":
            lines += ["", "@nnx.jit", f"def step(module, {names}):", TOLD, f"    return module({passed})"]
            lines += ["", f"def call({names}):", f"    return step(module, {names})", ""]
        else:
            lines += [
                "graphdef, variables = nnx.split(module)",
                "",
                f"def call({names}):",
                f"    return nnx.merge(graphdef, variables, copy=True)({passed})",
                "",
            ]
    else:
        called = (
            f"driver.{call.driver}(stub{', ' if passed else ''}{passed})" if call.driver else f"stub.{name}({passed})"
        )
        lines += ["", *(["@jax.jit"] if kind == "traces" else []), f"def call({names}):"]
        lines += [*([TOLD] if kind == "traces" else []), f"    return {called}", ""]
    under = call.measure.get("under", "") if kind == "proof" else kind
    smooth = [i for i, array in enumerate(call.arrays.values()) if is_float(array)]
    if under == "grad":
        lines += [
            "",
            f"def loss({names}):",
            "    total = 0.0",
            f"    for leaf in jax.tree.leaves(call({names})):",
            "        if jnp.issubdtype(leaf.dtype, jnp.floating):",
            f"            cotangent = np.random.default_rng([{call.seed}, *leaf.shape]).standard_normal(leaf.shape)",
            "            total += (leaf * jnp.asarray(cotangent, leaf.dtype)).sum()",
            "    return total",
            "",
        ]
    if kind == "proof":
        traced = {"vmap": "jax.vmap(call)", "grad": f"jax.grad(loss, {tuple(smooth)})"}.get(under, "call")
        lines += [
            "",
            "# the program as JAX traces it, which the claim is about",
            f"print(jax.make_jaxpr({traced})({names}))",
        ]
    elif kind == "grad":
        lines += [
            "",
            f"for name, gradient in zip({[[*call.arrays][i] for i in smooth]!r}, jax.grad(loss, "
            f"{tuple(smooth)})({names})):",
            "    print('gradient for', name)",
            "    print(gradient)",
        ]
    else:
        mapped = ", ".join("0" if path in call.keys else "None" for path in variables)
        run = {
            "jit": f"jax.jit(call)({names})",
            "vmap": f"jax.vmap(call)({names})",
            "traces": f"[call(*[a[draw] for a in ({names},)]) for draw in (0, 1)]",
            "again": f"[call(*[a[draw] for a in ({names},)]) for draw in (0, 1, 0)]",
            "draws": f"jax.jit(jax.vmap(call, in_axes=({mapped},)))({names})",
        }.get(kind, f"call({names})")
        if kind == "leaks":
            lines += ["", "with jax.checking_leaks():", f"    output = jax.jit(call)({names})"]
        else:
            lines += ["", f"output = {run}"]
        lines += [
            "print('output', type(output).__name__, getattr(output, 'shape', ''), getattr(output, 'dtype', ''))",
            "print(output)",
            *_changed(call, changes, variables, "jax.jit(call)" if kind == "jit" else "call"),
        ]
    return "\n".join(lines) + "\n"


def _changed(call, changes: Sequence, variables: dict[str, str], function: str) -> Iterator[str]:
    """The lines that make each change of a property, and say which rows of the output are others then."""
    if not changes:
        return
    yield from ("", "def rows(changed):", "    differ = np.asarray(output != changed) & ~np.isnan(output + changed)")
    yield "    return np.argwhere(differ.any(-1)).tolist()"
    for change in changes:
        others = {path: f"changed_{variables[path]}" for path in variables if not _equal(call, change, path)}
        names = ", ".join({**variables, **others}.values())
        yield from ("", *(f"{variable} = {_values(change.arrays[path])}" for path, variable in others.items()))
        yield f"print({change.variant + ': other rows'!r}, rows({function}({names})))"


def _equal(call, change, path: str) -> bool:
    return np.array_equal(call.arrays[path], change.arrays[path], equal_nan=True)


class _Code(str):
    """A piece of the script, in the place of a value."""

    __slots__ = ()
    __repr__ = str.__str__


def _coded(value):
    """A value with pieces of the script in the place of what the problem's driver gives."""
    if isinstance(value, Given):
        return _Code(f"driver.{value.name}")
    if type(value) in (tuple, list):
        return type(value)(map(_coded, value))
    return {name: _coded(part) for name, part in value.items()} if isinstance(value, dict) else value


def _variables(call) -> dict[str, str]:
    """What each array is called in the script, by its path: `state[0].mean` is `state_0_mean`."""
    found: dict[str, str] = {}
    for path in call.arrays:
        name = re.sub(r"\W+", "_", path).strip("_")
        while name in found.values() or keyword.iskeyword(name) or name in call.order and path != name:
            name += "_"
        found[path] = name
    return found


def _inputs(call, variables: dict[str, str]) -> list[str]:
    """The lines that make the arrays and the keys. The many keys of a claim about draws are drawn as the grader draws
    them."""
    lines = (
        [
            "rng = np.random.default_rng([{}, {}, {}])".format(
                call.seed, *(zlib.crc32(name.encode()) for name in (call.check.entry, call.check.case))
            )
        ]
        if call.transform == "draws"
        else []
    )
    for path, array in call.arrays.items():
        made = _values(array)
        if path in call.keys:
            made = f"rng.integers(1 << 32, size={array.shape}, dtype='uint32')" if call.transform == "draws" else made
            made = f"jax.random.wrap_key_data({made})"
        lines.append(f"{variables[path]} = {made}")
    return lines


def _types(structure) -> Iterator[str]:
    """The lines that define the types in an argument: those with named fields."""
    if isinstance(structure, str) or structure[0] == "static":
        return
    kind, parts = structure
    if kind in WITH_FIELDS:
        name, parts = parts
        names = [field for field, _ in parts]
        static = [field for field, part in parts if part[0] == "static"]
        yield (
            f"{name} = collections.namedtuple({name!r}, {names!r})"
            if kind == "named tuple"
            else f"{name} = jax.tree_util.register_dataclass(dataclasses.make_dataclass({name!r}, {names!r}, "
            f"frozen=True), {[n for n in names if n not in static]!r}, {static!r})"
        )
    for part in parts if kind in ("tuple", "list") else [part for _, part in parts]:
        yield from _types(part)


def _dataclass(name: str, fields: tuple[str, ...], static: tuple[str, ...]) -> type:
    return dataclasses.make_dataclass(name, fields)


def _attribute(path: str) -> str:
    """`layers.0.kernel` as Python writes it."""
    return "".join(f"[{part}]" if part.isdigit() else f".{part}" for part in path.split("."))


def _sequence(call, arguments: str) -> list[str]:
    """A function that takes a fresh copy of a stateful module through the case's steps, in the way that the case
    names."""
    variables = _variables(call).values()
    names = ", ".join(variables)
    parts = ", ".join(f"{name}[start]" if call.by_row else f"{name}[start:start + size]" for name in variables)
    step = {
        "nnx.jit": ["step = nnx.jit(step)"],
        "jax.jit": [
            "",
            "@jax.jit",
            f"def pure(variables, {names}):",
            "    module = nnx.merge(graphdef, variables)",
            f"    output = module({arguments})",
            "    return output, nnx.split(module)[1]",
        ],
    }.get(call.drive, [])
    lines = [
        "graphdef, variables = nnx.split(module)",
        "",
        f"def step(module, {names}):",
        *([TOLD] if call.check.kind == "traces" else []),
        f"    return module({arguments})",
        *(["step = nnx.jit(step)"] if call.check.kind == "traces" else step),
        "",
        f"def call({names}):",
        "    module, outputs, start = nnx.merge(graphdef, variables, copy=True), [], 0",
    ]
    if call.drive == "jax.jit":
        lines += [
            "    state = nnx.split(module)[1]",
            f"    for size in {call.steps!r}:",
            f"        output, state = pure(state, {parts})",
            "        outputs.append(output)",
            "        start += size",
        ]
    elif call.drive == "lax.scan":
        size = call.steps[0]
        cut = ", ".join(name if call.by_row else f"{name}.reshape(-1, {size}, *{name}.shape[1:])" for name in variables)
        lines += [
            "    def body(state, parts):",
            "        module = nnx.merge(graphdef, state)",
            "        output = step(module, *parts)",
            "        return nnx.split(module)[1], output",
            f"    outputs = jax.lax.scan(body, nnx.split(module)[1], ({cut},))[1]",
        ]
    else:
        lines += [
            f"    for size in {call.steps!r}:",
            f"        outputs.append(step(module, {parts}))",
            "        start += size",
        ]
    lines += [f"    return jnp.{'stack' if call.by_row else 'concatenate'}(outputs)", ""]
    return lines + (["call = jax.vmap(call)", ""] if call.drive == "jax.vmap" else [])


def _values(array) -> str:
    if not array.size:
        return f"jnp.zeros({array.shape}, '{array.dtype.name}')"
    numbers = re.sub(r"\b(inf|nan)\b", r"np.\1", repr(array.tolist()))
    return f"jnp.array({numbers}, '{array.dtype.name}')"
