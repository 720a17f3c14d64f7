"""52 · Wrong answers that people really give, each with its sentence. Those at the end of each name have right values
and a wrong program."""

import jax
import jax.numpy as jnp

from grader.course import mistake

# --- pieces of a right answer; a mistake exchanges one of them


def _wide(x):
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))


def _phi(x):
    return jax.nn.elu(_wide(x)) + 1


def _read(features, S, z):
    return (features @ S) / (features @ z)[..., None]


def _attend(q, k, v, phi_q=_phi, phi_k=_phi):
    """All at once, with features of one's own."""
    queries, keys = phi_q(q), phi_k(k)
    return _read(queries, keys.T @ _wide(v), keys.sum(0)).astype(q.dtype)


def _within(q, k, v):
    weights = jnp.tril(q @ k.T)
    return weights @ v, weights.sum(-1)


def _before(q, S, z):
    return q @ S, q @ z


def _following(S, z, k, v):
    return S + k.T @ v, z + k.sum(0)


def _finish(earlier, own, norm_before, norm_within):
    return (earlier + own) / (norm_before + norm_within)[:, None]


def _padded(rows, size):
    return jnp.pad(rows, ((0, -len(rows) % size), (0, 0)))


def _start(q, v, dtype=jnp.float32):
    return jnp.zeros((q.shape[1], v.shape[1]), dtype), jnp.zeros(q.shape[1], dtype)


def _causal(
    q,
    k,
    v,
    chunk_size,
    *,
    phi=_phi,
    within=_within,
    before=_before,
    following=_following,
    finish=_finish,
    own_too=False,
    padded=_padded,
    trimmed=lambda out, length: out[:length],
    loop=jax.lax.scan,
    start=None,
):
    """The right loop, or one with a piece exchanged. With `own_too` the state that is read has the chunk's tokens."""
    size = min(chunk_size, len(q))

    def turn(state, rows):
        q, k, v = rows
        q, k, v = phi(q), phi(k), _wide(v)
        after = following(*state, k, v)
        (earlier, norm_before), (own, norm_within) = before(q, *(after if own_too else state)), within(q, k, v)
        return after, finish(earlier, own, norm_before, norm_within)

    rows = tuple(padded(rows, size).reshape(-1, size, rows.shape[1]) for rows in (q, k, v))
    _, out = loop(turn, _start(q, v) if start is None else start, rows)
    return trimmed(out.reshape(-1, v.shape[1]), len(q)).astype(q.dtype)


# --- linear_attention


@mistake("linear_attention", scale=("none",))
def softmax_of_the_scores(ref, q, k, v, *, scale="1 / sqrt(d_k)"):
    """The weights are the softmax of `q kᵀ`, as in problem 31. A softmax cannot be split into a factor of the query and
    a factor of the key, and so cannot be linear: here the weight of a pair is `phi(q) · phi(k)`, divided by the sum of
    these."""
    weights = jax.nn.softmax(_wide(q) @ _wide(k).T / (1 if scale == "none" else q.shape[1] ** 0.5), axis=-1)
    return (weights @ _wide(v)).astype(q.dtype)


@mistake("linear_attention", about="features")
def no_feature_map(ref, q, k, v):
    """Queries and keys are multiplied as they came, without features. Their products have either sign, so the sum that
    is divided by may be close to 0 or below it: apply `phi` to both, and every weight is positive."""
    return _attend(q, k, v, _wide, _wide)


@mistake("linear_attention", about="features", side=("queries",))
def features_of_one_side_only(ref, q, k, v, *, side="keys"):
    """Only the keys, or only the queries, go through `phi`; the other side is multiplied as it came, and the weights
    have either sign. The weight of a pair is `phi(q) · phi(k)`, with features on both sides."""
    return _attend(q, k, v, _wide if side == "keys" else _phi, _phi if side == "keys" else _wide)


@mistake("linear_attention", about="features")
def elu_without_the_one(ref, q, k, v):
    """The features are `elu(x)`, which lies between -1 and 0 where x is negative: weights have either sign, and their
    sum may be 0. The 1 that is added lifts them above 0: `phi(x) = elu(x) + 1`."""
    return _attend(q, k, v, jax.nn.elu, jax.nn.elu)


