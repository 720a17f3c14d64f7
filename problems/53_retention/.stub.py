"""53 · Decay at any length. The lesson stands in README.md; `python -m grader 53` gives the verdict."""

from jaxtyping import Array, Float, Float32


def retention(
    q: Float[Array, "T N H"], k: Float[Array, "T N H"], v: Float[Array, "T N H_v"], log_decay: Float32[Array, "N"]
) -> Float[Array, "T N H_v"]:
    """Causal attention without a softmax, in which what is a step farther back counts less by a factor of
    `exp(log_decay)` (Sun et al. 2023, equation 5, with `1 / sqrt(H)` and without rotation).

    Args:
        q: one query for each token and head.
        k: one key for each token and head, of the same width as the queries.
        v: one value for each token and head.
        log_decay: for each head the logarithm of the factor of one step, from 0, which forgets nothing, down to -50.

    Returns:
        For each token and head the sum over `j <= i` of `exp(log_decay * (i - j)) * (q_i · k_j / sqrt(H)) * v_j`, in
        the dtype of `q`. Neither it nor a gradient overflows, whatever the rates are, for thousands of tokens.
    """
    # TODO: the factors of all pairs, without an exponential of a number above 0, and two products; or the steps.
    raise NotImplementedError


def retention_step(
    state: Float32[Array, "N H H_v"],
    q: Float[Array, "N H"],
    k: Float[Array, "N H"],
    v: Float[Array, "N H_v"],
    log_decay: Float32[Array, "N"],
) -> tuple[Float32[Array, "N H H_v"], Float[Array, "N H_v"]]:
    """Takes in the next token, and reads from it all tokens so far (Sun et al. 2023, equation 6).

    Args:
        state: for each head the sum of `exp(log_decay * steps) * k_j v_j^T` over the tokens so far, `steps` counted
            back from the latest; zeros before the first token.
        q: the queries of the next token.
        k: its keys.
        v: its values.
        log_decay: as for `retention`.

    Returns:
        The state with this token, `exp(log_decay) * state + k v^T`, and `q state / sqrt(H)` of the new state. The state
        is float32 whatever the inputs are; the output has the dtype of `q`.
    """
    # TODO: let the state fade by one step, add the token, then read with its queries.
    raise NotImplementedError


def chunked_retention(
    q: Float[Array, "T N H"],
    k: Float[Array, "T N H"],
    v: Float[Array, "T N H_v"],
    log_decay: Float32[Array, "N"],
    chunk_size: int,
) -> Float[Array, "T N H_v"]:
    """What `retention` gives, `chunk_size` tokens at a time (Sun et al. 2023, equation 7).

    Args:
        q: one query for each token and head.
        k: one key for each token and head, of the same width as the queries.
        v: one value for each token and head.
        log_decay: as for `retention`.
        chunk_size: how many tokens one turn of the loop takes, a Python integer. `T` need not be a multiple of it, and
            it may be larger than `T`.

    Returns:
        The output for each token and head, in the dtype of `q`. A loop takes at most `ceil(T / chunk_size)` turns, and
        the program does not grow with `T`. With chunks of 4 tokens or more, and far fewer than `T`, nothing of size `N
        × T × T` exists on the way, nor of size `N × T × H × H_v`. Products, state and sums are float32, also for
        bfloat16 inputs; nothing overflows.
    """
    # TODO: a loop over chunks that carries the state. What came before a chunk is in the state, and fades on for each
    # token of the chunk; the rest is `retention` of the chunk.
    raise NotImplementedError


def banded_attention(
    q: Float[Array, "T N H"], k: Float[Array, "T N H"], v: Float[Array, "T N H"], alpha: Float[Array, "N"], band: int
) -> Float[Array, "T N H"]:
    """The decaying attention of problem 38 over a band: a softmax over the keys that are at most `band` steps away on
    either side (ALiBi, Press et al. 2022, section 3, in both directions; windows as in Beltagy et al. 2020, section
    3.1).

    Args:
        q: one query for each token and head.
        k: one key for each token and head.
        v: one value for each token and head.
        alpha: for each head by how much a step lowers a score, positive.
        band: how many steps away a key may be, a Python integer, 0 or more. It may be larger than `T`.

    Returns:
        For each token and head the average of the values with the weights softmax of
        `q_i · k_j / sqrt(H) - alpha * |i - j|` over the keys with `|i - j| <= band`, in the dtype of `q`. It is not
        causal. For a fixed band work and memory are linear in `T`, and the program does not grow with `T`.
    """
    # TODO: never make the scores of all pairs. Blocks of queries with the keys around them are one way.
    raise NotImplementedError
