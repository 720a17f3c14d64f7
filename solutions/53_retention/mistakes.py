"""53 · Wrong answers that people really give, each with its sentence. Those at the end of each name have right values
and a wrong program."""

import jax
import jax.numpy as jnp

from grader.course import mistake

# --- pieces of a right answer; a mistake exchanges one of them


def _wide(x):
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))


def _faded(log_decay, steps):
    return jnp.exp(jnp.multiply.outer(_wide(log_decay), jnp.asarray(steps, jnp.float32)))


def _steps(length):
    return jnp.arange(length)[:, None] - jnp.arange(length)


def _triangle(log_decay, length):
    return jnp.where(_steps(length) >= 0, _faded(log_decay, jnp.maximum(_steps(length), 0)), 0.0)


def _products(q, k):
    return jnp.einsum("inh,jnh->nij", _wide(q), _wide(k)) / q.shape[-1] ** 0.5


def _all_pairs(q, k, v, log_decay, triangle=_triangle, weights=lambda products, factors: products * factors):
    """All at once, with factors of one's own, or another way to put them to the products."""
    made = weights(_products(q, k), triangle(log_decay, len(q)))
    return jnp.einsum("nij,jnd->ind", made, _wide(v)).astype(q.dtype)


def _split_factors(log_decay, length):
    """The factor of each distance as a quotient: one factor for the query, and one for the key that overflows."""
    place = jnp.arange(length)
    pairs = _faded(log_decay, place)[:, :, None] * _faded(-log_decay, place)[:, None, :]
    return jnp.where(_steps(length) >= 0, pairs, 0.0)


def _quotients(log_decay, length):
    """The factor of each distance as a quotient of powers, of which the later ones are 0."""
    powers = jnp.cumprod(jnp.broadcast_to(_faded(log_decay, 1), (length, len(log_decay))), axis=0).T
    return jnp.where(_steps(length) >= 0, powers[:, :, None] / powers[:, None, :], 0.0)


def _split_within(q, k, v, log_decay):
    """The same with the factors in queries and keys."""
    place = jnp.arange(len(q))
    near = _products(q * _faded(log_decay, place).T[:, :, None], k * _faded(-log_decay, place).T[:, :, None])
    return jnp.einsum("nij,jnd->ind", jnp.where(_steps(len(q)) >= 0, near, 0.0), v)


def _hidden_too_late(log_decay, length):
    """Later tokens are hidden behind the exponential, where it may be infinite."""
    return jnp.where(_steps(length) >= 0, _faded(log_decay, _steps(length)), 0.0)


def _padded(rows, size):
    return jnp.pad(rows, ((0, -len(rows) % size), (0, 0), (0, 0)))


def _within(q, k, v, log_decay, triangle=_triangle):
    return jnp.einsum("nij,jnd->ind", _products(q, k) * triangle(log_decay, len(q)), v)


def _earlier(state, q, log_decay, ahead):
    return _faded(log_decay, ahead).T[:, :, None] * jnp.einsum("inh,nhd->ind", q, state) / q.shape[-1] ** 0.5


def _following(state, k, v, log_decay, behind, carry):
    own = jnp.einsum("nj,jnh,jnd->nhd", _faded(log_decay, behind), k, v)
    return _faded(log_decay, carry)[:, None, None] * state + own


def _chunked(
    q,
    k,
    v,
    log_decay,
    chunk_size,
    *,
    ahead=lambda size: jnp.arange(size) + 1,
    behind=lambda size: size - 1 - jnp.arange(size),
    carry=lambda size: size,
    within=_within,
    both=lambda earlier, own: earlier + own,
    own_too=False,
    rounded=lambda state: state,
    cut=_wide,
    padded=_padded,
    loop=jax.lax.scan,
):
    """The right loop, or one with a piece exchanged. With `own_too` the state that is read has the chunk's tokens."""
    size = min(chunk_size, len(q))

    def turn(state, rows):
        q, k, v = (cut(row) for row in rows)
        after = rounded(_following(state, k, v, log_decay, behind(size), carry(size)))
        earlier = _earlier(after if own_too else state, q, log_decay, ahead(size))
        return after, both(earlier, within(q, k, v, log_decay))

    rows = tuple(padded(rows, size).reshape(-1, size, *rows.shape[1:]) for rows in (q, k, v))
    start = rounded(jnp.zeros((*q.shape[1:], v.shape[-1]), jnp.promote_types(q.dtype, jnp.float32)))
    _, out = loop(turn, start, rows)
    return out.reshape(-1, *v.shape[1:])[: len(q)].astype(q.dtype)


def _softmax(scores, seen):
    return jax.nn.softmax(scores, axis=-1, where=seen)


def _banded(
    q,
    k,
    v,
    alpha,
    band,
    *,
    before=None,
    behind=None,
    bias=lambda alpha, steps: -jnp.multiply.outer(_wide(alpha), jnp.abs(steps).astype(jnp.float32)),
    scores=lambda products, bias, width: products / width**0.5 + bias,
    weights=_softmax,
    everyone=False,
    wrapped=False,
    cut=True,
):
    """The right answer, from the keys around each query, or one with a piece exchanged. `before` and `behind` are how
    far it reaches to each side, `cut` to the sequence; with `everyone` padding is seen, and with `wrapped` the other
    end of the sequence."""
    length = len(q)
    before, behind = (min(band if side is None else side, length - 1 if cut else band) for side in (before, behind))
    steps = jnp.arange(-before, behind + 1)
    place = jnp.arange(length)[:, None] + steps
    seen = jnp.ones(place.shape, bool) if everyone or wrapped else (place >= 0) & (place < length)

    def around(rows):
        if wrapped:
            return rows[place % length]
        return jnp.pad(rows, ((before, behind), (0, 0), (0, 0)))[place + before]

    products = jnp.einsum("inh,ijnh->nij", _wide(q), _wide(around(k)))
    made = scores(products, bias(alpha, steps)[:, None, :], q.shape[-1])
    return jnp.einsum("nij,ijnd->ind", weights(made, seen), _wide(around(v))).astype(q.dtype)


def _distances(length):
    return jnp.abs(_steps(length))


def _dense(q, k, v, alpha, band, weights=_softmax):
    scores = _products(q, k) - jnp.multiply.outer(_wide(alpha), _distances(len(q)).astype(jnp.float32))
    made = weights(scores, _distances(len(q)) <= band)
    return jnp.einsum("nij,jnd->ind", made, _wide(v)).astype(q.dtype)


# --- retention


@mistake("retention", about="the scale")
def forgot_the_scale(ref, q, k, v, log_decay):
    """The products of queries and keys are not divided by `sqrt(H)`. There is no softmax that would need it, and it is
    part of the definition all the same: divide by the root of a head's width."""
    return ref(q * q.shape[-1] ** 0.5, k, v, log_decay)


@mistake("retention", about="the scale", by=("the root of all heads", "the root of H_v"))
def another_scale(ref, q, k, v, log_decay, *, by="H"):
    """The products are divided by another number than `sqrt(H)`, such as `H` itself, the root of the width of all heads
    together, or the root of the width of the values. What counts is the width of one head's keys, and its root."""
    divisor = {"H": q.shape[-1], "the root of all heads": q.shape[1], "the root of H_v": v.shape[-1] / q.shape[-1]}[by]
    return ref(q / divisor**0.5, k, v, log_decay)


@mistake("retention")
def softmax_over_the_keys(ref, q, k, v, log_decay):
    """The weights go through a softmax, with the decay as a bias, as in problem 38. A softmax divides by the sum of a
    row and cannot be kept as a state; retention has none: the product, times the factor of the distance, is the
    weight."""

    def weights(products, factors):
        bias = jnp.multiply.outer(_wide(log_decay), _steps(len(q)).astype(jnp.float32))
        return jax.nn.softmax(products + bias, axis=-1, where=_steps(len(q)) >= 0)

    return _all_pairs(q, k, v, log_decay, weights=weights)


