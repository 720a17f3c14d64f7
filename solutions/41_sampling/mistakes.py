"""41 · Wrong answers that people really give, each with its sentence."""

import jax
import jax.numpy as jnp
from jax.scipy.special import logsumexp

from grader.course import mistake

INF = jnp.inf


def _wide(logits):
    return logits.astype(jnp.promote_types(logits.dtype, jnp.float32))


# --- filter_logits: the temperature


@mistake("filter_logits", about="the temperature")
def multiplied_by_the_temperature(ref, logits, temperature, top_k=None, top_p=None):
    """The logits are multiplied by the temperature. It turns round what a temperature does: a high one then makes the
    distribution sharp. Divide, so that 2 halves every difference between two logits."""
    return ref(logits, 1 / temperature, top_k, top_p)


@mistake("filter_logits", about="the temperature")
def temperature_left_out(ref, logits, temperature, top_k=None, top_p=None):
    """The logits come back as they were, whatever the temperature is. It belongs into this function, before both
    filters: divide by it first."""
    return ref(logits, jnp.ones_like(temperature), top_k, top_p)


@mistake("filter_logits", about="the temperature")
def temperature_after_the_filters(ref, logits, temperature, top_k=None, top_p=None):
    """The temperature comes last: top-p sums the probabilities that the logits have at temperature 1. Top-k does not
    notice, since the order of the logits stays the same; a nucleus gets larger or smaller with the temperature. Divide
    first, then filter."""
    filtered = ref(_wide(logits), jnp.ones_like(temperature), top_k, top_p)
    return (filtered / temperature).astype(logits.dtype)


# --- filter_logits: what is given back


@mistake("filter_logits")
def probabilities_given_back(ref, logits, temperature, top_k=None, top_p=None):
    """What comes back are probabilities. Whoever draws from them as from logits exponentiates twice. The softmax is
    needed inside, to sum it up; what the contract asks for are the logits over the temperature, and -inf."""
    return jax.nn.softmax(ref(logits, temperature, top_k, top_p), axis=-1)


@mistake("filter_logits", by=("log of the softmax",))
def log_probabilities_given_back(ref, logits, temperature, top_k=None, top_p=None, *, by="log_softmax"):
    """What comes back are log-probabilities: each row is lower by the logarithm of its sum. A draw from them is the
    same, since a constant cancels in the softmax; the contract asks for the logits over the temperature."""
    filtered = ref(_wide(logits), temperature, top_k, top_p)
    found = jax.nn.log_softmax(filtered) if by == "log_softmax" else jnp.log(jax.nn.softmax(filtered))
    return found.astype(logits.dtype)


@mistake("filter_logits")
def logarithm_of_zero(ref, logits, temperature, top_k=None, top_p=None):
    """The logits are computed back as logarithms of probabilities. A probability below 1e-45 is 0 in float32, and its
    logarithm -inf: where logits are far apart, entries vanish that no filter took. Ask the probabilities which entries
    stay, and give back the logits themselves."""
    scaled = ref(logits, temperature, top_k, top_p)
    return jnp.log(jax.nn.softmax(scaled, axis=-1)) + logsumexp(scaled, axis=-1, keepdims=True)


@mistake("filter_logits", number=(-1e10, -1e4, float(jnp.finfo(jnp.float32).min)))
def large_negative_number(ref, logits, temperature, top_k=None, top_p=None, *, number=-1e9):
    """A large negative number stands where -inf should. Its probability is 0 as long as the other logits are of
    ordinary size; but whoever asks what was filtered finds nothing, and divided by a high temperature or rounded it
    becomes another number. Replace by `-jnp.inf`; a softmax can take it as long as one entry is finite."""
    filtered = ref(logits, temperature, top_k, top_p)
    return jnp.where(jnp.isneginf(filtered), jnp.asarray(number, filtered.dtype), filtered)


