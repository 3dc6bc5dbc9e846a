"""A file for the HDF5 library to write to that never says no."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType

__all__ = ["Sink"]


class Sink:
    """Reads and writes a new file as h5py asks; after the first failure (no space), in memory.

    The library cannot close a file that it cannot write, and crashes at the end of the process. So whoever writes calls
    `check` from block to block, which raises the OSError, and lets the library close in peace.
    """

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
        self._at = self._size = 0
        self._late: list[tuple[int, bytes]] = []
        self._error: OSError | None = None

    def __enter__(self) -> Sink:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: TracebackType | None) -> None:
        os.close(self._fd)
        if error is None or isinstance(
            error, Exception
        ):  # what follows from a failure tells less than it does
            self.check()

    def check(self) -> None:
        """OSError when something could not be written."""
        if self._error is not None:
            raise self._error

    # ---- what h5py calls

    def write(self, data: bytes) -> int:
        content = bytes(data)
        if self._error is None:
            try:
                written = 0
                while written < len(content):
                    written += os.pwrite(self._fd, content[written:], self._at + written)
            except OSError as e:
                self._error = e
        if self._error is not None:
            self._late.append((self._at, content))
        self._at += len(content)
        self._size = max(self._size, self._at)
        return len(content)

    def readinto(self, buffer: bytearray) -> int:
        view = memoryview(buffer).cast("B")
        n = max(0, min(len(view), self._size - self._at))
        view[:n] = os.pread(self._fd, n, self._at).ljust(n, b"\0")
        for start, content in self._late:
            begin, end = max(start, self._at), min(start + len(content), self._at + n)
            if begin < end:
                view[begin - self._at : end - self._at] = content[begin - start : end - start]
        self._at += n
        return n

    def read(self, n: int = -1) -> bytes:
        buffer = bytearray(self._size - self._at if n < 0 else n)
        return bytes(buffer[: self.readinto(buffer)])

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def truncate(self, size: int) -> int:
        self._size = size
        if self._error is None:
            try:
                os.ftruncate(self._fd, size)
            except OSError as e:
                self._error = e
        return size

    def flush(self) -> None:
        """`atomic_path` syncs the file."""