@mistake("retention", later=("as they are",))
def later_tokens_seen(ref, q, k, v, log_decay, *, later="fading too"):
    """Tokens see later ones too: the factors are those of `|i - j|`, or those of later tokens are left as they are. The
    sum ends with the token itself, as in problem 33: the factor of a later token is 0."""

    def triangle(log_decay, length):
        steps = _distances(length) if later == "fading too" else jnp.maximum(_steps(length), 0)
        return _faded(log_decay, steps)

    return _all_pairs(q, k, v, log_decay, triangle)


@mistake("retention")
def earlier_tokens_hidden(ref, q, k, v, log_decay):
    """The triangle lies the wrong way round: tokens see later ones and none before them. The query stands in the rows
    and the key in the columns, and what is seen is below the diagonal: `j <= i`."""
    return _all_pairs(q, k, v, log_decay, lambda rate, length: jnp.swapaxes(_triangle(rate, length), 1, 2))


@mistake("retention", misconception="token_missing_from_its_own_sum")
def token_missing_from_its_own_sum_at_once(ref, q, k, v, log_decay):
    """The sum for a token ends before it: the triangle lacks its diagonal, and the first token gets zeros. A token sees
    itself, with the factor 1: `j <= i`."""
    return _all_pairs(q, k, v, log_decay, lambda rate, length: jnp.tril(_triangle(rate, length), -1))


@mistake("retention")
def one_step_too_many(ref, q, k, v, log_decay):
    """Every token fades by one step more than it is away, the token itself too. Its own distance is 0 and its factor 1:
    the exponent is `i - j`, without a 1."""
    return _all_pairs(q, k, v, log_decay, lambda rate, length: _triangle(rate, length) * _faded(rate, 1)[:, None, None])


@mistake("retention")
def far_tokens_grow(ref, q, k, v, log_decay):
    """Tokens count more the farther back they are: the exponent has the wrong sign. `log_decay` is 0 or below already,
    so it is multiplied with the distance as it is, and nothing is negated."""

    def triangle(log_decay, length):
        return jnp.where(_steps(length) >= 0, _faded(-log_decay, jnp.maximum(_steps(length), 0)), 0.0)

    return _all_pairs(q, k, v, log_decay, triangle)


@mistake("retention")
def log_decay_taken_for_the_decay(ref, q, k, v, log_decay):
    """`log_decay` itself is raised to the power of the distance. It is the logarithm of the factor and not above 0: the
    factor of `s` steps is `exp(log_decay * s)`."""

    def triangle(log_decay, length):
        powers = log_decay[:, None, None] ** jnp.maximum(_steps(length), 0)
        return jnp.where(_steps(length) >= 0, powers, 0.0)

    return _all_pairs(q, k, v, log_decay, triangle)


@mistake("retention")
def decay_added_to_the_products(ref, q, k, v, log_decay):
    """`log_decay` times the distance is added to the products, as a bias is added to scores in problem 38. There an
    exponential follows, which makes a factor of it; here none does: multiply by `exp(log_decay * (i - j))`."""

    def weights(products, factors):
        bias = jnp.multiply.outer(log_decay, _steps(len(q)).astype(jnp.float32))
        return jnp.where(_steps(len(q)) >= 0, products + bias, 0.0)

    return _all_pairs(q, k, v, log_decay, weights=weights)


@mistake("retention")
def one_minus_the_decay(ref, q, k, v, log_decay):
    """The factor of a step is `1 - exp(log_decay)`. The paper writes its rates as one minus something; what comes in
    here is the logarithm of the factor itself."""

    def triangle(log_decay, length):
        powers = (1 - jnp.exp(log_decay))[:, None, None] ** jnp.maximum(_steps(length), 0)
        return jnp.where(_steps(length) >= 0, powers, 0.0)

    return _all_pairs(q, k, v, log_decay, triangle)


@mistake("retention", whose=("the last head's", "their mean"))
def one_rate_for_all_heads(ref, q, k, v, log_decay, *, whose="the first head's"):
    """All heads forget at one rate: that of the first or of the last one, or the mean of all. Each head has its own:
    give the factors an axis of heads, `(N, T, T)`."""
    rate = {"the first head's": log_decay[0], "the last head's": log_decay[-1], "their mean": log_decay.mean()}[whose]
    return ref(q, k, v, jnp.full_like(log_decay, 1) * rate)


@mistake("retention")
def no_decay(ref, q, k, v, log_decay):
    """Nothing fades: the factor of each distance is 1, as if `log_decay` were 0. Multiply each product with
    `exp(log_decay * (i - j))`, head by head."""
    return ref(q, k, v, 0 * log_decay)


@mistake("retention")
def rates_along_the_keys(ref, q, k, v, log_decay):
    """The rates, one for each head, meet the keys of the distances and not an axis of heads: shapes are aligned from
    their ends. It fails, or, where there are as many heads as tokens, gives each key another rate. Write
    `log_decay[:, None, None]`."""

    def triangle(log_decay, length):
        return jnp.where(_steps(length) >= 0, jnp.exp(_wide(log_decay) * jnp.maximum(_steps(length), 0)), 0.0)

    return _all_pairs(q, k, v, log_decay, triangle)


@mistake("retention", by=("the root of it",))
def divided_by_the_sum_of_factors(ref, q, k, v, log_decay, *, by="the sum"):
    """Each row is divided by the sum of its factors, or by the root of that, as the paper does for its parallel form
    before a norm over each head. No norm follows here, and a state knows no such sum: leave the weights as they are."""

    def triangle(log_decay, length):
        factors = _triangle(log_decay, length)
        total = factors.sum(-1, keepdims=True)
        return factors / (total if by == "the sum" else total**0.5)

    return _all_pairs(q, k, v, log_decay, triangle)


@mistake("retention")
def divided_by_the_sum_of_weights(ref, q, k, v, log_decay):
    """Each row is divided by the sum of its weights, as in linear attention (52). Here weights have either sign, and
    their sum may be 0: retention is not an average, and nothing is divided."""

    def weights(products, factors):
        return products * factors / (products * factors).sum(-1, keepdims=True)

    return _all_pairs(q, k, v, log_decay, weights=weights)


@mistake("retention")
def normed_over_each_head(ref, q, k, v, log_decay):
    """The output of each head is brought to mean 0 and variance 1. The paper has such a norm behind its retention, and
    it is a layer of its own; what is asked for here is the sum before it."""
    out = _wide(ref(q, k, v, log_decay))
    centred = out - out.mean(-1, keepdims=True)
    return (centred / jnp.sqrt((centred**2).mean(-1, keepdims=True) + 1e-6)).astype(q.dtype)


@mistake("retention")
def heads_added_up(ref, q, k, v, log_decay):
    """Products are summed over the heads as well, so that all heads have the same weights but for their rates. Each
    head compares its own queries and keys: keep `n` in the result, `inh,jnh->nij`."""

    def weights(products, factors):
        return products.sum(0, keepdims=True) * factors

    return _all_pairs(q, k, v, log_decay, weights=weights)


@mistake("retention", where=("queries and keys", "a quotient"))
def power_that_overflows(ref, q, k, v, log_decay, *, where="the factors"):
    """The factor of a distance is split in two, `γ^i` for the query and `γ^-j`, or a division by `γ^j`, for the key.
    The second one leaves `float32` where `-log_decay * j` is above 88, and what comes out is inf or NaN: subtract the
    places first, and take the exponential of `log_decay * (i - j)`, which is never above 1."""
    if where != "queries and keys":
        return _all_pairs(q, k, v, log_decay, _split_factors if where == "the factors" else _quotients)
    return _split_within(_wide(q), _wide(k), _wide(v), log_decay).astype(q.dtype)