@mistake("linear_attention", about="features", map=("relu", "relu plus one", "x or exp", "softplus", "a softmax"))
def another_feature_map(ref, q, k, v, *, map="exp"):
    """The features are made by another function than `elu(x) + 1`, such as an exponential, a relu or a softplus. These
    are feature maps too, and some papers take them; the one that is asked for here is `x + 1` above 0 and `exp(x)`
    below."""
    made = {
        "exp": jnp.exp,
        "relu": jax.nn.relu,
        "relu plus one": lambda x: jax.nn.relu(x) + 1,
        "x or exp": lambda x: jnp.where(x > 0, x, jnp.exp(x)),
        "softplus": jax.nn.softplus,
        "a softmax": jax.nn.softmax,
    }[map]
    return _attend(q, k, v, lambda x: made(_wide(x)), lambda x: made(_wide(x)))


@mistake("linear_attention", about="features", of=("the queries",))
def scaled_before_the_feature_map(ref, q, k, v, *, of="both"):
    """Queries, or queries and keys, are divided by a power of `d_k` before they go through `phi`. Behind `phi` a scale
    would cancel in the division; before it, it bends the features: there is no scale in this problem."""
    d_k = q.shape[1]
    if of == "both":
        return _attend(q, k, v, lambda x: _phi(x / d_k**0.25), lambda x: _phi(x / d_k**0.25))
    return _attend(q, k, v, lambda x: _phi(x / d_k**0.5))


@mistake("linear_attention")
def not_divided(ref, q, k, v):
    """The weighted sum of the values is not divided by the sum of the weights, so that it grows with the number of
    keys. A softmax divides by itself; here you have to: by `phi(q) · z`, where `z` is the sum of the keys' features."""
    return (_phi(q) @ (_phi(k).T @ _wide(v))).astype(q.dtype)


@mistake("linear_attention")
def divided_by_the_number_of_keys(ref, q, k, v):
    """The weighted sum of the values is divided by the number of keys, and not by the sum of the weights. The weights
    of a query do not sum to `T_k`: divide by `phi(q) · z`, where `z` is the sum of the keys' features."""
    return (_phi(q) @ (_phi(k).T @ _wide(v)) / len(k)).astype(q.dtype)


@mistake("linear_attention")
def divided_without_the_query(ref, q, k, v):
    """The division is by the sum of all the keys' features, the same number for every query. What a query has to be
    divided by is the sum of its own weights, `phi(q) · z`: a product with that query's features."""
    keys = _phi(k)
    return (_phi(q) @ (keys.T @ _wide(v)) / keys.sum()).astype(q.dtype)


@mistake("linear_attention")
def each_feature_divided_by_itself(ref, q, k, v):
    """Each row of `S` is divided by its entry of `z`, and the query averages what comes out. That gives each feature of
    the query the same say, however many keys have it: multiply with the query first, `S` and `z` alike, and divide the
    two results."""
    queries, keys = _phi(q), _phi(k)
    averages = keys.T @ _wide(v) / keys.sum(0)[:, None]
    return (queries @ averages / queries.sum(-1, keepdims=True)).astype(q.dtype)


@mistake("linear_attention")
def softmax_of_features_and_of_keys(ref, q, k, v):
    """Queries go through a softmax over their features, keys through one over the keys, and nothing is divided. That is
    the linear attention of another paper (Shen et al. 2018). Here `phi` works number by number, and the division comes
    last."""
    return (jax.nn.softmax(_wide(q), axis=-1) @ (jax.nn.softmax(_wide(k), axis=0).T @ _wide(v))).astype(q.dtype)


@mistake("linear_attention")
def divisor_kept_above_one(ref, q, k, v):
    """What is divided by is kept at 1 or above, with `maximum` or `clip`. Sums of weights are positive, but need not be
    large: where features are small the outputs shrink. Divide by the sum as it is."""
    queries, keys = _phi(q), _phi(k)
    return (queries @ (keys.T @ _wide(v)) / jnp.maximum(queries @ keys.sum(0), 1.0)[:, None]).astype(q.dtype)


@mistake("linear_attention", about="precision")
def averages_in_float32(ref, q, k, v):
    """The output is float32, whatever came in. Sums are float32, and what is handed out has the dtype of the inputs:
    cast it, as the last thing."""
    return _wide(ref(q, k, v))


@mistake("linear_attention")
def divided_over_the_queries(ref, q, k, v):
    """Each key's weights are divided by their sum over the queries: the sum runs along the wrong axis. The weights of a
    query sum to 1 over the keys."""
    queries, keys = _phi(q), _phi(k)
    return (queries @ (keys.T @ (_wide(v) / (keys @ queries.sum(0))[:, None]))).astype(q.dtype)


