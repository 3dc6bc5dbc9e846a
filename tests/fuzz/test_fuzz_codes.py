"""A short run of `tests.fuzz.codes`, and that it finds what it looks for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from kmc_transport.errors import InputError, Problem
from tests.fuzz import codes
from tests.fuzz.mutate import in_child

ROOT = Path(__file__).parents[2]


def test_damaged_files_are_read_or_refused() -> None:
    for library in ("ase", "phonopy", "symfc"):
        pytest.importorskip(library)
    # in a process of its own: children forked beside the threads of other tests may wait for ever
    command = [sys.executable, "-m", "tests.fuzz.codes", "--n", "16", "--seed", "7"]
    out = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert out.returncode == 0, out.stdout + out.stderr[-2000:]
    assert "16 mutants, 0 defects" in out.stdout


def test_defects_are_found(tmp_path) -> None:
    def raising(error: BaseException):
        def read() -> None:
            raise error

        return codes.Case(tmp_path, read)

    assert in_child(lambda: codes.judge(raising(InputError(Problem("no", file="a"))))) == ""
    for error in (KeyError("lost"), MemoryError(), InputError("names no file")):
        assert in_child(lambda error=error: codes.judge(raising(error)))
    assert "still running" in in_child(lambda: __import__("time").sleep(9), seconds=0.3)
    assert in_child(lambda: bytearray(1 << 31), memory=1 << 30)
