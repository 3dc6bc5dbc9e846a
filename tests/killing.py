"""Runs that are killed at random moments, for the tests; many times over with

    python -m tests.killing --times 100

Each time a sweep is started as a process of its own, and SIGKILL hits the driver, a worker process, or the driver
while it writes the result file. Then: every point that was there is there, unchanged and intact; every file opens; the
same command completes the sweep; the table equals the undisturbed one bit for bit.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from kmc_transport.runs.pipeline import run
from kmc_transport.store import PointStore, open_results, points_folder, read_status
from tests.processes import HANGS, command_line, started, wait_until
from tests.runs.sweeps import INPUT, N_POINTS, assert_same_table, points_of, sweep_model

KINDS = ("driver", "worker", "rebuild")


@contextmanager
def start(
    folder: Path, *options: str, text: str = INPUT, ignored: Sequence[int] = ()
) -> Iterator[subprocess.Popen]:
    """``kmc-transport run`` on the sweep, as a process of its own."""
    (folder / "a.yaml").write_text(text)
    command = command_line("run", "a.yaml", "-q", "--no-plot", *options)
    with started(command, cwd=folder, stderr=subprocess.PIPE, ignored=ignored) as process:
        yield process


def children(pid: int) -> list[int]:
    """Worker processes that this one has started: forked, or loky's."""
    found: list[int] = []
    for listing in Path(f"/proc/{pid}/task").glob("*/children"):  # by whichever of its threads
        with suppress(OSError):
            for child in listing.read_text().split():
                if b"resource_tracker" not in Path(f"/proc/{child}/cmdline").read_bytes():
                    found.append(int(child))
    return found


def kill_once(folder: Path, kind: str, share: float, whole: Any) -> str:
    """One run, one SIGKILL, one check; what happened, in words.

    share : from 0 to 1, the moment: number of points that are there, then a bit more.
    """
    path, points = folder / "a.h5", folder / "a.points"
    how = ("--executor", "processes") if kind == "worker" else ("--executor", "threads")
    wanted = N_POINTS if kind == "rebuild" else int(share * N_POINTS)
    with start(folder, *how, "--workers", "2") as process:
        wait_until(lambda: len(points_of(points)) >= wanted or process.poll() is not None, what="the points")
        time.sleep((share * 977) % 1 * (0.4 if kind == "rebuild" else 0.05))
        said = sum(note["done"] for note in _notes(folder))
        hit = _kill(process, kind)
        kept = points_of(points)
    assert len(kept) >= said, "a point that was reported is gone"
    store = PointStore(points)
    for key in points_of(points):
        store.load(key)  # every row is there and fits its checksum
    for key in store.partial_keys():
        assert store.load_partial(key) is not None
    assert not store.damaged
    if path.exists():
        open_results(path)
    data = run(sweep_model(), output=path, executor="threads", workers=2)
    assert_same_table(data, whole)
    assert_same_table(open_results(path), whole)
    after = points_of(points)
    assert kept.items() <= after.items(), "a finished point was simulated again"
    assert not [p for p in folder.rglob("*.tmp")], "rests are left"
    found = read_status(path)
    assert (found.done, found.failed, found.alive) == (N_POINTS, 0, False)
    return f"{kind} {'killed' if hit else 'too late'} with {len(kept)} of {N_POINTS} points"


def _kill(process: subprocess.Popen, kind: str) -> bool:
    """Whether there was somebody to kill; a run that lost a worker must go on to its end."""
    if kind == "worker":
        hit = False
        for child in children(process.pid)[:1]:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
                hit = True
        _, err = process.communicate(timeout=HANGS)
        assert process.returncode == 0, err
        return hit
    hit = process.poll() is None
    process.kill()
    process.wait()
    return hit


def _notes(folder: Path) -> list[dict[str, Any]]:
    try:
        return [json.loads((points_folder(folder / "a.h5") / "progress.json").read_text())]
    except (OSError, ValueError):
        return []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    draw = random.Random(chosen.seed)
    whole = run(sweep_model(), executor="threads", workers=1)
    start_time = time.monotonic()
    for i in range(chosen.times):
        with tempfile.TemporaryDirectory() as folder:
            text = kill_once(Path(folder), KINDS[i % len(KINDS)], draw.random(), whole)
        print(f"{i + 1:4d}  {text}", flush=True)
    print(f"{chosen.times} times, nothing lost, in {time.monotonic() - start_time:.0f} s")


if __name__ == "__main__":
    main()