@mistake("linear_attention")
def a_small_constant_in_the_divisor(ref, q, k, v):
    """A constant such as 1e-6 is added to what is divided by, against a division by 0. Features are positive, so it
    cannot be 0; and where features are small the constant is not, and all outputs shrink. Leave it out."""
    queries, keys = _phi(q), _phi(k)
    return ((queries @ (keys.T @ _wide(v))) / (queries @ keys.sum(0) + 1e-6)[:, None]).astype(q.dtype)


@mistake("linear_attention")
def nan_in_the_gradient(ref, q, k, v):
    """The output is right, and the gradient is NaN where a query or key is large: `jnp.where(x > 0, x + 1, exp(x))`
    computes both sides, `exp` overflows, and its gradient is 0 times inf. Keep large numbers out of the exponential
    before it is taken, or use `jax.nn.elu`, which does."""

    def phi(x):
        return jnp.where(_wide(x) > 0, _wide(x) + 1, jnp.exp(_wide(x)))

    return _attend(q, k, v, phi, phi)


@mistake("linear_attention")
def an_entry_for_each_pair(ref, q, k, v):
    """The values are right, and there is an array with an entry for each pair, `T_q × T_k` weights as in problem 31 or
    a mask of that size. The product of three matrices may be done in another order: first `phi(K)ᵀ V`, of `d_k × d_v`
    numbers whatever the lengths are, and then each query with that."""
    weights = _phi(q) @ _phi(k).T
    return (weights @ _wide(v) / weights.sum(-1, keepdims=True)).astype(q.dtype)


@mistake("linear_attention")
def keys_read_anew_for_each_query(ref, q, k, v):
    """The values are right and no array is large, and yet the work grows as the square of the length: each query, or
    each block of them, goes through all keys again. What it needs of them, `S` and `z`, is the same for every query:
    sum it up once, before the queries come."""

    def query(row):
        weights = _phi(k) @ _phi(row)
        return weights @ _wide(v) / weights.sum()

    return jax.lax.map(query, q).astype(q.dtype)


@mistake("linear_attention", about="precision")
def features_in_bfloat16(ref, q, k, v):
    """The features are computed in the dtype of the inputs. In bfloat16 `elu(x)` near -1 has steps of 1/256, and with 1
    added little is left of a small feature: cast queries and keys to float32 first."""

    def phi(x):
        return _wide(jax.nn.elu(x) + 1)

    return _attend(q, k, v, phi, phi)


@mistake("linear_attention", about="precision")
def sums_in_bfloat16(ref, q, k, v):
    """The sums over the keys are made of bfloat16 features and come out as bfloat16: 8 bits for sums of many. Keep what
    is summed in float32, `S`, `z` and the products with the query, and cast once, at the end."""
    queries, keys = _phi(q).astype(q.dtype), _phi(k).astype(q.dtype)
    return _read(queries, keys.T @ v, keys.sum(0)).astype(q.dtype)


# --- linear_attention_step


@mistake("linear_attention_step")
def token_itself_not_seen(ref, state, q, k, v):
    """The query reads the state as it came, before its own token is added. A token attends to itself too, and the first
    one, with a state of zeros, would be 0 / 0: add first, then read."""
    after, _ = ref(state, q, k, v)
    return after, _read(_phi(q), *state).astype(q.dtype)


@mistake("linear_attention_step")
def old_state_handed_on(ref, state, q, k, v):
    """The output is right, and the state that is handed on is the one that came: the next token will not know this one.
    Return the sums with this token in them."""
    return state, ref(state, q, k, v)[1]


@mistake("linear_attention_step")
def state_replaced(ref, state, q, k, v):
    """The new state holds this token alone: its outer product and its features take the place of the sums instead of
    being added to them, and everything before is forgotten."""
    return ref(jax.tree.map(jnp.zeros_like, state), q, k, v)


@mistake("linear_attention_step")
def sum_of_features_not_updated(ref, state, q, k, v):
    """`S` gets the new token and `z` does not, so that the weights that are summed and the sum that they are divided by
    belong to different tokens. Add `phi(k)` to `z`, in the same step."""
    (S, _), z = ref(state, q, k, v)[0], state[1]
    return (S, z), _read(_phi(q), S, z).astype(q.dtype)


@mistake("linear_attention_step")
def sum_of_keys_without_features(ref, state, q, k, v):
    """`z` sums up the keys as they are, and `S` their features. What is divided by has to be the sum of the same
    weights: add `phi(k)` to both."""
    (S, _), z = ref(state, q, k, v)[0], state[1] + _wide(k)
    return (S, z), _read(_phi(q), S, z).astype(q.dtype)


