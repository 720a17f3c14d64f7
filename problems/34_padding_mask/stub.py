"""34 · Padding, and padding with a causal mask. The lesson stands in README.md; `python -m grader 34` gives the
verdict."""

from jaxtyping import Array, Bool, Float, Int


def padding_mask(lengths: Int[Array, "B"], max_len: int) -> Bool[Array, "B max_len"]:
    """Which places of a padded batch hold real tokens, when each sequence starts at place 0.

    Args:
        lengths: how many tokens each sequence has, from 0 to `max_len`.
        max_len: the length that all sequences are padded to, a Python integer.

    Returns:
        True on real tokens, False on padding.
    """
    # TODO: one comparison.
    raise NotImplementedError


def bidirectional_attention(
    q: Float[Array, "B T d_model"],
    k: Float[Array, "B T d_model"],
    v: Float[Array, "B T d_model"],
    num_heads: int,
    mask: Bool[Array, "B T"] | None = None,
) -> Float[Array, "B T d_model"]:
    """Multi-head attention in which every token sees every real token of its own sequence.

    Args:
        q: queries, projected already. Head `n` owns features `n*H .. (n+1)*H`, where `H = d_model // num_heads`.
        k: keys, likewise.
        v: values, likewise.
        num_heads: how many heads share the width, a Python integer that divides `d_model`.
        mask: True on the keys that may be attended to, with padding anywhere. None hides nothing.

    Returns:
        The heads' outputs side by side, with no projection after them. A query with no key gets zeros; the query of a
        padded token is computed like any other. What stands at a padded key, any finite number, never reaches any row.
    """
    # TODO: split, hide, attend, join; and the rows that see nothing.
    raise NotImplementedError


def causal_attention(
    q: Float[Array, "B T d_model"],
    k: Float[Array, "B T d_model"],
    v: Float[Array, "B T d_model"],
    num_heads: int,
    mask: Bool[Array, "B T"] | None = None,
) -> Float[Array, "B T d_model"]:
    """The same under a causal mask as well: token `i` sees the real tokens among `0 .. i`.

    Args:
        q: queries, as for `bidirectional_attention`.
        k: keys, likewise.
        v: values, likewise.
        num_heads: how many heads share the width.
        mask: True on real keys. With padding on the left, the first queries have no key at all. None hides nothing
            more.

    Returns:
        As for `bidirectional_attention`: zeros where a query has no key, and every gradient finite.
    """
    # TODO: both masks as one.
    raise NotImplementedError
