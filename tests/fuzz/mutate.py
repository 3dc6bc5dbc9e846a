"""Seeded damage to files, and a judge that calls code in a child process with limits on time and memory.

Whoever fuzzes hands over small valid contents and a function that reads one; a defect is a traceback other than the
errors promised, a crash, a hang, or memory beyond the limit.
"""

from __future__ import annotations

import os
import random
import re
import resource
import select
import signal
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from kmc_transport.errors import KmcTransportError

__all__ = ["in_child", "mutants", "mutate"]

_NUMBER = re.compile(rb"[-+]?\d+\.?\d*(?:[eEdD][-+]?\d+)?")
_STRANGE = (
    *(
        b"nan",
        b"inf",
        b"-inf",
        b"1e999",
        b"1e999999999",
        b"-1e308",
        b"5e-324",
        b"0",
        b"-1",
        b"1e30",
        b"1e-300",
    ),
    *(
        b"9" * 400,
        b"0." + b"3" * 400,
        b"********",
        b"",
        b"1 2",
        b"true",
        b"null",
        b"x",
        b"2147483648",
        b"1000000007",
    ),
)
_JUNK = (b"\0" * 64, b"\xff\xfe", b"\xef\xbb\xbf", b"\x1b[31m", b"\xed\xa0\x80", b"\r", b"\t", b"{", b"[", b"'", b'"',
         b"<", b"&", b": ", b"- ", b"!!python/name:os.system ", b"#", b"*a", b"&a ", b"=" * 5000)  # fmt: skip


def mutate(data: bytes, rng: random.Random) -> bytes:
    """One to three seeded changes."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        data = rng.choice(_CHANGES)(data, rng)
    return data


def mutants(contents: Mapping[str, bytes], n: int, seed: int) -> Iterator[tuple[int, str, bytes]]:
    """``n`` triples (number, name, damaged content), the names in turn; number and seed alone decide the damage."""
    names = sorted(contents)
    for i in range(n):
        name = names[i % len(names)]
        yield i, name, mutate(contents[name], random.Random(f"{seed} {i} {name}"))


def in_child(
    call: Callable[[], object],
    *,
    seconds: float = 20.0,
    memory: int = 4 << 30,
    allowed: Sequence[type[BaseException]] = (KmcTransportError,),
) -> str:
    """What is defective about ``call`` in a forked child, in a few lines, or "".

    memory : bytes that the child may take beyond what this process has.
    """
    out, into = os.pipe()
    child = os.fork()
    if not child:
        os.close(out)
        _serve(call, into, memory, tuple(allowed))
    os.close(into)
    said, end = b"", time.monotonic() + seconds
    try:
        while True:
            if not select.select([out], [], [], max(0.0, end - time.monotonic()))[0]:
                os.kill(child, signal.SIGKILL)
                return f"still running after {seconds:g} s"
            if not (piece := os.read(out, 1 << 16)):
                break
            said += piece
    finally:
        os.close(out)
        _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if code == 0:
        return ""
    return said.decode(errors="replace").strip()[-2000:] or (
        f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    )


def _serve(
    call: Callable[[], object], into: int, memory: int, allowed: tuple[type[BaseException], ...]
) -> None:
    code = 1
    try:
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nothing, stream)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        statm = Path("/proc/self/statm")
        if statm.exists():
            taken = int(statm.read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (taken + memory, taken + memory))
        try:
            call()
        except allowed as error:
            str(error).encode()  # messages can be printed
        code = 0
    except BaseException:
        os.write(into, traceback.format_exc(limit=-6).encode(errors="replace")[-4000:])
    finally:
        os._exit(code)


# ---- kinds of damage


def _place(data: bytes, rng: random.Random) -> int:
    """A place anywhere, or near the beginning, where the headers are."""
    return rng.randrange(max(1, len(data) if rng.random() < 0.6 else min(len(data), 400)))


def _flip(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 8))):
        if changed:
            changed[_place(data, rng)] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _cut(data: bytes, rng: random.Random) -> bytes:
    return data[: _place(data, rng)]


def _number(data: bytes, rng: random.Random) -> bytes:
    found = list(_NUMBER.finditer(data))
    if not found:
        return data
    m = rng.choice(found if rng.random() < 0.6 else found[:40])
    return data[: m.start()] + rng.choice(_STRANGE) + data[m.end() :]


def _lines(data: bytes, rng: random.Random) -> bytes:
    """A run of lines removed, repeated, or moved."""
    lines = data.splitlines(keepends=True)
    if len(lines) < 2:
        return data
    a = rng.randrange(len(lines))
    b = min(len(lines), a + rng.choice((1, 1, 1, 2, 5, 20)))
    piece, rest = lines[a:b], lines[:a] + lines[b:]
    how = rng.choice(("remove", "repeat", "move"))
    if how == "remove":
        return b"".join(rest)
    at = b if how == "repeat" else rng.randrange(len(rest) + 1)
    base = lines if how == "repeat" else rest
    return b"".join(base[:at] + piece + base[at:])


def _insert(data: bytes, rng: random.Random) -> bytes:
    at = _place(data, rng)
    return data[:at] + rng.choice(_JUNK) + data[at:]


def _replace(data: bytes, rng: random.Random) -> bytes:
    """Bytes overwritten, by zeros as a crash of the machine leaves them or by bytes from elsewhere in the file."""
    a, n = _place(data, rng), rng.choice((1, 16, 512))
    source = _place(data, rng)
    piece = bytes(n) if rng.random() < 0.3 else data[source : source + n]
    return data[:a] + piece + data[a + n :]


def _word(data: bytes, rng: random.Random) -> bytes:
    """A word exchanged for another one of the file."""
    words = list(re.finditer(rb"\w+", data))
    if not words:
        return data
    a, b = rng.choice(words), rng.choice(words)
    return data[: a.start()] + b[0] + data[a.end() :]


_CHANGES: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    _flip, _cut, _number, _number, _number, _lines, _lines, _insert, _replace, _word,
)  # fmt: skip
