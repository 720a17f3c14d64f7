"""36 · Wrong answers that people really give, each with its sentence."""

import jax
import jax.numpy as jnp
from flax import nnx

from grader.course import mistake

# --- the position


@mistake
def position_not_advanced(Ref):
    """The position stays where it was, so each call overwrites what the call before it wrote, and is told that nothing
    came before. Once the new keys and values are written, add their number to `pos`."""

    class Wrong(Ref):
        def advance(self, count):
            pass

    return Wrong


@mistake
def position_advanced_by_one(Ref):
    """The position advances by 1, however many tokens the call took in. That is right while one writes token by token;
    after a chunk the next call overwrites all of it but its first token: add T, which is `x.shape[0]`."""

    class Wrong(Ref):
        def advance(self, count):
            super().advance(1)

    return Wrong


@mistake
def always_written_to_the_start(Ref):
    """Keys and values are always written to the first slots of the caches, whatever `pos` says. The first call is
    right, and each later one overwrites it: write from slot `pos` on."""

    class Wrong(Ref):
        def write(self, k, v, start):
            super().write(k, v, 0)

    return Wrong


@mistake
def position_advanced_before_writing(Ref):
    """The position is advanced first, and used to write afterwards. Everything lands T slots too late, behind a gap of
    zeros, and at the end of the buffer `dynamic_update_slice` moves it back without a word: write at the old position,
    then advance."""

    class Wrong(Ref):
        def write(self, k, v, start):
            super().write(k, v, start + len(k))

        def visible(self, queries, slots, start):
            return super().visible(queries, slots, start + queries)

    return Wrong


@mistake
def mask_from_the_advanced_position(Ref):
    """The mask is made from the position after it was advanced. Each query then sees T slots too many: later tokens of
    its own chunk, and slots that nobody has written yet. Query i of a call stands at the old position plus i."""

    class Wrong(Ref):
        def visible(self, queries, slots, start):
            return super().visible(queries, slots, start + queries)

    return Wrong


# --- what a query may see


@mistake
def every_slot_seen(Ref):
    """There is no mask: every slot of the cache is attended to, written or not. A key of zeros has the score 0, and
    exp(0) = 1 takes its share of every row. A query sees the slots up to its own: slot j when `j <= pos + i`."""

    class Wrong(Ref):
        def visible(self, queries, slots, start):
            return jnp.ones((queries, slots), bool)

    return Wrong


@mistake
def no_mask_inside_the_call(Ref):
    """The mask hides the slots that are not written yet, and nothing else, so that a token sees the later tokens of its
    own call. A single token needs no more, since its own slot is the last one written; in a chunk, query i sees slot j
    when `j <= pos + i`, with its own i."""

    class Wrong(Ref):
        def visible(self, queries, slots, start):
            return jnp.broadcast_to(jnp.arange(slots) < start + queries, (queries, slots))

    return Wrong


@mistake
def mask_from_the_start(Ref):
    """The triangle of the mask begins at slot 0 in every call: query i sees the slots up to i, as if nothing had come
    before it. That is right in the first call only; the queries of this call stand at `pos`, so query i sees slot j
    when `j <= pos + i`."""

    class Wrong(Ref):
        def visible(self, queries, slots, start):
            return super().visible(queries, slots, 0)

    return Wrong


@mistake
def mask_from_the_end(Ref):
    """The triangle of the mask ends at the last slot, as in problem 33. The last query is aligned with the last key
    there; here the last key is in slot `pos + T - 1`, and what lies behind it is unused. Both agree only when the cache
    is full."""

    class Wrong(Ref):
        def visible(self, queries, slots, start):
            return super().visible(queries, slots, slots - queries)

    return Wrong


@mistake
def unused_slots_told_by_their_zeros(Ref):
    """A slot counts as unused when its key is zero. A real token can have a key of zeros too, and is then lost; and
    what is told from values costs a pass over the cache. `pos` knows how many slots are written."""

    class Wrong(Ref):
        def attend(self, q, k, v, start):
            scores = jnp.einsum("tnh,snh->nts", q, k) / self.head_dim**0.5
            seen = self.visible(len(q), len(k), start) & (k != 0).any((1, 2))
            return jnp.einsum("nts,snh->tnh", jax.nn.softmax(scores, axis=-1, where=seen), v)

    return Wrong


@mistake
def scaled_twice(Ref):
    """The scores are scaled twice. `jax.nn.dot_product_attention` divides them by sqrt(head_dim) itself unless it is
    told otherwise, and the queries were already divided: leave it to one of the two."""

    class Wrong(Ref):
        def attend(self, q, k, v, start):
            return super().attend(q / self.head_dim**0.5, k, v, start)

    return Wrong


# --- what is in the caches


@mistake
def only_this_call(Ref):
    """The caches are written and never read: attention runs over the keys and values of this call alone. All at once
    that is the whole sequence; token by token each token sees nothing but itself. Attend to what is in the caches after
    the write."""

    class Wrong(Ref):
        def attend(self, q, k, v, start):
            def of_this_call(cache):
                return jax.lax.dynamic_slice_in_dim(cache, start, len(q))

            return super().attend(q, of_this_call(k), of_this_call(v), 0)

    return Wrong


@mistake
def cache_read_before_it_is_written(Ref):
    """The caches are read first and written afterwards, so that the tokens of this call find zeros in their own slots.
    An array is a value: what was read does not change when the variable gets another one. Write, then read."""

    class Wrong(Ref):
        def remember(self, k, v, start):
            before = self.k_cache[...], self.v_cache[...]
            super().remember(k, v, start)
            return before

    return Wrong


