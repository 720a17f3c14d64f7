"""43 · Relative positions, one offset at a time."""

import numpy as np


def bucket(offset, num_buckets, max_distance):
    n = num_buckets // 2
    place = distance = abs(int(offset))
    if distance >= n / 2:
        way = np.log(distance / (n / 2)) / np.log(max_distance / (n / 2))
        place = min(int(n / 2 + np.floor(way * (n - n / 2))), n - 1)
    return place + n if offset > 0 else place


def relative_bucket(offset, num_buckets, max_distance):
    found = np.zeros(np.shape(offset), np.int32)
    for place in np.ndindex(found.shape):
        found[place] = bucket(offset[place], num_buckets, max_distance)
    return found


class RelativeBias:
    def __init__(self, num_heads, num_buckets, max_distance):
        self.num_heads, self.num_buckets, self.max_distance = num_heads, num_buckets, max_distance
        self.variables = [("embedding", "Param", (num_buckets, num_heads), "float32")]
        self.initial = {"embedding": np.zeros((num_buckets, num_heads))}

    def __call__(self, params, t_q, t_k):
        bias = np.zeros((self.num_heads, t_q, t_k))
        for h, i, j in np.ndindex(bias.shape):
            query = t_k - t_q + i
            bias[h, i, j] = params["embedding"][bucket(j - query, self.num_buckets, self.max_distance), h]
        return bias


def relative_scores(q, r):
    heads, length, _ = q.shape
    scores = np.zeros((heads, length, length))
    for n, i, j in np.ndindex(scores.shape):
        scores[n, i, j] = q[n, i] @ r[length - 1 + j - i, n]
    return scores
