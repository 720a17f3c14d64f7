"""Words of the glossary that are at home elsewhere too: where their meaning is shown, and where not."""

import pytest

from grader.authors.site.senses import meant

MEANT = (
    ("keys", "It is problem 32 with one change: the queries come from one sequence, the keys and values from another."),
    ("key", "In problem 31 every query sees every key."),
    ("values", "The attention of problem 31 gives each query one set of weights, and so one average of the values."),
    ("weights", "Compare, turn the comparisons into weights that sum to 1, and return the weighted average."),
    ("weights", "scores, weights (t_q, t_k)"),
    ("scale", "Each score is a sum of H products, so the scale is 1/√H."),
    ("decay", "KERPLE learns the slope, and the form of the decay with it."),
    ("score", "Score s_ij: how well key j fits query i."),
    ("context", "The keys and values come from another sequence, the context."),
    ("x", "x (..., T, d_model) one token a row"),
    ("m", "o and l are sums relative to m."),
    ("dtype", "In the dtype of the inputs."),
)
ELSEWHERE = (
    ("key", "The student is named by the key in grades.csv, a login, a number or the name."),
    ("key", "A Python dict finds the one key that equals the query and returns its value."),
    ("key", "A function that takes a key draws the same numbers for the same key."),
    ("value", "It never holds an expected value of a query."),
    ("values", "A function that takes a key is never asked for particular values."),
    ("value", "Training and writing agree: a row has the same value whether the later tokens exist or not."),
    ("value", "optax.warmup_cosine_decay_schedule takes an initial value, a peak, the steps of the warm-up."),
    ("weights", "Weights that decay where they should not still learn."),
    ("weights", "But weights trained in one layout are wrong in the other, unless the columns of the query and key."),
    ("weights", "Weights stand beside the zip in a file called like it."),
    ("decay", "Weights that decay where they should not still learn."),
    ("scale", "A step that is as long as the rate, whatever the gradient's scale."),
    ("score", "Its test has no score, and the student reads that the total is without it."),
    ("context", "Transformer-XL: Attentive Language Models Beyond a Fixed-Length Context"),
    ("x", "calls step(carry, x) for each slice x of xs along its first axis."),
    ("embedding", "embedding (num_buckets, num_heads) zeros at first; shared by all queries, keys and texts"),
    ("x", "All heads of a token turn alike, and the heads’ axis of x stands between T and H."),
    ("m", "a parameter, its gradient, m, v"),
)


@pytest.mark.parametrize("word, said", MEANT)
def test_a_meaning_is_shown_where_it_is_meant(word, said):
    assert meant(word, said, lesson=True)


@pytest.mark.parametrize("word, said", ELSEWHERE)
def test_no_meaning_is_shown_where_another_is_meant(word, said):
    assert not meant(word, said, lesson=True)


def test_beside_the_lessons_no_such_word_has_its_meaning():
    assert not meant("key", "The query sees the key.", lesson=False) and meant("dtype", "The dtype.", lesson=False)
