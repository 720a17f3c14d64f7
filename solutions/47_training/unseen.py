"""Cases that only a class run tries: their sizes follow from its secret seed and are new in each round, so that nobody
can write for them."""

from grader.course import Case


def cases(rng) -> dict[str, dict[str, Case]]:
    """More rungs for the ladder of each name."""
    length, words, rows, steps, warm, rest, micro, batch, many = rng.integers(
        [5, 3, 2, 5, 1, 3, 3, 2, 70], [12, 9, 5, 9, 4, 8, 6, 4, 110]
    ).tolist()
    under = dict(driver="trained", under=("eager", "jit"))
    long = dict(batch=1, length=3, counts="all", driver="trained", under=("jit",))
    return {
        "next_token_loss": {
            "text of this class": Case(length=length, vocab_size=words, batch=(rows, 2)),
            "large logits of this class": Case(length=length, batch=(rows,), gain=150.0),
        },
        "make_optimizer": {
            "updates of this class": Case(
                driver="updates",
                under=("eager", "jit"),
                steps=steps,
                warmup_steps=warm,
                total_steps=warm + rest,
                weight_decay=0.3,
                norms=(0.5, 6.0, 2.0),
                max_norm=1.5,
            ),
        },
        "train_step": {
            "micro-batches of this class": Case(
                micro=micro, batch=batch, length=4, steps=2, make="Averages", vocab_size=words, **under
            ),
            "many of this class": Case(micro=many, **long, like="64 micro-batches"),
            "twice as many": Case(micro=2 * many, **long, like="128 micro-batches"),
        },
    }
