"""43 · Wrong answers that people really give, each with its sentence."""

import math

import jax
import jax.numpy as jnp
from flax import nnx

from grader.course import mistake

# --- relative_bucket


def _bucketed(offset, place, n):
    """The place of the distance within its half, and the half."""
    return place + jnp.where(offset > 0, n, 0)


def _way(distance, exact, max_distance):
    return jnp.log(jnp.maximum(distance, exact) / exact) / math.log(max_distance / exact)


def _far(distance, n, max_distance, whole=jnp.floor):
    exact = n // 2
    far = exact + whole(_way(distance, exact, max_distance) * (n - exact)).astype(jnp.int32)
    return jnp.where(distance < exact, distance, jnp.minimum(far, n - 1))


@mistake("relative_bucket")
def sign_of_the_offset_turned(ref, offset, num_buckets, max_distance):
    """Earlier keys get the second half of the buckets, and later keys the first. It looks right because the distances
    are; with the query's position minus the key's, `offset > 0` is an earlier key. Here the offset is key minus query,
    and what is above 0 comes second."""
    return ref(-offset, num_buckets, max_distance)


@mistake("relative_bucket")
def halves_swapped(ref, offset, num_buckets, max_distance):
    """The token itself and the earlier keys get the second half of the buckets. Either order would serve a model that
    is trained from the start, but the contract and T5's weights have the offsets above 0 second: add half of the
    buckets where `offset > 0`, nothing elsewhere."""
    return _far(jnp.abs(offset), num_buckets // 2, max_distance) + jnp.where(offset <= 0, num_buckets // 2, 0)


@mistake("relative_bucket")
def the_token_itself_among_the_later(ref, offset, num_buckets, max_distance):
    """Offset 0 falls into the first bucket of the second half. The comparison is `>= 0`, and that is the only place
    where it shows: an offset of 0 belongs to the first half, and has bucket 0."""
    return ref(offset, num_buckets, max_distance) + jnp.where(offset == 0, num_buckets // 2, 0)


@mistake("relative_bucket")
def one_direction_only(ref, offset, num_buckets, max_distance):
    """Later keys all fall into bucket 0, and earlier ones share all of the buckets. T5's decoder does that, where a
    causal mask hides later keys anyway; the function asked for here is that of its encoder, which gives each direction
    half of the buckets."""
    return _far(jnp.maximum(-offset, 0), num_buckets, max_distance)


@mistake("relative_bucket")
def direction_lost(ref, offset, num_buckets, max_distance):
    """The bucket depends on the distance alone: a key three places earlier and one three places later share theirs.
    Taking the absolute value is the first of two steps; the second gives the offsets above 0 buckets of their own."""
    return _far(jnp.abs(offset), num_buckets // 2, max_distance)


@mistake("relative_bucket")
def clipped_in_place_of_the_logarithm(ref, offset, num_buckets, max_distance):
    """Every distance has a bucket of its own until the half is full, and all that is farther shares the last one. That
    is how Shaw et al. clip an offset. Here only the first `n / 2` distances are exact; the other buckets are ranges
    that grow, up to `max_distance`."""
    return _bucketed(offset, jnp.minimum(jnp.abs(offset), num_buckets // 2 - 1), num_buckets // 2)


@mistake("relative_bucket")
def no_last_bucket(ref, offset, num_buckets, max_distance):
    """Distances beyond `max_distance` run past their half: far earlier keys end up among the buckets of the later ones,
    and far later keys beyond the last bucket. JAX does not complain about an index that is too large, it takes the last
    row. The place within a half is at most `n - 1`."""
    n = num_buckets // 2
    distance, exact = jnp.abs(offset), n // 2
    far = exact + jnp.floor(_way(distance, exact, max_distance) * (n - exact)).astype(jnp.int32)
    return _bucketed(offset, jnp.where(distance < exact, distance, far), n)


@mistake("relative_bucket")
def one_place_too_many_in_a_half(ref, offset, num_buckets, max_distance):
    """The place within a half is limited to `n`, and there is no such place: a half has the places 0 to `n - 1`. Far
    earlier keys share the first bucket of the later ones, and far later keys get a bucket behind the last: limit to `n
    - 1`."""
    n = num_buckets // 2
    distance, exact = jnp.abs(offset), n // 2
    far = exact + jnp.floor(_way(distance, exact, max_distance) * (n - exact)).astype(jnp.int32)
    return _bucketed(offset, jnp.where(distance < exact, distance, jnp.minimum(far, n)), n)


@mistake("relative_bucket")
def limited_before_the_exact_ones_are_added(ref, offset, num_buckets, max_distance):
    """The limit of `n - 1` is put on what the logarithm gives, and the exact places are added afterwards, so that far
    distances get places up to `n/2 + n - 1`. It belongs around the whole: add first, then take the minimum."""
    n = num_buckets // 2
    distance, exact = jnp.abs(offset), n // 2
    far = jnp.floor(_way(distance, exact, max_distance) * (n - exact)).astype(jnp.int32)
    return _bucketed(offset, jnp.where(distance < exact, distance, exact + jnp.minimum(far, n - 1)), n)


@mistake("relative_bucket")
def ranges_of_one_length(ref, offset, num_buckets, max_distance):
    """The far ranges are all of one length: `max_distance` is shared out evenly. It is the logarithm of the distance
    that is shared out evenly, so that each range is longer than the one before by the same factor."""
    n = num_buckets // 2
    distance, exact = jnp.abs(offset), n // 2
    far = exact + jnp.floor((distance - exact) / (max_distance - exact) * (n - exact)).astype(jnp.int32)
    return _bucketed(offset, jnp.where(distance < exact, distance, jnp.minimum(far, n - 1)), n)


@mistake("relative_bucket", bases=("2 and e", "e and 10", "2 and 10"))
def logarithms_of_two_bases(ref, offset, num_buckets, max_distance, *, bases="e and 2"):
    """The two logarithms have different bases, so that the way is too short or too long by a constant factor. Any base
    will do in a quotient of logarithms, as long as both have it."""
    n = num_buckets // 2
    distance, exact = jnp.abs(offset), n // 2
    above, below = ({"e": math.e, "2": 2, "10": 10}[base] for base in bases.split(" and "))
    way = _way(distance, exact, max_distance) * math.log(below) / math.log(above)
    far = exact + jnp.floor(way * (n - exact)).astype(jnp.int32)
    return _bucketed(offset, jnp.where(distance < exact, distance, jnp.minimum(far, n - 1)), n)


@mistake("relative_bucket", more=(-1,))
def exact_places_miscounted(ref, offset, num_buckets, max_distance, *, more=1):
    """The number of distances with a place of their own is off by one. The distances below `n / 2` have one, and 0 is
    among them: `n / 2` places, and the first range begins at distance `n / 2`."""
    n = num_buckets // 2
    distance, exact = jnp.abs(offset), n // 2 + more
    way = jnp.log(jnp.maximum(distance, 1) / exact) / math.log(max_distance / exact)
    far = exact + jnp.floor(way * (n - exact)).astype(jnp.int32)
    return _bucketed(offset, jnp.where(distance < exact, distance, jnp.minimum(far, n - 1)), n)


@mistake("relative_bucket")
def later_distances_counted_from_0(ref, offset, num_buckets, max_distance):
    """The distance of a later key is counted from 0: the next token gets the first place of the second half. It saves
    the bucket that is never used, and it is not what T5 does: the distance is `|offset|` on both sides, 1 for the next
    token."""
    n = num_buckets // 2
    return _bucketed(offset, _far(jnp.where(offset > 0, offset - 1, -offset), n, max_distance), n)


@mistake("relative_bucket")
def earlier_and_later_mirrored(ref, offset, num_buckets, max_distance):
    """The buckets run in the order of the offsets, with offset 0 in the middle: the place is added to `n` for later
    keys and taken from it for earlier ones. A table may be laid out so; here both halves count from near to far, the
    earlier keys from 0 and the later ones from `n`."""
    n = num_buckets // 2
    return n + jnp.sign(offset) * _far(jnp.abs(offset), n, max_distance)


@mistake("relative_bucket")
def distance_without_its_absolute_value(ref, offset, num_buckets, max_distance):
    """The place is computed from the offset with its sign, so that an earlier key counts as near, however far it is,
    and gets a negative number. The place within a half depends on the distance: `jnp.abs(offset)`."""
    return _bucketed(offset, _far(offset, num_buckets // 2, max_distance), num_buckets // 2)


@mistake("relative_bucket")
def rounded_to_the_nearest(ref, offset, num_buckets, max_distance):
    """The place on the logarithmic scale is rounded to the nearest integer. Each range then begins half a bucket too
    early. It is rounded down: `jnp.floor`, or a cast to an integer."""
    return _bucketed(offset, _far(jnp.abs(offset), num_buckets // 2, max_distance, jnp.round), num_buckets // 2)


@mistake("relative_bucket")
def rounded_up(ref, offset, num_buckets, max_distance):
    """The place on the logarithmic scale is rounded up, so that every range but the last begins a whole bucket too
    early. A bucket begins where its number is reached: round down, with `jnp.floor` or a cast to an integer."""
    return _bucketed(offset, _far(jnp.abs(offset), num_buckets // 2, max_distance, jnp.ceil), num_buckets // 2)


@mistake("relative_bucket", over=("half",))
def far_places_not_after_the_exact_ones(ref, offset, num_buckets, max_distance, *, over="what is left"):
    """The places of far distances are not counted from behind the exact ones. The logarithm is 0 where the exact
    distances end, so its share of the buckets comes on top of them: add `n / 2`."""
    n = num_buckets // 2
    distance, exact = jnp.abs(offset), n // 2
    share = n if over == "half" else n - exact
    far = jnp.floor(_way(distance, exact, max_distance) * share).astype(jnp.int32)
    return _bucketed(offset, jnp.where(distance < exact, distance, jnp.minimum(far, n - 1)), n)


@mistake("relative_bucket")
def far_places_not_halved(ref, offset, num_buckets, max_distance):
    """The logarithm is stretched over more places than the half has left: over `n`, and not over `n - n/2`. Its ranges
    are too short, and the last bucket is reached long before `max_distance`. Multiply by the number of places that are
    left after the exact ones."""
    n = num_buckets // 2
    distance, exact = jnp.abs(offset), n // 2
    far = exact + jnp.floor(_way(distance, exact, max_distance) * n).astype(jnp.int32)
    return _bucketed(offset, jnp.where(distance < exact, distance, jnp.minimum(far, n - 1)), n)


@mistake("relative_bucket")
def logarithm_of_the_distance_itself(ref, offset, num_buckets, max_distance):
    """The logarithms are those of the distance and of `max_distance` as they are. Ranges would then begin at distance
    1, while the exact ones end at `n / 2`, and several buckets stay empty. Divide both by `n / 2`, so that the way
    begins with log 1 = 0."""
    n = num_buckets // 2
    distance, exact = jnp.abs(offset), n // 2
    way = jnp.log(jnp.maximum(distance, 1)) / math.log(max_distance)
    far = exact + jnp.floor(way * (n - exact)).astype(jnp.int32)
    return _bucketed(offset, jnp.where(distance < exact, distance, jnp.minimum(far, n - 1)), n)


@mistake("relative_bucket")
def only_one_logarithm_relative(ref, offset, num_buckets, max_distance):
    """The distance is divided by `n / 2` before its logarithm, and `max_distance` is not. The way from `n / 2` to
    `max_distance` is then never walked to its end, and the last buckets are not reached until far behind it: divide
    both."""
    n = num_buckets // 2
    distance, exact = jnp.abs(offset), n // 2
    way = jnp.log(jnp.maximum(distance, exact) / exact) / math.log(max_distance)
    far = exact + jnp.floor(way * (n - exact)).astype(jnp.int32)
    return _bucketed(offset, jnp.where(distance < exact, distance, jnp.minimum(far, n - 1)), n)


@mistake("relative_bucket")
def one_added_before_the_logarithm(ref, offset, num_buckets, max_distance):
    """The logarithm is that of one more than the distance, which keeps it finite at 0 and moves every range. What the
    logarithm gives for near distances is not used: choose with `jnp.where`, or take `jnp.maximum(distance, 1)`, which
    changes no distance that counts."""
    n = num_buckets // 2
    distance, exact = jnp.abs(offset), n // 2
    way = jnp.log((distance + 1) / exact) / math.log(max_distance / exact)
    far = exact + jnp.floor(way * (n - exact)).astype(jnp.int32)
    return _bucketed(offset, jnp.where(distance < exact, distance, jnp.minimum(far, n - 1)), n)


@mistake("relative_bucket")
def divided_as_integers(ref, offset, num_buckets, max_distance):
    """The distance is divided by `n / 2` with `//`, so that its logarithm knows whole multiples only, and ranges begin
    too late. Divide with `/`: the quotient of integers is a floating number in JAX."""
    n = num_buckets // 2
    distance, exact = jnp.abs(offset), n // 2
    return _bucketed(offset, jnp.where(distance < exact, distance, _far(distance // exact * exact, n, max_distance)), n)


@mistake("relative_bucket", later=("all",))
def buckets_not_halved(ref, offset, num_buckets, max_distance, *, later="half"):
    """The place of a distance is computed for all of the buckets, though each direction has half of them: twice as many
    distances are exact, and ranges of earlier keys run into the buckets of later ones. Halve the number first, and
    compute with the half from there on."""
    shift = num_buckets if later == "all" else num_buckets // 2
    return _bucketed(offset, _far(jnp.abs(offset), num_buckets, max_distance), shift)


@mistake("relative_bucket")
def buckets_as_floating_numbers(ref, offset, num_buckets, max_distance):
    """The buckets are floating numbers, since `jnp.floor` and `jnp.where` over an integer and a floating array give
    such. They cannot index an array: cast what floor gives with `.astype(jnp.int32)` before it meets the distances."""
    return ref(offset, num_buckets, max_distance).astype(jnp.float32)


# --- RelativeBias


@mistake("RelativeBias")
def queries_at_the_start(Ref):
    """The queries stand at the first positions, 0 to `t_q - 1`. With as many queries as keys that is right. In a
    decoder with a cache the one query is the newest token, and all keys are earlier: the queries are the last `t_q` of
    the `t_k` positions, and begin at `t_k - t_q`."""

    class Wrong(Ref):
        def query_positions(self, t_q, t_k):
            return jnp.arange(t_q)

    return Wrong


@mistake("RelativeBias")
def every_query_at_the_last_position(Ref):
    """Every query stands at the last position, so that all rows are the same. That is right for a single query; of
    several, query `i` stands at `t_k - t_q + i`."""

    class Wrong(Ref):
        def query_positions(self, t_q, t_k):
            return jnp.full(t_q, t_k - 1)

    return Wrong


@mistake("RelativeBias", by=(-1,))
def query_positions_off_by_one(Ref, *, by=1):
    """The queries stand one position beside their own, so that a token has not the offset 0 to itself. The last of
    `t_k` positions is `t_k - 1`, and the first of the last `t_q` is `t_k - t_q`."""

    class Wrong(Ref):
        def query_positions(self, t_q, t_k):
            return super().query_positions(t_q, t_k) + by

    return Wrong


@mistake("RelativeBias")
def query_minus_key(Ref):
    """The offset is the query's position minus the key's, so that earlier and later keys change places. Distances are
    right, and a symmetric table would hide it: the offset is key minus query, a row of key positions minus a column of
    query positions."""

    class Wrong(Ref):
        def offsets(self, t_q, t_k):
            return -super().offsets(t_q, t_k)

    return Wrong


@mistake("RelativeBias")
def heads_last(Ref):
    """The bias has the shape (t_q, t_k, num_heads), as the lookup leaves it. Scores have their heads in front: move the
    last axis there."""

    class Wrong(Ref):
        def heads_first(self, bias):
            return bias

    return Wrong


@mistake("RelativeBias")
def reshaped_in_place_of_moved(Ref):
    """The heads come to the front by a reshape. The shape is right and the numbers are scrambled, since a reshape only
    cuts the same sequence of numbers otherwise: move the axis, with `jnp.moveaxis` or a transpose."""

    class Wrong(Ref):
        def heads_first(self, bias):
            return bias.reshape(bias.shape[-1], *bias.shape[:-1])

    return Wrong


@mistake("RelativeBias")
def later_keys_all_in_one_bucket(Ref):
    """Later keys all fall into bucket 0, and earlier ones share all of the buckets, as in T5's decoder. A bias that
    serves both directions is asked for, as in its encoder: use your `relative_bucket`, which halves them."""

    class Wrong(Ref):
        def buckets(self, t_q, t_k):
            return _far(jnp.maximum(-self.offsets(t_q, t_k), 0), self.num_buckets, self.max_distance)

    return Wrong


@mistake("RelativeBias")
def later_keys_hidden(Ref):
    """Later keys get minus infinity, as under a causal mask. A bias says how near and on which side a key is; whether
    it may be seen at all is for the mask to say, and half of the buckets are there for later keys."""

    class Wrong(Ref):
        def __call__(self, t_q, t_k):
            return jnp.where(self.offsets(t_q, t_k) > 0, -jnp.inf, super().__call__(t_q, t_k))

    return Wrong


@mistake("RelativeBias")
def max_distance_not_passed_on(Ref):
    """The ranges end at 128, whatever `max_distance` is asked for. That is T5's number; keep the one that the
    constructor gets, and hand it to `relative_bucket`."""

    class Wrong(Ref):
        def __init__(self, num_heads, num_buckets, max_distance, *, rngs):
            super().__init__(num_heads, num_buckets, 128, rngs=rngs)

    return Wrong


@mistake("RelativeBias")
def bias_scaled(Ref):
    """The bias is divided by sqrt(num_heads). Nothing is scaled here: what stands in the table is what is added to a
    score."""

    class Wrong(Ref):
        def __call__(self, t_q, t_k):
            bias = super().__call__(t_q, t_k)
            return bias / len(bias) ** 0.5

    return Wrong


@mistake("RelativeBias")
def one_table_for_all_heads(Ref):
    """`embedding` has one number for each bucket, which all heads share. Then no head can look near while another looks
    far: the shape is (num_buckets, num_heads)."""

    class Wrong(Ref):
        def __init__(self, num_heads, num_buckets, max_distance, *, rngs):
            super().__init__(num_heads, num_buckets, max_distance, rngs=rngs)
            self.num_heads = num_heads
            self.embedding = nnx.Param(jnp.zeros((num_buckets,)))

        def __call__(self, t_q, t_k):
            bias = self.embedding[...][self.buckets(t_q, t_k)]
            return jnp.broadcast_to(bias, (self.num_heads, *bias.shape))

    return Wrong


@mistake("RelativeBias")
def offsets_clipped_into_the_table(Ref):
    """The offset itself, clipped and moved above 0, is the row of the table. That is how Shaw et al. look up their
    vectors; here the rows are buckets: give the offsets to your `relative_bucket`."""

    class Wrong(Ref):
        def buckets(self, t_q, t_k):
            half = self.num_buckets // 2
            return jnp.clip(self.offsets(t_q, t_k), -half, half - 1) + half

    return Wrong


@mistake("RelativeBias")
def offsets_as_rows(Ref):
    """The offsets are used as rows of the table without being brought into buckets. Negative ones count from its end,
    and those that are too large take the last row, all without an error: give them to your `relative_bucket` first."""

    class Wrong(Ref):
        def buckets(self, t_q, t_k):
            return self.offsets(t_q, t_k)

    return Wrong


@mistake("RelativeBias")
def queries_and_keys_changed_places(Ref):
    """The bias has the shape (num_heads, t_k, t_q): rows are keys and columns are queries. For equal lengths the shapes
    do not tell. Rows are queries, as in the scores: the query positions are the column."""

    class Wrong(Ref):
        def __call__(self, t_q, t_k):
            return super().__call__(t_q, t_k).swapaxes(-1, -2)

    return Wrong


@mistake("RelativeBias")
def table_lying_on_its_side(Ref):
    """`embedding` has the shape (num_heads, num_buckets). Its values can be used like that, but the contract, and T5's
    weights, have a row for each bucket: (num_buckets, num_heads)."""

    class Wrong(Ref):
        def __init__(self, num_heads, num_buckets, max_distance, *, rngs):
            super().__init__(num_heads, num_buckets, max_distance, rngs=rngs)
            self.embedding = nnx.Param(jnp.zeros((num_heads, num_buckets)))

        def __call__(self, t_q, t_k):
            return self.embedding[...][:, self.buckets(t_q, t_k)]

    return Wrong


@mistake("RelativeBias")
def table_inside_an_embed(Ref):
    """`embedding` is an `nnx.Embed`, which holds its table under a name of its own: the parameter's path is then
    `embedding.embedding`. It also starts with random numbers. Here `embedding` itself is the parameter: an `nnx.Param`
    around zeros."""

    class Wrong(Ref):
        def __init__(self, num_heads, num_buckets, max_distance, *, rngs):
            super().__init__(num_heads, num_buckets, max_distance, rngs=rngs)
            self.embedding = nnx.Embed(num_buckets, num_heads, rngs=rngs)

        def __call__(self, t_q, t_k):
            return self.heads_first(self.embedding(self.buckets(t_q, t_k)))

    return Wrong


@mistake("RelativeBias")
def table_drawn_at_random(Ref):
    """`embedding` starts with random numbers, as most parameters do. Then some distances are preferred before anything
    was learned; the contract asks for zeros, with which attention starts as if there were no bias."""

    class Wrong(Ref):
        def __init__(self, num_heads, num_buckets, max_distance, *, rngs):
            super().__init__(num_heads, num_buckets, max_distance, rngs=rngs)
            self.embedding = nnx.Param(0.02 * jax.random.normal(rngs.params(), (num_buckets, num_heads)))

    return Wrong


@mistake("RelativeBias")
def table_that_is_no_parameter(Ref):
    """`embedding` is an `nnx.Variable` that is no `nnx.Param`, so that an optimiser which trains the parameters passes
    it by, and the bias stays at zero for ever. Make it an `nnx.Param`."""

    class Wrong(Ref):
        def __init__(self, num_heads, num_buckets, max_distance, *, rngs):
            super().__init__(num_heads, num_buckets, max_distance, rngs=rngs)
            self.embedding = nnx.Variable(jnp.zeros((num_buckets, num_heads)))

    return Wrong


# --- relative_scores


def _row_of_each_pair(length):
    """`j - i + T - 1` for every query and key: (T, T)."""
    return jnp.arange(length) - jnp.arange(length)[:, None] + length - 1


@mistake("relative_scores")
def offsets_in_the_opposite_order(ref, q, r):
    """The vectors are taken in the opposite order: that of offset `i - j` in the place of `j - i`, so that earlier and
    later keys change places. In Transformer-XL's formulas the index of r is the distance backwards. Here row 0 of `r`
    is the farthest earlier key: row `j - i + T - 1`."""
    return ref(q, r[::-1])


@mistake("relative_scores", end=("rolled", "zeros"))
def one_row_too_far(ref, q, r, *, end="clamped"):
    """Each pair gets the vector of the next offset: row `j - i + T` in the place of `j - i + T - 1`. With `2T - 1` rows
    offset 0 stands in row `T - 1`. A column of padding on the wrong side of the skew does this too: it belongs in
    front, before offset -(T - 1)."""
    last = dict(clamped=r[-1:], rolled=r[:1], zeros=jnp.zeros_like(r[:1]))[end]
    return ref(q, jnp.concatenate([r[1:], last]))


@mistake("relative_scores", end=("rolled", "zeros"))
def one_row_too_near(ref, q, r, *, end="clamped"):
    """Each pair gets the vector of the offset before its own: row `j - i + T - 2` in the place of `j - i + T - 1`. With
    `2T - 1` rows offset 0 stands in row `T - 1`."""
    first = dict(clamped=r[:1], rolled=r[-1:], zeros=jnp.zeros_like(r[:1]))[end]
    return ref(q, jnp.concatenate([first, r[:-1]]))


@mistake("relative_scores")
def skewed_for_a_causal_mask(ref, q, r):
    """Only the `T` rows of `r` up to offset 0 are skewed, as a causal decoder does it. Entries of later keys are then
    what the reshape happens to leave there: products of other queries. Under a causal mask nobody sees them; here later
    keys count, and all `2T - 1` rows go through the skew."""
    length = q.shape[1]
    scores = jnp.pad(jnp.einsum("nth,mnh->ntm", q, r[:length]), ((0, 0), (0, 0), (1, 0)))
    return scores.reshape(len(q), length + 1, length)[:, 1:]


@mistake("relative_scores")
def last_row_dropped_in_the_skew(ref, q, r):
    """The skew drops the last row after the reshape, and keeps the first. Its shapes are the same, and every row is
    moved to the wrong place. The column of zeros is in front, so what has to go is in front as well: `[1:]`, not
    `[:-1]`."""
    heads, length, _ = q.shape
    rows = jnp.pad(jnp.einsum("nth,mnh->ntm", q, r), ((0, 0), (0, 0), (1, 0))).reshape(heads, 2 * length, length)
    return rows[:, :-1].reshape(heads, length, 2 * length - 1)[:, :, :length]


@mistake("relative_scores", start=("offset 0",))
def rows_not_moved(ref, q, r, *, start="the first row"):
    """The products with the rows of `r` are cut to `T` columns without being moved: column `j` has the same offset in
    every row. Each row of the result begins one column before the row above it, at `T - 1 - i`."""
    begin = q.shape[1] - 1 if start == "offset 0" else 0
    return jnp.einsum("nth,mnh->ntm", q, r)[:, :, begin : begin + q.shape[1]]


@mistake("relative_scores")
def skewed_and_cut_at_the_wrong_end(ref, q, r):
    """After the skew the last `T` columns are kept, and the scores stand in the first ones. What follows them belongs
    to no pair of query and key: keep `[:, :, :T]`."""
    heads, length, _ = q.shape
    rows = jnp.pad(jnp.einsum("nth,mnh->ntm", q, r), ((0, 0), (0, 0), (1, 0))).reshape(heads, 2 * length, length)
    return rows[:, 1:].reshape(heads, length, 2 * length - 1)[:, :, length - 1 :]


@mistake("relative_scores")
def not_reshaped_back(ref, q, r):
    """After the first row is dropped, the first `T` rows are taken as they are. They are pieces of `T` numbers, two to
    a query; the skew ends with a reshape to rows of `2T - 1`, of which the first `T` columns are the scores."""
    heads, length, _ = q.shape
    rows = jnp.pad(jnp.einsum("nth,mnh->ntm", q, r), ((0, 0), (0, 0), (1, 0))).reshape(heads, 2 * length, length)
    return rows[:, 1 : length + 1]


@mistake("relative_scores")
def skewed_without_padding(ref, q, r):
    """The products are cut anew into rows of `2T - 2`, without a column of padding. For two and more tokens that is
    right; for one such a row has no place at all, and nothing is left. With a column of zeros rows of `2T` are cut into
    rows of `2T - 1`, which exist for every `T`."""
    heads, length, _ = q.shape
    flat = jnp.einsum("nth,mnh->ntm", q, r).reshape(heads, -1)[:, length - 1 :][:, : length * (2 * length - 2)]
    return flat.reshape(heads, length, 2 * length - 2)[:, :, :length]


@mistake("relative_scores", begin=("the last columns",))
def rows_moved_the_wrong_way(ref, q, r, *, begin="the first columns"):
    """Each row is moved to the opposite side: the further down, the later its first column. Row `i` begins at column `T
    - 1 - i`, so the first row is moved most and the last one not at all."""
    x, length = jnp.einsum("nth,mnh->ntm", q, r), q.shape[1]
    start = jnp.arange(length) + (length - 1 if begin == "the last columns" else 0)
    places = (start[:, None] + jnp.arange(length)) % (2 * length - 1)
    return jnp.take_along_axis(x, jnp.broadcast_to(places, (len(q), length, length)), axis=2)


@mistake("relative_scores")
def distance_in_place_of_the_offset(ref, q, r):
    """Earlier keys get the vectors of later ones: the row of `r` is that of the distance `|j - i|`. The sign counts,
    and `r` has rows for both directions: row `j - i + T - 1`."""
    return ref(q, jnp.concatenate([r[q.shape[1] - 1 :][::-1], r[q.shape[1] :]]))


@mistake("relative_scores")
def rows_counted_from_offset_0(ref, q, r):
    """The row of `r` is the offset itself, without the `T - 1` rows that stand before offset 0. Negative indices count
    from the end, so there is no error: row `j - i + T - 1`."""
    return ref(q, jnp.roll(r, q.shape[1] - 1, axis=0))


@mistake("relative_scores")
def query_of_the_key(ref, q, r):
    """Each pair has the right vector and the query of the key's position: `q[j]` in the place of `q[i]`. A letter or an
    index is that of the column where it should be that of the row."""
    x, length = jnp.einsum("nth,mnh->ntm", q, r), q.shape[1]
    return x[:, jnp.arange(length), _row_of_each_pair(length)]


@mistake("relative_scores", by=("minus infinity",))
def later_keys_hidden_in_the_scores(ref, q, r, *, by="zeros"):
    """Entries of later keys are replaced, as under a causal mask. These scores serve both directions; what may not be
    seen is hidden afterwards, by whoever adds them to the others."""
    return jnp.where(jnp.tri(q.shape[1], dtype=bool), ref(q, r), 0.0 if by == "zeros" else -jnp.inf)


@mistake("relative_scores")
def scaled_out_of_habit(ref, q, r):
    """The products are divided by sqrt(H). Whoever adds them to the scores scales the sum, once; here they are asked
    for as they are."""
    return ref(q / q.shape[-1] ** 0.5, r)


@mistake("relative_scores")
def vectors_of_the_first_head_for_all(ref, q, r):
    """Every head uses the vectors of the first one. Each head has its own, `r[m, n]`: keep the letter of the head on
    both sides of the einsum, and in its result."""
    return ref(q, jnp.broadcast_to(r[:, :1], r.shape))


@mistake("relative_scores")
def vectors_of_all_heads_added(ref, q, r):
    """Each query meets the vectors of all heads, added up: an einsum whose letter for the head of `r` is not that of
    `q` sums it away. Use the same letter for the head on both sides."""
    return ref(q, jnp.broadcast_to(r.sum(1, keepdims=True), r.shape))


@mistake("relative_scores")
def scores_transposed(ref, q, r):
    """Rows are keys and columns are queries: the result is `(N, j, i)`. The shapes do not tell. Rows are queries, as in
    every matrix of scores."""
    return ref(q, r).swapaxes(-1, -2)


@mistake("relative_scores")
def heads_behind_the_pairs(ref, q, r):
    """The heads come last: the result is `(T, T, N)`. Scores have their heads in front, `(N, T, T)`."""
    return jnp.moveaxis(ref(q, r), 0, -1)


@mistake("relative_scores")
def promoted_to_float32(ref, q, r):
    """Half-precision inputs give a float32 result. To sum in float32 is welcome, but the result has the dtype of the
    inputs: cast it back at the end."""
    return ref(q, r).astype(jnp.promote_types(q.dtype, jnp.float32))


@mistake("relative_scores", how=("multiplied", "product", "slices"))
def a_vector_for_each_pair(ref, q, r, *, how="gathered"):
    """The values are right, but a vector is laid out for each pair of query and key, H times as much as the result.
    That is how Shaw et al. write it down, and the memory of a long sequence goes there. Multiply each query with all
    `2T - 1` rows first, and then pick or move numbers, not vectors."""
    length = q.shape[1]
    if how == "slices":
        return jnp.einsum(
            "nih,ijnh->nij", q, jnp.stack([r[length - 1 - i : 2 * length - 1 - i] for i in range(length)])
        )
    picked = r[_row_of_each_pair(length)]
    if how == "product":
        return jnp.matmul(jnp.moveaxis(picked, 2, 0), q[..., None])[..., 0]
    if how == "multiplied":
        return (q[:, :, None] * jnp.moveaxis(picked, 2, 0)).sum(-1)
    return jnp.einsum("nih,ijnh->nij", q, picked)


@mistake("relative_scores")
def every_product_before_it_is_summed(ref, q, r):
    """The values are right, but queries and vectors are multiplied by broadcasting and summed afterwards, so that an
    array with an axis for the features exists: larger than the result by twice the width. A product of matrices sums as
    it goes: einsum, or `@`."""
    x = (q[:, :, None] * r.transpose(1, 0, 2)[:, None]).sum(-1)
    return jnp.take_along_axis(x, _row_of_each_pair(q.shape[1])[None], axis=2)


@mistake("relative_scores", to=("move",))
def each_row_multiplies_for_all(ref, q, r, *, to="keep one"):
    """The values are right, but for each row there is a product of matrices about as large as the one that all rows
    need together: the products of all queries, of which one is kept, or a product with zeros and ones, to move numbers.
    Multiply every query with `r` once, and move what that gives without arithmetic: pad and reshape,
    `jnp.take_along_axis`, or a roll for each row."""
    length = q.shape[1]

    def kept(i):
        return jnp.einsum("nth,mnh->ntm", q, r)[:, i]

    def moved(pair):
        products, places = pair
        return products @ jax.nn.one_hot(places, 2 * length - 1, dtype=q.dtype, axis=0)

    if to == "move":
        x = jnp.einsum("nth,mnh->ntm", q, r)
        return jax.lax.map(moved, (x.swapaxes(0, 1), _row_of_each_pair(length))).swapaxes(0, 1)
    x = jax.lax.map(kept, jnp.arange(length)).swapaxes(0, 1)
    return jnp.take_along_axis(x, _row_of_each_pair(length)[None], axis=2)


@mistake("relative_scores")
def zeros_and_ones_for_each_pair(ref, q, r):
    """The values are right, but rows are moved by a product with an array of zeros and ones, which has a row of `2T -
    1` for each pair of query and key: more than the vectors that it saves, and more multiplications than the scores
    themselves. Moving numbers is no arithmetic: pad and reshape, `jnp.take_along_axis`, or a roll for each row."""
    length = q.shape[1]
    ones = jax.nn.one_hot(_row_of_each_pair(length), 2 * length - 1, dtype=q.dtype)
    return jnp.einsum("nim,ijm->nij", jnp.einsum("nth,mnh->ntm", q, r), ones)


@mistake("relative_scores")
def heads_across_heads(ref, q, r):
    """The values are right, but every head's queries are multiplied with every head's vectors, and the diagonal of that
    is kept: N times the work. Make the head a batch axis of the product: the same letter in both inputs of the einsum
    and in its result."""
    x = jnp.einsum("nth,mlh->tmnl", q, r)
    x = jnp.moveaxis(jnp.diagonal(x, axis1=2, axis2=3), -1, 0)
    return jnp.take_along_axis(x, _row_of_each_pair(q.shape[1])[None], axis=2)