@mistake("linear_attention_step")
def sum_of_values_without_features(ref, state, q, k, v):
    """`S` sums up `k vᵀ` with the keys as they are, and `z` sums up features. What is summed and what it is divided by
    are made of different weights: apply `phi` to the key first, and use it for both."""
    S, z = state[0] + jnp.outer(_wide(k), _wide(v)), state[1] + _phi(k)
    return (S, z), _read(_phi(q), S, z).astype(q.dtype)


@mistake("linear_attention_step")
def divided_by_the_old_z(ref, state, q, k, v):
    """The state that is handed on is right, and the output is the new `S` over the old `z`: what is divided has the
    token in it, what it is divided by has not. Read both after the token was added."""
    after, _ = ref(state, q, k, v)
    return after, _read(_phi(q), after[0], state[1]).astype(q.dtype)


@mistake("linear_attention_step")
def tokens_counted_in_z(ref, state, q, k, v):
    """`z` counts tokens: 1 is added for each. Weights are no equal shares: they sum to `phi(q) · z`, where `z` is the
    sum of the keys' features."""
    (S, _), z = ref(state, q, k, v)[0], state[1] + 1
    return (S, z), _read(_phi(q), S, z).astype(q.dtype)


@mistake("linear_attention_step", about="features")
def features_of_the_sum_of_keys(ref, state, q, k, v):
    """The state sums up keys as they are, and `phi` is applied to the sum when it is read. The features of a sum are
    not the sum of features: apply `phi` to each key, before it is added."""
    S, z = state[0] + jnp.outer(_wide(k), _wide(v)), state[1] + _wide(k)
    return (S, z), _read(_phi(q), _phi(S), _phi(z)).astype(q.dtype)


@mistake("linear_attention_step", about="features")
def key_added_without_features(ref, state, q, k, v):
    """The key goes into the state as it is: `k vᵀ` is added to `S`, and `k` to `z`. The state sums up features, so
    apply `phi` to the key first; the query alone does not make weights positive."""
    S, z = state[0] + jnp.outer(_wide(k), _wide(v)), state[1] + _wide(k)
    return (S, z), _read(_phi(q), S, z).astype(q.dtype)


@mistake("linear_attention_step", about="features")
def query_reads_without_features(ref, state, q, k, v):
    """The state is right, and the query reads it as it is, without features. Then weights have either sign: it is
    `phi(q)` that is multiplied with `S` and with `z`."""
    after, _ = ref(state, q, k, v)
    return after, _read(_wide(q), *after).astype(q.dtype)


@mistake("linear_attention_step")
def output_not_divided(ref, state, q, k, v):
    """The output is `phi(q) S`, a sum that grows with every token. Divide it by the sum of the weights, `phi(q) · z`:
    that is what `z` is kept for."""
    after, _ = ref(state, q, k, v)
    return after, (_phi(q) @ after[0]).astype(q.dtype)


@mistake("linear_attention_step")
def value_times_key(ref, state, q, k, v):
    """The outer product is the wrong way round: `v phi(k)ᵀ`, of shape `(d_v, d_k)`. `S` is `(d_k, d_v)`: a row for each
    feature and a column for each entry of a value."""
    S, z = state[0] + jnp.outer(_wide(v), _phi(k)), state[1] + _phi(k)
    return (S, z), _read(_phi(q), S, z).astype(q.dtype)


@mistake("linear_attention_step")
def output_before_the_state(ref, state, q, k, v):
    """The output comes first and the state second. It is the other way round, `(state, output)`, as the body of a
    `lax.scan` has to return its carry before what is stacked."""
    after, output = ref(state, q, k, v)
    return output, after


@mistake("linear_attention_step")
def z_before_S(ref, state, q, k, v):
    """The state is handed on as `(z, S)`, and comes in as `(S, z)`: the next step takes one for the other. Keep the
    order."""
    (S, z), output = ref(state, q, k, v)
    return (z, S), output


@mistake("linear_attention_step", about="precision")
def state_in_the_dtype_of_the_inputs(ref, state, q, k, v):
    """The state that is handed on has the dtype of the inputs. With bfloat16 tokens a sum then stops to grow after a
    few hundred of them, and a `lax.scan` refuses a carry whose dtype changes: the state stays float32."""
    after, output = ref(state, q, k, v)
    return jax.tree.map(lambda part: part.astype(q.dtype), after), output


