"""Cases that only a class run tries: their sizes follow from its secret seed and are new in each round, so that nobody
can write for them."""

from grader.course import Case


def cases(rng) -> dict[str, dict[str, Case]]:
    """More rungs for the ladder of each name."""
    query, key, attention, length, batch = rng.integers([4, 5, 6, 8, 3], [9, 12, 14, 14, 6]).tolist()
    steps, inputs, filters, reach = rng.integers([4, 5, 3, 1], [9, 12, 7, 4]).tolist()
    widths = dict(d_query=query, d_key=key, d_attention=attention)
    kernel = dict(num_filters=filters, kernel_size=2 * reach + 1)
    one_empty = dict(
        length=length,
        batch=(batch,),
        mask="holes, one empty",
        under=("eager", "jit", "vmap"),
        like="two batch dimensions, one sequence hidden entirely",
    )
    return {
        "CoverageAttention": {
            "sizes of this class": Case(**widths, **one_empty),
            "a length of this class": Case(**widths, length=length, under=("eager", "grad")),
        },
        "coverage_loss": {
            "sizes of this class": Case(shape=(steps, inputs), kind="partial"),
            "as many steps as keys in this class": Case(shape=(steps, steps), under=("eager", "grad")),
        },
        "LocationAttention": {
            "sizes of this class": Case(**widths, **kernel, **one_empty),
            "a kernel of this class, longer than the sequence": Case(
                **widths, num_filters=filters, kernel_size=2 * batch + 5, length=batch, under=("eager", "jit", "grad")
            ),
        },
    }