@mistake("retention", misconception="nan_in_the_gradient")
def later_tokens_hidden_after_the_exponential(ref, q, k, v, log_decay):
    """The output is right, and the gradient for `log_decay` is NaN. For later tokens the exponent is positive, `exp`
    overflows to inf, and `jnp.where` hides it in the output alone: backward it is 0 times inf. Make the distance 0
    before the exponential, with `jnp.maximum(i - j, 0)`."""
    return _all_pairs(q, k, v, log_decay, _hidden_too_late)


@mistake("retention")
def retained_in_float32(ref, q, k, v, log_decay):
    """The output is float32, whatever came in. Sums and factors are float32, and what is handed out has the dtype of
    the inputs: cast it, as the last thing."""
    return _wide(ref(q, k, v, log_decay))


# --- retention_step


def _step(state, q, k, v, log_decay):
    """A right step, in float32."""
    after = _faded(log_decay, 1)[:, None, None] * state + _wide(k)[:, :, None] * _wide(v)[:, None, :]
    return after, _read(after, q)


def _read(state, q):
    return jnp.einsum("nh,nhd->nd", _wide(q), state) / q.shape[-1] ** 0.5


def _outer(k, v):
    return _wide(k)[:, :, None] * _wide(v)[:, None, :]


@mistake("retention_step")
def state_does_not_fade(ref, state, q, k, v, log_decay):
    """The token is added to the state as it came: nothing fades, and it is the sum of linear attention. Multiply the
    state by `exp(log_decay)`, head by head, before the token is added."""
    return ref(state, q, k, v, 0 * log_decay)


@mistake("retention_step")
def token_fades_at_once(ref, state, q, k, v, log_decay):
    """The token is added first, and then everything fades, the token too. Its distance to itself is 0 and its factor 1:
    let the old state fade, and add the token as it is."""
    after = _faded(log_decay, 1)[:, None, None] * (state + _outer(k, v))
    return after, _read(after, q).astype(q.dtype)


@mistake("retention_step", state_is=("as it came",))
def token_itself_not_read(ref, state, q, k, v, log_decay, *, state_is="faded"):
    """The queries read the state before their own token is added. A token sees itself, with the factor 1: add first,
    then read the new state."""
    after, _ = ref(state, q, k, v, log_decay)
    old = _faded(log_decay, 1)[:, None, None] * state if state_is == "faded" else state
    return after, _read(old, q).astype(q.dtype)


@mistake("retention_step")
def faded_again_when_read(ref, state, q, k, v, log_decay):
    """The state that is handed on is right, and the output is a step too faint: the new state is multiplied by the
    decay once more where it is read. It is faded up to now already: read it as it is."""
    after, _ = ref(state, q, k, v, log_decay)
    return after, _read(_faded(log_decay, 1)[:, None, None] * after, q).astype(q.dtype)


@mistake("retention_step")
def faded_after_it_is_read(ref, state, q, k, v, log_decay):
    """The token is added, the queries read, and then everything fades, ready for the next token. The state that comes
    in has not faded yet, and what is handed on has this token in it as it is: fade first, then add, then read."""
    both = state + _outer(k, v)
    return _faded(log_decay, 1)[:, None, None] * both, _read(both, q).astype(q.dtype)


@mistake("retention_step")
def old_state_handed_on(ref, state, q, k, v, log_decay):
    """The output is right, and the state that is handed on is the one that came: the next token will not know this one.
    Return the faded state with this token in it."""
    return state, ref(state, q, k, v, log_decay)[1]


@mistake("retention_step")
def state_replaced(ref, state, q, k, v, log_decay):
    """The new state holds this token alone: its outer product takes the place of the state instead of being added to
    it, and everything before is forgotten, whatever the rate is."""
    return ref(jnp.zeros_like(state), q, k, v, log_decay)


@mistake("retention_step")
def moving_average(ref, state, q, k, v, log_decay):
    """The token is multiplied by one minus the decay before it is added, as in a moving average. A sum is asked for and
    no average: the token comes in with the factor 1."""
    after = _faded(log_decay, 1)[:, None, None] * state
    after = after + (1 - _faded(log_decay, 1))[:, None, None] * _outer(k, v)
    return after, _read(after, q).astype(q.dtype)


@mistake("retention_step")
def log_decay_multiplied(ref, state, q, k, v, log_decay):
    """The state is multiplied by `log_decay` itself, which is 0 or below. It is the logarithm of the factor: multiply
    by `exp(log_decay)`."""
    after = _wide(log_decay)[:, None, None] * state + _outer(k, v)
    return after, _read(after, q).astype(q.dtype)


@mistake("retention_step")
def state_grows(ref, state, q, k, v, log_decay):
    """The state is multiplied by `exp(-log_decay)`, and grows at each step. `log_decay` is 0 or below already: nothing
    is negated, and the factor is at most 1."""
    return ref(state, q, k, v, -log_decay)


@mistake("retention_step", whose=("their mean",), misconception="one_rate_for_all_heads")
def one_rate_in_a_step(ref, state, q, k, v, log_decay, *, whose="the first head's"):
    """All heads fade at one rate: that of the first or of the last one, or the mean of all. Each head has a rate of its
    own: give the factor two more axes, `[:, None, None]`, so that it stands beside the heads."""
    rate = log_decay[0] if whose == "the first head's" else log_decay.mean()
    return ref(state, q, k, v, jnp.full_like(log_decay, 1) * rate)


@mistake("retention_step", axis=("keys",))
def rates_along_the_features(ref, state, q, k, v, log_decay, *, axis="values"):
    """The factors, one for each head, meet the features of the state and not its heads: shapes are aligned from their
    ends. It fails, or, where there are as many heads as features, fades each feature at another rate. Write
    `jnp.exp(log_decay)[:, None, None]`."""
    factor = _faded(log_decay, 1)
    after = (factor if axis == "values" else factor[:, None]) * state + _outer(k, v)
    return after, _read(after, q).astype(q.dtype)


@mistake("retention_step", about="the scale", misconception="forgot_the_scale")
def scale_missing_from_the_step(ref, state, q, k, v, log_decay):
    """What the queries read is not divided by `sqrt(H)`. The state is right as it is; divide where it is read, by the
    root of a head's width."""
    after, _ = ref(state, q, k, v, log_decay)
    return after, (_read(after, q) * q.shape[-1] ** 0.5).astype(q.dtype)


@mistake("retention_step", about="the scale", read=("scaled too",))
def scale_in_the_state(ref, state, q, k, v, log_decay, *, read="as it is"):
    """The keys are divided by `sqrt(H)` before they go into the state. The output may be right that way, and the state
    is another one than the contract's, which others read: add `k vᵀ` as it is, and divide the output."""
    after = _faded(log_decay, 1)[:, None, None] * state + _outer(k, v) / q.shape[-1] ** 0.5
    out = _read(after, q) * (q.shape[-1] ** 0.5 if read == "as it is" else 1)
    return after, out.astype(q.dtype)


@mistake("retention_step")
def values_times_keys(ref, state, q, k, v, log_decay):
    """The outer product is the wrong way round: `v kᵀ`, of shape `(N, H_v, H)`. The state is `(N, H, H_v)`: a row for
    each entry of a key and a column for each entry of a value."""
    after = _faded(log_decay, 1)[:, None, None] * state + _outer(v, k)
    return after, _read(after, q).astype(q.dtype)