@mistake("filter_logits", when=("after each filter",))
def zero_where_filtered(ref, logits, temperature, top_k=None, top_p=None, *, when="at the end"):
    """Filtered entries are 0. A logit of 0 is no absence: its power is 1, more than that of every negative logit. What
    has the probability 0 is the logit -inf."""
    filtered = ref(_wide(logits), temperature, top_k, None if when == "after each filter" else top_p)
    filtered = jnp.where(jnp.isneginf(filtered), 0.0, filtered)
    if when == "after each filter" and top_p is not None:
        filtered = ref(filtered, jnp.ones_like(temperature), None, top_p)
        filtered = jnp.where(jnp.isneginf(filtered), 0.0, filtered)
    return filtered.astype(logits.dtype)


@mistake("filter_logits")
def zero_times_infinity(ref, logits, temperature, top_k=None, top_p=None):
    """The mask is multiplied by -inf. Where it is 0 the product is NaN, not 0, and so every entry that stays becomes
    NaN. Choose with `jnp.where(keep, scaled, -jnp.inf)`."""
    filtered = ref(logits, temperature, top_k, top_p)
    # 1 - mask, since of a boolean one times a number the compiler makes a choice, without NaN
    mask = (filtered > -INF).astype(filtered.dtype)
    return filtered if top_k is None and top_p is None else filtered + (1 - mask) * -INF


@mistake("filter_logits")
def float32_given_back(ref, logits, temperature, top_k=None, top_p=None):
    """bfloat16 logits come back as float32: a bfloat16 array divided by a float32 one is float32. To compute in float32
    is right; cast to the dtype of the logits at the end."""
    return ref(_wide(logits), temperature, top_k, top_p)


@mistake("filter_logits")
def axes_of_length_one_dropped(ref, logits, temperature, top_k=None, top_p=None):
    """Axes of length one are gone: there is a `squeeze()` without an axis. Take a threshold with `[..., :1]`, or with
    `keepdims=True`, and it needs no squeeze."""
    return ref(logits, temperature, top_k, top_p).squeeze()


# --- filter_logits: its parts once more, for those that take a step in another way


def _scaled(logits, temperature):
    return _wide(logits) / temperature


def _top_k(scaled, top_k):
    if top_k is None:
        return scaled
    kth = jnp.sort(scaled, axis=-1, descending=True)[..., min(top_k, scaled.shape[-1]) - 1 :][..., :1]
    return jnp.where(scaled >= kth, scaled, -INF)


def _sums(ranked):
    """Of what is sorted, each sum with the entry and without it."""
    weights = jax.nn.softmax(ranked, axis=-1)
    through = jnp.cumsum(weights, axis=-1)
    return through, through - weights


def _order(scaled, last=False):
    """From the largest down; of equals the first comes first, or the last."""
    return jnp.argsort(scaled, axis=-1)[..., ::-1] if last else jnp.argsort(-scaled, axis=-1)


def _by_rank(scaled, stays, last=False):
    """Filters by the place that an entry has when they are sorted, which lets no equals follow."""
    order = _order(scaled, last)
    ranked = jnp.take_along_axis(scaled, order, axis=-1)
    back = jnp.argsort(order, axis=-1)
    kept = jnp.broadcast_to(stays(ranked), ranked.shape)
    return jnp.where(jnp.take_along_axis(kept, back, axis=-1), scaled, -INF)


def _by_threshold(scaled, stays):
    """Filters by the smallest entry that stays, and its equals stay with it."""
    ranked = jnp.sort(scaled, axis=-1, descending=True)
    return jnp.where(scaled >= jnp.where(stays(ranked), ranked, INF).min(-1, keepdims=True), scaled, -INF)


def _with_top_p(logits, temperature, top_k, top_p, way):
    """The right function with another way to do top-p."""
    scaled = _top_k(_scaled(logits, temperature), top_k)
    return (scaled if top_p is None else way(scaled)).astype(logits.dtype)


# --- filter_logits: top-k