@mistake("linear_attention_step", about="precision")
def state_rounded_to_bfloat16(ref, state, q, k, v):
    """The state is handed on as float32, but was rounded to the dtype of the inputs before: what is lost at each step
    adds up. Cast the token to float32 on its way in, and never the state."""
    after, output = ref(state, q, k, v)
    return jax.tree.map(lambda part: part.astype(q.dtype).astype(part.dtype), after), output


@mistake("linear_attention_step", about="precision")
def features_of_a_token_in_bfloat16(ref, state, q, k, v):
    """The token's features are computed in its own dtype, and cast afterwards: with bfloat16 that leaves 8 bits of
    `elu(x)`, and of a small feature nearly nothing. Cast query and key to float32 before `phi`."""
    features = _wide(jax.nn.elu(k) + 1)
    S, z = state[0] + jnp.outer(features, _wide(v)), state[1] + features
    return (S, z), _read(_wide(jax.nn.elu(q) + 1), S, z).astype(q.dtype)


@mistake("linear_attention_step")
def output_in_float32(ref, state, q, k, v):
    """The output is float32 like the state, whatever came in. The state stays float32, and the output has the dtype of
    the token: cast it, as the last thing."""
    after, _ = ref(state, q, k, v)
    return after, _read(_phi(q), *after)


# --- causal_linear_attention


@mistake("causal_linear_attention")
def not_causal(ref, q, k, v, chunk_size):
    """Every query reads the sums over all tokens, later ones too, as in `linear_attention`. Token i sees the tokens up
    to i: the state is summed up along the sequence, and is another one for each token."""
    return _attend(q, k, v)


@mistake("causal_linear_attention")
def token_missing_from_its_own_sum(ref, q, k, v, chunk_size):
    """The sum for a token ends before it: the triangle lacks its diagonal, or the prefix sum is the exclusive one. A
    token sees itself too, and the very first one sees nothing else; without it, it is 0 / 0."""

    def within(q, k, v):
        weights = jnp.tril(q @ k.T, -1)
        return weights @ v, weights.sum(-1)

    return _causal(q, k, v, chunk_size, within=within)


@mistake("causal_linear_attention")
def no_triangle_within_the_chunk(ref, q, k, v, chunk_size):
    """Within a chunk every token sees every other one, later ones too. The state keeps the order of the chunks alone;
    inside of a chunk it takes the triangle of problem 33: set the weights of later tokens to 0."""

    def within(q, k, v):
        weights = q @ k.T
        return weights @ v, weights.sum(-1)

    return _causal(q, k, v, chunk_size, within=within)


@mistake("causal_linear_attention")
def hidden_weights_minus_infinity(ref, q, k, v, chunk_size):
    """Weights of later tokens are set to -inf, as before a softmax. There is no softmax here, and so nothing makes a 0
    of them: the sums become -inf or NaN. A hidden weight is 0."""

    def within(q, k, v):
        weights = jnp.where(jnp.tril(jnp.ones((len(q), len(k)), bool)), q @ k.T, -jnp.inf)
        return weights @ v, weights.sum(-1)

    return _causal(q, k, v, chunk_size, within=within)


@mistake("causal_linear_attention")
def chunk_counted_twice(ref, q, k, v, chunk_size):
    """The state is updated before it is read, so that the tokens of a chunk are counted twice: in the state, where even
    the later ones are seen, and in the triangle. Read the state from before the chunk, then add the chunk."""
    return _causal(q, k, v, chunk_size, own_too=True)


@mistake("causal_linear_attention")
def only_the_state_is_read(ref, q, k, v, chunk_size):
    """The tokens of a chunk read the state and nothing else: they see the chunks before, but neither themselves nor
    their neighbours, and the first chunk is 0 / 0. Add what the tokens of the chunk give to one another."""

    def finish(earlier, own, norm_before, norm_within):
        return earlier / norm_before[:, None]

    return _causal(q, k, v, chunk_size, finish=finish)


@mistake("causal_linear_attention")
def each_chunk_by_itself(ref, q, k, v, chunk_size):
    """Each chunk attends within itself: what came before it is not read, or the state is not carried. It is right in
    the first chunk only: carry the sums from chunk to chunk, and read them with each query."""

    def finish(earlier, own, norm_before, norm_within):
        return own / norm_within[:, None]

    return _causal(q, k, v, chunk_size, finish=finish)


@mistake("causal_linear_attention")
def only_the_last_chunk_remembered(ref, q, k, v, chunk_size):
    """The state is replaced by the sums of each chunk instead of growing by them, so that a chunk sees the one before
    it and nothing farther back. Add the sums of the chunk to the state that came."""

    def following(S, z, k, v):
        return k.T @ v, k.sum(0)

    return _causal(q, k, v, chunk_size, following=following)