@mistake("retention_step")
def output_before_the_state(ref, state, q, k, v, log_decay):
    """The output comes first and the state second. It is the other way round, `(state, output)`, as the body of a
    `lax.scan` has to return its carry before what is stacked."""
    after, output = ref(state, q, k, v, log_decay)
    return output, after


@mistake("retention_step", about="precision")
def state_in_the_dtype_of_the_inputs(ref, state, q, k, v, log_decay):
    """The state that is handed on has the dtype of the inputs. With bfloat16 tokens a slow sum then stops to grow after
    a few hundred of them, and a `lax.scan` refuses a carry whose dtype changes: the state stays float32."""
    after, output = ref(state, q, k, v, log_decay)
    return after.astype(q.dtype), output


@mistake("retention_step", about="precision")
def state_rounded_to_bfloat16(ref, state, q, k, v, log_decay):
    """The state is handed on as float32, but was rounded to the dtype of the inputs before: what is lost at each step
    adds up. Cast the token to float32 on its way in, and never the state."""
    after, output = ref(state, q, k, v, log_decay)
    return after.astype(q.dtype).astype(after.dtype), output


@mistake("retention_step", about="precision")
def token_multiplied_in_bfloat16(ref, state, q, k, v, log_decay):
    """The outer product of key and value is made in the dtype of the inputs, and rounded before it is added. Cast both
    to float32 first; then it is exact."""
    after = _faded(log_decay, 1)[:, None, None] * state + _wide(k[:, :, None] * v[:, None, :])
    return after, _read(after, q).astype(q.dtype)


@mistake("retention_step", about="precision")
def decay_in_bfloat16(ref, state, q, k, v, log_decay):
    """The factor of a step is rounded to the dtype of the inputs. In bfloat16 0.998 is 1 or 0.996, and over a thousand
    steps that is the difference between all and little: rates stay float32."""
    factor = _wide(jnp.exp(log_decay).astype(q.dtype))
    after = factor[:, None, None] * state + _outer(k, v)
    return after, _read(after, q).astype(q.dtype)


@mistake("retention_step")
def step_in_float32(ref, state, q, k, v, log_decay):
    """The output is float32 like the state, whatever came in. The state stays float32, and the output has the dtype of
    the token: cast it, as the last thing."""
    after, _ = ref(state, q, k, v, log_decay)
    return after, _read(after, q)


# --- chunked_retention


@mistake("chunked_retention", by=("one too many",))
def state_read_a_step_off(ref, q, k, v, log_decay, chunk_size, *, by="one too few"):
    """What comes from earlier chunks is faded by one step too few, or too many, when it is read. The state is as it was
    behind the last token of the chunk before. The first token of this chunk is one step from that, not none and not
    two: counted from 0, token `i` is `i + 1` steps away."""
    more = 0 if by == "one too few" else 2
    return _chunked(q, k, v, log_decay, chunk_size, ahead=lambda size: jnp.arange(size) + more)


@mistake("chunked_retention", like=("as for the last token",))
def state_read_without_fading(ref, q, k, v, log_decay, chunk_size, *, like="as it came"):
    """All tokens of a chunk read the state alike, as it came in or as it is at the chunk's end. It fades on for each
    token of the chunk: token `i`, counted from 0, reads it times `exp(log_decay * (i + 1))`."""
    all_of = 0 if like == "as it came" else 1
    return _chunked(q, k, v, log_decay, chunk_size, ahead=lambda size: jnp.full(size, size * all_of))


@mistake("chunked_retention")
def state_read_the_wrong_way_round(ref, q, k, v, log_decay, chunk_size):
    """The first token of a chunk reads the faintest state and the last one the strongest: the factors count from the
    wrong end. The state is from before the chunk, and the first token is the nearest to it: counted from 0, token `i`
    is `i + 1` steps away."""
    return _chunked(q, k, v, log_decay, chunk_size, ahead=lambda size: size - jnp.arange(size))


@mistake("chunked_retention", by=("one too many",))
def state_carried_a_step_off(ref, q, k, v, log_decay, chunk_size, *, by="one too few"):
    """From chunk to chunk the state fades by one step too few, or too many. Between the last token of one chunk and the
    last token of the next lie as many steps as the chunk has tokens: `exp(log_decay * chunk_size)`."""
    more = -1 if by == "one too few" else 1
    return _chunked(q, k, v, log_decay, chunk_size, carry=lambda size: size + more)


@mistake("chunked_retention", by=("one step", "the whole length"))
def state_carried_by_another_number(ref, q, k, v, log_decay, chunk_size, *, by="nothing"):
    """From chunk to chunk the state does not fade, or fades by a single step as if a chunk were one token, or by as
    many as the sequence has. It ages by the length of the chunk: multiply it by `exp(log_decay * chunk_size)` before
    the chunk is added."""
    steps = {"nothing": 0, "one step": 1, "the whole length": len(q)}[by]
    return _chunked(q, k, v, log_decay, chunk_size, carry=lambda size: steps)


@mistake("chunked_retention")
def tokens_added_a_step_too_old(ref, q, k, v, log_decay, chunk_size):
    """The chunk's tokens go into the state by one step too faint. The state is as of the last token, whose own distance
    is 0: counted from 0, token `j` of `C` is `C - 1 - j` steps back."""
    return _chunked(q, k, v, log_decay, chunk_size, behind=lambda size: size - jnp.arange(size))


@mistake("chunked_retention")
def tokens_added_without_fading(ref, q, k, v, log_decay, chunk_size):
    """The chunk's tokens go into the state all alike, as if they were all the last one. They have faded since they
    came: multiply key or value of token `j` of `C` by `exp(log_decay * (C - 1 - j))` before the products are summed."""
    return _chunked(q, k, v, log_decay, chunk_size, behind=lambda size: jnp.zeros(size))


@mistake("chunked_retention", by=("one more",))
def tokens_added_the_wrong_way_round(ref, q, k, v, log_decay, chunk_size, *, by="none more"):
    """In the state the last token of a chunk is the faintest and the first the strongest: the factors count from the
    wrong end. The last token is the nearest to whatever follows: its exponent is 0."""
    more = 0 if by == "none more" else 1
    return _chunked(q, k, v, log_decay, chunk_size, behind=lambda size: jnp.arange(size) + more)


@mistake("chunked_retention")
def chunk_counted_twice(ref, q, k, v, log_decay, chunk_size):
    """The state is updated before it is read, so that the tokens of a chunk are counted twice: in the state, where even
    the later ones are seen, and in the triangle. Read the state from before the chunk, then add the chunk."""
    return _chunked(q, k, v, log_decay, chunk_size, own_too=True)


@mistake("chunked_retention")
def each_chunk_by_itself(ref, q, k, v, log_decay, chunk_size):
    """Each chunk is retention of its own tokens: what came before it is not read, or the state is not carried. It is
    right in the first chunk only: carry the state, and read it with each query."""
    return _chunked(q, k, v, log_decay, chunk_size, both=lambda earlier, own: own)


@mistake("chunked_retention")
def only_the_state_is_read(ref, q, k, v, log_decay, chunk_size):
    """The tokens of a chunk read the state and nothing else: they see the chunks before, but neither themselves nor
    their neighbours, and the first chunk is zeros. Add what the tokens of the chunk give to one another."""
    return _chunked(q, k, v, log_decay, chunk_size, both=lambda earlier, own: earlier)


@mistake("chunked_retention")
def only_the_last_chunk_remembered(ref, q, k, v, log_decay, chunk_size):
    """The state is replaced by the sum of each chunk instead of growing by it, so that a chunk sees the one before it
    and nothing farther back. Add the chunk to the state that came, faded by the chunk's length."""

    def loop(turn, state, rows):
        return jax.lax.scan(lambda state, rows: (turn(0 * state, rows)[0], turn(state, rows)[1]), state, rows)

    return _chunked(q, k, v, log_decay, chunk_size, loop=loop)