@mistake("filter_logits")
def top_k_one_too_few(ref, logits, temperature, top_k=None, top_p=None):
    """The k-th largest is gone as well: entries stay that are strictly larger than it. With k = 1 that is none at all.
    Keep what is at least the k-th largest."""
    if top_k is not None:
        scaled = _scaled(logits, temperature)
        kth = jax.lax.top_k(scaled, min(top_k, scaled.shape[-1]))[0][..., -1:]
        logits = jnp.where(scaled > kth, logits, -INF)
    return ref(logits, temperature, None, top_p)


@mistake("filter_logits")
def top_k_one_too_many(ref, logits, temperature, top_k=None, top_p=None):
    """One entry too many stays: the threshold is the entry behind the k-th largest. Places count from 0, so of entries
    that are sorted from the largest down the k-th stands at place k - 1."""
    return ref(logits, temperature, None if top_k is None else top_k + 1, top_p)


@mistake("filter_logits")
def top_k_beyond_the_vocabulary(ref, logits, temperature, top_k=None, top_p=None):
    """`jax.lax.top_k` is asked for more entries than there are, and raises. A k above the size of the vocabulary
    filters nothing: shapes are Python numbers, so take `min(top_k, logits.shape[-1])`."""
    if top_k is not None:
        jax.lax.top_k(logits, top_k)
    return ref(logits, temperature, top_k, top_p)


@mistake("filter_logits")
def equals_counted_once(ref, logits, temperature, top_k=None, top_p=None):
    """Equal logits count as one: the threshold is the k-th largest of the different values, as `jnp.unique` gives them.
    Equals are counted one by one: of 3, 2, 2, 1 the third largest is 2."""
    if top_k is not None:
        larger = logits[..., None, :] > logits[..., :, None]
        first = ~jnp.tril(logits[..., None, :] == logits[..., :, None], -1).any(-1)
        logits = jnp.where((larger & first[..., None, :]).sum(-1) < top_k, logits, -INF)
    return ref(logits, temperature, None, top_p)


@mistake(
    "filter_logits",
    where=("top_p", "top_k", "both, the last first", "top_p, the last first"),
)
def equals_cut(ref, logits, temperature, top_k=None, top_p=None, *, where="both"):
    """Of equal logits at the edge some stay and others go: the filter counts places after sorting, and the order of
    equals decides. Which of them stays is then a matter of their numbers in the vocabulary. Find the smallest logit
    that stays, and keep everything that is at least as large."""
    scaled, last = _scaled(logits, temperature), where.endswith("first")
    if top_k is not None and "top_p" not in where:
        scaled = _by_rank(scaled, lambda ranked: jnp.arange(ranked.shape[-1]) < top_k, last)
    else:
        scaled = _top_k(scaled, top_k)
    if top_p is not None:
        scaled = (
            _by_threshold(scaled, lambda ranked: _sums(ranked)[1] < top_p)
            if "top_k" in where
            else _by_rank(scaled, lambda ranked: _sums(ranked)[1] < top_p, last)
        )
    return scaled.astype(logits.dtype)


@mistake("filter_logits", where=("top_k",))
def filtered_over_the_batch(ref, logits, temperature, top_k=None, top_p=None, *, where="both"):
    """The rows of a batch are filtered together: one threshold, or one sum, is taken over all of them. Each place of
    the leading axes has a distribution of its own: sort, sum and exponentiate along `axis=-1`."""
    if where == "both":
        return ref(logits.reshape(-1), temperature, top_k, top_p).reshape(logits.shape)
    left = ref(logits.reshape(-1), jnp.ones_like(temperature), top_k, None).reshape(logits.shape)
    return ref(left, temperature, None, top_p)


# --- filter_logits: top-p


@mistake("filter_logits")
def top_p_not_renormalised(ref, logits, temperature, top_k=None, top_p=None):
    """Top-p sums the probabilities over all of the vocabulary, those that top-k took included. It looks right with each
    filter alone; with both, what top-k left has less than 1 in all, and top-p keeps too many; so it does where it
    comes before top-k. Put -inf where top-k takes something, and take the softmax of that."""
    one, other = ref(logits, temperature, top_k, None), ref(logits, temperature, None, top_p)
    return jnp.where(jnp.isneginf(other), -INF, one)