@mistake
def rolling_cache(Ref):
    """The caches roll: old rows move up and the new ones are written at the end, so that the last slots are the used
    ones. The outputs can be right like this, but the contract keeps token t in slot t, where the position says, and
    every step copies the whole cache."""

    class Wrong(Ref):
        def write(self, k, v, start):
            for cache, new in ((self.k_cache, k), (self.v_cache, v)):
                cache[...] = jnp.concatenate([cache[...][len(new) :], new])

        def visible(self, queries, slots, start):
            slot, last = jnp.arange(slots), slots - queries + jnp.arange(queries)[:, None]
            return (slot <= last) & (slot >= slots - queries - start)

    return Wrong


@mistake
def jit_that_forgets(Ref):
    """`@jax.jit` on the method works on a copy of the module: what it writes into the caches is gone when it returns,
    and the next call finds zeros. `nnx.jit` hands the changes back; better, leave `jit` to the caller."""

    class Wrong(Ref):
        @jax.jit
        def __call__(self, x):
            return super(Wrong, self).__call__(x)

    return Wrong


@mistake
def cached_before_the_split(Ref):
    """The caches hold keys and values before they are split into heads, `(max_len, d_model)`. The numbers are the same;
    the contract's shape is `(max_len, num_heads, head_dim)`, by which others find the heads: split first, then
    write."""

    class Wrong(Ref):
        def make_caches(self, max_len):
            super().make_caches(max_len)
            self.k_cache = nnx.Cache(jnp.zeros((max_len, self.num_heads * self.head_dim)))
            self.v_cache = nnx.Cache(jnp.zeros((max_len, self.num_heads * self.head_dim)))

        def write(self, k, v, start):
            for cache, new in ((self.k_cache, k), (self.v_cache, v)):
                cache[...] = jax.lax.dynamic_update_slice_in_dim(cache[...], new.reshape(len(new), -1), start, axis=0)

        def attend(self, q, k, v, start):
            return super().attend(q, self.split(k), self.split(v), start)

    return Wrong


# --- state and transforms


@mistake
def position_is_a_python_number(Ref):
    """The position is a Python integer. It is then part of the program, not of its data: `nnx.jit` traces and compiles
    again for every token, and a step that is traced once never moves on. Keep an int32 array in an `nnx.Cache`."""

    class Wrong(Ref):
        def make_position(self):
            self.pos = 0

        def position(self):
            return self.pos

        def advance(self, count):
            self.pos += count

    return Wrong


@mistake
def python_counter_beside_the_position(Ref):
    """A Python integer counts the tokens, and `pos` is only kept beside it. `nnx.jit` traces again whenever the integer
    changes, and in a step that is traced once, such as the body of a `lax.scan`, it never does: read the position from
    `pos[...]`."""

    class Wrong(Ref):
        def make_caches(self, max_len):
            super().make_caches(max_len)
            self.count = 0

        def position(self):
            return self.count

        def advance(self, count):
            super().advance(count)
            self.count += count

    return Wrong


@mistake
def position_made_an_integer(Ref):
    """The position is made a Python integer with `int(...)` or `.item()`. A compiled step does not know its value while
    it is traced: leave it an array, write with `jax.lax.dynamic_update_slice`, and compare it with slot numbers for the
    mask."""

    class Wrong(Ref):
        def position(self):
            return int(super().position())

    return Wrong


@mistake
def cache_that_grows(Ref):
    """The caches grow: they start empty and each call appends to them. Every call then has other shapes: a compiled
    step is traced and compiled again for every token, and a `lax.scan` cannot carry them. Make room for `max_len`
    tokens once, and write into it."""

    class Wrong(Ref):
        def make_caches(self, max_len):
            super().make_caches(0)

        def write(self, k, v, start):
            for cache, new in ((self.k_cache, k), (self.v_cache, v)):
                cache.set_value(jnp.concatenate([cache[...], new]))

    return Wrong


@mistake
def caches_of_another_kind(Ref):
    """The caches are plain `nnx.Variable`s. A program finds state by its kind, as in `nnx.state(module, nnx.Cache)`, to
    clear it or to give each sequence its own: make all three `nnx.Cache`."""

    class Wrong(Ref):
        def make_caches(self, max_len):
            super().make_caches(max_len)
            for name in ("k_cache", "v_cache", "pos"):
                setattr(self, name, nnx.Variable(getattr(self, name)[...]))

    return Wrong


@mistake
def caches_as_parameters(Ref):
    """The caches are `nnx.Param`s. An optimiser would train them and a checkpoint would save them with the weights;
    what is remembered between calls is state: `nnx.Cache`."""

    class Wrong(Ref):
        def make_caches(self, max_len):
            super().make_caches(max_len)
            for name in ("k_cache", "v_cache"):
                setattr(self, name, nnx.Param(getattr(self, name)[...]))

    return Wrong


@mistake
def attends_from_every_slot(Ref):
    """The values are right, but each step attends from every slot of the cache and keeps the rows of its own tokens.
    The queries of the past were answered when they came: score only the tokens of this call against the slots, and a
    step costs max_len products, not max_len squared."""

    class Wrong(Ref):
        def attend(self, q, k, v, start):
            slots = len(k)
            queries = jax.lax.dynamic_update_slice_in_dim(jnp.zeros_like(k), q, start, axis=0)
            scores = jnp.einsum("tnh,snh->nts", queries, k) / self.head_dim**0.5
            weights = jax.nn.softmax(scores, axis=-1, where=jnp.tri(slots, dtype=bool))
            return jax.lax.dynamic_slice_in_dim(jnp.einsum("nts,snh->tnh", weights, v), start, len(q), axis=0)

    return Wrong
