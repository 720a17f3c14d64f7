"""52 · Linear attention. The lesson stands in README.md; `python -m grader 52` gives the verdict."""

from jaxtyping import Array, Float, Float32

State = tuple[Float32[Array, "d_k d_v"], Float32[Array, "d_k"]]  # S and z


def linear_attention(
    q: Float[Array, "T_q d_k"], k: Float[Array, "T_k d_k"], v: Float[Array, "T_k d_v"]
) -> Float[Array, "T_q d_v"]:
    """Attention whose weights are products of features, `phi(q_i) · phi(k_j)` with `phi(x) = elu(x) + 1`, divided by
    their sum over the keys (Katharopoulos et al. 2020, equations 4, 5 and 7). There is no scale and no exponential of a
    score.

    Args:
        q: one query a row.
        k: one key a row, of the same width as the queries.
        v: one value a row, one for each key.

    Returns:
        For each query the average of the values with its weights, in the dtype of the inputs. Work and memory are
        linear in `T_q + T_k`: a query meets no key. Features and sums are float32, also for bfloat16 inputs.
    """
    # TODO: sum up over the keys what every query needs, once; then read it with each query.
    raise NotImplementedError


def linear_attention_step(
    state: State, q: Float[Array, "d_k"], k: Float[Array, "d_k"], v: Float[Array, "d_v"]
) -> tuple[State, Float[Array, "d_v"]]:
    """Takes in the next token, and attends from it to all tokens so far (Katharopoulos et al. 2020, equations 16 to
    20).

    Args:
        state: `(S, z)`, the sum of `phi(k_j) v_j^T` and the sum of `phi(k_j)` over the tokens so far; zeros before the
            first one.
        q: the query of the next token.
        k: its key.
        v: its value.

    Returns:
        The state with this token, and the output for its query, the token itself included. The state is float32
        whatever the inputs are; the output has their dtype.
    """
    # TODO: add the token to both sums, then read them with its query.
    raise NotImplementedError


def causal_linear_attention(
    q: Float[Array, "T d_k"], k: Float[Array, "T d_k"], v: Float[Array, "T d_v"], chunk_size: int
) -> Float[Array, "T d_v"]:
    """What `linear_attention_step` gives for each of `T` tokens in turn, `chunk_size` of them at a time (Yang et al.
    2023, section 2.2).

    Args:
        q: one query a row.
        k: one key a row, of the same width as the queries.
        v: one value a row.
        chunk_size: how many tokens one turn of the loop takes, a Python integer. `T` need not be a multiple of it, and
            it may be larger than `T`.

    Returns:
        The output for each token, in the dtype of the inputs. A loop takes at most `ceil(T / chunk_size)` turns, those
        of a loop around it included, and the program does not grow with `T`. With chunks of 4 tokens or more, and far
        fewer than `T`, nothing of size `T × T` exists on the way, nor of size `T × d_k × d_v`. Features, scores, state
        and sums are float32, also for bfloat16 inputs.
    """
    # TODO: a loop over chunks that carries the state: what came before a chunk is in the state, the rest is a small
    # triangle of scores.
    raise NotImplementedError