@mistake(
    "filter_logits",
    how=(
        "by place",
        "by threshold, the largest kept",
        "by place, the largest kept",
        "by threshold, or equal",
        "by threshold, the largest kept, or equal",
        "by place, the largest kept, or equal",
    ),
)
def crossing_token_dropped(ref, logits, temperature, top_k=None, top_p=None, *, how="by threshold"):
    """The token that takes the sum across `top_p` is dropped: the sum that is compared includes the token itself. Then
    less than `top_p` stays, and nothing at all where the largest alone has more. An entry stays when what stands
    *before* it sums to less than `top_p`: take its own probability off the running sum."""

    def stays(ranked):
        through = _sums(ranked)[0]
        below = through <= top_p if "equal" in how else through < top_p
        return below.at[..., 0].set(True) if "largest" in how else below

    way = _by_rank if "place" in how else _by_threshold
    return _with_top_p(logits, temperature, top_k, top_p, lambda scaled: way(scaled, stays))


@mistake("filter_logits", how=("by place",))
def top_p_one_too_many(ref, logits, temperature, top_k=None, top_p=None, *, how="by threshold"):
    """One token too many stays behind the one that crosses `top_p`: the running sum is shifted twice, by one place and
    by its own entry. An entry stays when all that are larger sum to less than `top_p`, and one shift does that."""

    def stays(ranked):
        before = _sums(ranked)[1] < top_p
        return jnp.concatenate([before[..., :1], before[..., :-1]], axis=-1) & (ranked > -INF)

    way = _by_rank if "place" in how else _by_threshold
    return _with_top_p(logits, temperature, top_k, top_p, lambda scaled: way(scaled, stays))


@mistake("filter_logits")
def summed_from_the_smallest(ref, logits, temperature, top_k=None, top_p=None):
    """The running sum begins at the smallest entry: `jnp.sort` goes from the smallest up. So the many unlikely tokens
    stay, and the likely ones are filtered. Sort with `descending=True`."""

    def way(scaled):
        ascending = jnp.sort(scaled, axis=-1)
        largest = jnp.where(_sums(ascending)[1] < top_p, ascending, -INF).max(-1, keepdims=True)
        return jnp.where(scaled <= largest, scaled, -INF)

    return _with_top_p(logits, temperature, top_k, top_p, way)


@mistake("filter_logits")
def logits_summed(ref, logits, temperature, top_k=None, top_p=None):
    """The running sum is one of logits. `top_p` is a probability, and so has to be what is compared with it: take the
    softmax first."""

    def before(ranked):
        finite = jnp.where(jnp.isneginf(ranked), 0.0, ranked)
        return jnp.cumsum(finite, axis=-1) - finite

    return _with_top_p(
        logits, temperature, top_k, top_p, lambda scaled: _by_threshold(scaled, lambda ranked: before(ranked) < top_p)
    )


@mistake("filter_logits", of=("1 - top_p", "top_p"))
def each_probability_compared(ref, logits, temperature, top_k=None, top_p=None, *, of="top_p of the largest"):
    """Each probability is compared by itself with a number that is made of `top_p`. Such filters exist (min-p is one),
    and top-p is another: an entry stays or goes by the *sum* of all that are larger."""

    def way(scaled):
        weights = jax.nn.softmax(scaled, axis=-1)
        least = {"top_p": top_p, "1 - top_p": 1 - top_p}.get(of, top_p * weights.max(-1, keepdims=True))
        return jnp.where(weights >= least, scaled, -INF)

    return _with_top_p(logits, temperature, top_k, top_p, way)


