"""Cases that only a class run tries: their sizes follow from its secret seed and are new in each round, so that nobody
can write for them."""

from grader.course import Case


def cases(rng) -> dict[str, dict[str, Case]]:
    """More rungs for the ladder of each name."""
    words, embed, hidden, key, attention = rng.integers([9, 4, 6, 5, 3], [15, 9, 12, 11, 10]).tolist()
    length, num_keys, first, long = rng.integers([7, 6, 2, 40], [12, 14, 6, 70]).tolist()
    widths = dict(vocab_size=words, d_embed=embed, d_hidden=hidden, d_key=key, d_attention=attention)
    equal = dict(vocab_size=words, d_embed=key, d_hidden=key, d_key=key, d_attention=attention)
    return {
        "AttentionDecoder": {
            "sizes of this class": Case(**widths, length=length, num_keys=num_keys, mask="holes"),
            "equal widths of this class": Case(**equal, length=length, num_keys=num_keys, under=("eager", "grad")),
            "parts of this class": Case(
                **equal,
                length=length,
                num_keys=num_keys,
                mask="holes",
                first=first,
                driver="in_parts",
                under=("jit",),
                like="a few tokens, then one at a time",
            ),
            "length of this class": Case(**widths, length=long, num_keys=num_keys, under=("jit",), like="50 tokens"),
            "twice that length": Case(**widths, length=2 * long, num_keys=num_keys, under=(), like="100 tokens"),
        }
    }