@mistake("causal_linear_attention")
def state_read_without_its_z(ref, q, k, v, chunk_size):
    """The divisor is the sum of the weights within the chunk alone, while what is divided has the earlier chunks in it.
    The state has two parts: `q · z` belongs into the divisor as `q S` into the sum."""

    def finish(earlier, own, norm_before, norm_within):
        return (earlier + own) / norm_within[:, None]

    return _causal(q, k, v, chunk_size, finish=finish)


@mistake("causal_linear_attention", how=("their mean",))
def averages_added(ref, q, k, v, chunk_size, *, how="their sum"):
    """The two parts are divided each by its own sum of weights, and then added or averaged. They do not weigh the same:
    add the two sums of values and the two sums of weights, and divide once."""

    def finish(earlier, own, norm_before, norm_within):
        first = norm_before == 0
        before = earlier / jnp.where(first, 1.0, norm_before)[:, None]
        both = before + own / norm_within[:, None]
        return both if how == "their sum" else both / jnp.where(first, 1.0, 2.0)[:, None]

    return _causal(q, k, v, chunk_size, finish=finish)


@mistake("causal_linear_attention")
def causal_and_not_divided(ref, q, k, v, chunk_size):
    """The weighted sums are not divided by the sums of the weights, so that later tokens get ever larger outputs. Carry
    `z` beside `S`, and divide by `phi(q) · z`, with the weights of the chunk's own tokens added."""

    def finish(earlier, own, norm_before, norm_within):
        return earlier + own

    return _causal(q, k, v, chunk_size, finish=finish)


@mistake("causal_linear_attention", about="features")
def features_missing_within_the_chunk(ref, q, k, v, chunk_size):
    """The state is made of features, but the triangle within a chunk multiplies queries and keys as they came. Both
    parts are sums of the same weights, `phi(q) · phi(k)`: apply `phi` once, before either of them."""
    size = min(chunk_size, len(q))

    def turn(state, rows):
        raw_q, raw_k, v = (_wide(row) for row in rows)
        (earlier, norm_before), (own, norm_within) = _before(_phi(raw_q), *state), _within(raw_q, raw_k, v)
        return _following(*state, _phi(raw_k), v), _finish(earlier, own, norm_before, norm_within)

    rows = tuple(_padded(rows, size).reshape(-1, size, rows.shape[1]) for rows in (q, k, v))
    out = jax.lax.scan(turn, _start(q, v), rows)[1]
    return out.reshape(-1, v.shape[1])[: len(q)].astype(q.dtype)


@mistake("causal_linear_attention", about="features")
def softmax_within_the_chunk(ref, q, k, v, chunk_size):
    """Within a chunk the weights are exponentials of scores, as in a softmax, and the state is made of features. One
    average takes one kind of weights: `phi(q) · phi(k)`, near and far."""
    size = min(chunk_size, len(q))

    def turn(state, rows):
        raw_q, raw_k, v = (_wide(row) for row in rows)
        weights = jnp.tril(jnp.exp(raw_q @ raw_k.T / q.shape[1] ** 0.5))
        earlier, norm_before = _before(_phi(raw_q), *state)
        return (
            _following(*state, _phi(raw_k), v),
            _finish(earlier, weights @ v, norm_before, weights.sum(-1)),
        )

    rows = tuple(_padded(rows, size).reshape(-1, size, rows.shape[1]) for rows in (q, k, v))
    out = jax.lax.scan(turn, _start(q, v), rows)[1]
    return out.reshape(-1, v.shape[1])[: len(q)].astype(q.dtype)


@mistake("causal_linear_attention")
def last_tokens_dropped(ref, q, k, v, chunk_size):
    """The tokens after the last full chunk have no output: `T // chunk_size` rounds down. Round up, fill up the last
    chunk, and cut off what is too much at the end."""
    whole = len(q) // chunk_size * chunk_size
    if whole == 0:
        return jnp.zeros((0, v.shape[1]), q.dtype)
    return ref(q[:whole], k[:whole], v[:whole], chunk_size)


@mistake("causal_linear_attention")
def last_tokens_zero(ref, q, k, v, chunk_size):
    """The tokens after the last full chunk get zeros: the loop takes `T // chunk_size` turns, and what it does not
    reach stays as it was made. Round up, and mind the last chunk, which is shorter."""
    whole = len(q) // chunk_size * chunk_size
    done = ref(q[:whole], k[:whole], v[:whole], chunk_size) if whole else jnp.zeros((0, v.shape[1]), q.dtype)
    return jnp.zeros((len(q), v.shape[1]), q.dtype).at[:whole].set(done)


