"""Takes from the process that reads untrusted files what it does not need: the network, and memory without end."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import platform
import resource
import struct
import sys

# A 400-page PDF of tables needs 200 MB; the process begins with 40.
MEMORY_BYTES = 1 << 30
OPEN_FILES = 256

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 38, 22, 2
# By machine: how seccomp names its system calls (linux/audit.h), and the numbers of those that are refused.
_SYSTEM_CALLS = {
    "x86_64": (
        0xC000003E,
        {"socket": 41, "ptrace": 101, "process_vm_readv": 310, "process_vm_writev": 311, "io_uring_setup": 425},
    ),
    "aarch64": (
        0xC00000B7,
        {"socket": 198, "ptrace": 117, "process_vm_readv": 270, "process_vm_writev": 271, "io_uring_setup": 425},
    ),
}
# Numbers from here on are those of another calling convention (x32), with which the same calls have other ones.
_X32 = 0x40000000
# Classic BPF (linux/filter.h, linux/seccomp.h): load a word, jump if equal or at least, return.
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_NUMBER, _ARCHITECTURE = 0, 4
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | errno.EPERM


def confine(memory_bytes: int = MEMORY_BYTES) -> None:
    """For the rest of this process' life, and for those that it starts. To be called before there are threads.

    Limits private memory (Linux counts what can be written), open files and core dumps everywhere; refuses new sockets
    on Linux, on the processors that servers have.
    """
    for limit, wanted in (
        (resource.RLIMIT_DATA, memory_bytes),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(limit)
        value = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with contextlib.suppress(OSError, ValueError):  # macOS knows the limits and does not take all of them
            resource.setrlimit(limit, (value, value))
    if sys.platform == "linux":
        _refuse_sockets()


def _refuse_sockets() -> None:
    known = _SYSTEM_CALLS.get(platform.machine())
    if known is None:
        return
    program = _program(*known)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    code = ctypes.create_string_buffer(program, len(program))
    # struct sock_fprog: the number of instructions, and where they are.
    header = struct.pack("HP", len(program) // 8, ctypes.addressof(code))
    # Some container engines forbid filters; they have a network policy of their own.
    libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.create_string_buffer(header, len(header)), 0, 0)


def _program(architecture: int, refused: dict[str, int]) -> bytes:
    """Instructions of eight bytes; jumps are relative to the next one."""
    numbers = sorted(refused.values())
    body = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        # What is not this machine's own convention goes to the end, which refuses.
        (_EQUAL, 0, len(numbers) + 3, architecture),
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, len(numbers) + 1, 0, _X32),
        *((_EQUAL, len(numbers) - place, 0, number) for place, number in enumerate(numbers)),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
    ]
    return b"".join(struct.pack("HBBI", *instruction) for instruction in body)
