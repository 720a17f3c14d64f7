"""61 · Wrong answers that people really give, each with its sentence."""

import jax
import jax.numpy as jnp

from grader.course import mistake


def _wide(weights):
    return weights.astype(jnp.promote_types(weights.dtype, jnp.float32))


# --- attention_rollout: the matrix of a layer


def _identity(weights):
    return jnp.eye(weights.shape[-1], dtype=_wide(weights).dtype)


def _heads_averaged(weights):
    return _wide(weights).mean(axis=1)


def _mixed(weights):
    return 0.5 * _heads_averaged(weights) + 0.5 * _identity(weights)


def _product_of(ref, matrices):
    """The product of such matrices, the last on the left: of weights that give them, mixed with the identity."""
    return ref((2 * matrices - _identity(matrices))[:, None])


@mistake("attention_rollout", about="the residual")
def identity_left_out(ref, weights):
    """The layers' weights are multiplied as they are: the residual stream is missing. A block adds what its heads
    gather to what was there, and without that path each layer mixes everything anew. Take half the mean over the heads
    and half the identity."""
    return _product_of(ref, _heads_averaged(weights))


@mistake("attention_rollout", about="the residual", halved=("the weights only", "the identity only"))
def identity_and_weights_not_halved(ref, weights, *, halved="neither"):
    """The identity is added, and one of the two, or both, is not halved: a row then sums to 2, or to 1.5, and the
    product grows with every layer. Halve both: `0.5 * mean + 0.5 * identity`."""
    of_weights = 0.5 if halved == "the weights only" else 1.0
    of_identity = 0.5 if halved == "the identity only" else 1.0
    return _product_of(ref, of_weights * _heads_averaged(weights) + of_identity * _identity(weights))


@mistake("attention_rollout", about="the residual")
def identity_only_once(ref, weights):
    """The identity is mixed into the product, once, and not into each layer. Every layer has a residual connection of
    its own, so that there are paths which skip any of them. Mix each layer with the identity, then multiply."""
    return 0.5 * _product_of(ref, _heads_averaged(weights)) + 0.5 * _identity(weights)


def _divided_by_rows(matrices):
    return matrices / matrices.sum(axis=-1, keepdims=True)


@mistake("attention_rollout", what=("the weights", "the rollout"))
def rows_normalised_again(ref, weights, *, what="the layers"):
    """Rows are divided by their sum, as many programs do after the identity is added. With weights that sum to 1 this
    changes nothing after the halving; with others it does, and the contract asks for none. Leave rows as they come."""
    if what == "the weights":
        return ref(_divided_by_rows(_wide(weights)))
    if what == "the rollout":
        return _divided_by_rows(ref(weights))
    return _product_of(ref, _divided_by_rows(_mixed(weights)))


@mistake(
    "attention_rollout", about="the heads", which=("the smallest", "their sum", "the first", "the last", "the median")
)
def another_number_for_the_mean_over_heads(ref, weights, *, which="the largest"):
    """The heads of a layer are put together in another way than by their mean: the largest or smallest weight of all
    heads, their sum, or one head alone. Some variants of the rollout do so; here it is the mean."""
    wide = _wide(weights)
    chosen = {
        "the largest": lambda: wide.max(axis=1),
        "the smallest": lambda: wide.min(axis=1),
        "the median": lambda: jnp.median(wide, axis=1),
        "their sum": lambda: wide.sum(axis=1),
        "the first": lambda: wide[:, 0],
        "the last": lambda: wide[:, -1],
    }[which]()
    return ref(chosen[:, None])


@mistake("attention_rollout", about="the heads", then=("added",))
def a_rollout_for_each_head(ref, weights, *, then="averaged"):
    """Each head is multiplied with the head of the same number in the next layer, and the products are averaged or
    added. Heads of one number have nothing to do with each other: what any head gathers is read by all heads above.
    Average the heads first, in each layer."""
    each = jax.vmap(lambda head: ref(head[:, None]), in_axes=1)(weights)
    return each.mean(axis=0) if then == "averaged" else each.sum(axis=0)


@mistake("attention_rollout", about="the heads")
def a_rollout_for_each_head_given_back(ref, weights):
    """There is one matrix for each head, `(N, T, T)`: the heads were not averaged. The contract asks for one matrix."""
    return jax.vmap(lambda head: ref(head[:, None]), in_axes=1)(weights)