@mistake("filter_logits", where=("both",))
def left_in_sorted_order(ref, logits, temperature, top_k=None, top_p=None, *, where="top_p"):
    """The entries come back from the largest to the smallest. The values are right, at the places of other tokens:
    whoever draws index 0 gets token 0, not the likeliest. Compare the logits as they came with the smallest that stays,
    or bring the sorted ones back with `argsort(order)`."""
    filtered = ref(logits, temperature, top_k, top_p)
    sorts = top_p is not None or (where == "both" and top_k is not None)
    return jnp.sort(filtered, axis=-1, descending=True) if sorts else filtered


@mistake("filter_logits", where=("both",))
def mask_left_in_sorted_order(ref, logits, temperature, top_k=None, top_p=None, *, where="top_p"):
    """The mask is made for sorted entries and laid over those that are not: as many stay as should, the first of the
    vocabulary in the place of the largest. Bring the mask back to the order of the vocabulary, or compare with the
    smallest logit that stays."""
    filtered = ref(logits, temperature, top_k, top_p)
    if top_p is None and (where == "top_p" or top_k is None):
        return filtered
    before = ref(logits, temperature, None if where == "both" else top_k, None)
    count = (filtered > -INF).sum(-1, keepdims=True)
    return jnp.where(jnp.arange(logits.shape[-1]) < count, before, -INF)


@mistake("filter_logits", what=("mask",))
def brought_back_by_the_wrong_order(ref, logits, temperature, top_k=None, top_p=None, *, what="logits"):
    """What was sorted is brought back with the order that sorted it. That undoes only permutations that are their own
    inverse, such as a swap of two. Sort the order once more: `argsort(order)` leads back."""
    filtered = ref(logits, temperature, top_k, top_p)
    if top_p is None:
        return filtered
    before = ref(logits, temperature, top_k, None)
    order = _order(before)
    if what == "logits":
        return jnp.take_along_axis(jnp.take_along_axis(filtered, order, axis=-1), order, axis=-1)
    stays = jnp.take_along_axis(jnp.take_along_axis(filtered > -INF, order, axis=-1), order, axis=-1)
    return jnp.where(stays, before, -INF)


# --- filter_logits: arithmetic


@mistake("filter_logits", so=("everything stays",))
def exponentials_that_overflow(ref, logits, temperature, top_k=None, top_p=None, *, so="nothing stays"):
    """The softmax is written as exp over its sum. Logits above 88 overflow to inf, and inf / inf is NaN; where all are
    below -104 it is 0 / 0. No comparison with NaN is true. Take off the maximum of the row first, as `jax.nn.softmax`
    does."""

    def stays(ranked):
        powers = jnp.exp(ranked)
        weights = powers / powers.sum(-1, keepdims=True)
        before = jnp.cumsum(weights, axis=-1) - weights
        return before < top_p if so == "nothing stays" else ~(before >= top_p)

    return _with_top_p(logits, temperature, top_k, top_p, lambda scaled: _by_threshold(scaled, stays))


@mistake("filter_logits", where=("the softmax", "the sum"))
def sums_in_bfloat16(ref, logits, temperature, top_k=None, top_p=None, *, where="both"):
    """bfloat16 logits are filtered in bfloat16. With 8 bits a sum of probabilities near 0.9 is off by 0.002, and more
    as it gets longer, so that another set of tokens stays. Cast to float32 first, and back at the end."""
    if logits.dtype != jnp.bfloat16 or top_p is None:
        return ref(logits, temperature, top_k, top_p)
    scaled = _top_k((logits / temperature.astype(logits.dtype)), top_k)

    def stays(ranked):
        weights = jax.nn.softmax(ranked.astype(jnp.float32) if where == "the sum" else ranked, axis=-1)
        weights = weights.astype(jnp.float32 if where == "the softmax" else jnp.bfloat16)
        through = jnp.cumsum(weights, axis=-1)
        before = jnp.concatenate([jnp.zeros_like(through[..., :1]), through[..., :-1]], axis=-1)
        return before < top_p.astype(before.dtype)

    return _by_threshold(scaled, stays)


