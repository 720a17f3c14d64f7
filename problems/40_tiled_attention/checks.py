"""40 · The ladder of cases for `tiled_attention`, in interpret mode. Source: Dao et al. 2022, algorithm 1."""

import itertools
from typing import NamedTuple

import ml_dtypes
import numpy as np

from grader.course import Case, Function, Kernel, Largest, Lowers, Part, Precision, Races, Relation

PART = "The core"
DTYPES = {"float32": np.float32, "bfloat16": ml_dtypes.bfloat16}


def inputs(rng, heads, t_q, t_k, width=8, lift=0.0, rise=0.0, dtype="float32", **options):
    """`lift` is added to every score of the even queries and taken from those of the odd ones. With `rise` each group
    of four keys scores that much more than the one before, and all of them are far below 0. `options` are the blocks
    and `causal`."""

    def draw(length):
        return rng.standard_normal((heads, length, width)).astype(DTYPES[dtype])

    q, k, v = draw(t_q), draw(t_k), draw(t_k)
    if lift:
        q[..., 0], k[..., 0] = width**0.5 * (-1.0) ** np.arange(t_q), lift
    if rise:
        q[..., 0], k[..., 0] = width**0.5, rise * (np.arange(t_k) // 4 - t_k)
    return dict(q=q, k=k, v=v, **options, interpret=True)


def case(**sizes):
    """Without `grad`: a kernel has no gradient unless it is given a rule of its own."""
    return Case(under=("eager", "jit", "vmap"), **sizes)


def poison_later_blocks(rng, inputs):
    """NaN in every key and value from a block on, which the mask hides from all queries of the blocks before."""
    for start in range(inputs["block_k"], inputs["k"].shape[1], inputs["block_k"]):
        k, v = inputs["k"].copy(), inputs["v"].copy()
        k[:, start:], v[:, start:] = np.nan, np.nan
        yield f"keys and values from {start} on are NaN", inputs | dict(k=k, v=v)


def earlier_rows_changed(arrays, output, label, changed_arrays, changed_output):
    """Each query that stands before the first NaN, where the output is another one. Blocks of queries and of keys are
    equally long."""
    earlier = np.arange(output.shape[1]) < np.argmax(np.isnan(changed_arrays["k"][0, :, 0]))
    return earlier & (output != changed_output).any(axis=(0, 2))


# --- The parts of a kernel, and how a wrong output shows them


def in_cases(needed):
    """A part that all values of some cases need, by their inputs."""
    return lambda inputs, shape: needed(inputs)


def at(needed):
    """A part that some values need: `needed(inputs, head, query)`, with the indices of heads and queries."""
    return lambda inputs, shape: needed(inputs, *np.ix_(*map(np.arange, shape))[:2])


def block(inputs, name, length):
    return inputs.get(name, 128), inputs[length].shape[1]


def causal(inputs):
    return inputs.get("causal", False)


def several(inputs, name, length):
    size, total = block(inputs, name, length)
    return total > size


def ragged(inputs, name, length):
    size, total = block(inputs, name, length)
    return total % size != 0


def in_later_blocks(inputs, query):
    return query >= block(inputs, "block_q", "q")[0]


def in_a_short_block(inputs, query):
    size, total = block(inputs, "block_q", "q")
    return ragged(inputs, "block_q", "q") & (query >= total // size * size)


def off_a_grid_of_key_blocks(inputs, query):
    """Which rows come out otherwise with a step for each key block: those that none reaches, and, under the mask, those
    of the last query block, where the steps beyond it end."""
    (block_q, t_q), (block_k, t_k) = block(inputs, "block_q", "q"), block(inputs, "block_k", "k")
    number, of_queries, of_keys = query // block_q, -(-t_q // block_q), -(-t_k // block_k)
    return (number >= of_keys) | (causal(inputs) & (number == of_queries - 1) & (of_keys > of_queries))


def scores(inputs):
    q, k = (inputs[name].astype(np.float64) for name in "qk")
    return q @ k.swapaxes(1, 2) / q.shape[-1] ** 0.5


def rounding(inputs):
    """How far from the exact value an output in its own dtype may be."""
    return (
        3e-2
        if inputs["v"].dtype.name == "bfloat16"
        else 1e-6 * (1 + np.abs(scores(inputs)).max()) * max(1.0, np.abs(inputs["v"]).max())
    )


def right_but_for_a_factor(inputs, expected, came):
    """Whether each row is the right one times a number, and none is zeros."""
    right, mine = expected.astype(np.float64), came.astype(np.float64)
    with np.errstate(all="ignore"):
        squares = (right * right).sum(-1, keepdims=True)
        factor = np.where(squares > 0, (mine * right).sum(-1, keepdims=True) / squares, 0)
        along = np.abs(mine - factor * right) <= rounding(inputs) * np.maximum(1, np.abs(factor))
        return bool((along & ((factor != 0) | (squares == 0))).all())


class Blocks(NamedTuple):
    """The inputs of a case, and sizes of its blocks: those that it asks for, or that a kernel may make of them."""

    inputs: dict
    q: int
    k: int

    @property
    def shift(self):
        return self.inputs["k"].shape[1] - self.inputs["q"].shape[1]

    @property
    def last(self):
        """The number of the last key block."""
        return (self.inputs["k"].shape[1] - 1) // self.k

    def sees(self, place, key):
        """Whether the query at a place among the keys sees a key."""
        return (key < self.inputs["k"].shape[1]) & ((key <= place) if causal(self.inputs) else True)

    def seen(self, query, key):
        """Whether a query, by its own number, sees a key."""
        return self.sees(query + self.shift, key)

    def bound(self, end):
        """The number of key blocks up to a key, rounded up."""
        return np.clip((end + self.k - 1) // self.k, 0, self.last + 1)

    def visited(self, end):
        """How many key blocks are visited where the causal mask has the loop end at a key."""
        return self.bound(end) if causal(self.inputs) else self.last + 1

    def needed(self, query):
        """How many key blocks the block of a query has to visit."""
        return self.bound(self.end(query))

    def end(self, query):
        """The first key that the block of a query need not visit."""
        length = self.inputs["k"].shape[1]
        return (
            np.clip((query // self.q + 1) * self.q + self.shift, 0, length)
            if causal(self.inputs)
            else length + 0 * query
        )

    def until(self, query, key, end):
        """Which keys a query counts where the causal mask has the loop end at a key."""
        return self.seen(query, key) & (key // self.k < self.visited(end))


def possible_blocks(inputs):
    made = (
        lambda size, length: size,
        min,
        lambda size, length: min(size, power(length)),
        lambda size, length: min(power(size), power(length)),
    )
    return {tuple(how(*block(inputs, f"block_{name}", name)) for name in "qk") for how in made}


def power(length):
    """The power of two that holds a length, and at least 16."""
    return max(16, 1 << (length - 1).bit_length())


def attends_to(*ways):
    """Whether the output is, as far as rounding tells, the attention over certain keys, of which those after the last
    are zeros. Each of the `ways`, called as `keys(blocks, head, query, key)`, says how often each query counts each
    key."""

    def shown(inputs, expected, came):
        length = inputs["k"].shape[1]
        for keys, (q, k) in itertools.product(ways, possible_blocks(inputs)):
            padding = ((0, 0), (0, -length % k), (0, 0))
            padded = inputs | {name: np.pad(inputs[name].astype(np.float64), padding) for name in "kv"}
            raised = scores(padded)
            head, query, key = np.ix_(*map(np.arange, raised.shape))
            counts = np.broadcast_to(keys(Blocks(inputs, q, k), head, query, key), raised.shape)
            top = np.where(counts > 0, raised, -np.inf).max(-1, keepdims=True, initial=-1e300)
            weights = counts * np.exp(np.minimum(raised - top, 0))
            total = weights.sum(-1, keepdims=True)
            other = weights @ padded["v"] / np.where(total == 0, 1, total)
            if (np.abs(other - came.astype(np.float64)) <= rounding(inputs)).all():
                return True
        return False

    return shown


def sees_nothing_of_a_tile(inputs, head, query):
    """Whether a query sees no key of some block that its own block visits."""
    blocks = Blocks(inputs, *(block(inputs, f"block_{name}", name)[0] for name in "qk"))
    starts = np.arange(blocks.last + 1) * blocks.k
    return (~blocks.sees(query + blocks.shift, starts) & (starts // blocks.k < blocks.needed(query))).any(
        -1, keepdims=True
    )


def in_turns(start, count=lambda blocks, query: blocks.needed(query)):
    """How often each key counts where turn j reads a block of rows from `start(blocks, query, j)` on, moved back where
    it hangs over, and hides what the mask hides of the rows from `j * block_k` on."""

    def keys(blocks, head, query, key):
        padded, counts = (blocks.last + 1) * blocks.k, 0
        for turn in range(blocks.last + 1):
            row = key - np.minimum(start(blocks, query, turn), padded - blocks.k)
            counts = counts + (
                (row >= 0)
                & (row < blocks.k)
                & blocks.sees(query + blocks.shift, turn * blocks.k + row)
                & (turn < count(blocks, query))
            )
        return counts

    return keys


def counted_from_the_first(places):
    """Which keys count where the mask has other places for queries and keys, `places(blocks, query, key)`, in all of it
    or in its causal half."""

    def keys(blocks, head, query, key):
        row, column = places(blocks, query, key)
        return blocks.sees(row + blocks.shift, column) & (key // blocks.k < blocks.needed(query))

    return keys, lambda blocks, head, query, key: keys(blocks, head, query, key) & (key < blocks.inputs["k"].shape[1])


def moved_back(blocks, head, query, key):
    """How often each key counts where keys are not padded, and the slice of the last block is moved back to their
    end."""
    length, start = blocks.inputs["k"].shape[1], blocks.last * blocks.k
    if length < blocks.k:
        return blocks.seen(query, key)
    row = key - (length - blocks.k)
    return (blocks.seen(query, key) & (key < start)) + (
        (row >= 0) & blocks.sees(query + blocks.shift, start + row)
    ).astype(int)


PARTS = [
    # What the wrong rows are, exactly.
    Part(
        "The carry: each wrong row is the attention over the last key block alone. What the blocks before have "
        "left is lost: each turn has to begin with the maximum, the sum and the output of the turn before, and to "
        "return all three.",
        shown=attends_to(
            lambda blocks, head, query, key: blocks.seen(query, key) & (key // blocks.k == blocks.needed(query) - 1)
        ),
    ),
    Part(
        "The slice: each wrong row is what comes out when turn j reads the rows from j on. They begin at `j * "
        "block_k`: `pl.ds(j * block_k, block_k)`.",
        shown=attends_to(in_turns(lambda blocks, query, turn: turn)),
    ),
    Part(
        "The slice, or the keys' index map: each wrong row is the attention over the first key block, however "
        "many turns there are. A step gets all keys and values of its head, in a block `(None, T_k, H)`, and turn "
        "j reads those from `j * block_k` on.",
        shown=attends_to(in_turns(lambda blocks, query, turn: 0)),
    ),
    Part(
        "The keys' index map: each wrong row is the attention over the key block with the number of its query "
        "block. Keys and values do not follow the query block: a step gets all of its head, `(head, 0, 0)`, and "
        "the loop goes through their blocks.",
        shown=attends_to(in_turns(lambda blocks, query, turn: query // blocks.q * blocks.k)),
    ),
    Part(
        "The bound of the loop: each wrong row is the attention over the keys of whole blocks only, without those "
        "of the last block that its query block has to visit, which is not full. The number of blocks is rounded "
        "up: `pl.cdiv`.",
        shown=attends_to(
            lambda blocks, head, query, key: blocks.seen(query, key) & (key // blocks.k < blocks.end(query) // blocks.k)
        ),
    ),
    Part(
        "The bound of the loop, where the mask hides nothing: each wrong row is the attention over the keys of whole "
        "blocks only, without those of the last block, which is not full. The number of blocks is rounded up: "
        "`pl.cdiv(T_k, block_k)`.",
        shown=attends_to(
            lambda blocks, head, query, key: (
                blocks.seen(query, key)
                & (causal(blocks.inputs) | (key // blocks.k < blocks.inputs["k"].shape[1] // blocks.k))
            )
        ),
    ),
    Part(
        "The bound of the loop: each wrong row is the attention without the last key block that its query block "
        "has to visit. A bound is the number of blocks, the first that is no longer visited.",
        shown=attends_to(
            lambda blocks, head, query, key: blocks.seen(query, key) & (key // blocks.k < blocks.needed(query) - 1)
        ),
    ),
    Part(
        "The bound of the loop: each wrong row lacks the key blocks that it would lack if query r stood at r. It "
        "stands at r + T_k - T_q, in the bound as in the mask.",
        shown=attends_to(lambda blocks, head, query, key: blocks.until(query, key, (query // blocks.q + 1) * blocks.q)),
    ),
    Part(
        "The bound of the loop: each wrong row is the attention over the key blocks up to the number of its query "
        "block. That is the bound only where both blocks are equally long, and as many queries as keys: the last "
        "query of block i stands at `(i + 1) * block_q - 1 + T_k - T_q`.",
        shown=attends_to(lambda blocks, head, query, key: blocks.until(query, key, (query // blocks.q + 1) * blocks.k)),
    ),
    Part(
        "The bound of the loop: each wrong row is the attention over the key blocks that lie before the first "
        "query of its block. The last query needs the most: it stands at `(i + 1) * block_q - 1 + T_k - T_q`.",
        shown=attends_to(
            lambda blocks, head, query, key: blocks.until(query, key, query // blocks.q * blocks.q + blocks.shift)
        ),
    ),
    Part(
        "The mask: each wrong row is the attention over keys up to `query`, where those up to `query + T_k - T_q` "
        "are right.",
        shown=attends_to(
            lambda blocks, head, query, key: blocks.sees(query, key) & (key // blocks.k < blocks.needed(query))
        ),
    ),
    Part(
        "The mask: each wrong row is the attention without the last key that its query sees. The query at place p "
        "sees key p as well: `<=`.",
        shown=attends_to(lambda blocks, head, query, key: blocks.sees(query + blocks.shift - 1, key)),
    ),
    Part(
        "The mask: each wrong row is the attention over the keys from its query's place on, where those up to it "
        "are right.",
        shown=attends_to(
            lambda blocks, head, query, key: (
                (key < blocks.inputs["k"].shape[1])
                & (key >= query + blocks.shift)
                & (key // blocks.k < blocks.needed(query))
                if causal(blocks.inputs)
                else blocks.sees(0, key)
            )
        ),
    ),
    Part(
        "The mask: each wrong row is the attention over every key of the blocks that are visited, as if `causal` "
        "hid nothing in them.",
        shown=attends_to(
            lambda blocks, head, query, key: (
                (key < blocks.inputs["k"].shape[1]) & (key // blocks.k < blocks.needed(query))
            )
        ),
    ),
    Part(
        "The mask or the bound: each wrong row is the attention over all keys, as if `causal` hid nothing.",
        shown=attends_to(lambda blocks, head, query, key: key < blocks.inputs["k"].shape[1]),
    ),
    Part(
        "The mask: each wrong row is what comes out when a key's number is counted from the first of its block. "
        "Its place in the whole sequence is `j * block_k` further on.",
        shown=attends_to(*counted_from_the_first(lambda blocks, query, key: (query, key % blocks.k))),
    ),
    Part(
        "The mask: each wrong row is what comes out when a query's number is counted from the first of its block. "
        "Its place in the whole sequence is `block * block_q` further on.",
        shown=attends_to(*counted_from_the_first(lambda blocks, query, key: (query % blocks.q, key))),
    ),
    Part(
        "The mask: each wrong row is what comes out when the numbers of queries and keys are counted from the "
        "first of their blocks. In the whole sequence a query is `block * block_q` further on, and a key `j * "
        "block_k`.",
        shown=attends_to(*counted_from_the_first(lambda blocks, query, key: (query % blocks.q, key % blocks.k))),
    ),
    Part(
        "The grid: each wrong row is what comes out when a query's place is counted with the number of its head, "
        "in place of the number of its block. `pl.program_id(i)` counts the axes as `grid` has them.",
        shown=attends_to(
            lambda blocks, head, query, key: (
                blocks.sees(head * blocks.q + query % blocks.q + blocks.shift, key)
                & (key // blocks.k < blocks.visited((head + 1) * blocks.q + blocks.shift))
            )
        ),
    ),
    Part(
        "The tail: each wrong row is what comes out when the slice of the last block is moved back to the end of "
        "the keys: some keys count twice or in place of others. Pad keys and values to whole blocks, so that no "
        "`pl.ds` hangs over.",
        shown=attends_to(moved_back),
    ),
    Part(
        "The sum or the division: each wrong row is the right one times a number. So the weights are right in "
        "proportion to each other, and only a factor of the row is wrong: look at what the carry does with the "
        "sum, at what is counted in it, and at the division, once, after the loop.",
        shown=right_but_for_a_factor,
    ),
    # Where what is wrong stands, in the fewest places first.
    Part(
        "The grid: wrong are the query blocks that come out otherwise where its second axis has a step for each block "
        "of keys. It has one for each block of queries, `(N, pl.cdiv(T_q, block_q))`; the loop inside of the kernel "
        "goes through those of keys.",
        needed=at(lambda inputs, head, query: off_a_grid_of_key_blocks(inputs, query)),
    ),
    Part(
        "The dtypes: only with bfloat16 is anything wrong. Scores, maximum, sum and output are float32 until the "
        "output is written, in the dtype of `q`.",
        needed=in_cases(lambda inputs: inputs["q"].dtype.name == "bfloat16"),
    ),
    Part(
        "The maximum: only where all scores are far below 0 is anything wrong. It starts at the smallest number "
        "of its dtype, not at 0.",
        needed=in_cases(lambda inputs: scores(inputs).max() < -20),
    ),
    Part(
        "The maximum: only where scores are in the hundreds is anything wrong. Take it off before the "
        "exponential, of all the scores so far and of nothing else.",
        needed=in_cases(lambda inputs: np.abs(scores(inputs)).max() > 80),
    ),
    Part(
        "The grid or an index map: only heads after the first are wrong. Each index map, of q, of k, of v and of "
        "the output, returns the head's number first, and the grid has a step for each head and query block.",
        needed=at(lambda inputs, head, query: head > 0),
    ),
    Part(
        "The grid: only the queries of a last block that is not full are wrong. The number of query blocks is "
        "rounded up, `pl.cdiv(T_q, block_q)`.",
        needed=at(lambda inputs, head, query: in_a_short_block(inputs, query)),
    ),
    Part(
        "The output's or the queries' index map: only query blocks between the first and the last are wrong. This "
        "happens where a map returns the first row of a block in the place of its number: beyond the last block "
        "that stands for the last.",
        needed=at(
            lambda inputs, head, query: (
                in_later_blocks(inputs, query)
                & (query < (inputs["q"].shape[1] - 1) // inputs.get("block_q", 128) * inputs.get("block_q", 128))
            )
        ),
    ),
    Part(
        "Only queries that see no key at all are wrong, which there are under the causal mask. Their row has to be "
        "zeros, whether the loop has no turn for them or only turns that hide everything: look at what it starts with, "
        "at what is added for a hidden key, and at the division.",
        needed=at(lambda inputs, head, query: causal(inputs) & (query < inputs["q"].shape[1] - inputs["k"].shape[1])),
    ),
    Part(
        "The maximum or the mask: only queries that see no key of some tile are wrong. There every score of the "
        "row is hidden, and -inf minus -inf is NaN: the maximum that is carried starts at a finite number and "
        "never falls, `jnp.maximum(m, scores.max(...))`.",
        needed=at(sees_nothing_of_a_tile),
    ),
    Part(
        "The mask or the bound: under the causal mask only query blocks after the first are wrong. A query's "
        "place is its row in the block and `block * block_q`, with the block's number from the axis of the grid "
        "that counts query blocks.",
        needed=at(lambda inputs, head, query: causal(inputs) & in_later_blocks(inputs, query)),
    ),
    Part(
        "The mask or the bound: only under the causal mask is anything wrong, and only where there are not as "
        "many queries as keys. The last query stands at the last key, in both: query r stands at r + T_k - T_q, "
        "with the lengths before padding.",
        needed=in_cases(lambda inputs: causal(inputs) and inputs["q"].shape[1] != inputs["k"].shape[1]),
    ),
    Part("The mask or the bound: only under the causal mask is anything wrong.", needed=in_cases(causal)),
    Part(
        "The grid or an index map: only query blocks after the first are wrong. The grid has a step for each; the "
        "index maps of the queries and of the output return the block's number, `(head, block, 0)`, not its first "
        "row; and rows that no step writes are NaN here.",
        needed=at(lambda inputs, head, query: in_later_blocks(inputs, query)),
    ),
    Part(
        "The tail: only where there are several key blocks and the last is not full is anything wrong. `pl.ds` "
        "must not hang over the end, where it is moved back: pad keys and values to whole blocks, each by `-T_k % "
        "block_k` rows, and hide what lies after the last key.",
        needed=in_cases(lambda inputs: several(inputs, "block_k", "k") and ragged(inputs, "block_k", "k")),
    ),
    Part(
        "The tail: only where the last key block is not full is anything wrong. What lies after the last key has "
        "to be hidden, by the key's place in the whole sequence; and the slice that reads it may not hang over: "
        "pad keys and values to whole blocks.",
        needed=in_cases(lambda inputs: ragged(inputs, "block_k", "k")),
    ),
    Part(
        "The loop over key blocks: with one block everything is right, and only where there are several is "
        "anything wrong: in what a turn hands on, reads or hides. From turn to turn a maximum, a sum and an "
        "output go on, and where the maximum rises both others shrink by exp(old maximum - new maximum); turn j "
        "reads `pl.ds(j * block_k, block_k)`, of all keys and values of the head; and there a key has the place "
        "`j * block_k` and its own row.",
        needed=in_cases(lambda inputs: several(inputs, "block_k", "k")),
    ),
]

# Heads and query blocks are never equally many where there are several, or axes of the grid could be swapped unseen.
ENTRIES = [
    Function(
        "tiled_attention",
        inputs,
        cases={
            "one block": case(heads=1, t_q=8, t_k=8, block_q=8, block_k=8),
            "several key blocks": case(heads=1, t_q=8, t_k=24, block_q=8, block_k=8),
            "several heads and query blocks": case(heads=3, t_q=16, t_k=24, width=12, block_q=8, block_k=8),
            "lengths that are no multiple of the blocks": case(heads=2, t_q=21, t_k=37, block_q=8, block_k=16),
            "default blocks, longer than the sequences": case(heads=2, t_q=5, t_k=7),
            "large logits": case(heads=2, t_q=5, t_k=21, lift=200.0, block_q=8, block_k=8),
            "every axis of length one": case(heads=1, t_q=1, t_k=1, width=1, block_q=8, block_k=8, idle=("q", "k")),
            # Blocks of 16, the least that a kernel may round its blocks up to: a property is about them.
            "causal, as many queries as keys": case(heads=2, t_q=48, t_k=48, block_q=16, block_k=16, causal=True),
            "causal, later keys score higher, by hundreds": case(
                heads=2, t_q=16, t_k=16, block_q=8, block_k=8, causal=True, rise=150.0
            ),
            "causal, fewer queries than keys": case(heads=2, t_q=21, t_k=37, block_q=8, block_k=16, causal=True),
            "causal, more queries than keys": case(heads=2, t_q=37, t_k=19, block_q=16, block_k=16, causal=True),
            "bfloat16": case(heads=3, t_q=21, t_k=37, width=16, dtype="bfloat16", block_q=16, block_k=8, causal=True),
            # Blocks that no one has reason to round up, so that the grid can be counted.
            "blocks of 128": Case(heads=3, t_q=256, t_k=384, block_q=128, block_k=128, causal=True, under=("jit",)),
            # A block of queries with all keys is more than all keys with a width that was rounded up to 128.
            "a thousand keys": Case(heads=1, t_q=512, t_k=1024, block_q=256, block_k=32, under=("jit",)),
            "for a device, bfloat16": Case(
                heads=2, t_q=1000, t_k=1000, width=64, dtype="bfloat16", causal=True, under=()
            ),
            "for a device, float32": Case(heads=2, t_q=100, t_k=300, width=128, under=()),
        },
        proofs=[
            Kernel(
                "one kernel does the work",
                "One `pallas_call` does the work.",
                ["blocks of 128"],
                grid=lambda heads, t_q, block_q, **_: heads * t_q // block_q,
            ),
            Largest(
                "nothing of size T_q × T_k",
                "Nothing of size T_q × T_k may exist.",
                ["a thousand keys"],
                limit=lambda t_q, t_k, **_: t_q * t_k,
            ),
            Largest(
                "one tile at a time",
                "The kernel loops over blocks of keys: nothing in it may be as large as a block of queries times all "
                "keys.",
                ["a thousand keys"],
                limit=lambda block_q, t_k, **_: block_q * t_k,
            ),
            Precision("float32 where it sums", "Scores, softmax and running sums are kept in float32.", ["bfloat16"]),
            *[
                Lowers(
                    f"lowers for the {platform.upper()}, {dtype}",
                    f"The kernel has to lower for the {platform.upper()}.",
                    [f"for a device, {dtype}"],
                    platform=platform,
                )
                for platform in ("tpu", "gpu")
                for dtype in ("bfloat16", "float32")
            ],
            Races(
                "nothing out of bounds, no races",
                "On a TPU no step may read outside of its arrays, and on no device may steps race.",
                ["lengths that are no multiple of the blocks"],
            ),
            Races(
                "nothing out of bounds under the mask",
                "Where the causal mask ends the loop, no step may read outside of its arrays either.",
                ["causal, fewer queries than keys"],
            ),
        ],
        parts=PARTS,
        idle=("block_q", "block_k", "interpret"),
        relations=[
            Relation(
                "masked blocks are not read",
                "A key block that the causal mask hides from every query of a block is not read for it.",
                poison_later_blocks,
                earlier_rows_changed,
                "causal, as many queries as keys",
                under=("jit",),
            ),
        ],
    ),
]

# Sizes for an accelerator: those that a verdict shows, the whole table, and tiny ones for trying the command without
# any.
DEVICE = {
    "short": [
        dict(heads=16, t_q=4096, t_k=4096, width=128, dtype=dtype, causal=causal)
        for dtype in ("float32", "bfloat16")
        for causal in (False, True)
    ],
    "table": [
        dict(heads=16, t_q=length, t_k=length, width=width, dtype=dtype, causal=causal)
        for dtype in ("float32", "bfloat16")
        for width in (64, 128)
        for length in (1024, 2048, 4096, 8192, 16384)
        for causal in (False, True)
    ],
    "interpret": [
        dict(heads=2, t_q=40, t_k=40, width=8, dtype=dtype, causal=True, block_q=16, block_k=16)
        for dtype in ("float32", "bfloat16")
    ],
}
