"""Mutants of the shipped inputs, judged by ``kmc-transport check`` in processes with limits:

    python -m tests.fuzz.inputs [--n 10000] [--seed 1] [--show CASE]

A defect is any exception but this package's own, a message of more than 20 kB or with control characters, a hang, a
crash, or much memory. Exit code 0 only without a defect.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import random
import re
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from .mutate import in_child, mutate
from .trees import as_yaml, mutated

ROOT = Path(__file__).parents[2]
INPUTS = [*sorted((ROOT / "inputs").glob("*.yaml")), ROOT / "kmc_transport" / "input" / "starter.yaml"]
EVERYTHING = Path(__file__).parent / "everything.yaml"
"""An input that uses what the shipped ones do not: clusters, Coulomb, disorder, surroundings, files, ranges."""
LONGEST = 20_000
SECONDS = 5.0
MEMORY = 1 << 30


@cache
def sources() -> list[tuple[bytes, Any]]:
    """(bytes, data) of the inputs that mutants are made of."""
    found = []
    for path in [*INPUTS, EVERYTHING]:
        data = path.read_bytes()
        found.append((data, YAML(typ="safe", pure=True).load(data)))
    return found


def mutant(case: int, seed: int, known: list[tuple[bytes, Any]]) -> bytes:
    """The text of one mutant: of the data, of the bytes, or of both."""
    rng = random.Random(f"{seed}:{case}")
    text, data = rng.choice([*known, known[-1], known[-1]])
    if rng.random() < 0.8:
        text = as_yaml(mutated(data, rng)).encode()
        if rng.random() < 0.95:
            return text
    return mutate(text, rng)


def workplace(folder: Path) -> None:
    """What inputs may name: the files of the shipped ones, a fifo."""
    (folder / "mgo_vacancy").symlink_to(ROOT / "inputs" / "mgo_vacancy")
    os.mkfifo(folder / "fifo")


def judge(text: bytes, folder: Path) -> None:
    """Has ``check`` take a text; raises what is wrong with how it does."""
    from kmc_transport.cli.app import main

    (folder / "mutant.yaml").write_bytes(text)
    out, err = io.StringIO(), io.StringIO()
    code: object = 0
    with contextlib.chdir(folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(["check", "mutant.yaml"])
        except SystemExit as error:
            code = error.code
    said = out.getvalue() + err.getvalue()
    said.encode()  # can be printed
    assert code in (0, None, 2), f"exit code {code}: {said[-2000:]}"
    assert code != 2 or err.getvalue().strip(), "no message"
    assert len(err.getvalue()) <= LONGEST, f"a long message: {said[:1000]}"
    wild = sorted({c for c in said if c != "\n" and not (c.isprintable() or c.isspace())})
    assert not wild, f"control characters reach the terminal: {wild[:8]}"
    assert not (folder / "x").exists(), "an input ran a command"


def judge_quickly(text: bytes, folder: Path) -> None:
    signal.setitimer(signal.ITIMER_PROF, SECONDS)  # processor time: SIGPROF ends the process
    judge(text, folder)


def load_everything() -> None:
    """Imports what the cases need, once, before the workers are forked: what `EVERYTHING` needs, and more."""
    import numpy  # noqa: F401
    import pint
    import pymatgen.core
    import pymatgen.io.cif  # noqa: F401
    import scipy.fft
    import scipy.optimize
    import scipy.sparse.csgraph
    import scipy.spatial
    import scipy.special  # noqa: F401
    import spglib  # noqa: F401

    pint.UnitRegistry()
    with tempfile.TemporaryDirectory() as name:
        workplace(Path(name))
        judge(EVERYTHING.read_bytes(), Path(name))


def run(
    n: int, seed: int, first: int = 0, tell: Callable[[int, str], None] = lambda case, fault: None
) -> dict[int, str]:
    """Defects of the mutants by number."""
    load_everything()
    known, defects = sources(), {}
    with tempfile.TemporaryDirectory() as name:
        workplace(Path(name))
        for case in range(first, first + n):
            text = mutant(case, seed, known)
            fault = in_child(
                lambda text=text: judge_quickly(text, Path(name)), seconds=60 * SECONDS, memory=MEMORY
            )
            if fault:
                defects[case] = fault
            tell(case, fault)
    return defects


def kind(fault: str) -> str:
    """The last line of a traceback and the innermost place in this package: the same for defects of one kind."""
    places = re.findall(r'kmc_transport/(\S+)", line \d+, in (\w+)', fault)
    return fault.splitlines()[-1][:100] + (f"   in {': '.join(places[-1])}" if places else "")


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--n", type=int, default=10_000)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--first", type=int, default=0, help="number of the first mutant")
    options.add_argument("--show", type=int, help="print this mutant and what check says")
    given = options.parse_args()
    if given.show is not None:
        show(given.show, given.seed)
        return
    started = time.monotonic()

    def tell(case: int, fault: str) -> None:
        print(f"\r{case}", end="", file=sys.stderr)
        if fault:
            print(f"\ncase {case}: {kind(fault)}", file=sys.stderr, flush=True)

    defects = run(given.n, given.seed, given.first, tell)
    kinds = Counter(map(kind, defects.values()))
    print(
        f"{given.n} mutants, {len(defects)} defects of {len(kinds)} kinds, {time.monotonic() - started:.0f} s"
    )
    for what, number in kinds.most_common():
        cases = [case for case, fault in defects.items() if kind(fault) == what]
        print(f"{number:5d}  {what}   cases {', '.join(map(str, cases[:8]))}")
    sys.exit(1 if defects else 0)


def show(case: int, seed: int) -> None:
    text = mutant(case, seed, sources())
    sys.stdout.buffer.write(text + b"\n")
    sys.stdout.flush()
    with tempfile.TemporaryDirectory() as name:
        workplace(Path(name))
        judge(text, Path(name))


if __name__ == "__main__":
    main()