@mistake("causal_linear_attention")
def slice_moved_back_at_the_end(ref, q, k, v, chunk_size):
    """The last chunk is cut from arrays that end before it does. `dynamic_slice` does not complain: it moves the slice
    back until it fits, so that some tokens are counted again and the outputs stand in other places. Pad queries, keys
    and values to whole chunks first."""
    size = min(chunk_size, len(q))
    starts = jnp.arange(-(-len(q) // size)) * size

    def cut(rows):
        return jax.vmap(lambda start: jax.lax.dynamic_slice_in_dim(rows, start, size))(starts).reshape(
            -1, rows.shape[1]
        )

    return _causal(cut(q), cut(k), cut(v), size)[: len(q)]


@mistake("causal_linear_attention")
def padding_in_front(ref, q, k, v, chunk_size):
    """The first chunk is filled up in front, with keys of zeros, and every token sees them. A key of zeros has features
    of 1, since `phi(0) = 1`, and takes its share of the weights. Fill up at the end, where the triangle hides it."""

    def padded(rows, size):
        return jnp.pad(rows, ((-len(rows) % size, 0), (0, 0)))

    return _causal(q, k, v, chunk_size, padded=padded, trimmed=lambda out, length: out[len(out) - length :])


@mistake("causal_linear_attention")
def padding_divided_by_nothing(ref, q, k, v, chunk_size):
    """The output is right and the gradient is NaN. The last chunk is filled up behind `phi`, so that the padding has
    features of 0 and its rows are 0 / 0. They are cut off, but a gradient of 0 comes back to them and leaves as NaN:
    pad before `phi`, or cut off before you divide."""
    size = min(chunk_size, len(q))

    def turn(state, rows):
        q, k, v = rows
        (earlier, norm_before), (own, norm_within) = _before(q, *state), _within(q, k, v)
        return _following(*state, k, v), _finish(earlier, own, norm_before, norm_within)

    padded = (_padded(rows, size) for rows in (_phi(q), _phi(k), _wide(v)))
    rows = tuple(rows.reshape(-1, size, rows.shape[1]) for rows in padded)
    out = jax.lax.scan(turn, _start(q, v), rows)[1]
    return out.reshape(-1, v.shape[1])[: len(q)].astype(q.dtype)


@mistake("causal_linear_attention")
def state_for_each_token(ref, q, k, v, chunk_size):
    """The values are right, and there is a state for each token: the prefix sum of the outer products has
    `T × d_k × d_v` numbers, more than `T × T` scores for short sequences. Within a chunk use scores under a triangle,
    and carry one state from chunk to chunk."""
    keys = _phi(k)
    S = jnp.cumsum(keys[:, :, None] * _wide(v)[:, None, :], axis=0)
    queries = _phi(q)
    total = jnp.einsum("td,tde->te", queries, S)
    return (total / (queries * jnp.cumsum(keys, axis=0)).sum(-1, keepdims=True)).astype(q.dtype)


@mistake("causal_linear_attention")
def states_by_an_associative_scan(ref, q, k, v, chunk_size):
    """The values are right, and the prefix sum is a `lax.associative_scan` over the states of single tokens. It writes
    out its levels, so that the program grows with T, and it keeps a state of `d_k × d_v` for each token. Let a
    `lax.scan` carry one state over chunks."""
    keys, queries = _phi(k), _phi(q)
    outer = keys[:, :, None] * _wide(v)[:, None, :]
    S, z = jax.lax.associative_scan(lambda a, b: (a[0] + b[0], a[1] + b[1]), (outer, keys))
    total = jnp.einsum("td,tde->te", queries, S)
    return (total / (queries * z).sum(-1, keepdims=True)).astype(q.dtype)


@mistake("causal_linear_attention")
def scores_of_all_tokens(ref, q, k, v, chunk_size):
    """The values are right, and all `T × T` weights exist at once, under one triangle: the chunks are not used. Make a
    triangle of `chunk_size × chunk_size` for each chunk, and leave what is farther back to the state."""
    weights = jnp.tril(_phi(q) @ _phi(k).T)
    return (weights @ _wide(v) / weights.sum(-1, keepdims=True)).astype(q.dtype)


@mistake("causal_linear_attention")
def whole_triangle_made_first(ref, q, k, v, chunk_size):
    """The weights come chunk by chunk, but the triangle is made for all tokens before the loop, and a piece of it is
    cut out for each chunk. A boolean array of `T × T` is of that size too: the triangle of a chunk is the same in every
    chunk, and small."""
    size = min(chunk_size, len(q))
    length = -(-len(q) // size) * size
    whole = jnp.arange(length) <= jnp.arange(length)[:, None]

    def turn(state, rows):
        start, q, k, v = rows
        q, k, v = _phi(q), _phi(k), _wide(v)
        mask = jax.lax.dynamic_slice(whole, (start, start), (size, size))
        weights = jnp.where(mask, q @ k.T, 0.0)
        earlier, norm_before = _before(q, *state)
        return _following(*state, k, v), _finish(earlier, weights @ v, norm_before, weights.sum(-1))

    rows = tuple(_padded(rows, size).reshape(-1, size, rows.shape[1]) for rows in (q, k, v))
    out = jax.lax.scan(turn, _start(q, v), (jnp.arange(0, length, size), *rows))[1]
    return out.reshape(-1, v.shape[1])[: len(q)].astype(q.dtype)


@mistake("causal_linear_attention")
def a_turn_for_each_token(ref, q, k, v, chunk_size):
    """The values are right, and the loop takes one token in each turn: it is `linear_attention_step` in a scan, of T
    turns that wait for one another. Take `chunk_size` tokens in a turn, and let products of matrices do what is inside
    of it."""

    def turn(state, rows):
        q, k, v = rows
        S, z = state[0] + jnp.outer(_phi(k), _wide(v)), state[1] + _phi(k)
        return (S, z), _read(_phi(q), S, z)

    return jax.lax.scan(turn, _start(q, v), (q, k, v))[1].astype(q.dtype)


@mistake("causal_linear_attention", how=("unroll",))
def loop_in_python(ref, q, k, v, chunk_size, *, how="for"):
    """The loop over the chunks is a Python `for`, or a scan with `unroll=True`. Each chunk becomes a copy of its
    operations in the program, which grows with T and takes ever longer to compile. Use `jax.lax.scan` or
    `jax.lax.fori_loop`, rolled: their program holds one chunk."""
    if how == "unroll":
        return _causal(q, k, v, chunk_size, loop=lambda turn, state, rows: jax.lax.scan(turn, state, rows, unroll=True))

    def loop(turn, state, rows):
        outs = []
        for chunk in zip(*rows):
            state, out = turn(state, chunk)
            outs.append(out)
        return state, jnp.stack(outs)

    return _causal(q, k, v, chunk_size, loop=loop)


@mistake("causal_linear_attention", about="precision")
def chunks_in_float32(ref, q, k, v, chunk_size):
    """The output is float32, like the state, whatever came in. What the loop stacks may be float32; what is returned
    has the dtype of the inputs: cast it at the end."""
    return _wide(ref(q, k, v, chunk_size))


@mistake("causal_linear_attention", about="precision")
def state_carried_in_bfloat16(ref, q, k, v, chunk_size):
    """The state is carried in the dtype of the inputs. With bfloat16 a sum that has reached 256 does not notice a 1 any
    more, and the mean over a long past drifts: begin with zeros in float32, and add float32 to them."""

    def following(S, z, k, v):
        return (S + k.T @ v).astype(q.dtype), (z + k.sum(0)).astype(q.dtype)

    return _causal(q, k, v, chunk_size, following=following, start=_start(q, v, q.dtype))


@mistake("causal_linear_attention", about="precision")
def features_of_chunks_in_bfloat16(ref, q, k, v, chunk_size):
    """The features are computed in the dtype of the inputs and cast afterwards. In bfloat16 `elu(x)` near -1 has steps
    of 1/256, which is much of a small feature: cast the rows of the chunk to float32, and then apply `phi`."""
    return _causal(q, k, v, chunk_size, phi=lambda x: _wide(jax.nn.elu(x) + 1))


@mistake("causal_linear_attention", about="precision")
def products_in_bfloat16(ref, q, k, v, chunk_size):
    """Features and values are cast to the dtype of the inputs, and their products come out in it: a product of two
    bfloat16 matrices is bfloat16. Say `preferred_element_type=jnp.float32`, or leave the features in float32."""

    def narrow(x):
        return _phi(x).astype(q.dtype)

    def within(a, b, v):
        weights = jnp.tril(a @ b.T)
        return weights @ v.astype(q.dtype), weights.sum(-1)

    return _causal(q, k, v, chunk_size, phi=narrow, within=within)
