"""Processes that tests start: they end with the test, and with the tests' own process, whatever happens."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

__all__ = ["HANGS", "ROOT", "call", "command_line", "started", "wait_until"]

ROOT = Path(__file__).parents[1]
HANGS = 300.0
"""Seconds after which something that should take a few is taken to hang, on a machine however busy."""
_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def _begin(ignored: Sequence[int]) -> None:
    """In the new process: signals as on a terminal, though the tests may run in the background with SIGINT ignored."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN if number in ignored else signal.SIG_DFL)
    if _libc is not None:
        _libc.prctl(_PDEATHSIG, signal.SIGKILL)


@contextmanager
def started(command: Sequence[str], *, ignored: Sequence[int] = (), **how: Any) -> Iterator[subprocess.Popen]:
    """A process in a group of its own, all of which is killed at the end. ignored : signals that it ignores."""
    how = {"env": {**os.environ, "PYTHONPATH": str(ROOT)}, "text": True} | how
    process = subprocess.Popen(command, start_new_session=True, preexec_fn=lambda: _begin(ignored), **how)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


def call(*arguments: str | Path) -> int:
    """Exit code of a command that is run in this process."""
    from kmc_transport.cli.app import main

    with pytest.raises(SystemExit) as caught:
        main([str(a) for a in arguments])
    return int(caught.value.code or 0)


def command_line(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "kmc_transport", *arguments]


def wait_until(true: Callable[[], Any], process: subprocess.Popen | None = None, what: str = "") -> None:
    """Wait for something, as long as the process runs."""
    end = time.monotonic() + HANGS
    while not true():
        assert process is None or process.poll() is None, f"ended before {what}: {process.returncode}"
        assert time.monotonic() < end, f"hangs: {what}"
        time.sleep(0.01)
