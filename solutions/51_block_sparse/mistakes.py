"""51 · Wrong answers that people really give, each with its sentence. Those at the end have right values and a wrong
program."""

import inspect

import jax
import jax.numpy as jnp

from grader.course import mistake

# --- bigbird_blocks: the right pattern in small pieces; most mistakes are it with one piece exchanged


def _near(n, window):
    return jnp.abs(jnp.arange(n)[:, None] - jnp.arange(n)) <= window


def _first(n, num_global):
    first = jnp.arange(n) < num_global
    return first[:, None] | first


def _numbers(key, n):
    return jax.random.uniform(key, (n, n))


def _smallest(numbers, count):
    return jnp.argsort(jnp.argsort(numbers, axis=1), axis=1) < count


def _among_the_rest(key, given, count, numbers=_numbers):
    return _smallest(jnp.where(given, 2.0, numbers(key, len(given))), count)


def _pattern(
    ref, kept, key, num_blocks, window, num_global, num_random, *, near=_near, first=_first, draw=_among_the_rest
):
    """The pattern with other pieces; those that are `kept` are pieces of another mistake that is made in this one."""
    pieces = dict(near=near, first=first, draw=draw) | kept
    if any(argument.kind is argument.VAR_KEYWORD for argument in inspect.signature(ref).parameters.values()):
        usual = dict(near=_near, first=_first, draw=_among_the_rest)
        others = {name: piece for name, piece in pieces.items() if piece is not usual[name]}
        return ref(key, num_blocks, window, num_global, num_random, **others)
    given = pieces["near"](num_blocks, window) | pieces["first"](num_blocks, num_global)
    return given | pieces["draw"](key, given, num_random)


def _one_of_both(of):
    def first(n, num_global):
        block = jnp.arange(n) < num_global
        return jnp.broadcast_to(block[:, None] if of == "rows" else block, (n, n))

    return first


@mistake("bigbird_blocks")
def global_columns_forgotten(ref, key, num_blocks, window, num_global, num_random, **kept):
    """Global blocks see every block, and are not seen by every block: their rows are full, their columns are not. A
    token that is to pass on what it gathers has to be read as well: `j < num_global` beside `i < num_global`."""
    return _pattern(ref, kept, key, num_blocks, window, num_global, num_random, first=_one_of_both("rows"))


@mistake("bigbird_blocks")
def global_rows_forgotten(ref, key, num_blocks, window, num_global, num_random, **kept):
    """Every block sees the global ones, and the global ones do not see every block: their columns are full, their rows
    are not. They are to gather from everywhere: `i < num_global` beside `j < num_global`."""
    return _pattern(ref, kept, key, num_blocks, window, num_global, num_random, first=_one_of_both("columns"))


@mistake("bigbird_blocks")
def global_blocks_see_each_other_alone(ref, key, num_blocks, window, num_global, num_random, **kept):
    """Only pairs of two global blocks are added: the two conditions are joined with `&`. A pair is in the pattern when
    one of the two is global: join them with `|`."""

    def first(n, num_global):
        block = jnp.arange(n) < num_global
        return block[:, None] & block

    return _pattern(ref, kept, key, num_blocks, window, num_global, num_random, first=first)


@mistake("bigbird_blocks")
def global_blocks_at_the_end(ref, key, num_blocks, window, num_global, num_random, **kept):
    """The last blocks are the global ones. It is the first `num_global` that are, as a [CLS] token stands at the
    beginning of a text."""

    def first(n, num_global):
        block = jnp.arange(n) >= n - num_global
        return block[:, None] | block

    return _pattern(ref, kept, key, num_blocks, window, num_global, num_random, first=first)


@mistake("bigbird_blocks")
def global_block_numbered(ref, key, num_blocks, window, num_global, num_random, **kept):
    """There is one global block more than asked for: the comparison is `<=` where it has to be `<`. Blocks are numbered
    from 0, and `num_global` says how many of them are global."""
    return _pattern(
        ref, kept, key, num_blocks, window, num_global, num_random, first=lambda n, count: _first(n, count + 1)
    )


@mistake("bigbird_blocks", about="the window")
def window_one_too_narrow(ref, key, num_blocks, window, num_global, num_random, **kept):
    """The window is one block too narrow on both sides: the comparison is `<` where it has to be `<=`. With a window of
    0 not even the block itself is seen. A window of 1 is the block itself and its two neighbours."""
    return _pattern(ref, kept, key, num_blocks, window, num_global, num_random, near=lambda n, w: _near(n, w - 1))


@mistake("bigbird_blocks", about="the window", side=("later",))
def window_on_one_side(ref, key, num_blocks, window, num_global, num_random, *, side="earlier", **kept):
    """The window reaches to one side only: the difference of the block numbers is compared without its absolute value,
    or a causal mask was put over it. Nothing is causal here, and `window` counts the blocks to either side."""

    def near(n, window):
        ahead = jnp.arange(n) - jnp.arange(n)[:, None]
        return _near(n, window) & (ahead <= 0 if side == "earlier" else ahead >= 0)

    return _pattern(ref, kept, key, num_blocks, window, num_global, num_random, near=near)


@mistake("bigbird_blocks", about="the window", side=("earlier",))
def one_side_of_the_window_open(ref, key, num_blocks, window, num_global, num_random, *, side="later", **kept):
    """The window ends on one side only: on the other one every block is seen. The difference `i - j` is compared with
    the window as it is, and whatever is below 0 passes; or one triangle was made in the place of two. Take the absolute
    value of the difference."""

    def near(n, window):
        apart = jnp.arange(n)[:, None] - jnp.arange(n)
        return (apart if side == "later" else -apart) <= window

    return _pattern(ref, kept, key, num_blocks, window, num_global, num_random, near=near)


