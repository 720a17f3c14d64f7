"""What a backend's complaint about a kernel means: the rule that the kernel breaks, and what to do instead."""

from __future__ import annotations

import re

LONGEST = 400  # letters of what is quoted

# What a lowering says -> (the sign of it, the rule, what to do), in the order in which they are tried.
LOWERING_RULES = (
    (
        r"^no kernel$",
        "no kernel",
        "With `interpret=False` there is no kernel in what is lowered.",
        "Hand `interpret` on to `pallas_call` as it comes; a kernel that is always interpreted never runs on a device.",
    ),
    (
        r"last two dimensions of your block shape .*has block shape (\([^;]*?\)), array shape (\([^;]*?\)),",
        "block shape",
        "The last two dimensions of a block must be divisible by 8 and 128, or be the array's own; here a block of "
        "shape {0} is taken of an array of shape {1}.",
        "Give a block whole axes at the end (`block_q` × `H`), and a statistic with one number a row an axis of its "
        "own, or none.",
    ),
    (
        r"size is a power of 2.*of shape (\([^;]*?\))",
        "power of two",
        "On a GPU (Triton) every array in a kernel has a power of two as its size; here one has shape {0}.",
        "Round the blocks up to a power of two, pad outside, and mask what is padding.",
    ),
    (
        r"TypedNdArray",
        "constant",
        "Its compiler cannot take a constant that stands in a branch of the kernel.",
        "Choose with `jnp.where` instead of `jax.lax.cond`, and loop with `jax.lax.fori_loop` instead of unrolling.",
    ),
    (
        r"Unimplemented primitive in Pallas [\w ]+: (\w+)",
        "primitive {0}",
        "There is no `{0}` in its kernels.",
        "Kernels know elementwise arithmetic, `jnp.where`, `jax.lax.dot_general`, sums and maxima along an axis, "
        "loops, and loads and stores of refs.",
    ),
)


def explain_lowering(platform: str, complaint: str) -> tuple[str, str, str]:
    """The sign of a lowering's complaint, a sentence about it, and advice."""
    for pattern, sign, sentence, advice in LOWERING_RULES:
        match = re.search(pattern, complaint, re.DOTALL)
        if match:
            groups = [
                re.sub(r"\w+\(block_size=(\d+)\)", r"\1", group).replace("Squeezed()", "None")
                for group in match.groups()
            ]
            return sign.format(*groups), sentence.format(*groups), advice
    first = complaint.strip().splitlines()[0]
    return first.split(":")[0], f"The {platform.upper()}'s compiler says: {first[:LONGEST]}", ""
