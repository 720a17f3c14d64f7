"""Primitives of JAX that no carried program is made of, by name: for the process that writes one, and for the one that tells which of them was met. No JAX."""

# Primitives of other devices, or whose parameters hold functions.
OUTSIDE = ("after_all", "all_gather", "all_to_all", "axis_index", "call", "call_hi_primitive", "closed_call", "composite", "create_token", "custom_lin",
           "custom_linear_solve", "dce_sink", "delay", "eval_jaxpr", "from_edtype", "get_global", "jaxpr_call", "platform_index", "pmax", "pmin", "ppermute",
           "psum", "ragged_all_to_all", "run_scoped", "run_state", "semaphore_read", "semaphore_signal", "semaphore_wait", "stage", "to_edtype")
# Those that stand in no public table of JAX, and that a file may meet all the same.
APART = ("barrier", "bitcast", "call_exported", "compute_on", "core_map", "custom_jvp_call_jaxpr", "custom_partitioning", "custom_vmap_call", "debug_barrier",
         "dimension_size", "dma_start", "dma_wait", "emit_pipeline", "empty_ref", "free_ref", "freeze", "inspect_sharding", "layout_constraint", "linear_call",
         "load", "new_ref", "pack", "pack_elementwise", "parallel_loop", "pbroadcast", "prng_random_bits", "prng_seed", "psum_invariant", "pvary",
         "reduce_scatter", "remat_opt", "reshard", "roll", "scaled_dot", "shard_map", "stochastic_round",
         "store", "unpack", "unpack_elementwise", "zeros_like")
