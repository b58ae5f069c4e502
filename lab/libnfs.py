"""NFS in user space: libnfs of Debian 12, through ctypes; a part of `lab.protocols`, which imports nothing else of the lab."""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os

PATIENCE_S = 1.0
FILE_BYTES, WRITE_BYTES = 8192, 2048  # libnfs 4 writes no more than 3840 bytes by NFSv4 at once
EXPORT, UID = "/data", 1000
LAST_STATELESS = 3  # version of NFS


class Nfs:
    """An NFS client in user space (libnfs): a row is a file, written, synced and closed, and its sum is right."""

    def __init__(self, address: str, version: int) -> None:
        self._lib = _libnfs()
        self._context = self._lib.nfs_init_context()
        self._lib.nfs_set_version(self._context, version)
        if (
            version > LAST_STATELESS
        ):  # an older one waits and connects again by itself, as a hard mount does, with the handles it has
            self._lib.nfs_set_timeout(self._context, int(PATIENCE_S * 1000))
            self._lib.nfs_set_autoreconnect(self._context, 0)
        self._lib.nfs_set_uid(self._context, UID)
        self._lib.nfs_set_gid(self._context, UID)
        self._done("mount", self._lib.nfs_mount(self._context, address.encode(), EXPORT.encode()))

    def _done(self, what: str, code: int) -> int:
        if code < 0:
            raise OSError(-code, f"{what}: {(self._lib.nfs_get_error(self._context) or b'').decode()}")
        return code

    def put(self, row: int) -> None:
        """Write a file; see what another one contains."""
        text, handle = contents(row)[:WRITE_BYTES], ctypes.c_void_p()
        made = self._lib.nfs_open2(self._context, _path(row), os.O_CREAT | os.O_WRONLY, 0o644, ctypes.byref(handle))
        self._done("create", made)
        for _ in range(FILE_BYTES // WRITE_BYTES):  # each part is the same
            if self._done("write", self._lib.nfs_write(self._context, handle, len(text), text)) != len(text):
                raise OSError("a part was not written whole")
        self._done("fsync", self._lib.nfs_fsync(self._context, handle))
        self._done("close", self._lib.nfs_close(self._context, handle))

    def rows(self, wanted: set[int]) -> set[int]:
        """Read files, and compare their sums."""
        return {row for row in wanted if self._sum(row) == hashlib.sha256(contents(row)).digest()}

    def _sum(self, row: int) -> bytes:
        handle, buffer = ctypes.c_void_p(), ctypes.create_string_buffer(FILE_BYTES + 1)
        opened = self._lib.nfs_open(self._context, _path(row), os.O_RDONLY, ctypes.byref(handle))
        if opened == -errno.ENOENT:  # it is lost
            return b""
        self._done("open", opened)
        length = self._done("read", self._lib.nfs_read(self._context, handle, len(buffer), buffer))
        self._done("close", self._lib.nfs_close(self._context, handle))
        return hashlib.sha256(buffer.raw[:length]).digest()

    def close(self) -> None:
        """Forget the server; whatever is open there is for its lease."""
        self._lib.nfs_destroy_context(self._context)


def _libnfs() -> ctypes.CDLL:
    lib = ctypes.CDLL("libnfs.so.13")
    lib.nfs_init_context.restype = ctypes.c_void_p
    lib.nfs_get_error.restype = ctypes.c_char_p
    pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    for name, arguments in {
        "set_version": (number,), "set_timeout": (number,), "set_autoreconnect": (number,), "mount": (text, text),
        "set_uid": (number,), "set_gid": (number,),
        "open": (text, number, pointer), "open2": (text, number, number, pointer),
        "write": (pointer, ctypes.c_uint64, text), "read": (pointer, ctypes.c_uint64, pointer),
        "fsync": (pointer,), "close": (pointer,), "get_error": (), "destroy_context": (),
    }.items():  # fmt: skip
        getattr(lib, f"nfs_{name}").argtypes = (pointer, *arguments)
    return lib


def _path(row: int) -> bytes:
    return f"/{row}".encode()


def contents(row: int) -> bytes:
    """Give what the file of a row contains."""
    return hashlib.sha256(str(row).encode()).digest() * (FILE_BYTES // 32)