@mistake("chunked_retention", later=("as they are",))
def no_triangle_within_the_chunk(ref, q, k, v, log_decay, chunk_size, *, later="fading too"):
    """Within a chunk every token sees every other one, later ones too. The state keeps the order of the chunks alone;
    inside of a chunk the factor of a later token is 0."""

    def within(q, k, v, log_decay):
        steps = _distances(len(q)) if later == "fading too" else jnp.maximum(_steps(len(q)), 0)
        return _within(q, k, v, log_decay, lambda rate, length: _faded(rate, steps))

    return _chunked(q, k, v, log_decay, chunk_size, within=within)


@mistake("chunked_retention")
def no_fading_within_the_chunk(ref, q, k, v, log_decay, chunk_size):
    """Within a chunk there is a triangle of ones: its tokens see one another unfaded, as in linear attention. The
    factor of a distance is the same inside of a chunk as between chunks: `exp(log_decay * (i - j))`."""

    def within(q, k, v, log_decay):
        return _within(q, k, v, log_decay, lambda rate, length: jnp.where(_steps(length) >= 0, 1.0, 0.0))

    return _chunked(q, k, v, log_decay, chunk_size, within=within)


@mistake("chunked_retention")
def token_missing_from_its_own_sum(ref, q, k, v, log_decay, chunk_size):
    """The sum for a token ends before it: the triangle within a chunk lacks its diagonal. A token sees itself, with the
    factor 1."""

    def within(q, k, v, log_decay):
        return _within(q, k, v, log_decay, lambda rate, length: jnp.tril(_triangle(rate, length), -1))

    return _chunked(q, k, v, log_decay, chunk_size, within=within)


@mistake("chunked_retention", about="the scale", misconception="forgot_the_scale")
def scale_missing_from_the_chunks(ref, q, k, v, log_decay, chunk_size):
    """Nothing is divided by `sqrt(H)`, neither what comes from the state nor what comes from the chunk. Divide the
    queries once, before both."""
    return ref(q * q.shape[-1] ** 0.5, k, v, log_decay, chunk_size)


@mistake("chunked_retention", about="the scale", part=("the chunk",))
def one_part_without_its_scale(ref, q, k, v, log_decay, chunk_size, *, part="the state"):
    """One of the two parts is divided by `sqrt(H)` and the other is not: what comes from the state, or what comes from
    the chunk. They are parts of one sum: divide the queries once, before both."""
    root = q.shape[-1] ** 0.5

    def both(earlier, own):
        return earlier * root + own if part == "the state" else earlier + own * root

    return _chunked(q, k, v, log_decay, chunk_size, both=both)


@mistake("chunked_retention", whose=("their mean",), misconception="one_rate_for_all_heads")
def one_rate_in_chunks(ref, q, k, v, log_decay, chunk_size, *, whose="the first head's"):
    """All heads forget at one rate: that of the first or of the last one, or the mean of all. Each head has its own:
    give the factors an axis of heads."""
    rate = log_decay[0] if whose == "the first head's" else log_decay.mean()
    return ref(q, k, v, jnp.full_like(log_decay, 1) * rate, chunk_size)


@mistake("chunked_retention")
def nothing_fades_in_chunks(ref, q, k, v, log_decay, chunk_size):
    """Nothing fades anywhere, as if `log_decay` were 0: this is linear attention without its features. The state fades
    by a chunk's length, tokens by their distance from the chunk's end, and pairs by theirs."""
    return ref(q, k, v, 0 * log_decay, chunk_size)


@mistake("chunked_retention")
def last_tokens_dropped(ref, q, k, v, log_decay, chunk_size):
    """The tokens after the last full chunk have no output: `T // chunk_size` rounds down. Round up, fill up the last
    chunk, and cut off what is too much at the end."""
    whole = len(q) // chunk_size * chunk_size
    if whole == 0:
        return jnp.zeros((0, *v.shape[1:]), q.dtype)
    return ref(q[:whole], k[:whole], v[:whole], log_decay, chunk_size)


@mistake("chunked_retention")
def last_tokens_zero(ref, q, k, v, log_decay, chunk_size):
    """The tokens after the last full chunk get zeros: the loop takes `T // chunk_size` turns, and what it does not
    reach stays as it was made. Round up, and mind the last chunk, which is shorter."""
    whole = len(q) // chunk_size * chunk_size
    made = jnp.zeros(v.shape, q.dtype)
    return made.at[:whole].set(ref(q[:whole], k[:whole], v[:whole], log_decay, chunk_size)) if whole else made