@mistake("bigbird_blocks", about="the window")
def window_taken_for_its_whole_width(ref, key, num_blocks, window, num_global, num_random, **kept):
    """`window` is taken for the width of the whole window, half of it to either side, as the paper counts w. Here it is
    the number of blocks to *either* side, so that the whole width is `2 * window + 1`."""
    return _pattern(ref, kept, key, num_blocks, window, num_global, num_random, near=lambda n, w: _near(n, w // 2))


@mistake("bigbird_blocks", about="the window")
def window_wraps_round(ref, key, num_blocks, window, num_global, num_random, **kept):
    """The window goes round the end: the first block sees the last, and the last the first. That is what `jnp.roll`, an
    index of -1 or a `%` give. There is nothing before the first block and nothing behind the last."""

    def near(n, window):
        apart = jnp.abs(jnp.arange(n)[:, None] - jnp.arange(n))
        return jnp.minimum(apart, n - apart) <= window

    return _pattern(ref, kept, key, num_blocks, window, num_global, num_random, near=near)


@mistake("bigbird_blocks")
def the_block_itself_left_out(ref, key, num_blocks, window, num_global, num_random, **kept):
    """No block sees itself, as if only neighbours were in the window. The distance of a block from itself is 0, which
    is within every window."""

    def near(n, window):
        return _near(n, window) & ~jnp.eye(n, dtype=bool)

    return _pattern(ref, kept, key, num_blocks, window, num_global, num_random, near=near)


# --- bigbird_blocks: what is drawn


@mistake("bigbird_blocks")
def drawn_with_replacement(ref, key, num_blocks, window, num_global, num_random, **kept):
    """The random blocks of a row are drawn one by one from all that are left, so that one may come twice, and the row
    then sees fewer. Draw without replacement: give each block a random number, and take those with the smallest."""

    def draw(key, given, count):
        if not count:
            return jnp.zeros_like(given)
        logits = jnp.where(given, -jnp.inf, 0.0)[:, None]
        drawn = jax.random.categorical(key, logits, axis=-1, shape=(len(given), count))
        some = (~given).any(1)[:, None, None]
        return (jax.nn.one_hot(drawn, len(given), dtype=bool) & some).any(1)

    return _pattern(ref, kept, key, num_blocks, window, num_global, num_random, draw=draw)


@mistake("bigbird_blocks")
def one_key_for_all_draws_of_a_row(ref, key, num_blocks, window, num_global, num_random, **kept):
    """The random blocks of a row are drawn one after the other with the same key, so that the same block comes each
    time, and the row gains one. A key is used once: split it, or draw all numbers of the row in one call."""

    def draw(key, given, count):
        return _among_the_rest(key, given, min(count, 1))

    return _pattern(ref, kept, key, num_blocks, window, num_global, num_random, draw=draw)


@mistake("bigbird_blocks", how=("each by itself",))
def drawn_among_all_blocks(ref, key, num_blocks, window, num_global, num_random, *, how="without replacement", **kept):
    """The random blocks are drawn among all blocks, and some of them fall on blocks that the window or a global block
    gives already. Such a row gains fewer than `num_random`. Draw among those that are left."""

    def draw(key, given, count):
        n = len(given)
        if how == "without replacement":
            return _smallest(_numbers(key, n), count)
        return jax.nn.one_hot(jax.random.randint(key, (n, count), 0, n), n, dtype=bool).any(1)

    return _pattern(ref, kept, key, num_blocks, window, num_global, num_random, draw=draw)


@mistake("bigbird_blocks", but=("the block itself",))
def drawn_among_some_that_are_given(ref, key, num_blocks, window, num_global, num_random, *, but="the window", **kept):
    """The draw leaves out the window, or the block itself, and not the global blocks: where it falls on one of those
    the row gains nothing. Leave out everything that is given before you draw."""

    def draw(key, given, count):
        out = _near(num_blocks, window if but == "the window" else 0)
        return _among_the_rest(key, out, count)

    return _pattern(ref, kept, key, num_blocks, window, num_global, num_random, draw=draw)


@mistake("bigbird_blocks")
def a_coin_for_each_block(ref, key, num_blocks, window, num_global, num_random, **kept):
    """Each block that is left is taken with the right probability, by itself, so that a row sees `num_random` of them
    only on average. The number is fixed: take the blocks with the `num_random` smallest numbers."""

    def draw(key, given, count):
        share = count / jnp.maximum((~given).sum(1, keepdims=True), 1)
        return ~given & (_numbers(key, len(given)) < share)

    return _pattern(ref, kept, key, num_blocks, window, num_global, num_random, draw=draw)


@mistake("bigbird_blocks", among=("all blocks",))
def one_draw_for_all_rows(ref, key, num_blocks, window, num_global, num_random, *, among="the rest", **kept):
    """All rows draw with the same randomness: one row of numbers that spreads over all, or one key that is handed to
    each row under `vmap`. Rows then see the same random blocks, which serve nobody new. Draw numbers for all pairs at
    once, or split the key."""

    def draw(key, given, count):
        row = jax.random.uniform(key, (1, len(given)))
        if among == "all blocks":
            return jnp.broadcast_to(_smallest(row, count), given.shape)
        return _among_the_rest(key, given, count, lambda key, n: jnp.broadcast_to(row, (n, n)))

    return _pattern(ref, kept, key, num_blocks, window, num_global, num_random, draw=draw)


@mistake("bigbird_blocks")
def one_draw_moved_along(ref, key, num_blocks, window, num_global, num_random, **kept):
    """One row is drawn, and every further row is that one moved along by a block: diagonals in the place of chance.
    Each row is as it should be, and any one tells all others. Rows are to be independent."""

    def draw(key, given, count):
        n = len(given)
        row, block = jax.random.uniform(key, (n,)), jnp.arange(n)
        return _among_the_rest(key, given, count, lambda key, n: row[(block - block[:, None]) % n])

    return _pattern(ref, kept, key, num_blocks, window, num_global, num_random, draw=draw)


@mistake("bigbird_blocks", seed=(1, 42))
def key_left_out(ref, key, num_blocks, window, num_global, num_random, *, seed=0, **kept):
    """The key that comes in is not used: a key of the function's own, or of NumPy's, draws the same every time. Hand
    `key` on to what draws."""
    return ref(jax.random.key(seed), num_blocks, window, num_global, num_random, **kept)


@mistake("bigbird_blocks")
def neighbours_for_random_blocks(ref, key, num_blocks, window, num_global, num_random, **kept):
    """The random blocks of a row stand side by side: a random place, and the blocks from there on. Each block comes as
    often as it should, but not every set of blocks. Draw each by itself, without replacement."""

    def draw(key, given, count):
        left = jnp.cumsum(~given, axis=1) - 1  # the number of each block among those that are left
        many = jnp.maximum((~given).sum(1, keepdims=True), 1)
        start = jnp.floor(jax.random.uniform(key, (len(given), 1)) * many).astype(int)
        return ~given & ((left - start) % many < count)

    return _pattern(ref, kept, key, num_blocks, window, num_global, num_random, draw=draw)


@mistake("bigbird_blocks")
def order_taken_for_places(ref, key, num_blocks, window, num_global, num_random, **kept):
    """`argsort` is compared with `num_random` as if it gave the place of each block. It gives the block at each place.
    What it marks may be given already. Sort once more: `argsort(argsort(numbers))` are the places."""

    def draw(key, given, count):
        return jnp.argsort(jnp.where(given, 2.0, _numbers(key, len(given))), axis=1) < count

    return _pattern(ref, kept, key, num_blocks, window, num_global, num_random, draw=draw)


@mistake("bigbird_blocks")
def same_number_in_each_column(ref, key, num_blocks, window, num_global, num_random, **kept):
    """The draw is made for each column in the place of each row: every block of keys is seen by `num_random` further
    ones, and a row sees any number of them. Rows are queries: sort along the last axis."""

    def draw(key, given, count):
        return _among_the_rest(key, given.T, count).T

    return _pattern(ref, kept, key, num_blocks, window, num_global, num_random, draw=draw)


@mistake("bigbird_blocks")
def random_blocks_in_both_directions(ref, key, num_blocks, window, num_global, num_random, **kept):
    """A random pair is put in in both directions, so that rows see more than `num_random` further blocks. Window and
    global blocks are symmetric; what is drawn is drawn for each row, and is not."""

    def draw(key, given, count):
        drawn = _among_the_rest(key, given, count)
        return drawn | drawn.T

    return _pattern(ref, kept, key, num_blocks, window, num_global, num_random, draw=draw)


@mistake("bigbird_blocks", how=("first",))
def nothing_drawn(ref, key, num_blocks, window, num_global, num_random, *, how="none", **kept):
    """Nothing is random: the row sees no further blocks, or always the first ones that are left. `num_random` of those
    that are left have to be drawn with the key."""

    def draw(key, given, count):
        return jnp.zeros_like(given) if how == "none" else ~given & (jnp.cumsum(~given, axis=1) <= count)

    return _pattern(ref, kept, key, num_blocks, window, num_global, num_random, draw=draw)


@mistake("bigbird_blocks")
def rows_with_fewer_left_get_none(ref, key, num_blocks, window, num_global, num_random, **kept):
    """A row that has fewer blocks left than `num_random` draws none of them. It sees all that are left then."""

    def draw(key, given, count):
        enough = (~given).sum(1, keepdims=True) >= count
        return _among_the_rest(key, given, count) & enough

    return _pattern(ref, kept, key, num_blocks, window, num_global, num_random, draw=draw)


@mistake("bigbird_blocks", by=("top_k",))
def drawn_too_many_at_a_time(ref, key, num_blocks, window, num_global, num_random, *, by="choice"):
    """Where fewer blocks are left than asked for it ends with an error: `top_k` of more than there are, or a choice
    without replacement among too few. All that are left are to be seen then: ask for `min(num_random, num_blocks)`, and
    mind rows that have fewer left."""
    if num_random > num_blocks and by == "top_k":
        jax.lax.top_k(jnp.zeros((num_blocks, num_blocks)), num_random)
    if num_random > num_blocks:
        jax.random.choice(key, num_blocks, (num_random,), replace=False)
    return ref(key, num_blocks, window, num_global, num_random)


@mistake("bigbird_blocks", dtype=("int32",))
def numbers_for_true(ref, key, num_blocks, window, num_global, num_random, *, dtype="float32", **kept):
    """The pattern holds the numbers 0 and 1. It is a mask, and masks are boolean: True where a block is seen. Compare,
    or start from zeros of dtype `bool`."""
    return ref(key, num_blocks, window, num_global, num_random, **kept).astype(dtype)


@mistake("bigbird_blocks")
def pairs_in_place_of_a_pattern(ref, key, num_blocks, window, num_global, num_random):
    """What comes back is the list of rows and columns of the pairs. Its length depends on the draw, and `jit` cannot
    know it. Give the boolean pattern; whoever needs a list makes it with a length that is known."""
    return jnp.nonzero(ref(key, num_blocks, window, num_global, num_random))


# --- block_sparse_attention: the right program in small pieces


def _blocks(x, size):
    return x.reshape(-1, size, *x.shape[1:])


def _scores(queries, keys):
    width = queries.shape[-1]
    return jnp.einsum("pinh,pjnh->pnij", queries, keys, preferred_element_type=jnp.float32) / width**0.5


def _row_of(rows, blocks):
    """The row of each pair, that of padding behind all others."""
    return jnp.where(rows < 0, blocks, rows)


def _top(scores, row, blocks):
    return jax.ops.segment_max(jax.lax.stop_gradient(scores).max(-1), row, num_segments=blocks + 1)


def _powers(scores, row, blocks):
    return jnp.exp(scores - _top(scores, row, blocks)[row][..., None])


def _add(pieces, row, blocks):
    return jax.ops.segment_sum(pieces, row, num_segments=blocks + 1)[:blocks]


def _divide(out, sums):
    return out / jnp.where(sums == 0, 1.0, sums)[..., None]


def _attend(
    q,
    k,
    v,
    rows,
    columns,
    block_size,
    *,
    cut=_blocks,
    scores=_scores,
    row_of=_row_of,
    powers=_powers,
    add=_add,
    divide=_divide,
    average=None,
):
    """`average` makes pieces of output of powers and values, where the sums are not to be taken over all of a row."""
    queries, keys, values = (cut(x, block_size) for x in (q, k, v))
    blocks = len(queries)
    row = row_of(rows, blocks)
    made = scores(queries[rows], keys[columns])
    weights = powers(made, row, blocks)
    pieces = jnp.einsum("pnij,pjnh->pnih", weights, values[columns].astype(jnp.float32))
    out = divide(add(pieces, row, blocks), add(weights.sum(-1), row, blocks))
    if average:
        out = average(out, pieces, weights, row, blocks)
    out = jnp.moveaxis(out, 1, 2)
    return _joined(out, q, cut)


def _joined(out, q, cut):
    if cut is _blocks:
        return out.reshape(q.shape).astype(q.dtype)
    return out.swapaxes(0, 1).reshape(q.shape).astype(q.dtype)


def _pattern_of(rows, columns, blocks):
    """bool (blocks, blocks) of the listed pairs."""
    real = rows >= 0
    where = jnp.where(real, rows, blocks), jnp.where(real, columns, blocks)
    return jnp.zeros((blocks, blocks), bool).at[where].set(True, mode="drop")


def _mask(rows, columns, length, block_size):
    """bool (T, T): which query sees which key."""
    seen = _pattern_of(rows, columns, length // block_size)
    return jnp.repeat(jnp.repeat(seen, block_size, axis=0), block_size, axis=1)


def _dense(q, k, v, mask, softmax=None):
    """Attention under a mask for all pairs of tokens."""
    scores = jnp.einsum("inh,jnh->nij", q, k, preferred_element_type=jnp.float32) / q.shape[-1] ** 0.5
    mask = jnp.broadcast_to(mask, scores.shape)
    weights = softmax(scores, mask) if softmax else jax.nn.softmax(scores, axis=-1, where=mask)
    return jnp.einsum("nij,jnh->inh", weights, v.astype(jnp.float32)).astype(q.dtype)


def _nothing(rows, q, block_size, out):
    """Zeros for the blocks that see nothing, after the fact."""
    blocks = len(q) // block_size
    sees = jnp.zeros(blocks, bool).at[jnp.where(rows < 0, blocks, rows)].set(True, mode="drop")
    return jnp.where(jnp.repeat(sees, block_size)[:, None, None], out, 0)


def _fold(state, scores, values):
    """One more pair: (maximum, sum, unfinished output) of its queries, before and after."""
    top, total, out = state
    new = jax.lax.stop_gradient(jnp.maximum(top, scores.max(-1)))
    shrink, powers = jnp.exp(top - new), jnp.exp(scores - new[..., None])
    return new, total * shrink + powers.sum(-1), out * shrink[..., None] + powers @ values


def _in_turns(q, k, v, rows, columns, block_size, *, fold=_fold, top=-jnp.inf):
    """The same with a pair in each turn of a loop."""
    queries, keys, values = (_blocks(x, block_size).swapaxes(1, 2).astype(jnp.float32) for x in (q, k, v))
    blocks, heads, size, width = queries.shape
    queries = jnp.pad(queries, ((0, 1), (0, 0), (0, 0), (0, 0)))
    start = jnp.full((blocks + 1, heads, size), top), jnp.zeros((blocks + 1, heads, size)), jnp.zeros(queries.shape)

    def step(state, pair):
        row, column = _row_of(pair[0], blocks), pair[1]
        scores = queries[row] @ keys[column].swapaxes(-1, -2) / width**0.5
        now = fold([part[row] for part in state], scores, values[column])
        return tuple(part.at[row].set(its) for part, its in zip(state, now)), None

    (_, total, out), _ = jax.lax.scan(step, start, (rows, columns))
    return _divide(out, total)[:blocks].swapaxes(1, 2).reshape(q.shape).astype(q.dtype)


# --- block_sparse_attention: which pairs


@mistake("block_sparse_attention", computed=("all pairs",))
def padding_wraps_round_to_the_last_block(ref, q, k, v, rows, columns, block_size, *, computed="listed pairs"):
    """Padding counts as a pair of the last block with itself: an index of -1 is the last one. That goes unnoticed where
    the last row sees the last block alone, or where nothing is padded. Send padding to a row of its own behind all
    others, and cut that off."""
    blocks = len(q) // block_size
    if computed == "all pairs":
        return _dense(q, k, v, _mask(rows % blocks, columns % blocks, len(q), block_size))
    return ref(q, k, v, rows % blocks, columns % blocks, block_size)


@mistake("block_sparse_attention", column=("the last",))
def padding_is_block_zero(ref, q, k, v, rows, columns, block_size, *, column="the first"):
    """Padding counts as a pair of block 0, because -1 was clipped to 0. It shows only where row 0 sees other blocks
    too: a pair that counts twice in a row of its own changes nothing. Send padding to a row of its own behind all
    others, and cut that off."""
    columns = jnp.maximum(columns, 0) if column == "the first" else columns % (len(q) // block_size)
    return ref(q, k, v, jnp.maximum(rows, 0), columns, block_size)


@mistake("block_sparse_attention", row=("the last",))
def padding_scores_zero(ref, q, k, v, rows, columns, block_size, *, row="the first"):
    """The scores and values of padding are set to 0, and it is counted in row 0, or in the last. A score of 0 is no
    absence: its power is 1, and the sum is too large. Set its powers to 0, or send it to a row of its own."""

    def scores(queries, keys):
        return jnp.where((rows >= 0)[:, None, None, None], _scores(queries, keys), 0.0)

    def row_of(rows, blocks):
        return jnp.maximum(rows, 0) if row == "the first" else rows % blocks

    def add(pieces, row, blocks):
        # values are those of the last block, and are taken away; the sums stay
        real = (rows >= 0).reshape(-1, *[1] * (pieces.ndim - 1))
        return _add(jnp.where(real, pieces, 0.0) if pieces.ndim == 4 else pieces, row, blocks)

    return _attend(q, k, v, rows, columns, block_size, scores=scores, row_of=row_of, add=add)


@mistake("block_sparse_attention", row=("the last",))
def padding_hidden_in_an_empty_row(ref, q, k, v, rows, columns, block_size, *, row="the first"):
    """Padding is counted in row 0, or in the last, with scores of -inf. That is right while the row sees something. If
    it sees nothing its maximum is -inf as well, and -inf - (-inf) is NaN. Take off 0 where there is no maximum, or send
    padding to a row of its own."""

    def scores(queries, keys):
        return jnp.where((rows >= 0)[:, None, None, None], _scores(queries, keys), -jnp.inf)

    def row_of(rows, blocks):
        return jnp.maximum(rows, 0) if row == "the first" else rows % blocks

    return _attend(q, k, v, rows, columns, block_size, scores=scores, row_of=row_of)


@mistake("block_sparse_attention")
def rows_and_columns_swapped(ref, q, k, v, rows, columns, block_size):
    """Queries and keys are swapped in the pairs: queries of block `columns[p]` see the keys of block `rows[p]`. Rows
    are queries and columns keys, as in a matrix of scores."""
    return ref(q, k, v, columns, rows, block_size)


@mistake("block_sparse_attention")
def every_pair_is_seen(ref, q, k, v, rows, columns, block_size):
    """The list is not looked at: every query sees every key."""
    return _dense(q, k, v, True)


@mistake("block_sparse_attention")
def each_block_sees_itself_anyway(ref, q, k, v, rows, columns, block_size):
    """Each block sees itself, whether the pair is listed or not. That keeps rows from being empty, and it is another
    function: a block that is not listed is not seen, and a row without any is zeros."""
    seen = _pattern_of(rows, columns, len(q) // block_size) | jnp.eye(len(q) // block_size, dtype=bool)
    return _dense(q, k, v, jnp.repeat(jnp.repeat(seen, block_size, axis=0), block_size, axis=1))


@mistake("block_sparse_attention")
def pairs_of_tokens(ref, q, k, v, rows, columns, block_size):
    """`rows` and `columns` are taken for numbers of tokens: a pair lets one query see one key. They number blocks, and
    block r holds the tokens from `r * block_size` on."""
    return ref(q, k, v, rows, columns, 1)


@mistake("block_sparse_attention")
def blocks_of_every_nth_token(ref, q, k, v, rows, columns, block_size):
    """A block holds every n-th token: the reshape has the axis of the tokens in a block first and that of the blocks
    behind it. Tokens that stand one behind the other are a block: `(T // block_size, block_size, ...)`."""

    def cut(x, size):
        return x.reshape(size, -1, *x.shape[1:]).swapaxes(0, 1)

    return _attend(q, k, v, rows, columns, block_size, cut=cut)


@mistake("block_sparse_attention")
def as_many_blocks_in_each_row(ref, q, k, v, rows, columns, block_size):
    """The list is reshaped to as many columns for each row, as if every row had the same number of pairs and they stood
    in order. Rows are ragged and pairs come in any order: bring together what has the same `rows[p]`, with segments."""
    blocks = len(q) // block_size
    table = columns.reshape(blocks, -1)
    in_order = jnp.repeat(jnp.arange(blocks, dtype=jnp.int32), table.shape[1])
    return ref(q, k, v, in_order, table.ravel(), block_size)


@mistake("block_sparse_attention")
def the_last_run_of_a_row(ref, q, k, v, rows, columns, block_size):
    """Pairs of a row are brought together only where they stand side by side: a row that comes again later begins anew,
    and what it had is overwritten. Pairs come in any order: sort them by row first, or add to what the row has."""
    run = jnp.cumsum(jnp.concatenate([jnp.zeros(1, bool), rows[1:] != rows[:-1]]))
    last = jax.ops.segment_max(
        run, jnp.where(rows < 0, len(q) // block_size, rows), num_segments=len(q) // block_size + 1
    )
    kept = run == last[rows]
    return ref(q, k, v, jnp.where(kept, rows, -1), jnp.where(kept, columns, -1), block_size)


@mistake("block_sparse_attention", which=("first",))
def one_pair_of_each_row(ref, q, k, v, rows, columns, block_size, *, which="last"):
    """Only one pair of each row counts: a row is written with `.at[...].set(...)`, and the last that writes stays.
    Several pairs belong to one row: add them up, `.at[...].add(...)` or `segment_sum`, in numerator and denominator."""
    place, row = jnp.arange(len(rows)), jnp.where(rows < 0, len(q) // block_size, rows)
    gather = jax.ops.segment_max if which == "last" else jax.ops.segment_min
    kept = place == gather(place, row, num_segments=len(q) // block_size + 1)[row]
    return ref(q, k, v, jnp.where(kept, rows, -1), jnp.where(kept, columns, -1), block_size)


# --- block_sparse_attention: the softmax


def _own_powers(scores, row, blocks):
    """Each piece relative to its own maximum."""
    return jnp.exp(scores - scores.max(-1, keepdims=True))


@mistake("block_sparse_attention", then=("averaged",))
def softmax_for_each_pair(ref, q, k, v, rows, columns, block_size, *, then="added up"):
    """Each pair of blocks has a softmax of its own, and the outputs of a row are added up or averaged. Rows that see a
    single block are right. The weights of a query have to sum to 1 over all blocks that it sees: one maximum and one
    sum for a row, from all of its pairs."""

    def average(out, pieces, weights, row, blocks):
        out = _add(pieces / weights.sum(-1, keepdims=True), row, blocks)
        if then == "averaged":
            out = _divide(out, _add(jnp.ones(weights.shape[:3]), row, blocks))
        return out

    return _attend(q, k, v, rows, columns, block_size, powers=_own_powers, average=average)


@mistake("block_sparse_attention")
def each_pair_takes_off_its_own_maximum(ref, q, k, v, rows, columns, block_size):
    """Each pair takes off the maximum of its own scores, and the powers of a row are added up. They are relative to
    different numbers: a block that scores far lower weighs as much as one that scores high. Take off one maximum for
    the row, over all of its pairs."""
    return _attend(q, k, v, rows, columns, block_size, powers=_own_powers)


@mistake("block_sparse_attention")
def nothing_taken_off(ref, q, k, v, rows, columns, block_size):
    """exp overflows: no maximum is taken off the scores. Logits in the hundreds give inf / inf = NaN, or 0 / 0 where
    all are far below 0. Take off the maximum of each query, over all pairs of its row."""

    def powers(scores, row, blocks):
        return jnp.exp(scores)

    return _attend(q, k, v, rows, columns, block_size, powers=powers)


@mistake("block_sparse_attention", over=("the row",))
def one_maximum_for_all(ref, q, k, v, rows, columns, block_size, *, over="everything"):
    """One maximum is taken off for all queries, of everything or of a block. A query whose scores are hundreds below it
    has powers of 0, and a sum of 0. Each query has a maximum of its own, over all pairs of its row."""

    def powers(scores, row, blocks):
        top = jax.lax.stop_gradient(scores)
        if over == "everything":
            return jnp.exp(scores - top.max())
        top = jax.ops.segment_max(top.max((1, 2, 3)), row, num_segments=blocks + 1)
        return jnp.exp(scores - top[row][:, None, None, None])

    return _attend(q, k, v, rows, columns, block_size, powers=powers)


@mistake("block_sparse_attention", what=("the sum", "the output"))
def not_rescaled(ref, q, k, v, rows, columns, block_size, *, what="both"):
    """The pairs come one by one, and when a pair raises the maximum of its row, the sum or the output that the row has
    so far is not rescaled. Both are relative to the old maximum: multiply both by exp(old maximum - new maximum) before
    the pair is added."""

    def fold(state, scores, values):
        top, total, out = _fold(state, scores, values)
        powers = jnp.exp(scores - top[..., None])
        total = total if what == "the output" else state[1] + powers.sum(-1)
        return top, total, out if what == "the sum" else state[2] + powers @ values

    return _in_turns(q, k, v, rows, columns, block_size, fold=fold)


@mistake("block_sparse_attention")
def maximum_starts_at_zero(ref, q, k, v, rows, columns, block_size):
    """The running maximum starts at 0, so that it never falls below. Where all scores of a query are hundreds below 0,
    every power is 0, and so are sum and output. Start at -inf."""
    return _in_turns(q, k, v, rows, columns, block_size, top=0.0)


@mistake("block_sparse_attention")
def maximum_of_the_column(ref, q, k, v, rows, columns, block_size):
    """The maximum and the sum are taken over the queries of a piece, or of those that see the same keys: the weights of
    each key sum to 1. It is the weights of each query that do: scores are `(P, N, b, b)` with queries before keys, so
    reduce the last axis, and gather by `rows`."""

    def powers(scores, row, blocks):
        return jnp.exp(scores - jax.lax.stop_gradient(scores).max(-2, keepdims=True))

    def average(out, pieces, weights, row, blocks):
        values = _blocks(v, block_size)[columns].astype(jnp.float32)
        return _add(jnp.einsum("pnij,pjnh->pnih", weights / weights.sum(-2, keepdims=True), values), row, blocks)

    return _attend(q, k, v, rows, columns, block_size, powers=powers, average=average)


@mistake("block_sparse_attention")
def nan_where_nothing_is_seen(ref, q, k, v, rows, columns, block_size):
    """Rows without a pair are NaN: their sum is 0, and 0 / 0 is NaN. They have to be zeros: divide by 1 where the sum
    is 0."""
    return _attend(q, k, v, rows, columns, block_size, divide=lambda out, sums: out / sums[..., None])


@mistake("block_sparse_attention", row=("the last",))
def gradient_nan_where_nothing_is_seen(ref, q, k, v, rows, columns, block_size, *, row="the first"):
    """The output is right and the gradient is NaN: padding is counted in row 0, or in the last, with scores of -inf.
    Where that row sees nothing its powers are NaN, and `jnp.where` replaces the result. Backwards, its zero is
    multiplied by that NaN. Let no NaN be computed: send padding to a row of its own."""
    kept = padding_hidden_in_an_empty_row(ref, q, k, v, rows, columns, block_size, row=row)
    return _nothing(rows, q, block_size, kept)


@mistake("block_sparse_attention")
def mean_where_nothing_is_seen(ref, q, k, v, rows, columns, block_size):
    """A row that sees nothing gets the mean of all values: all of its scores are the same large negative number, and
    equal scores are equal weights. It has to be zeros."""
    mask = _mask(rows, columns, len(q), block_size)
    lowest = jnp.finfo(jnp.float32).min
    return _dense(q, k, v, mask, lambda scores, mask: jax.nn.softmax(jnp.where(mask, scores, lowest), axis=-1))


@mistake("block_sparse_attention", number=(-10.0, -1000.0), how=("added",))
def hidden_by_a_small_number(ref, q, k, v, rows, columns, block_size, *, number=-100.0, how="put"):
    """All scores are computed, and a number such as -100 is put in place of those that are not seen, or added to them.
    Where scores are hundreds apart they come through. What is not listed need not be computed at all."""

    def softmax(scores, mask):
        hidden = scores + number if how == "added" else number
        return jax.nn.softmax(jnp.where(mask, scores, hidden), axis=-1)

    out = _dense(q, k, v, _mask(rows, columns, len(q), block_size), softmax)
    return _nothing(rows, q, block_size, out)


@mistake("block_sparse_attention")
def weights_times_mask(ref, q, k, v, rows, columns, block_size):
    """The softmax runs over all keys, and the weights of those that are not seen are set to 0 afterwards. What is left
    sums to less than 1. Only what is listed may take part in the softmax."""

    def softmax(scores, mask):
        return jnp.where(mask, jax.nn.softmax(scores, axis=-1), 0.0)

    return _dense(q, k, v, _mask(rows, columns, len(q), block_size), softmax)


@mistake("block_sparse_attention", about="the scale")
def forgot_the_scale(ref, q, k, v, rows, columns, block_size):
    """The scores are not divided by sqrt(H), the square root of one head's width."""
    return ref(q * q.shape[-1] ** 0.5, k, v, rows, columns, block_size)


@mistake("block_sparse_attention", about="the scale", by=("heads", "block"))
def scaled_by_another_axis(ref, q, k, v, rows, columns, block_size, *, by="all features"):
    """The scores are divided by the square root of another axis: of all features `N * H`, of the number of heads, or of
    the size of a block. It is the width over which the products were summed that counts, `q.shape[-1]`."""
    size = {"heads": q.shape[1], "block": block_size, "all features": q.shape[1] * q.shape[2]}[by]
    return ref(q * (q.shape[-1] / size) ** 0.5, k, v, rows, columns, block_size)


@mistake("block_sparse_attention")
def one_head_for_all(ref, q, k, v, rows, columns, block_size):
    """All heads have the same weights: the scores are summed over the heads as well as over the features. Each head has
    a softmax of its own: the letter of the heads has to stand in the scores."""
    length, heads, width = q.shape
    q, k, wide = (x.reshape(length, 1, heads * width) for x in (q, k, v))
    return ref(q * heads**0.5, k, wide, rows, columns, block_size).reshape(v.shape)


@mistake("block_sparse_attention")
def heads_joined_by_a_reshape(ref, q, k, v, rows, columns, block_size):
    """The output comes out of the blocks by a reshape from (blocks, N, b, H) to (T, N, H), which puts several tokens of
    one head into a row. Move the axis of the heads behind that of the tokens first."""
    out = _blocks(ref(q, k, v, rows, columns, block_size), block_size)
    return out.swapaxes(1, 2).reshape(q.shape)


@mistake("block_sparse_attention", by=("an if", "a slice"))
def pairs_asked_one_by_one(ref, q, k, v, rows, columns, block_size, *, by="int"):
    """A Python `if`, an `int(...)` or a slice asks for the number of a block. Without `jit` that works. Under `jit` and
    `vmap` `rows` and `columns` have no values while the program is made. Read blocks with an index array, and choose
    with `jnp.where`."""
    if by == "int":
        int(rows[0])
    elif by == "an if":
        bool(rows[0] < 0)
    else:
        q[rows[0] * block_size : (rows[0] + 1) * block_size]
    return ref(q, k, v, rows, columns, block_size)


@mistake("block_sparse_attention")
def padding_cut_out(ref, q, k, v, rows, columns, block_size):
    """Padding is cut out with a boolean index, `rows[rows >= 0]`. How long that is depends on the values, and a length
    is a shape, which has to be known when the program is made. Keep the padding, and send it where it does no harm."""
    real = rows >= 0
    return ref(q, k, v, rows[real], columns[real], block_size)


@mistake("block_sparse_attention")
def answered_in_float32(ref, q, k, v, rows, columns, block_size):
    """The output is float32 whatever the inputs are. What is summed is float32; the output has the dtype of the inputs:
    cast at the end."""
    return ref(q, k, v, rows, columns, block_size).astype(jnp.float32)


# --- right values: only what is proved of the program tells these from the reference


@mistake("block_sparse_attention", way=("by the library",))
def all_pairs_under_a_mask(ref, q, k, v, rows, columns, block_size, *, way="by hand"):
    """All T × T scores are computed, and those that are not listed are hidden by a mask. The values are right, and work
    and memory grow with the square of the length: nothing is saved. Compute a piece for each listed pair, and no
    other."""
    mask = _mask(rows, columns, len(q), block_size)
    if way == "by hand":
        return _dense(q, k, v, mask)
    return _nothing(rows, q, block_size, jax.nn.dot_product_attention(q, k, v, mask=mask[None, None]))


@mistake("block_sparse_attention")
def loop_in_python(ref, q, k, v, rows, columns, block_size):
    """The loop over the pairs is a Python `for`. Under `jit` it is unrolled: each pair becomes a copy of its operations
    in the program, which takes ever longer to compile. Use `jax.lax.scan`, `jax.lax.fori_loop` or `jax.vmap`: their
    program holds one pair."""
    queries, keys, values = (_blocks(x, block_size) for x in (q, k, v))
    blocks = len(queries)
    row = _row_of(rows, blocks)
    scores = jnp.concatenate([_scores(queries[r][None], keys[c][None]) for r, c in zip(rows, columns)])
    powers = _powers(scores, row, blocks)
    out = jnp.einsum("pnij,pjnh->pnih", powers, values[columns].astype(jnp.float32))
    out = _divide(_add(out, row, blocks), _add(powers.sum(-1), row, blocks))
    return jnp.moveaxis(out, 1, 2).reshape(q.shape).astype(q.dtype)


def _sum_by_product(pieces, row, blocks):
    one_hot = (row == jnp.arange(blocks)[:, None]).astype(jnp.float32)
    return jnp.tensordot(one_hot, pieces, axes=1)


@mistake("block_sparse_attention", how=("pairs with pairs", "a row at a time"))
def rows_summed_by_a_product(ref, q, k, v, rows, columns, block_size, *, how="one-hot"):
    """What belongs to a row is brought together by comparing every pair with every row, or with every other pair: a
    product with a one-hot matrix, or a masked sum. That is rows times P, and grows with the square. Scatter each piece
    to its row, `segment_sum` or `.at[rows].add(...)`: each is touched once."""

    def add(pieces, row, blocks):
        if how == "one-hot":
            return _sum_by_product(pieces, row, blocks)
        if how == "pairs with pairs":
            same = (row[:, None] == row).astype(jnp.float32)
            whole = jnp.tensordot(same, pieces, axes=1)
            return jnp.zeros((blocks + 1, *pieces.shape[1:])).at[row].set(whole)[:blocks]

        def one(number):
            return jnp.where((row == number).reshape(-1, *[1] * (pieces.ndim - 1)), pieces, 0.0).sum(0)

        return jax.lax.map(one, jnp.arange(blocks))

    return _attend(q, k, v, rows, columns, block_size, add=add)


@mistake("block_sparse_attention")
def all_queries_meet_each_pair(ref, q, k, v, rows, columns, block_size):
    """The loop goes over the pairs, and in each turn all queries meet the keys of the pair; those of other rows are
    hidden by a mask. That is P times T scores, the square once more. Take the block `q[rows[p]]` out of the queries,
    and write back to its row alone."""
    length, heads, width = q.shape
    keys, values = (_blocks(x, block_size).astype(jnp.float32) for x in (k, v))
    block = jnp.arange(length) // block_size

    def step(state, pair):
        top, total, out = state
        row, column = pair
        scores = jnp.einsum("inh,jnh->nij", q.astype(jnp.float32), keys[column]) / width**0.5
        scores = jnp.where((block == row)[:, None], scores, -jnp.inf)
        new = jax.lax.stop_gradient(jnp.maximum(top, scores.max(-1)))
        base = jnp.where(new == -jnp.inf, 0.0, new)
        shrink, powers = jnp.exp(top - base), jnp.exp(scores - base[..., None])
        out = out * shrink[..., None] + jnp.einsum("nij,jnh->nih", powers, values[column])
        return (new, total * shrink + powers.sum(-1), out), None

    start = jnp.full((heads, length), -jnp.inf), jnp.zeros((heads, length)), jnp.zeros((heads, length, width))
    (_, total, out), _ = jax.lax.scan(step, start, (rows, columns))
    return jnp.moveaxis(_divide(out, total), 0, 1).astype(q.dtype)


@mistake("block_sparse_attention")
def a_table_as_wide_as_it_could_be(ref, q, k, v, rows, columns, block_size):
    """Each row gets a table of its blocks that is as wide as there are blocks, since a row might see them all, and most
    of it is padding. All of it is computed: blocks times blocks pieces. Compute one piece for each pair of the list,
    and let rows be ragged."""
    length, heads, width = q.shape
    blocks = length // block_size
    seen = _pattern_of(rows, columns, blocks)
    table = jnp.argsort(~seen, axis=1, stable=True)
    real = jnp.take_along_axis(seen, table, axis=1)
    queries, keys, values = (_blocks(x, block_size) for x in (q, k, v))

    def one(row):
        query, its, real = row
        scores = jnp.einsum("inh,mjnh->nimj", query, keys[its], preferred_element_type=jnp.float32) / width**0.5
        scores = scores.reshape(heads, block_size, -1)
        where = jnp.broadcast_to(jnp.repeat(real, block_size), scores.shape)
        weights = jax.nn.softmax(scores, axis=-1, where=where)
        return jnp.einsum("nij,jnh->inh", weights, values[its].reshape(-1, heads, width).astype(jnp.float32))

    return jax.lax.map(one, (queries, table, real)).reshape(q.shape).astype(q.dtype)


@mistake("block_sparse_attention")
def merged_by_an_associative_scan(ref, q, k, v, rows, columns, block_size):
    """The pairs are sorted by row and merged with `lax.associative_scan`, which writes its levels out, one for each
    doubling: the program grows with the logarithm of P. Segments need one step for any number of pairs; so does a
    `lax.scan`, with one pair a turn."""
    queries, keys, values = (_blocks(x, block_size) for x in (q, k, v))
    blocks = len(queries)
    row = _row_of(rows, blocks)
    order = jnp.argsort(row)
    row = row[order]
    scores = _scores(queries[row], keys[columns[order]])
    powers = _powers(scores, row, blocks)
    out = jnp.einsum("pnij,pjnh->pnih", powers, values[columns[order]].astype(jnp.float32))

    def merge(before, after):
        same = after[0] == before[0]

        def added(one, other):
            return other + jnp.where(same.reshape(-1, *[1] * (one.ndim - 1)), one, 0.0)

        return after[0], added(before[1], after[1]), added(before[2], after[2])

    _, sums, out = jax.lax.associative_scan(merge, (row, powers.sum(-1), out))
    is_last = jnp.append(row[1:] != row[:-1], True)
    to = jnp.where(is_last, row, blocks)
    sums, out = (jnp.zeros((blocks + 1, *x.shape[1:])).at[to].set(x)[:blocks] for x in (sums, out))
    return jnp.moveaxis(_divide(out, sums), 1, 2).reshape(q.shape).astype(q.dtype)
