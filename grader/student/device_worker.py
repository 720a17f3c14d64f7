"""The process that runs a kernel on an accelerator, beside `jax.nn.dot_product_attention`, and compiles it ahead of
time for a TPU that is not here.

The kernel takes `q (N, T_q, H)`, `k` and `v (N, T_k, H)`, blocks, `causal` and `interpret`, as problem 40 does.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import statistics
import sys
import time
import warnings
from pathlib import Path

REPEATS, WARM = 10, 2
BLOCKS = (32, 64, 128, 256)
AHEAD = "v5e:2x2"
LONGEST = 300


def main() -> None:
    from grader.process import wire

    answer = wire.sender()
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    os.environ.setdefault("TPU_SKIP_MDS_QUERY", "1")
    warnings.simplefilter("ignore")

    from grader.process.child import end_with_parent

    end_with_parent()
    order, _ = wire.receive(sys.stdin.buffer)

    def send(**message):
        answer(message)

    try:
        work(order, send)
    except BaseException as error:  # whatever the student's code does, the report says so
        send(trouble=_told(error))
    send(done=True)


def work(order, send) -> None:
    import jax

    from grader.course.problem import load
    from grader.run.worker import import_stub

    device = jax.devices()[0]
    send(device=device.device_kind, versions=f"jax {jax.__version__}")
    kernel = getattr(import_stub(order["stub"], order["source"]), order["name"])
    checks = load(Path(order["checks"]), "checks")
    sizes = checks.DEVICE[order["table"]]
    interpret = device.platform == "cpu"
    if order["platform"]:
        for size in sizes:
            send(doing=f"{label(size)} on {device.device_kind}")
            send(row=row(kernel, checks.inputs, size, interpret, order["tune"]))
    if order["ahead"]:
        for size in checks.DEVICE["table"]:
            send(doing=f"{label(size)}, ahead of time for a TPU v5e")
            send(compiled=[label(size), compiled_ahead(kernel, checks.inputs, size)])


def label(size: dict) -> str:
    return f"T {size['t_k']}, H {size['width']}, {size.get('dtype', 'float32')}" + (
        ", causal" if size.get("causal") else ""
    )


def row(kernel, inputs, size: dict, interpret: bool, tune: bool) -> dict:
    """The facts of one size: seconds of the kernel and of each library implementation that runs, and the largest
    error."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    arguments = inputs(np.random.default_rng(0), **size)
    arrays = {name: jnp.asarray(a) for name, a in arguments.items() if isinstance(a, np.ndarray)}
    options = {name: value for name, value in arguments.items() if name not in arrays} | dict(interpret=interpret)
    heads, t_q, width = arrays["q"].shape
    causal, t_k = bool(options.get("causal")), arrays["k"].shape[1]
    seconds, refused, error, blocks = {}, {}, None, ""

    expected = functools.partial(library, causal=causal, implementation="xla")
    runs = {"yours": lambda q, k, v: kernel(q, k, v, **options), "XLA": expected}
    if jax.default_backend() == "gpu":
        runs["cuDNN"] = functools.partial(library, causal=causal, implementation="cudnn")
    outputs = {}
    for name, run in runs.items():
        try:
            seconds[name], outputs[name] = timed(jax.jit(run), arrays)
        except Exception as raised:
            refused[name] = _told(raised)
    if "yours" in outputs:
        with contextlib.suppress(Exception):  # the exact answer may not fit
            exact = jax.jit(expected)(*(a.astype(jnp.float32) for a in arrays.values()))
            error = float(jnp.abs(outputs["yours"].astype(jnp.float32) - exact).max())
    if tune:
        tried = {}
        for block_q in BLOCKS:
            for block_k in BLOCKS:
                with contextlib.suppress(Exception):
                    tried[block_q, block_k], _ = timed(
                        jax.jit(lambda q, k, v: kernel(q, k, v, **options | dict(block_q=block_q, block_k=block_k))),
                        arrays,
                    )
        if tried:
            best = min(tried, key=tried.get)
            blocks = (
                f"{best[0]} × {best[1]}, {seconds.get('yours', tried[best]) / tried[best]:.2f} × the default's rate"
            )
    return dict(
        label=label(size),
        flops=4.0 * heads * t_q * t_k * width / (2 if causal else 1),
        seconds=seconds,
        refused=refused,
        error=error,
        blocks=blocks,
    )


def library(q, k, v, *, causal: bool, implementation: str):
    """The library's attention on `(N, T, H)`; with as many queries as keys its causal mask is the one of the
    contract."""
    import jax
    import jax.numpy as jnp

    out = jax.nn.dot_product_attention(
        *(jnp.swapaxes(a, 0, 1)[None] for a in (q, k, v)), is_causal=causal, implementation=implementation
    )
    return jnp.swapaxes(out[0], 0, 1)


def timed(run, arrays):
    """The median time of a call, once it is compiled and warm, and what it gives."""
    import jax

    for _ in range(WARM):
        output = jax.block_until_ready(run(*arrays.values()))
    taken = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        jax.block_until_ready(run(*arrays.values()))
        taken.append(time.perf_counter() - start)
    return statistics.median(taken), output


def compiled_ahead(kernel, inputs, size: dict) -> str:
    """What the compiler for a TPU v5e says of the kernel at one size."""
    import jax
    import numpy as np
    from jax.experimental import topologies
    from jax.sharding import AbstractDevice, AbstractMesh

    arguments = inputs(np.random.default_rng(0), **size)
    device = topologies.get_topology_desc(platform="tpu", topology_name=AHEAD).devices[0]
    there = jax.sharding.SingleDeviceSharding(device)
    shapes = {
        n: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=there)
        for n, a in arguments.items()
        if isinstance(a, np.ndarray)
    }
    options = {name: value for name, value in arguments.items() if name not in shapes} | dict(interpret=False)
    known = AbstractDevice(device_kind=device.device_kind, num_cores=None, platform="tpu")
    try:
        with jax.sharding.use_abstract_mesh(AbstractMesh((), (), abstract_device=known)):
            compiled = jax.jit(lambda q, k, v: kernel(q, k, v, **options)).lower(*shapes.values()).compile()
    except Exception as error:
        return f"refused: {_told(error)}"
    return f"compiles, {compiled.memory_analysis().temp_size_in_bytes} bytes of temporary memory in HBM"


def _told(error: BaseException) -> str:
    from grader.process.wire import plain

    memory = re.search(r"size (\S+) and limit (\S+) exceeded scoped vmem", str(error))
    if memory:
        return f"it asks for {memory[1]} of fast memory, and there are {memory[2]}"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return plain(f"{type(error).__name__}: {lines[0] if lines else ''}"[:LONGEST])


if __name__ == "__main__":
    main()
