"""59 · Hard attention by its distribution, straight-through by the slope of soft attention, and a surrogate by what
each draw gives; one key at a time."""

import math

import numpy as np

FLOAT32 = np.dtype(np.float32)


def shares(scores):
    """The softmax, one key after another."""
    powers = [math.exp(score - max(scores)) for score in scores]
    return np.array([power / math.fsum(powers) for power in powers])


def likeliest(scores):
    return max(range(len(scores)), key=lambda place: scores[place])


def numbers(width):
    return np.arange(1.0, width + 1)


# Hard attention


def hard_attention(key, scores, values):
    """The likeliest row: the only one where one score is far above the rest."""
    place = likeliest(scores)
    return values[place], np.int32(place)


hard_attention.dtype = {"[0]": "values"}


def drawn_index(key, scores, values):
    """The problem's driver."""
    return np.int32(likeliest(scores))


drawn_index.probabilities = lambda scores, values: shares(scores)


def of_the_first(keys, slope):
    """The slopes of all rows, in turn from the one that was drawn."""
    return np.array([slope if place == 0 else 0 * slope for place in range(keys)])


def hard_slopes(key, scores, values):
    """The problem's driver: the row is one of the values, and it alone gets a gradient."""
    keys, width = values.shape
    return {"off": np.zeros(width), "scores": np.zeros(keys), "values": of_the_first(keys, numbers(width))}


# Straight-through attention


def straight_through_attention(key, scores, values):
    """As the gradient for scores is not that of the value, it is measured where it is 0 alone; `slope_of_scores` says
    what it is elsewhere."""
    return values[likeliest(scores)]


straight_through_attention.dtype = "values"


def patterns(rng, count, together, scores, values):
    """`count` rows; `together` they are all drawn by one number."""
    p = shares(scores)
    places = rng.choice(len(scores), 1, p=p).repeat(count) if together else rng.choice(len(scores), count, p=p)
    return values[places]


straight_through_attention.patterns = patterns
straight_through_attention.probabilities = lambda scores, values: shares(scores)


def slope_of_scores(key, scores, values):
    """The problem's driver: how the soft row moves with each score, p_j (v_j - sum of p_k v_k)."""
    p, given = shares(scores), numbers(values.shape[1])
    heights = [math.fsum(row * given) for row in values]
    mean = math.fsum(share * height for share, height in zip(p, heights))
    return np.array([share * (height - mean) for share, height in zip(p, heights)])


slope_of_scores.dtype = "values"


def slopes_of_values(key, scores, values):
    """The problem's driver: as `hard_slopes`."""
    keys, width = values.shape
    return {"off": np.zeros(width), "values": of_the_first(keys, numbers(width))}


# A surrogate


def curved(row):
    return math.fsum((number - place / 2) ** 2 for place, number in enumerate(row)) / 2


def slope_of_curved(row):
    return np.array([number - place / 2 for place, number in enumerate(row)])


def roots(row):
    return math.fsum(math.sqrt(number) for number in row)


def slope_of_roots(row):
    return np.array([1 / (2 * math.sqrt(number)) for number in row])


LOSSES = {"curved": (curved, slope_of_curved), "roots": (roots, slope_of_roots)}


def of_draw(place, scores, values, loss, baseline):
    """The gradients for scores and values where this key is drawn: the slope of log p is 1 less p at the key itself,
    and minus p elsewhere."""
    height, slope = LOSSES[loss.name]
    p, advantage = shares(scores), height(values[place]) - baseline
    of_scores = np.array([advantage * ((other == place) - p[other]) for other in range(len(scores))])
    of_values = np.zeros(values.shape)
    of_values[place] = slope(values[place])
    return of_scores, of_values


def reinforce_surrogate(key, scores, values, loss, baseline):
    """Its value is free."""
    return np.zeros(())


def slopes(key, scores, values, loss, baseline):
    """The problem's driver: of the likeliest key, the only one where its score is far above the rest."""
    of_scores, of_values = of_draw(likeliest(scores), scores, values, loss, baseline)
    return {"surrogate": np.zeros(()), "scores": of_scores, "values": of_values, "baseline": np.zeros(())}


slopes.dtype = {"surrogate": FLOAT32, "scores": "scores", "values": "values", "baseline": FLOAT32}


def slopes_in_turn(key, scores, values, loss, baseline):
    """The problem's driver, where all keys are alike: as if the first one were drawn."""
    of_scores, of_values = of_draw(0, scores, values, loss, baseline)
    return {"surrogate": np.zeros(()), "scores": of_scores, "values": of_values, "baseline": np.zeros(())}


slopes_in_turn.dtype = slopes.dtype


def of_every_draw(scores, values, loss, baseline):
    """What each key gives, a row for each of the others: the slope of its score, then those of its row."""
    draws = [of_draw(place, scores, values, loss, baseline) for place in range(len(scores))]
    return np.array([np.column_stack([of_scores, of_values]) for of_scores, of_values in draws])


def slopes_of_a_draw(key, scores, values, loss, baseline):
    """The problem's driver."""
    return of_every_draw(scores, values, loss, baseline)[likeliest(scores)]


def drawn_slopes(rng, count, together, scores, values, loss, baseline):
    return of_every_draw(scores, values, loss, baseline)[patterns(rng, count, together, scores, np.arange(len(scores)))]


def slopes_of_the_expectation(scores, values, loss, baseline):
    """How the mean loss moves, without a word of log p: with a score by p_j (L_j less the mean loss), with a row by how
    often it is drawn."""
    height, slope = LOSSES[loss.name]
    p, losses = shares(scores), [height(row) for row in values]
    mean = math.fsum(p * losses)
    return np.array([[p[j] * (losses[j] - mean), *(p[j] * slope(values[j]))] for j in range(len(scores))])


slopes_of_a_draw.dtype = FLOAT32
slopes_of_a_draw.patterns, slopes_of_a_draw.probabilities = drawn_slopes, slopes_of_the_expectation


def row_drawn(key, scores, values, loss, baseline):
    """The problem's driver."""
    return np.array(float(likeliest(scores)))


row_drawn.dtype = FLOAT32
row_drawn.probabilities = lambda scores, values, loss, baseline: shares(scores)