@mistake("attention_rollout", about="the heads")
def layers_and_heads_exchanged(ref, weights):
    """The first axis is taken for the heads: the mean runs over the layers and the product over the heads. The shape is
    `(L, N, T, T)`, the layers first."""
    return ref(weights.swapaxes(0, 1))


# --- attention_rollout: the product


@mistake("attention_rollout", about="the product")
def layers_in_reverse_order(ref, weights):
    """The layers are multiplied in the other order, the first one on the left. Reading from left to right makes this
    look right. A matrix acts on what stands to its right, and the inputs meet the first layer first: each next layer
    goes to the left of what there is."""
    return ref(weights[::-1])


@mistake("attention_rollout", about="the product", how=("the sum", "elementwise"))
def layers_not_multiplied_as_matrices(ref, weights, *, how="the mean"):
    """The layers are averaged or added, or multiplied entry by entry with `*` or `prod`. What one layer gathered is
    gathered again by the next, which a product of matrices, `@`, follows."""
    return getattr(_mixed(weights), {"the mean": "mean", "the sum": "sum", "elementwise": "prod"}[how])(axis=0)


@mistake("attention_rollout", about="the product", then=("multiplied with itself",))
def layers_averaged_first(ref, weights, *, then="kept"):
    """The weights of all layers are averaged, heads and layers alike, before anything is multiplied. The layers act one
    after another, and each has weights of its own: average over the heads alone, `axis=1`."""
    average = weights[:1] * 0 + _wide(weights).mean(axis=(0, 1))
    return ref(average if then == "kept" else jnp.broadcast_to(average, weights.shape))


@mistake("attention_rollout", about="the product", missing=("the last", "the last of several"))
def a_layer_left_out(ref, weights, *, missing="the first"):
    """The product begins or ends at the wrong layer: the first or the last one is not in it. Begin with the first
    layer's matrix, or with the identity, and go through all layers that are left."""
    if len(weights) == 1:
        return ref(weights) if "several" in missing else _identity(weights)
    return ref(weights[1:] if missing == "the first" else weights[:-1])


@mistake("attention_rollout", about="the product", which=("the last",))
def a_layer_twice(ref, weights, *, which="the first"):
    """One layer is in the product twice: it is what the product begins with, and the loop meets it again. Begin with
    the identity and go through all layers, or with the first layer and go on from the second."""
    ends = (weights[:1], weights) if which == "the first" else (weights, weights[-1:])
    return ref(jnp.concatenate(ends))


@mistake("attention_rollout", about="the product", which=("the first",))
def one_layer_alone(ref, weights, *, which="the last"):
    """One layer is read alone, most often the last. Its weights say where it looks among the outputs of the layer
    below, which are mixtures already. Multiply through all layers."""
    return ref(weights[-1:] if which == "the last" else weights[:1])


@mistake("attention_rollout", about="the product", what=("the columns",))
def inputs_and_outputs_exchanged(ref, weights, *, what="the rollout"):
    """Rows and columns are exchanged, in the rollout or in each layer. Queries, and so outputs, are the last axis but
    one: entry `[i, j]` says how much of input `j` is in output `i`."""
    return ref(weights).T if what == "the rollout" else ref(weights.mT)


@mistake("attention_rollout", about="the product")
def all_layers_given_back(ref, weights):
    """There is a matrix for each layer, `(L, T, T)`: the rollouts up to each of them, or the layers themselves. The
    contract asks for the last rollout alone."""
    return jnp.stack([ref(weights[:upto]) for upto in range(1, len(weights) + 1)])


@mistake("attention_rollout")
def rollout_of_earlier_keys_only(ref, weights):
    """Weights on later keys are cut off, as if all models were causal. The weights count as they are; those of a causal
    model are 0 there by themselves."""
    return ref(jnp.tril(weights))


@mistake("attention_rollout")
def rollout_in_the_dtype_of_the_weights(ref, weights):
    """The rollout has the dtype of the weights. Cast the weights to float32 first, and what follows is float32 too."""
    return ref(weights).astype(weights.dtype)