@mistake("filter_logits", about="asked in Python", of=("top_p", "both"))
def asked_by_a_python_if(ref, logits, temperature, top_k=None, top_p=None, *, of="temperature"):
    """A Python `if` asks what the temperature or `top_p` is. Both are arrays and have no value while the function is
    traced, so that `jit` cannot answer. Dividing by 1 changes nothing, nor does a `top_p` of 1: leave the question out,
    or choose with `jnp.where`."""
    if of != "top_p" and temperature == 1:
        return ref(logits, temperature, top_k, top_p)
    if of != "temperature" and top_p is not None and top_p >= 1:
        return ref(logits, temperature, top_k, None)
    return ref(logits, temperature, top_k, top_p)


@mistake("filter_logits", about="asked in Python", of=("top_p", "both"))
def made_a_python_number(ref, logits, temperature, top_k=None, top_p=None, *, of="temperature"):
    """The temperature or `top_p` is made a Python number, with `float(...)` or `.item()`. It works until `jit`, where
    they have no value yet. They are arrays so that one program serves all values; compute with them as they are."""
    if of != "top_p":
        float(temperature)
    if of != "temperature" and top_p is not None:
        float(top_p)
    return ref(logits, temperature, top_k, top_p)


# --- sample_token: what is drawn


@mistake("sample_token")
def largest_every_time(ref, key, logits, temperature, top_k=None, top_p=None):
    """The largest logit is taken every time, whatever the key is. That is what temperature 0 asks for; at any other
    temperature each token is to come as often as its probability says. `jax.random.categorical` draws."""
    return jnp.argmax(logits, axis=-1).astype(jnp.int32)


@mistake("sample_token", seed=(42,))
def key_left_out(ref, key, logits, temperature, top_k=None, top_p=None, *, seed=0):
    """The key that comes in is not used: a key of the function's own draws the same every time. Hand `key` on to what
    draws."""
    return ref(jax.random.key(seed), logits, temperature, top_k, top_p)


@mistake("sample_token", how=("one uniform number",))
def one_key_for_the_batch(ref, key, logits, temperature, top_k=None, top_p=None, *, how="one key"):
    """Every place of the batch draws with the same randomness, so that places with the same logits get the same token.
    `vmap` over rows hands the same key to each, and noise of shape `(V,)` spreads over all of them. Split the key, one
    for each row, or draw once in the shape of the logits."""
    rows = logits.reshape(-1, logits.shape[-1])
    if how == "one key":
        return jax.vmap(lambda row: ref(key, row, temperature, top_k, top_p))(rows).reshape(logits.shape[:-1])
    sums = jnp.cumsum(_distribution(logits, temperature, top_k, top_p), axis=-1)
    return _or_largest(temperature, logits, (sums <= sums[..., -1:] * jax.random.uniform(key)).sum(-1))


@mistake("sample_token")
def probabilities_for_logits(ref, key, logits, temperature, top_k=None, top_p=None):
    """`jax.random.categorical` is given probabilities, and takes them for logits: it exponentiates once more, and as
    they lie between 0 and 1, every token is nearly as likely as any other, filtered ones too. Give it the filtered
    logits."""
    weights = _distribution(logits, temperature, top_k, top_p)
    return _or_largest(temperature, logits, jax.random.categorical(key, weights))


@mistake("sample_token")
def every_token_alike(ref, key, logits, temperature, top_k=None, top_p=None):
    """Every token that is left is drawn as often as any other: a choice without its probabilities. Draw from the
    softmax of the filtered logits."""
    left = _distribution(logits, temperature, top_k, top_p) > 0
    return _or_largest(temperature, logits, jax.random.categorical(key, jnp.where(left, 0.0, -INF)))


