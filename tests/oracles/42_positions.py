"""42 · Positions: a table of sines and cosines, and a turn of each pair by its angle."""

import numpy as np

from tests.oracles import Refused


def sinusoidal_encoding(length, d_model, base=10000.0):
    table = np.zeros((length, d_model))
    for p in range(length):
        for i in range(d_model // 2):
            angle = p / base ** (2 * i / d_model)
            table[p, 2 * i], table[p, 2 * i + 1] = np.sin(angle), np.cos(angle)
    return table


def rotate(x, positions, base=10000.0):
    width = x.shape[-1]
    if width % 2:
        raise Refused("an odd width")
    where = np.broadcast_to(positions, x.shape[:-2])
    turned = np.zeros(x.shape)
    for *token, head in np.ndindex(*x.shape[:-1]):
        for i in range(width // 2):
            j, angle = i + width // 2, int(where[tuple(token)]) * base ** (-2 * i / width)
            pair = x[(*token, head, i)], x[(*token, head, j)]
            turned[(*token, head, i)] = pair[0] * np.cos(angle) - pair[1] * np.sin(angle)
            turned[(*token, head, j)] = pair[1] * np.cos(angle) + pair[0] * np.sin(angle)
    return turned