@mistake("attention_rollout", what=("the matrices", "the products"))
def rollout_in_half_precision(ref, weights, *, what="the mean"):
    """What comes out is float32, and the mean over the heads, or the product, was computed in the dtype of the weights:
    the cast comes too late. Cast the weights before anything else."""
    average = weights.mean(axis=1)
    if what == "the mean":
        return ref(average[:, None])
    mixed = (0.5 * average + 0.5 * jnp.eye(weights.shape[-1], dtype=weights.dtype)).astype(weights.dtype)
    if what == "the matrices":
        return _product_of(ref, _wide(mixed))
    rollout = mixed[0]
    for layer in mixed[1:]:
        rollout = layer @ rollout
    return _wide(rollout)


@mistake("attention_rollout", misconception="axes_of_length_one_gone")
def axes_of_length_one_gone_from_the_rollout(ref, weights):
    """Axes of length 1 are gone: there is a `squeeze()` somewhere. One token still has a matrix, and one head is still
    an axis."""
    return ref(weights).squeeze()


# --- mean_distance


def _places(weights):
    return jnp.arange(weights.shape[-1], dtype=_wide(weights).dtype)


def _from_to(weights):
    """(T, T): how far key `j` is behind query `i`, negative where it is before it."""
    return _places(weights)[None, :] - _places(weights)[:, None]


def _mean_of(weights, cost):
    return (_wide(weights) * cost).sum(axis=-1).mean(axis=-1)


@mistake("mean_distance", about="the distance", sign=("j - i",))
def signed_distance(ref, weights, *, sign="i - j"):
    """The distance has a sign: without the absolute value keys before a query cancel those behind it. In a causal model
    this is not seen, or is a minus only. Take `abs(i - j)`."""
    return _mean_of(weights, _from_to(weights) * (1 if sign == "j - i" else -1))


@mistake("mean_distance", about="the distance", then=("a root of each", "a root of the mean"))
def squared_distance(ref, weights, *, then="nothing"):
    """The distance is squared before it is weighted: keys that are far away count too much. A root of the mean does not
    undo that. Weight the distance itself."""
    squares = _from_to(weights) ** 2
    if then == "a root of each":
        return jnp.sqrt((_wide(weights) * squares).sum(axis=-1)).mean(axis=-1)
    return _mean_of(weights, squares) if then == "nothing" else jnp.sqrt(_mean_of(weights, squares))


@mistake("mean_distance", about="the distance")
def distance_from_one_on(ref, weights):
    """The distance is too large by one: a token itself counts as 1 away. It is 0 away, and its neighbours are 1."""
    return _mean_of(weights, abs(_from_to(weights)) + 1)


@mistake("mean_distance", about="the distance", side=("behind",))
def only_keys_on_one_side(ref, weights, *, side="before"):
    """Keys on one side of the query count as 0 away: the distance is cut off, or the weights are, as if all models were
    causal. The contract asks for `abs(i - j)`, on both sides."""
    return _mean_of(weights, jnp.maximum(_from_to(weights) * (1 if side == "behind" else -1), 0))


@mistake("mean_distance", about="the distance")
def distance_of_the_largest_weight(ref, weights):
    """Each row is read by its largest weight: how far the key is that gets most. Many weights then do not count at all,
    and there is no gradient. Weight all distances."""
    return abs(_places(weights) - weights.argmax(axis=-1)).mean(axis=-1)


@mistake("mean_distance", about="the distance")
def distance_of_the_mean_position(ref, weights):
    """First the mean position of the keys is taken, and then its distance from the query. A head that looks as far
    ahead as back then has a distance of 0. Take the distance of each key first, then the mean."""
    return abs(_places(weights) - (_wide(weights) * _places(weights)).sum(axis=-1)).mean(axis=-1)


@mistake("mean_distance", about="the mean", by=("T - 1", "T - 1, at least 1"))
def divided_by_the_length_again(ref, weights, *, by="T"):
    """There is a division by the length too much: the mean runs over the keys as well, as `mean()` over both axes takes
    it, or the distance is a share of the sequence. The weights are the average over the keys; sum there, and divide by
    the number of queries only."""
    length = weights.shape[-1]
    return ref(weights) / {"T": length, "T - 1": jnp.float32(length - 1), "T - 1, at least 1": max(length - 1, 1)}[by]


