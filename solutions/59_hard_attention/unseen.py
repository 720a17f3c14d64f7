"""Cases that only a class run tries: their sizes follow from its secret seed and are new in each round, so that nobody
can write for them."""

from grader.course import Case


def cases(rng) -> dict[str, dict[str, Case]]:
    """More rungs for the ladder of each name. What is drawn there is certain, or counted from the row that was
    drawn."""
    keys, more = rng.choice([5, 6, 7, 9, 10, 11], 2, replace=False).tolist()
    width = int(rng.integers(6, 9))
    certain = dict(keys=keys, width=width, scores="far", drawn=False)
    drawn = dict(keys=more, width=width, scores="any", drawn=False)
    values = ("eager", "jit", "vmap")
    return {
        "hard_attention": {
            "sizes of this class": Case(**certain, idle=("scores under grad",)),
            "the gradient at sizes of this class": Case(
                **drawn, driver="hard_slopes", under=values, idle=("scores", "values")
            ),
        },
        "straight_through_attention": {
            "sizes of this class": Case(**certain, idle=("scores under grad",)),
            "the gradient for scores at sizes of this class": Case(**drawn, driver="slope_of_scores", under=values),
            "the gradient for values at sizes of this class": Case(
                **drawn, driver="slopes_of_values", under=values, idle=("scores", "values")
            ),
        },
        "reinforce_surrogate": {
            "sizes of this class": Case(**certain, driver="slopes", under=values, idle=("baseline",)),
            "keys that are all alike, as many as in this class": Case(
                **drawn | dict(scores="alike", values="alike"), driver="slopes_in_turn", under=values
            ),
        },
    }
