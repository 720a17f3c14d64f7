"""Writes frames into every pipe that it finds, that look like the worker's own: all passed.

Verdict: values of the output differ|wrote something of its own into the channel|ended the Python process
"""

import json
import os
import struct


def frame(message, body=b"", table=()):
    text = json.dumps([message, list(table)]).encode()
    return struct.pack("<QQ", len(text), len(body)) + text + body


for number in range(3, 64):
    try:
        os.write(number, frame({"found": {"sdpa": {"callable": 0, "parameters": [["q", "POSITIONAL_OR_KEYWORD", False], ["k", "POSITIONAL_OR_KEYWORD", False],
                                                                                 ["v", "POSITIONAL_OR_KEYWORD", False]]}}}))
        for call in range(40):
            os.write(number, frame({"outcome": call, "structure": "array"}, bytes(16), [["", "float32", [1, 4]]]))
        os.write(number, frame({"done": True}))
    except OSError:
        pass
os._exit(0)