@mistake("mean_distance", about="the mean")
def summed_over_the_queries(ref, weights):
    """The queries are summed, so that a longer sequence has a larger number. The contract asks for the mean over the
    queries."""
    return ref(weights) * weights.shape[-1]


@mistake("mean_distance", about="the mean", first=("0 / 0",))
def first_query_left_out(ref, weights, *, first="at least 1"):
    """The mean is over the queries from the second on, or is divided by one less than there are. In a causal model the
    first query has nowhere else to look; it counts all the same. Divide by `T`."""
    length = weights.shape[-1]
    count = max(length - 1, 1) if first == "at least 1" else jnp.float32(length - 1)
    return (_wide(weights) * abs(_from_to(weights)))[..., 1:, :].sum(axis=(-2, -1)) / count


@mistake("mean_distance", about="the mean", of=("all",))
def divided_by_the_weights(ref, weights, *, of="each row"):
    """The sum is divided by the sum of the weights, of each row or of the whole head. Where rows sum to 1 this changes
    nothing; others count as they are here."""
    if of == "all":
        return ref(weights) * weights.shape[-1] / _wide(weights).sum(axis=(-2, -1))
    return ref(_divided_by_rows(_wide(weights)))


@mistake("mean_distance", about="the mean")
def a_number_for_each_query(ref, weights):
    """There is a number for each query, `(N, T)`: the mean over the queries is missing. The contract asks for one
    number for each head."""
    return (_wide(weights) * abs(_from_to(weights))).sum(axis=-1)


@mistake("mean_distance", about="the mean")
def one_distance_for_all_heads(ref, weights):
    """There is one number for all heads together. What one head does is what the number is for: average over the
    queries alone, and keep the first axis."""
    return ref(weights).mean()


@mistake("mean_distance", about="the mean")
def averaged_over_the_heads(ref, weights):
    """The mean runs over the heads, the first axis, and what is left is a number for each query. Average over the
    queries: after the sum over the keys they are the last axis."""
    return (_wide(weights) * abs(_from_to(weights))).sum(axis=-1).mean(axis=0)


@mistake("mean_distance")
def distance_in_the_dtype_of_the_weights(ref, weights):
    """The distances have the dtype of the weights. Cast the weights to float32 before anything else."""
    return ref(weights).astype(weights.dtype)


@mistake("mean_distance", what=("the products", "everything"))
def distances_in_half_precision(ref, weights, *, what="the distances"):
    """What comes out is float32, and distances, or their products with weights, were computed in the dtype of the
    weights: an array of integers takes the other's dtype. In bfloat16 only even numbers are left above 256. Cast the
    weights first."""
    place = jnp.arange(weights.shape[-1]).astype(weights.dtype)
    apart = abs(place[:, None] - place[None, :])
    if what == "the distances":
        return _mean_of(weights, _wide(apart))
    whole = jnp.arange(weights.shape[-1])
    found = (weights * abs(whole[:, None] - whole)).sum(axis=-1)
    return _wide(found.mean(axis=-1)) if what == "everything" else _wide(found).mean(axis=-1)


@mistake("mean_distance", misconception="axes_of_length_one_gone")
def axes_of_length_one_gone_from_the_distances(ref, weights):
    """Axes of length 1 are gone: there is a `squeeze()` somewhere. One head has an array of one number."""
    return ref(weights).squeeze()


# --- induction_score: which keys


def _pairs(tokens):
    """(T, T): whether the tokens are the same, and the two places."""
    place = jnp.arange(len(tokens))
    return tokens[:, None] == tokens[None, :], place[:, None], place[None, :]


def _earlier(tokens):
    """(T, T): the earlier occurrences themselves."""
    same, query, key = _pairs(tokens)
    return same & (key < query)


def _moved(wanted, by):
    """Each row some places to the right, or to the left, with nothing where nothing comes from."""
    length = wanted.shape[-1]
    if by < 0:
        return jnp.pad(wanted, ((0, 0), (0, -by)))[:, -by:]
    return jnp.pad(wanted, ((0, 0), (by, 0)))[:, :length]


def _wanted(tokens):
    return _moved(_earlier(tokens), 1)


