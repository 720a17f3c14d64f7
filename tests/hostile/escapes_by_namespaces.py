"""Tries to make namespaces of its own, to mount, and to become root again.

Verdict: passed
"""

import jax


def right(q, k, v):
    return jax.nn.softmax(q @ k.T / q.shape[-1] ** 0.5) @ v

import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
for flag in (0x10000000, 0x20000, 0x20000000, 0x40000000):
    if libc.unshare(flag) == 0:
        print("LEAK a namespace of its own", hex(flag))
if libc.mount(b"none", b"/scratch", b"tmpfs", 0, None) == 0:
    print("LEAK a mount")
for user in (0, 1000):
    try:
        os.setuid(user)
        print("LEAK another user")
    except OSError:
        pass
if libc.ptrace(16, 1, 0, 0) == 0:
    print("LEAK another process by ptrace")
try:
    with open("/proc/sys/kernel/core_pattern", "r+") as stream:
        stream.write(stream.read())
    print("LEAK a setting of the kernel")
except OSError:
    pass

sdpa = right