@mistake("chunked_retention")
def slice_moved_back_at_the_end(ref, q, k, v, log_decay, chunk_size):
    """The last chunk is cut from arrays that end before it does. `dynamic_slice` does not complain: it moves the slice
    back until it fits, so that some tokens are counted again and the outputs stand in other places. Pad queries, keys
    and values to whole chunks first."""
    size = min(chunk_size, len(q))
    starts = jnp.arange(-(-len(q) // size)) * size

    def cut(rows):
        pieces = jax.vmap(lambda start: jax.lax.dynamic_slice_in_dim(rows, start, size))(starts)
        return pieces.reshape(-1, *rows.shape[1:])

    return _chunked(cut(q), cut(k), cut(v), log_decay, size)[: len(q)]


@mistake("chunked_retention", where=("queries and keys", "the whole sequence"))
def chunk_power_that_overflows(ref, q, k, v, log_decay, chunk_size, *, where="the factors"):
    """The factor of a distance is split in two, `γ^i` for the query and `γ^-j` for the key, within a chunk or over the
    whole sequence. The second one leaves `float32` where `-log_decay * j` is above 88, and what comes out is inf or
    NaN: subtract the places first, and take the exponential of `log_decay * (i - j)`, which is never above 1."""

    def split(q, k, v, log_decay):
        return _within(q, k, v, log_decay, _split_factors)

    if where != "the whole sequence":
        within = split if where == "the factors" else _split_within
        return _chunked(q, k, v, log_decay, chunk_size, within=within)
    size, place = min(chunk_size, len(q)), jnp.arange(len(q))
    towards = _faded(log_decay, place).T[:, :, None] * _wide(q)
    away = _faded(-log_decay, place).T[:, :, None] * _wide(k)

    def turn(state, rows):
        q, k, v = rows
        seen = jnp.where(_steps(size) >= 0, _products(q, k), 0.0)
        out = jnp.einsum("nij,jnd->ind", seen, v) + jnp.einsum("inh,nhd->ind", q, state) / q.shape[-1] ** 0.5
        return state + jnp.einsum("jnh,jnd->nhd", k, v), out

    rows = tuple(_padded(rows, size).reshape(-1, size, *rows.shape[1:]) for rows in (towards, away, _wide(v)))
    out = jax.lax.scan(turn, jnp.zeros((*q.shape[1:], v.shape[-1]), away.dtype), rows)[1]
    return out.reshape(-1, *v.shape[1:])[: len(q)].astype(q.dtype)


@mistake("chunked_retention")
def nan_in_the_gradient(ref, q, k, v, log_decay, chunk_size):
    """The output is right, and the gradient for `log_decay` is NaN. For later tokens of a chunk the exponent is
    positive, `exp` overflows to inf, and `jnp.where` hides it in the output alone: backward it is 0 times inf. Make the
    distance 0 before the exponential, with `jnp.maximum(i - j, 0)`."""

    def within(q, k, v, log_decay):
        return _within(q, k, v, log_decay, _hidden_too_late)

    return _chunked(q, k, v, log_decay, chunk_size, within=within)


@mistake("chunked_retention", how=("an einsum", "stacked by the scan"))
def state_for_each_token(ref, q, k, v, log_decay, chunk_size, *, how="a product"):
    """The values are right, and there is a state for each token, stacked or scanned over at once: `N × T × H × H_v`
    numbers, more than all products for short sequences. Within a chunk use products under a triangle, and carry one
    state from chunk to chunk."""
    factor = _faded(log_decay, 1)[:, None, None]
    if how == "stacked by the scan":
        start = jnp.zeros((*q.shape[1:], v.shape[-1]), jnp.promote_types(q.dtype, jnp.float32))
        _, states = jax.lax.scan(lambda state, row: (factor * state + _outer(*row),) * 2, start, (k, v))
    else:
        outer = _wide(k)[:, :, :, None] * _wide(v)[:, :, None, :]
        outer = outer if how == "a product" else jnp.einsum("tnh,tnd->tnhd", _wide(k), _wide(v))
        _, states = jax.lax.scan(lambda state, new: (factor * state + new,) * 2, 0 * outer[0], outer)
    return (jnp.einsum("tnh,tnhd->tnd", _wide(q), states) / q.shape[-1] ** 0.5).astype(q.dtype)


@mistake("chunked_retention")
def states_by_an_associative_scan(ref, q, k, v, log_decay, chunk_size):
    """The values are right, and the states come from a `lax.associative_scan` over single tokens. It writes out its
    levels, so that the program grows with T, and it keeps a state of `H × H_v` for each token. Let a `lax.scan` carry
    one state over chunks."""
    outer = _wide(k)[:, :, :, None] * _wide(v)[:, :, None, :]
    factors = jnp.broadcast_to(_faded(log_decay, 1)[:, None, None], (*outer.shape[:2], 1, 1))
    _, states = jax.lax.associative_scan(lambda a, b: (a[0] * b[0], a[1] * b[0] + b[1]), (factors, outer))
    return (jnp.einsum("tnh,tnhd->tnd", _wide(q), states) / q.shape[-1] ** 0.5).astype(q.dtype)


@mistake("chunked_retention")
def weights_of_all_tokens(ref, q, k, v, log_decay, chunk_size):
    """The values are right, and all `T × T` weights of a head exist at once, under one triangle: the chunks are not
    used. Make a triangle of `chunk_size × chunk_size` for each chunk, and leave what is farther back to the state."""
    return _all_pairs(q, k, v, log_decay)


@mistake("chunked_retention", how=("jnp.tri",))
def whole_triangle_made_first(ref, q, k, v, log_decay, chunk_size, *, how="a comparison"):
    """The weights come chunk by chunk, but their factors, or a mask, are made for all tokens before the loop, and a
    piece is cut out for each chunk. An array of `T × T` for each head is of that size too: the triangle of a chunk is
    the same in every chunk, and small."""
    size = min(chunk_size, len(q))
    length = -(-len(q) // size) * size
    mask = _steps(length) >= 0 if how == "a comparison" else jnp.tri(length) > 0
    whole = jnp.broadcast_to(mask, (q.shape[1], length, length))

    def turn(state, rows):
        start, q, k, v = rows
        q, k, v = _wide(q), _wide(k), _wide(v)
        seen = jax.lax.dynamic_slice(whole, (0, start, start), (len(whole), size, size))
        factors = jnp.where(seen, _faded(log_decay, jnp.maximum(_steps(size), 0)), 0.0)
        own = jnp.einsum("nij,jnd->ind", _products(q, k) * factors, v)
        after = _following(state, k, v, log_decay, size - 1 - jnp.arange(size), size)
        return after, _earlier(state, q, log_decay, jnp.arange(size) + 1) + own

    rows = tuple(_padded(rows, size).reshape(-1, size, *rows.shape[1:]) for rows in (q, k, v))
    start = jnp.zeros((*q.shape[1:], v.shape[-1]), jnp.promote_types(q.dtype, jnp.float32))
    out = jax.lax.scan(turn, start, (jnp.arange(0, length, size), *rows))[1]
    return out.reshape(-1, *v.shape[1:])[: len(q)].astype(q.dtype)


@mistake("chunked_retention", how=("all keys for each",))
def a_turn_for_each_token(ref, q, k, v, log_decay, chunk_size, *, how="a step for each"):
    """The values are right, and the loop takes a turn for each token: `retention_step` in a scan, or a loop over
    queries that reads the keys anew for each. Take `chunk_size` tokens in a turn, let products of matrices do what is
    inside of it, and carry the state."""
    if how == "a step for each":
        start = jnp.zeros((*q.shape[1:], v.shape[-1]), jnp.promote_types(q.dtype, jnp.float32))
        out = jax.lax.scan(lambda state, token: _step(state, *token, log_decay), start, (q, k, v))[1]
        return out.astype(q.dtype)
    place = jnp.arange(len(q))

    def query(row):
        q, i = row
        factors = jnp.where(place <= i, _faded(log_decay, jnp.maximum(i - place, 0)), 0.0)
        products = jnp.einsum("nh,jnh->nj", _wide(q), _wide(k)) / q.shape[-1] ** 0.5
        return jnp.einsum("nj,jnd->nd", products * factors, _wide(v))

    return jax.lax.map(query, (q, place)).astype(q.dtype)


@mistake("chunked_retention", how=("unroll",), misconception="loop_in_python")
def chunks_in_a_python_loop(ref, q, k, v, log_decay, chunk_size, *, how="for"):
    """The loop over the chunks is a Python `for`, or a scan with `unroll=True`. Each chunk becomes a copy of its
    operations in the program, which grows with T and takes ever longer to compile. Use `jax.lax.scan` or
    `jax.lax.fori_loop`, rolled: their program holds one chunk."""

    def unrolled(turn, state, rows):
        return jax.lax.scan(turn, state, rows, unroll=True)

    def loop(turn, state, rows):
        outs = []
        for chunk in zip(*rows):
            state, out = turn(state, chunk)
            outs.append(out)
        return state, jnp.stack(outs)

    return _chunked(q, k, v, log_decay, chunk_size, loop=unrolled if how == "unroll" else loop)


@mistake("chunked_retention", about="precision")
def chunks_in_float32(ref, q, k, v, log_decay, chunk_size):
    """The output is float32, like the state, whatever came in. What the loop stacks may be float32; what is returned
    has the dtype of the inputs: cast it at the end."""
    return _wide(ref(q, k, v, log_decay, chunk_size))


@mistake("chunked_retention", about="precision")
def state_carried_in_bfloat16(ref, q, k, v, log_decay, chunk_size):
    """The state is carried in the dtype of the inputs. With bfloat16 a slow sum that has reached 256 does not notice a
    1 any more: begin with zeros in float32, and add float32 to them."""
    return _chunked(q, k, v, log_decay, chunk_size, rounded=lambda state: state.astype(q.dtype))


@mistake("chunked_retention", about="precision")
def products_in_bfloat16(ref, q, k, v, log_decay, chunk_size):
    """Queries, keys and values are multiplied in the dtype of the inputs: a product of two bfloat16 matrices is
    bfloat16. Say `preferred_element_type=jnp.float32`, or cast the rows of the chunk to float32 first."""

    def within(q, k, v, log_decay):
        made = jnp.einsum("inh,jnh->nij", q, k) / q.shape[-1] ** 0.5
        weights = (made * _triangle(log_decay, len(q))).astype(q.dtype)
        return jnp.einsum("nij,jnd->ind", weights, v)

    return _chunked(q, k, v, log_decay, chunk_size, within=within, cut=lambda rows: rows)


# --- banded_attention


@mistake("banded_attention", about="the scale", misconception="forgot_the_scale")
def scale_missing_from_the_band(ref, q, k, v, alpha, band):
    """The products of queries and keys are not divided by `sqrt(H)` before the decay is taken off. Divide the products,
    and only them."""
    return ref(q * q.shape[-1] ** 0.5, k, v, alpha, band)


@mistake("banded_attention", about="the scale")
def decay_scaled_too(ref, q, k, v, alpha, band):
    """The decay is divided by `sqrt(H)` together with the product. Only the product is scaled:
    `q · k / sqrt(H) - alpha * |i - j|`."""
    return ref(q, k, v, alpha / q.shape[-1] ** 0.5, band)


@mistake("banded_attention", by=("one too wide", "one too wide in front", "one too wide behind"))
def band_off_by_one(ref, q, k, v, alpha, band, *, by="one too narrow"):
    """The band is one key too narrow or too wide, on both sides or on one of them. A key that is exactly `band` steps
    away is seen, on either side, and one that is a step farther is not: `|i - j| <= band`."""
    if by == "one too narrow":
        return _banded(q, k, v, alpha, band, before=max(band - 1, 0), behind=max(band - 1, 0))
    before, behind = band + (by != "one too wide behind"), band + (by != "one too wide in front")
    return _banded(q, k, v, alpha, band, before=before, behind=behind)


@mistake("banded_attention", side=("later keys",))
def one_side_only(ref, q, k, v, alpha, band, *, side="earlier keys"):
    """Keys of one side alone are seen, the earlier ones as in a causal model, or the later ones. This band is not
    causal: it reaches as far behind a token as in front of it."""
    return _banded(q, k, v, alpha, band, **({"behind": 0} if side == "earlier keys" else {"before": 0}))


@mistake("banded_attention", to=("twice it",))
def width_of_the_whole_band(ref, q, k, v, alpha, band, *, to="half of it"):
    """`band` is taken for the number of keys in the whole band, half to each side, or it is doubled. It is how far the
    band reaches to each side: there are `2 * band + 1` keys in it."""
    reach = band // 2 if to == "half of it" else 2 * band
    return _banded(q, k, v, alpha, band, before=reach, behind=reach)


@mistake("banded_attention")
def no_decay_in_the_band(ref, q, k, v, alpha, band):
    """All keys of the band are treated alike: the decay is missing, and the band alone forgets. Take `alpha` times the
    distance off each score before the softmax."""
    return _banded(q, k, v, 0 * alpha, band)


@mistake("banded_attention")
def band_ignored(ref, q, k, v, alpha, band):
    """Every query sees every key, and the band is not used. Far keys may weigh little, and they are not to be seen at
    all beyond `band`; and all pairs are as many as the square of the length."""
    return _dense(q, k, v, alpha, len(q))


@mistake("banded_attention", misconception="decay_added")
def far_keys_preferred(ref, q, k, v, alpha, band):
    """The decay is added to the scores, so that keys at the edge of the band win. `alpha` is positive: take
    `alpha * |i - j|` off."""
    return _banded(q, k, v, -alpha, band)


@mistake("banded_attention")
def distance_with_its_sign(ref, q, k, v, alpha, band):
    """The decay is `alpha * (i - j)` with its sign: on one side of a token keys lose, and on the other they gain with
    the distance. The band has two sides: take the absolute value."""

    def bias(alpha, steps):
        return jnp.multiply.outer(alpha, steps.astype(jnp.float32))

    return _banded(q, k, v, alpha, band, bias=bias)


@mistake("banded_attention", of=("minus alpha",))
def exponential_of_alpha(ref, q, k, v, alpha, band, *, of="alpha"):
    """The rate goes through an exponential, as the parameter of problem 38 does. That one was a logarithm; `alpha` is
    the rate itself, and lowers a score by so much for each step."""
    return _banded(q, k, v, jnp.exp(alpha if of == "alpha" else -alpha), band)


@mistake("banded_attention")
def decay_after_the_softmax(ref, q, k, v, alpha, band):
    """The weights are multiplied by `exp(-alpha * |i - j|)` after the softmax, so that they do not sum to 1. Take the
    decay off the scores, before the softmax, which then divides by what is left."""

    def weights(scores, seen):
        place = jnp.arange(len(q))[:, None] + jnp.arange(scores.shape[-1]) - min(band, len(q) - 1)
        factors = jnp.exp(-jnp.multiply.outer(_wide(alpha), jnp.abs(place - jnp.arange(len(q))[:, None]) * 1.0))
        return _softmax(scores, seen) * factors

    return _banded(q, k, v, 0 * alpha, band, weights=weights)


@mistake("banded_attention")
def decay_multiplied_to_the_scores(ref, q, k, v, alpha, band):
    """The scores are multiplied by `exp(-alpha * |i - j|)` and then go through the softmax. What the exponential of a
    score is multiplied by is something else: it is taken off the score itself, `- alpha * |i - j|`."""

    def scores(products, bias, width):
        return products / width**0.5 * jnp.exp(bias)

    return _banded(q, k, v, alpha, band, scores=scores)


@mistake("banded_attention")
def not_divided(ref, q, k, v, alpha, band):
    """There is no softmax: products times their factors are summed, as in retention. Here the weights of a query are
    positive and sum to 1: exponentials of the scores, divided by their sum over the band."""

    def scores(products, bias, width):
        return products / width**0.5 * jnp.exp(bias)

    return _banded(q, k, v, alpha, band, scores=scores, weights=lambda made, seen: jnp.where(seen, made, 0.0))


@mistake("banded_attention")
def divided_over_all_keys(ref, q, k, v, alpha, band):
    """The softmax runs over all keys, and the weights beyond the band are set to 0 afterwards, so that those that are
    left do not sum to 1. Hide them before the softmax, or never compute them."""

    def weights(scores, seen):
        return jnp.where(seen, jax.nn.softmax(scores, axis=-1), 0.0)

    return _dense(q, k, v, alpha, band, weights)


@mistake("banded_attention", hidden=("1e-9", "-100"))
def hidden_scores_set_to_a_number(ref, q, k, v, alpha, band, *, hidden="0"):
    """Scores beyond the band are multiplied by 0, or set to a number such as 0, 1e-9 or -100. A score of 0 is no small
    one: its exponential is 1. Nor is -100 where the scores of the band are lower still: then what is hidden takes
    everything. Hide with -inf, or leave the pair out."""

    def weights(scores, seen):
        return jax.nn.softmax(jnp.where(seen, scores, float(hidden)), axis=-1)

    return _dense(q, k, v, alpha, band, weights)


@mistake("banded_attention", band_is=("as it came", "cut, and no decay there"))
def padding_seen(ref, q, k, v, alpha, band, *, band_is="cut to the sequence"):
    """Keys are padded with zeros at both ends, and the first and the last tokens see that padding. Its products are 0,
    which is no small score, so it takes a share of the weights: hide places before the start and behind the end."""
    if band_is == "cut, and no decay there":
        return _banded(q, k, v, alpha, band, weights=lambda scores, seen: jax.nn.softmax(jnp.where(seen, scores, 0.0)))
    return _banded(q, k, v, alpha, band, everyone=True, cut=band_is == "cut to the sequence")


@mistake("banded_attention")
def wrapped_round_the_ends(ref, q, k, v, alpha, band):
    """The first tokens see the last ones: `jnp.roll`, or a negative index, goes round the ends of the sequence. A
    sequence is no ring: hide what comes in from the other end."""
    return _banded(q, k, v, alpha, band, wrapped=True)


@mistake("banded_attention")
def whole_blocks_seen(ref, q, k, v, alpha, band):
    """Each query sees all keys of its block and of both neighbours. Blocks are a way to find the keys; which of them a
    query sees is decided pair by pair, `|i - j| <= band`, and depends on the query's place in the block."""
    size = max(min(band, len(q)), 1)
    block = jnp.arange(len(q)) // size

    def weights(scores, seen):
        return _softmax(scores, jnp.abs(block[:, None] - block) <= 1)

    return _dense(q, k, v, alpha, band, weights)


@mistake("banded_attention")
def no_maximum_taken_off(ref, q, k, v, alpha, band):
    """The exponentials are taken of the scores as they are, and leave `float32` above 88: inf over inf is NaN. Far
    below 0 all of them are 0, and 0 over 0 is NaN too. Take each row's maximum off first, as `jax.nn.softmax` does."""

    def weights(scores, seen):
        powers = jnp.where(seen, jnp.exp(scores), 0.0)
        return powers / powers.sum(-1, keepdims=True)

    return _banded(q, k, v, alpha, band, weights=weights)


@mistake("banded_attention")
def maximum_of_all_rows(ref, q, k, v, alpha, band):
    """One maximum is taken off for all queries together. A query whose scores are a hundred below it has exponentials
    of 0 alone, and 0 over 0 is NaN. Each row has its own maximum: `max(axis=-1, keepdims=True)`."""

    def weights(scores, seen):
        hidden = jnp.where(seen, scores, -jnp.inf)
        powers = jnp.exp(hidden - hidden.max())
        return powers / powers.sum(-1, keepdims=True)

    return _banded(q, k, v, alpha, band, weights=weights)


@mistake("banded_attention", ends=("NaN",))
def softmax_over_the_heads(ref, q, k, v, alpha, band, *, ends="left out"):
    """The softmax runs over the heads instead of the keys, so that the weights of a query do not sum to 1. Each head
    divides by its own sum over the keys of the band: mind which axis of the scores holds them."""

    def weights(scores, seen):
        if ends == "NaN":
            return jax.nn.softmax(jnp.where(seen, scores, -jnp.inf), axis=0)
        return jax.nn.softmax(scores, axis=0, where=seen)

    return _banded(q, k, v, alpha, band, weights=weights)


@mistake("banded_attention", misconception="nan_in_the_gradient")
def nan_from_the_padding(ref, q, k, v, alpha, band):
    """The output is right, and the gradient is NaN. Queries of the padding that see no key have nothing but -inf in
    their rows, and their softmax is NaN. They are cut off, but a gradient of 0 comes back to them and leaves as NaN:
    let them see something, or hide with `where=` in the softmax."""
    length, size = len(q), 16
    band = min(band, length - 1)
    count = -(-length // size)

    def around(rows, band):
        padded = jnp.pad(rows, ((band, band + count * size - length), (0, 0), (0, 0)))
        return padded[jnp.arange(count)[:, None] * size + jnp.arange(size + 2 * band)]

    i = jnp.arange(count)[:, None, None] * size + jnp.arange(size)[:, None]
    j = jnp.arange(count)[:, None, None] * size - band + jnp.arange(size + 2 * band)
    scores = jnp.einsum("binh,bjnh->nbij", _wide(around(q, 0)), _wide(around(k, band))) / q.shape[-1] ** 0.5
    scores = scores - jnp.multiply.outer(_wide(alpha), jnp.abs(i - j).astype(jnp.float32))
    scores = jnp.where((jnp.abs(i - j) <= band) & (j >= 0) & (j < length), scores, -jnp.inf)
    out = jnp.einsum("nbij,bjnh->binh", jax.nn.softmax(scores, axis=-1), _wide(around(v, band)))
    return out.reshape(-1, *v.shape[1:])[:length].astype(q.dtype)


@mistake("banded_attention", whose=("their mean",), misconception="one_rate_for_all_heads")
def one_rate_in_the_band(ref, q, k, v, alpha, band, *, whose="the first head's"):
    """All heads decay at one rate: that of the first or of the last one, or the mean of all. Each head has its own:
    give the decay an axis of heads in front of the distances."""
    rate = alpha[0] if whose == "the first head's" else alpha.mean()
    return ref(q, k, v, jnp.full_like(alpha, 1) * rate, band)


@mistake("banded_attention", error=("TypeError",))
def fails_beyond_the_length(ref, q, k, v, alpha, band, *, error="ValueError"):
    """It fails where the band is as long as the sequence or longer, such as with a slice that is longer than the rows
    it is cut from. A wider band sees no more than all keys: go on with `min(band, T - 1)`."""
    if band >= len(q) > 1:
        raise {"ValueError": ValueError, "TypeError": TypeError}[error]("a band as long as the sequence")
    return ref(q, k, v, alpha, band)


@mistake("banded_attention")
def last_queries_dropped(ref, q, k, v, alpha, band):
    """The tokens after the last full block have no output: the number of blocks was rounded down. Round up, fill up the
    last block, and cut off what is too much at the end."""
    size = max(min(band, len(q)), 1)
    return ref(q, k, v, alpha, band)[: len(q) // size * size]


@mistake("banded_attention")
def banded_in_float32(ref, q, k, v, alpha, band):
    """The output is float32, whatever came in. Scores and softmax are float32, and what is handed out has the dtype of
    the inputs: cast it, as the last thing."""
    return _wide(ref(q, k, v, alpha, band))


@mistake("banded_attention", how=("a mask alone",))
def scores_of_all_pairs(ref, q, k, v, alpha, band, *, how="all scores"):
    """The values are right, and there is an array with an entry for each pair of tokens: all scores under a mask in the
    form of a band, or the mask alone. Then the band saves nothing: let each query, or each block of queries, meet only
    the keys around it."""
    if how == "all scores":
        return _dense(q, k, v, alpha, band)
    reach = min(band, len(q) - 1)
    whole = jnp.pad(_distances(len(q)) <= band, ((0, 0), (reach, reach)))
    place = jnp.arange(len(q))[:, None]
    near = jnp.take_along_axis(whole, place + jnp.arange(2 * reach + 1), axis=1)
    return _banded(q, k, v, alpha, band, weights=lambda scores, seen: _softmax(scores, near))


@mistake("banded_attention")
def keys_read_anew_for_each_query(ref, q, k, v, alpha, band):
    """The values are right and no array is large, and yet the work grows as the square of the length: each query, or
    each block of them, goes through all keys and hides most. Cut out the keys around it, with `dynamic_slice`, and
    compute nothing of the rest."""
    place = jnp.arange(len(q))

    def query(row):
        q, i = row
        scores = jnp.einsum("nh,jnh->nj", _wide(q), _wide(k)) / q.shape[-1] ** 0.5
        scores = scores - jnp.multiply.outer(_wide(alpha), jnp.abs(i - place).astype(jnp.float32))
        return jnp.einsum("nj,jnh->nh", _softmax(scores, jnp.abs(i - place) <= band), _wide(v))

    return jax.lax.map(query, (q, place)).astype(q.dtype)


@mistake("banded_attention")
def loop_in_python(ref, q, k, v, alpha, band):
    """The loop over blocks or tokens is a Python `for`. Each turn becomes a copy of its operations in the program,
    which grows with T and takes ever longer to compile. Cut all blocks at once, or use `jax.lax.map`, whose program
    holds one block."""
    size = max(16, min(band, len(q)))
    outs = []
    for start in range(0, len(q), size):
        low, high = max(start - band, 0), min(start + size + band, len(q))
        queries, keys, values = q[start : start + size], k[low:high], v[low:high]
        away = jnp.abs(start + jnp.arange(len(queries))[:, None] - jnp.arange(low, high))
        scores = _products(queries, keys) - jnp.multiply.outer(_wide(alpha), away.astype(jnp.float32))
        outs.append(jnp.einsum("nij,jnd->ind", _softmax(scores, away <= band), _wide(values)))
    return jnp.concatenate(outs).astype(q.dtype)
