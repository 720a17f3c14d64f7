"""How JAX is set up in every process that evaluates: on the CPU, compiling fast rather than well, keeping what it compiled."""

from __future__ import annotations

import os


def set_up_jax() -> None:
    """Before the backend starts. The programs are tiny: their compile time is all that a student waits for."""
    import jax

    if jax.__version_info__ < (0, 11):          # newer XLA has only the emitters that this turns off
        os.environ["XLA_FLAGS"] = "--xla_cpu_use_fusion_emitters=false"
    settings = dict(jax_disable_most_optimizations=True, jax_persistent_cache_min_compile_time_secs=0, jax_persistent_cache_min_entry_size_bytes=-1)
    for name, value in settings.items():
        jax.config.update(name, value)
    jax.numpy.zeros(()) + 1                     # starts the backend


def keep_compiled(folder: str) -> None:
    """Keeps compiled programs in a folder; "" keeps none. What workers write is never read by the reference."""
    import jax

    if folder:
        jax.config.update("jax_compilation_cache_dir", folder)