@mistake("sample_token", kind=("uniform",))
def noise_of_another_kind(ref, key, logits, temperature, top_k=None, top_p=None, *, kind="normal"):
    """The largest of logits and noise is taken, and the noise is not Gumbel's. Only with `-log(-log(u))` has the place
    of the largest the softmax for its distribution. Take `jax.random.gumbel`, or `jax.random.categorical`, which adds
    it."""
    draw = jax.random.normal if kind == "normal" else jax.random.uniform
    filtered = jnp.log(_distribution(logits, temperature, top_k, top_p))
    return _or_largest(temperature, logits, jnp.argmax(filtered + draw(key, logits.shape), axis=-1))


@mistake("sample_token")
def noise_of_eight_bits(ref, key, logits, temperature, top_k=None, top_p=None):
    """With bfloat16 logits the noise is bfloat16 as well: `jax.random.categorical` draws it in the dtype that it is
    given. Eight bits give no large noise, and many ties, so that unlikely tokens come far too seldom. Cast the logits
    to float32 before you draw."""
    if logits.dtype != jnp.bfloat16:
        return ref(key, logits, temperature, top_k, top_p)
    filtered = jnp.log(_distribution(logits, temperature, top_k, top_p)).astype(logits.dtype)
    return _or_largest(temperature, logits, jax.random.categorical(key, filtered))


# --- sample_token: from which distribution


def _warm(temperature):
    return jnp.where(temperature == 0, 1.0, temperature)


def _distribution(logits, temperature, top_k, top_p):
    """The exact probabilities, at temperature 0 those of 1."""
    scaled = _top_k(_scaled(logits, _warm(temperature)), top_k)
    if top_p is not None:
        scaled = _by_threshold(scaled, lambda ranked: _sums(ranked)[1] < top_p)
    return jax.nn.softmax(scaled, axis=-1)


def _or_largest(temperature, logits, drawn):
    return jnp.where(temperature == 0, jnp.argmax(logits, axis=-1), drawn).astype(jnp.int32)


@mistake("sample_token")
def drawn_at_temperature_one(ref, key, logits, temperature, top_k=None, top_p=None):
    """The temperature only tells 0 from the rest: what is drawn is drawn at temperature 1. Divide the logits by it;
    `filter_logits` does."""
    return ref(key, logits, jnp.where(temperature == 0, 0.0, 1.0), top_k, top_p)


@mistake("sample_token")
def divided_twice(ref, key, logits, temperature, top_k=None, top_p=None):
    """The draw is one at the square of the temperature: the logits are divided by it twice, or the noise is multiplied
    by it once they are divided. `filter_logits` divides already: draw from what it gives as it is."""
    return ref(key, logits / _warm(temperature), temperature, top_k, top_p)


@mistake("sample_token")
def drawn_with_multiplied_logits(ref, key, logits, temperature, top_k=None, top_p=None):
    """The logits are multiplied by the temperature, so that a high one makes the draw more certain. Divide."""
    return ref(key, logits, jnp.where(temperature == 0, 0.0, 1 / _warm(temperature)), top_k, top_p)


@mistake("sample_token")
def filters_left_out(ref, key, logits, temperature, top_k=None, top_p=None):
    """`top_k` and `top_p` are not used: tokens come that a filter takes away. Draw from what `filter_logits` gives."""
    return ref(key, logits, temperature, None, None)


@mistake("sample_token")
def filtered_before_the_temperature(ref, key, logits, temperature, top_k=None, top_p=None):
    """What is drawn is filtered at temperature 1 and divided afterwards, so that top-p keeps another set of tokens. The
    temperature comes first: it decides how many tokens have a probability of `top_p`."""
    left = _distribution(logits, jnp.ones_like(temperature), top_k, top_p) > 0
    return ref(key, jnp.where(left, logits, -INF), temperature, None, None)


@mistake("sample_token")
def drawn_where_filtered(ref, key, logits, temperature, top_k=None, top_p=None):
    """Filtered tokens are drawn with a logit of 0. A logit of 0 is an ordinary one; what must not come has the logit
    -inf."""
    weights = _distribution(logits, temperature, top_k, top_p)
    filtered = jnp.where(weights > 0, _scaled(logits, _warm(temperature)), 0.0)
    return _or_largest(temperature, logits, jax.random.categorical(key, filtered))