def _score(weights, wanted, at_least=1):
    """The mean total weight on the wanted keys, over the queries that have one."""
    found = jnp.where(wanted, _wide(weights), 0).sum(axis=-1)
    return found.sum(axis=-1) / jnp.maximum(wanted.any(axis=-1).sum(), at_least)


@mistake("induction_score", about="which keys")
def the_earlier_occurrence_itself(ref, weights, tokens):
    """The weight is read at the earlier occurrence of the token, one place too early. A head that looks there finds
    the token that it has already; what came next stands one place behind. Read at `m + 1` for an occurrence at `m`."""
    return _score(weights, _earlier(tokens))


@mistake("induction_score", about="which keys", by=(-1,))
def another_place_beside_the_occurrence(ref, weights, tokens, *, by=2):
    """The weight is read two places behind the earlier occurrence, or right before it: the shift is made twice, or to
    the wrong side. The place to read is one behind the occurrence: `tokens[j - 1] == tokens[i]`."""
    wanted = _moved(_earlier(tokens), by)
    return _score(weights, jnp.tril(wanted))


@mistake("induction_score", about="which keys", itself=("no",))
def places_of_the_same_token(ref, weights, tokens, *, itself="yes"):
    """Keys are compared with the query as they are, `tokens[j] == tokens[i]`, so that each token finds itself, or all
    places of its kind. Compare with what stands *before* the key: `tokens[j - 1] == tokens[i]`, for `j <= i`."""
    same, query, key = _pairs(tokens)
    return _score(weights, same & (key <= query) if itself == "yes" else same & (key != query))


@mistake("induction_score", about="which keys")
def the_next_token_looked_for(ref, weights, tokens):
    """The weight is read where the token stands that comes next, as a test for heads that copy does. The head does not
    know that token yet. What is asked is where the head looks: behind earlier occurrences of the token that it has."""
    same, query, key = _pairs(tokens)
    return _score(weights, jnp.pad(same[1:], ((0, 1), (0, 0))) & (key <= query))


@mistake("induction_score", about="which keys", which=("the first",))
def one_occurrence_only(ref, weights, tokens, *, which="the last"):
    """Only one earlier occurrence counts, the last or the first, as `argmax` or a dictionary finds it. All of them do:
    a token that came three times before has three places, and their weights are added."""
    earlier = _earlier(tokens)
    if which == "the last":
        one = earlier & (jnp.cumsum(earlier[:, ::-1], axis=-1)[:, ::-1] == 1)
    else:
        one = earlier & (jnp.cumsum(earlier, axis=-1) == 1)
    return _score(weights, _moved(one, 1))


@mistake("induction_score", about="which keys")
def the_query_itself_left_out(ref, weights, tokens):
    """The query's own place never counts: `j < i` stands for `j <= i`. Where the token right before is the same, the
    place behind it is the query's own, and belongs to them."""
    wanted = _moved(_earlier(tokens), 1)
    return _score(weights, jnp.tril(wanted, -1))


@mistake(
    "induction_score", about="which keys", which=("of the others and of itself", "of all, for queries with one before")
)
def later_occurrences_counted(ref, weights, tokens, *, which="of the others"):
    """Occurrences after the query count as well: the bound `j <= i` is missing, and the weights on later keys are not
    always 0. Only what came before counts: keep the pairs with `j <= i`."""
    same, query, key = _pairs(tokens)
    wanted = _moved(same & (key != query) if which == "of the others" else same, 1)
    if "before" in which:
        wanted &= _earlier(tokens).any(axis=-1, keepdims=True)
    return _score(weights, wanted)


@mistake("induction_score", about="which keys", bound=("no",))
def tokens_rolled_around(ref, weights, tokens, *, bound="j <= i"):
    """`roll` brings the last token to the front, as if it stood before the first: whoever has that token then finds
    column 0, and the last query always does. Nothing stands before the first token: column 0 is empty."""
    wanted = jnp.roll(tokens, 1)[None, :] == tokens[:, None]
    return _score(weights, jnp.tril(wanted) if bound == "j <= i" else wanted)


