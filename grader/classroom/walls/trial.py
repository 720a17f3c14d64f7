"""Tries, from inside of a room and before any student code, whether its limits hold. A limit that a machine only claims
to have is none.

It runs in the worker's place. Each try is told as what could be done though it must not be possible, or as nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

ELSEWHERE = ("/", "/tmp", "/var/tmp", "/dev/shm", "/run", "/root", "/home")


def main() -> None:
    """Reads what to try from standard input, and writes what could be done, by limit."""
    asked = json.loads(sys.stdin.readline())
    answers = os.fdopen(os.dup(1), "w")
    for limit, attempt in TRIES.items():
        try:
            told = attempt(asked)
        except OSError:
            told = ""
        print(json.dumps([limit, told]), file=answers, flush=True)


def _files(asked: dict) -> str:
    for path in asked["hidden"]:
        with contextlib.suppress(OSError):
            with open(path, "rb"):
                return f"it can read {path}"
        with contextlib.suppress(OSError):
            os.chmod(path, os.stat(path).st_mode & 0o7777)  # Landlock knows no rule for this
            return f"it can change who may read {path}"
    with contextlib.suppress(OSError):
        if asked["unlisted"] and os.listdir(asked["unlisted"]) is not None:
            return f"it can list the programs in {asked['unlisted']}"
    for folder in [*ELSEWHERE, asked["course"]]:
        with contextlib.suppress(OSError):
            (Path(folder) / asked["token"]).touch()  # whether it is seen outside, the parent finds out
    return ""


def _network(asked: dict) -> str:
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.sendto(asked["token"].encode(), ("127.0.0.1", asked["udp"]))
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", asked["tcp"]), 5):
        return "it can connect to a TCP port of this machine"
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as local:
        local.connect(f"\0{asked['token']}")
        return "it can connect to a socket of another process"
    return ""


def _strangers(asked: dict) -> str:
    if os.path.exists(f"/proc/{asked['pid']}/cmdline") and os.access(f"/proc/{asked['pid']}/cmdline", os.R_OK):
        with contextlib.suppress(OSError):
            if (
                asked["token"] in Path(f"/proc/{asked['pid']}/environ").read_text(errors="replace")
                or Path(f"/proc/{asked['pid']}/cmdline").read_bytes()
            ):
                if asked["outside"]:
                    return "it can see what other processes run"
    if asked["outside"]:
        os.kill(asked["pid"], 0)
        return "it can send signals to other processes"
    return ""


def _processes(asked: dict) -> str:
    children = []
    try:
        for _ in range(asked["processes"] + 8):
            child = os.fork()
            if child == 0:
                time.sleep(600)
                os._exit(0)
            children.append(child)
        return f"it can have more than {asked['processes']} processes"
    except OSError:
        return ""
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
        for child in children:
            os.waitpid(child, 0)


def _memory(asked: dict) -> str:
    child = os.fork()
    if child == 0:
        filled = []
        with contextlib.suppress(MemoryError):
            for _ in range(asked["memory"] // (8 << 20) + 8):
                filled.append(b"\1" * (8 << 20))
            os._exit(0)
        os._exit(1)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return "all of its processes together can take as much memory as they like" if status == 0 else ""


def _disk(asked: dict) -> str:
    paths = [Path(f"disk{number}") for number in range(3)]
    try:
        for path in paths:
            path.write_bytes(b"\1" * (asked["disk"] // 2))
        return "it can fill the disk with files"
    except OSError:
        return ""
    finally:
        for path in paths:
            path.unlink(missing_ok=True)


TRIES: dict[str, Callable[[dict], str]] = dict(
    files=_files, network=_network, strangers=_strangers, processes=_processes, memory=_memory, disk=_disk
)