@mistake("sample_token", where=("top_k", "both, the last first", "top_k, the last first"))
def drawn_with_equals_cut(ref, key, logits, temperature, top_k=None, top_p=None, *, where="both"):
    """Some of the tokens that are equally likely are never drawn: the filter cuts between equals. Keep everything that
    is at least as large as the smallest logit that stays."""
    filtered = equals_cut(ref, logits, _warm(temperature), top_k, top_p, where=where)
    return _or_largest(temperature, logits, jax.random.categorical(key, filtered.astype(jnp.float32)))


# --- sample_token: temperature 0


@mistake("sample_token", about="temperature 0")
def divided_by_zero(ref, key, logits, temperature, top_k=None, top_p=None):
    """At temperature 0 the logits are divided by 0: they become inf, -inf, and NaN where a logit is 0, and of several
    inf the first is taken. Compute the largest of the logits as well, and choose between the two answers with
    `jnp.where`."""
    return ref(key, _scaled(logits, temperature), jnp.ones_like(temperature), top_k, top_p)


@mistake("sample_token", about="temperature 0")
def small_number_for_zero(ref, key, logits, temperature, top_k=None, top_p=None):
    """A small number stands in for temperature 0. That is nearly the largest logit; but between equals the noise still
    decides, and the key with it, and a very small number overflows. Temperature 0 is an answer of its own: `argmax` of
    the logits, chosen with `jnp.where`."""
    return ref(key, logits, jnp.maximum(temperature, 1e-6), top_k, top_p)


@mistake("sample_token", about="temperature 0")
def last_of_equals(ref, key, logits, temperature, top_k=None, top_p=None):
    """Of equally large logits the last is taken at temperature 0, as the end of an `argsort` gives it. `jnp.argmax`
    gives the first, which is what the contract asks for."""
    last = logits.shape[-1] - 1 - jnp.argmax(logits[..., ::-1], axis=-1)
    return jnp.where(temperature == 0, last, ref(key, logits, temperature, top_k, top_p)).astype(jnp.int32)


@mistake("sample_token", about="temperature 0")
def temperature_asked_by_a_python_if(ref, key, logits, temperature, top_k=None, top_p=None):
    """A Python `if` asks whether the temperature is 0. It is an array without a value while the function is traced, and
    `jit` cannot answer. Compute both answers and choose with `jnp.where(temperature == 0, ...)`, or hand both to
    `jax.lax.cond`: then one program serves every temperature."""
    if temperature == 0:
        return jnp.argmax(logits, axis=-1).astype(jnp.int32)
    return ref(key, logits, temperature, top_k, top_p)


# --- sample_token: what is given back


@mistake("sample_token")
def an_axis_kept(ref, key, logits, temperature, top_k=None, top_p=None):
    """The tokens have an axis of length 1 at the end, as PyTorch's `multinomial` gives it. The contract asks for one
    number at each place of the batch: `(...)` for logits of `(..., V)`."""
    return ref(key, logits, temperature, top_k, top_p)[..., None]


@mistake("sample_token")
def tokens_as_floats(ref, key, logits, temperature, top_k=None, top_p=None):
    """The tokens are floats. They are numbers of rows in a table of embeddings, and an index is an integer: int32."""
    return ref(key, logits, temperature, top_k, top_p).astype(jnp.float32)


@mistake("sample_token")
def a_key_given_back_too(ref, key, logits, temperature, top_k=None, top_p=None):
    """A new key comes back beside the token. In JAX whoever calls splits the keys; this function gives back the tokens
    alone."""
    key, used = jax.random.split(key)
    return ref(used, logits, temperature, top_k, top_p), key


@mistake("sample_token")
def distribution_given_back(ref, key, logits, temperature, top_k=None, top_p=None):
    """What comes back are the probabilities, and nothing is drawn. A token is a number from 0 to V - 1: draw it."""
    return _distribution(logits, temperature, top_k, top_p)
