"""What a process does to itself before it meets student code: it enters a room, and gives up what it could do. None of
it can be taken back.

Each step is the kernel's: namespaces that bubblewrap made, Landlock's rules on top of them or in their place,
capabilities, limits of resources.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
from pathlib import Path

NO_NEW_PRIVILEGES, DROP_FROM_BOUND = 38, 24  # prctl's PR_SET_NO_NEW_PRIVS and PR_CAPBSET_DROP
CAPABILITIES = 0x20080522  # version 3 of capset's header
# Of /proc and /sys, where there are no namespaces: what Python and XLA ask of the machine.
ABOUT_THE_MACHINE = (
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/sys/vm/overcommit_memory",
    "/sys/devices/system/cpu",
    "/sys/fs/cgroup",
)
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")


def enter(spaces: list[int], entrances: list[int]) -> None:
    """Joins a control group and namespaces. What is forked afterwards is in the room's process namespace too.

    The last of `spaces` is the inner user namespace; there, nothing can be done to the others any more.
    """
    for descriptor in entrances:
        os.write(descriptor, b"0")
    libc = ctypes.CDLL(None, use_errno=True)
    for descriptor in spaces:
        if libc.setns(descriptor, 0):
            number = ctypes.get_errno()
            raise OSError(number, f"the room cannot be entered: {os.strerror(number)}")


def settle(
    *,
    readable: list[str],
    by_name: list[str],
    scratch: str,
    landlock: bool,
    inside: bool,
    user: int | None,
    cpu: int,
    disk: int,
    processes: int | None,
) -> None:
    """Gives up everything but reading `readable`, opening what it knows the name of in `by_name`, and writing
    `scratch`. `inside` says that the process is in a room's namespaces; `user` is whom to become."""
    os.setsid()
    os.chdir(scratch)
    os.environ.update(HOME=scratch, TMPDIR=scratch)
    for kind, most in (
        (resource.RLIMIT_CPU, cpu),
        (resource.RLIMIT_FSIZE, disk),
        (resource.RLIMIT_NOFILE, 512),
        (resource.RLIMIT_CORE, 0),
        *([(resource.RLIMIT_NPROC, processes)] if processes else []),
        (resource.RLIMIT_MSGQUEUE, 0),
        (resource.RLIMIT_MEMLOCK, 64 << 10),
    ):
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(kind, (most, most))
    libc = ctypes.CDLL(None, use_errno=True)
    for capability in range(64):
        libc.prctl(DROP_FROM_BOUND, capability, 0, 0, 0)
    if user is not None:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    header, nothing = (ctypes.c_uint32 * 2)(CAPABILITIES, 0), (ctypes.c_uint32 * 6)()
    if libc.capset(header, nothing):
        raise OSError(ctypes.get_errno(), "capabilities cannot be given up")
    if landlock:
        _fence(readable, by_name, scratch, inside)


def _fence(readable: list[str], by_name: list[str], scratch: str, inside: bool) -> None:
    from landlockpy import AccessFS, AccessNet, Ruleset, Scope

    read = AccessFS.READ_FILE | AccessFS.READ_DIR | AccessFS.EXECUTE
    write = ~(AccessFS.MAKE_CHAR | AccessFS.MAKE_BLOCK | AccessFS.EXECUTE)
    with Ruleset(handled_net=~AccessNet.NONE, scoped=Scope.ABSTRACT_UNIX_SOCKET | Scope.SIGNAL) as rules:
        about = ["/proc", "/sys"] if inside else [f"/proc/{os.getpid()}", *ABOUT_THE_MACHINE]
        for path in [*readable, *about]:
            with contextlib.suppress(OSError):
                rules.allow_path(path, read if Path(path).is_dir() else AccessFS.READ_FILE | AccessFS.EXECUTE)
        for path in by_name:
            rules.allow_path(path, AccessFS.READ_FILE)
        for path in DEVICES:
            with contextlib.suppress(OSError):
                rules.allow_path(path, AccessFS.READ_FILE | AccessFS.WRITE_FILE)
        rules.allow_path(scratch, write)
        rules.restrict()
