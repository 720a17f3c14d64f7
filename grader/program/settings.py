"""How JAX is set up in every process that evaluates: on the CPU, compiling fast rather than well, keeping what it
compiled."""

from __future__ import annotations

import os
import platform

from grader.process.child import DEVICES


def set_up_jax() -> None:
    """Before the backend starts. The programs are tiny: their compile time is all that a student waits for.

    Without optimisations XLA may compute one value twice, once with a fused multiply-add and once without. A maximum is
    then no element of what it was taken of, and its gradient divides by zero. So what compiles fast has to do without
    fused multiply-adds, which only x86 can.
    """
    import jax

    flags = []
    if jax.__version_info__ < (0, 11):  # newer XLA has only the emitters that this turns off
        flags.append("--xla_cpu_use_fusion_emitters=false")
    if devices := os.environ.get(DEVICES):
        flags.append(f"--xla_force_host_platform_device_count={int(devices)}")
    fast = platform.machine().lower() in ("x86_64", "amd64")
    if fast:
        flags.append("--xla_cpu_max_isa=AVX")
    os.environ["XLA_FLAGS"] = " ".join(flags)
    settings = dict(
        jax_disable_most_optimizations=fast,
        jax_persistent_cache_min_compile_time_secs=0,
        jax_persistent_cache_min_entry_size_bytes=-1,
    )
    for name, value in settings.items():
        jax.config.update(name, value)
    jax.numpy.zeros(()) + 1  # starts the backend


def keep_compiled(folder: str, writes: bool = True) -> None:
    """Keeps compiled programs in a folder, or only reads those that are there; "" does neither. What workers write is
    never read by the reference."""
    import jax

    if folder:
        jax.config.update("jax_compilation_cache_dir", folder)
    if not writes:
        jax.config.update("jax_persistent_cache_min_compile_time_secs", float("inf"))
