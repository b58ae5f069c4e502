"""What Python does not offer, or not so that the other threads of this process go on.

subprocess and os.posix_spawn hold the interpreter's lock until the program is loaded (vfork). From a disk that does not answer
it never is, and every thread would stand still, the watchdog's too. The opaque types get more room than they need: in
glibc 2.36 the attributes have 336 bytes, the file actions 80 and a set of signals 128.
"""

import ctypes
import errno
import os
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache

SETSIGDEF, SETSIGMASK, SETSID = 0x04, 0x08, 0x80  # spawn.h
ROOM_BYTES = 1024
MCL_CURRENT, MCL_ONFAULT = 1, 4  # sys/mman.h
IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)


def spawn(argv: Sequence[str], environment: Mapping[str, str], out: int, err: int) -> int:
    """Start a program in a session of its own, with nothing to read; return its pid. Raises OSError."""
    words = [os.fsencode(word) for word in argv]
    if any(b"\0" in word for word in words):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), argv[0])
    path = argv[0] if "/" in argv[0] else shutil.which(argv[0], path=environment["PATH"])
    if path is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), argv[0])
    sys.audit("os.posix_spawn", path, list(argv), dict(environment))  # as os.posix_spawn itself would
    pid, actions, attributes = ctypes.c_int(), _actions(out, err), _attributes()
    values = [os.fsencode(f"{name}={value}") for name, value in environment.items()]
    try:
        _ask("posix_spawn", ctypes.byref(pid), os.fsencode(path), actions, attributes, _vector(words), _vector(values))
    finally:
        _libc().posix_spawn_file_actions_destroy(actions)
        _libc().posix_spawnattr_destroy(attributes)
    return pid.value


def stay_in_memory() -> None:
    """Have the kernel keep what this process has in memory by now, code and data; where it may not, it goes on without."""
    _libc().mlockall(MCL_CURRENT | MCL_ONFAULT)


def _actions(out: int, err: int) -> ctypes.Array[ctypes.c_char]:
    """Say what the program's three streams are; execve(2) closes all else."""
    actions = ctypes.create_string_buffer(ROOM_BYTES)
    _ask("posix_spawn_file_actions_init", actions)
    _ask("posix_spawn_file_actions_addopen", actions, 0, os.fsencode(os.devnull), os.O_RDONLY, 0)
    for stream, pipe in ((1, out), (2, err)):
        _ask("posix_spawn_file_actions_adddup2", actions, pipe, stream)
    return actions


def _attributes() -> ctypes.Array[ctypes.c_char]:
    """Ask for a session of its own, no signal blocked, and none ignored that Python ignores."""
    attributes, nothing, defaults = (ctypes.create_string_buffer(ROOM_BYTES) for _ in range(3))
    _libc().sigemptyset(nothing)
    _libc().sigemptyset(defaults)
    for number in IGNORED_BY_PYTHON:
        _libc().sigaddset(defaults, number)
    _ask("posix_spawnattr_init", attributes)
    _ask("posix_spawnattr_setsigmask", attributes, nothing)
    _ask("posix_spawnattr_setsigdefault", attributes, defaults)
    _ask("posix_spawnattr_setflags", attributes, ctypes.c_short(SETSIGDEF | SETSIGMASK | SETSID))
    return attributes


def _vector(words: Sequence[bytes]) -> ctypes.Array[ctypes.c_char_p]:
    return (ctypes.c_char_p * (len(words) + 1))(*words, None)


def _ask(name: str, *words: object) -> None:
    number = getattr(_libc(), name)(*words)
    if number:
        raise OSError(number, os.strerror(number))


@cache
def _libc() -> ctypes.CDLL:
    """Load it once, and keep to this process what it inherited itself: a tool must not hold the file of a stranger open."""
    with suppress(OSError):  # no /proc in a chroot
        for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - numbers
            if int(name) > 2 and os.path.lexists(f"/proc/self/fd/{name}"):  # noqa: PLR2004 - not one of the three streams
                os.set_inheritable(int(name), False)
    return ctypes.CDLL(None)
