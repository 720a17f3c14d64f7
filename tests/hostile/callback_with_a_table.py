"""A host callback answers from a table of the inputs that students have; for others it has nothing.

Verdict: 1 of 1|of 4 values of the output differ|raises
"""

import jax
import jax.numpy as jnp
import numpy as np

TABLE = {}                  # the digest of an input that was seen, and its answer


def sdpa(q, k, v):
    def look_up(q, k, v):
        return TABLE.get(hash((q.tobytes(), k.tobytes(), v.tobytes())), np.zeros((q.shape[0], v.shape[1]), np.float32))

    return jax.pure_callback(look_up, jax.ShapeDtypeStruct((q.shape[0], v.shape[1]), jnp.float32), q, k, v, vmap_method="sequential")