@mistake("induction_score", about="which keys", token=("the first one", 0, -2, -100, -(2**31), 2**31 - 1))
def a_token_made_up_for_the_front(ref, weights, tokens, *, token=-1):
    """A number such as -1 or 0, or the first token again, is put in front of the tokens to stand for "nothing". It is a
    token like any other, and where it occurs it finds column 0. Shift the comparisons, which are boolean, and not the
    tokens; or ask for `j >= 1` as well."""
    front = tokens[:1] if token == "the first one" else jnp.array([token], tokens.dtype)
    before = jnp.concatenate([front, tokens[:-1]])
    return _score(weights, jnp.tril(before[None, :] == tokens[:, None]))


@mistake("induction_score", about="which keys")
def a_sequence_repeated_once(ref, weights, tokens):
    """One diagonal is read, at half the length, as if the sequence were always a block and the same block again; the
    tokens are not looked at. Compare the tokens."""
    return jnp.diagonal(_wide(weights), 1 - len(tokens) // 2, -2, -1).mean(axis=-1)


@mistake("induction_score", about="which keys")
def the_query_moved_for_the_key(ref, weights, tokens):
    """The shift by one is made along the queries: a query looks at earlier occurrences of the token *before* it. Move
    along the keys: the query has its token, and the key is one behind that token's earlier occurrence."""
    return _score(weights, jnp.pad(_earlier(tokens)[:-1], ((1, 0), (0, 0))))


@mistake("induction_score", about="which keys")
def queries_and_keys_exchanged(ref, weights, tokens):
    """Rows and columns are exchanged: the weight of key on query is read. Queries are the last axis but one."""
    return ref(weights.mT, tokens)


@mistake("induction_score", about="which queries")
def last_query_left_out(ref, weights, tokens):
    """The last query is left out, since nothing stands behind it. What is looked for stands behind *earlier*
    occurrences of its token, and there the last query looks like any other. All queries count whose token occurred
    before."""
    wanted = _wanted(tokens)
    return _score(weights, wanted & (jnp.arange(len(tokens)) < len(tokens) - 1)[:, None])


# --- induction_score: how tokens are compared


@mistake("induction_score", about="the tokens")
def tokens_as_float32(ref, weights, tokens):
    """Tokens are compared as float32, which has 24 bits: from 16777216 on some that differ are alike. Compare the
    integers."""
    return _score(weights, _wanted(tokens.astype(jnp.float32)))


@mistake("induction_score", about="the tokens", bits=("uint8", "int16", "uint16"))
def tokens_of_few_bits(ref, weights, tokens, *, bits="int8"):
    """Tokens are cast to fewer bits, where numbers that differ by a multiple of 256 or of 65536 are alike. Compare them
    as they come."""
    return ref(weights, tokens.astype(bits).astype(tokens.dtype))


@mistake("induction_score", about="the tokens", none=("NaN",))
def a_vocabulary_assumed(ref, weights, tokens, *, none="0"):
    """Tokens become rows of a one-hot matrix, whose width was guessed: a token that is negative or larger than that has
    a row of zeros, and matches nothing. Any int32 is a token here: compare tokens with tokens."""
    rows = jax.nn.one_hot(tokens, 1 << 10)
    wanted = _moved(jnp.tril(rows @ rows.T > 0, -1), 1)
    return _score(weights, wanted, 1 if none == "0" else 0)


# --- induction_score: the mean


def _queries(tokens):
    return jnp.maximum(_wanted(tokens).any(axis=-1).sum(), 1)


@mistake("induction_score", about="the mean", by=("T - 1",))
def mean_over_all_queries(ref, weights, tokens, *, by="T"):
    """The sum is divided by the number of all queries. Those whose token did not occur before have nowhere to look, and
    make the score smaller for no reason. Divide by the number of queries that do have a place."""
    length = len(tokens)
    return ref(weights, tokens) * _queries(tokens) / (length if by == "T" else max(length - 1, 1))


@mistake("induction_score", about="the mean")
def summed_for_the_mean_over_queries(ref, weights, tokens):
    """The queries are summed and not averaged, so that the score grows with the sequence and passes 1. Divide by the
    number of queries whose token occurred before."""
    return ref(weights, tokens) * _queries(tokens)


@mistake("induction_score", about="the mean")
def divided_by_the_number_of_places(ref, weights, tokens):
    """The total is divided by the number of all places, over all queries, so that a query with three of them counts
    three times. A mean over the pairs is another number: add the weights for each query, and divide by the number of
    queries."""
    return ref(weights, tokens) * _queries(tokens) / jnp.maximum(_wanted(tokens).sum(), 1)


@mistake("induction_score", about="the mean", how=("the largest",))
def one_place_for_all_of_a_query(ref, weights, tokens, *, how="the mean"):
    """For each query the mean of the weights on its places is taken, or the largest of them. A head that spreads its
    weight over two occurrences does all that is asked: add the weights."""
    wanted = _wanted(tokens)
    there = jnp.where(wanted, _wide(weights), 0)
    each = there.max(axis=-1) if how == "the largest" else there.sum(-1) / jnp.maximum(wanted.sum(-1), 1)
    return each.sum(axis=-1) / _queries(tokens)


@mistake("induction_score", about="the mean")
def queries_that_look_elsewhere_left_out(ref, weights, tokens):
    """The mean is over the queries with a weight there that is not 0. A query whose token occurred before counts also
    where the head looks elsewhere: that is what the score is to show. Count by tokens, not by weights."""
    there = jnp.where(_wanted(tokens), _wide(weights), 0).sum(axis=-1)
    return there.sum(axis=-1) / jnp.maximum((there > 0).sum(axis=-1), 1)


@mistake("induction_score", about="the mean")
def share_of_the_rows_weight(ref, weights, tokens):
    """Rows are divided by their sum first. Where rows sum to 1 this changes nothing; others count as they are here."""
    return ref(_divided_by_rows(_wide(weights)), tokens)


@mistake("induction_score", about="the mean", found_by=("a product",))
def nothing_divided_by_nothing(ref, weights, tokens, *, found_by="where"):
    """Where no token occurred before, the score is NaN: a sum of nothing is divided by a count of 0. Let the count be 1
    at least, and it is 0."""
    if found_by == "where":
        return _score(weights, _wanted(tokens), at_least=0)
    return _product_over_count(weights, tokens)


def _product_over_count(weights, tokens):
    wanted = _wanted(tokens)
    return (_wide(weights) * wanted).sum(axis=(-2, -1)) / wanted.any(axis=-1).sum()


@mistake("induction_score", about="the mean")
def gradient_of_a_division_by_zero(ref, weights, tokens):
    """Where no token occurred before, the score is 0 and its gradient is NaN: `where` or `nan_to_num` hides 0 / 0 after
    the division, and the division is differentiated all the same. Make the count 1 *before* dividing:
    `maximum(count, 1)`."""
    return jnp.where(_wanted(tokens).any(), _product_over_count(weights, tokens), 0.0)


@mistake("induction_score", about="the mean")
def a_score_for_each_query(ref, weights, tokens):
    """There is a score for each query, `(N, T)`, and the mean over the queries is missing. The contract asks for one
    score for each head."""
    return jnp.where(_wanted(tokens), _wide(weights), 0).sum(axis=-1)


@mistake("induction_score", about="the mean")
def one_score_for_all_heads(ref, weights, tokens):
    """There is one number for all heads together. Few heads are induction heads, and a mean hides them: keep the first
    axis."""
    return ref(weights, tokens).mean()


# --- induction_score: its form


@mistake("induction_score")
def score_in_the_dtype_of_the_weights(ref, weights, tokens):
    """The scores have the dtype of the weights. Cast the weights to float32 before they are added."""
    return ref(weights, tokens).astype(weights.dtype)


@mistake("induction_score", of=("all queries",))
def weights_added_in_half_precision(ref, weights, tokens, *, of="a row"):
    """What comes out is float32, and weights were added in their own dtype, of which a sum has two digits. Cast the
    weights before the sum."""
    there = jnp.where(_wanted(tokens), weights, jnp.zeros((), weights.dtype)).sum(axis=-1)
    total = _wide(there).sum(axis=-1) if of == "a row" else _wide(there.sum(axis=-1))
    return total / _queries(tokens)


@mistake("induction_score", misconception="axes_of_length_one_gone")
def axes_of_length_one_gone_from_the_scores(ref, weights, tokens):
    """Axes of length 1 are gone: there is a `squeeze()` somewhere. One head has one score, in an array of the shape
    `(1,)`."""
    return ref(weights, tokens).squeeze()
