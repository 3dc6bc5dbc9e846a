"""What is printed: streams that may be closed, full or ASCII only, and texts that may hold what controls a terminal."""

from __future__ import annotations

import atexit
import builtins
import codecs
import contextlib
import csv
import io
import json
import os
import re
import signal
import sys
from collections.abc import Iterable, Mapping
from typing import Any, TextIO

from ..errors import plain

__all__ = [
    "finish",
    "interruptible",
    "open_streams",
    "print_csv",
    "print_json",
    "print_plain",
    "quit_on_interrupt",
    "tell",
]

_SPELLED = {
    **{
        "Å": "A",
        "·": ".",
        "²": "^2",
        "³": "^3",
        "⁻": "^-",
        "¹": "1",
        "±": "+/-",
        "−": "-",
        "–": "-",
        "—": "-",
    },
    **{
        "…": "...",
        "×": "x",
        "→": "->",
        "≤": "<=",
        "≥": ">=",
        "μ": "u",
        "µ": "u",
        "°": "deg",
        "‰": "per mille",
    },
    **{"─": "-", "│": "|", "²/": "^2/", "½": "1/2"},
}
_CONTROLS = re.compile("[\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def _spelled(error: UnicodeError) -> tuple[str, int]:
    """For encodings without these characters: Å as A, the others as escapes."""
    assert isinstance(error, UnicodeEncodeError)
    part = error.object[error.start : error.end]
    return "".join(_SPELLED.get(c) or c.encode("unicode_escape").decode() for c in part), error.end


class _Closed(io.TextIOBase):
    """Standard output of a program that was started without one."""

    def write(self, text: str) -> int:
        raise OSError(9, "standard output is closed")


class _Forgiving(io.TextIOWrapper):
    """Standard error: what cannot be written there must not end a run."""

    def write(self, text: str) -> int:
        try:
            return super().write(text)
        except OSError:
            return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            super().flush()


def _quit(*_: object) -> None:
    try:
        os.write(2, b"kmc-transport: interrupted\n")
    finally:
        os._exit(130)


def quit_on_interrupt() -> None:
    """Let Ctrl-C end the program at once, also while it imports libraries that turn it into errors of their own."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _quit)
        atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)  # runs last: the work is done by then


def interruptible() -> None:
    """From here on Ctrl-C is a KeyboardInterrupt again: there is something to save, or to clean up."""
    if signal.getsignal(signal.SIGINT) is _quit:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def open_streams() -> None:
    """Make standard output and error ready for anything; the program calls it first."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:  # closed: the next file that is opened would take its place
            os.open(os.devnull, os.O_RDWR)
    codecs.register_error("spelled", _spelled)
    if sys.stdout is None:
        sys.stdout = _Closed()
    elif isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="spelled")
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - for as long as the program runs
    elif isinstance(sys.stderr, io.TextIOWrapper):
        sys.stderr = _Forgiving(
            sys.stderr.buffer, sys.stderr.encoding, errors="spelled", line_buffering=True, write_through=True
        )


def print_plain(*texts: object, end: str = "\n", file: TextIO | None = None, flush: bool = False) -> None:
    """As `print`; control characters become escapes."""
    builtins.print(*map(plain, texts), end=end, file=file or sys.stdout, flush=flush)


def tell(text: object) -> None:
    """A line on standard error."""
    print_plain(f"kmc-transport: {text}", file=sys.stderr)


def print_json(data: Any) -> None:
    text = json.dumps(data, indent=1, ensure_ascii=False)
    text = _CONTROLS.sub(lambda m: f"\\u{ord(m[0]):04x}", text)
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeError:
        text = json.dumps(data, indent=1)
    builtins.print(text)


def print_csv(rows: Iterable[Mapping[str, Any]]) -> None:
    """Rows with the same keys; vectors as numbers with blanks between them."""
    rows = list(rows)
    writer = csv.DictWriter(sys.stdout, fieldnames=list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({k: _cell(v) for k, v in row.items()})


def _cell(value: Any) -> Any:
    if isinstance(value, list):
        return " ".join(map(repr, value))
    return plain(value) if isinstance(value, str) else value


def finish() -> None:
    """Write what is left of the output. Raises OSError where that fails, once."""
    try:
        sys.stdout.flush()
    except OSError:
        _drop()
        raise


def _drop() -> None:
    """Send the rest of standard output nowhere, so that the interpreter's end does not trip over it again."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
