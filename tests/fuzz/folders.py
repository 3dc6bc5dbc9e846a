"""Damaged run folders and result files, given to the commands in processes with limits:

    python -m tests.fuzz.folders [--n 300] [--seed 1] [--show CASE]

A small sweep with finished points, a begun one and a failed one is damaged by seed: flipped bits, cut, emptied, deleted
and exchanged files, wrong types, mangled notes. Then status, results, verify, merge and run look at it. A defect is an
exception or exit code that is not promised, a hang, a crash, a number that changed without a word, an intact point or a
finished row that is lost, and a table of `run` that is not the undamaged one. Exit code 0 only without a defect.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kmc_transport.cli.app import main as command_line
from kmc_transport.runs import pipeline as simulation
from kmc_transport.runs.grid import grid_points
from kmc_transport.runs.point import PointSimulation
from kmc_transport.store import Failure, PointStore, points_folder
from tests.fuzz.mutate import in_child, mutate
from tests.runs.sweeps import INPUT, points_of, sweep_model

SECONDS, MEMORY = 900.0, 4 << 30
"""Limits of one damaged folder; its commands take some seconds, or a minute and more on a busy machine."""
TEXT = INPUT.replace("[300, 350, 400, 450, 500, 550]", "[300, 350]")
Tree = dict[str, bytes]


@dataclass(frozen=True)
class Whole:
    """The undamaged runs by kind, and what `results` says of a finished one."""

    trees: dict[str, Tree]
    rows: dict[tuple[Any, ...], dict[str, Any]]


def make(folder: Path) -> Whole:
    """A finished run, one with a begun and a failed point and without a result file, and a result file alone."""
    os.chdir(folder)
    Path("a.yaml").write_text(TEXT)
    path, model = Path("a.h5"), sweep_model(TEXT)
    simulation.run(model, output=path, executor="threads", workers=1)
    finished = read_tree(folder)
    _, out = call("results", "a.h5", "--json")
    store = PointStore(points_folder(path))
    first, second, *_ = grid_points(model, 3)
    for key in (first.key, second.key):
        store.discard(key)
    store.save_failure(
        second.key,
        Failure(
            temperature=300.0, field=(0.01, 0.0, 0.0), reason="a failure", attempts=2, detail="Traceback"
        ),
    )
    state = PointSimulation(model, first.temperature, first.field, root=3).snapshot()
    PointStore(store.folder, _owner(store)).save_partial(first.key, state | {"targets_reached": 0})
    path.unlink()
    begun = read_tree(folder)
    alone = {n: c for n, c in finished.items() if "points" not in n}
    return Whole({"finished": finished, "begun": begun, "alone": alone}, rows_of(out))


def _owner(store: PointStore) -> str:
    (mark,) = store.folder.glob(".owner-*")
    return mark.name.removeprefix(".owner-")


def read_tree(folder: Path) -> Tree:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def write_tree(folder: Path, tree: Tree) -> None:
    for entry in folder.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    for name, content in tree.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)


def rows_of(out: str) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Rows of ``results --json`` that hold numbers, without those that depend on other rows."""
    rows = {}
    for row in json.loads(out)["results"]:
        if row["tracer_diffusivity_cm2_per_s"] is not None:
            key = (row["temperature_K"], row["field_V_per_m"], row["direction"], row["carrier"])
            rows[key] = {n: v for n, v in row.items() if not n.startswith("differential")}
            for name in ("wall_time_s", "hops_per_second"):
                rows[key].pop(name, None)
    return rows


def call(*arguments: str) -> tuple[int, str]:
    """Exit code of a command and what it printed; AssertionError for one that was not promised."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            command_line(list(arguments))
            code = 0
        except SystemExit as e:
            code = int(e.code or 0)
    assert code in (0, 1, 2), f"{arguments}: exit code {code}: {err.getvalue()}"
    assert "Traceback (most recent" not in err.getvalue(), f"{arguments}: {err.getvalue()}"
    assert len(err.getvalue()) < 20_000, f"{arguments}: {len(err.getvalue())} characters of message"
    assert code != 2 or err.getvalue().strip(), f"{arguments}: exit code 2 without a word"
    return code, out.getvalue()


# ---- kinds of damage: each changes a tree and returns the names that it touched


def _flip(folder: Path, name: str, rng: random.Random, tree: Tree) -> None:
    content = bytearray(tree[name])
    for _ in range(rng.choice((1, 1, 1, 5))):
        if content:
            content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    (folder / name).write_bytes(content)


def _cut(folder: Path, name: str, rng: random.Random, tree: Tree) -> None:
    (folder / name).write_bytes(tree[name][: rng.randrange(len(tree[name]) or 1)])


def _empty(folder: Path, name: str, rng: random.Random, tree: Tree) -> None:
    (folder / name).write_bytes(b"")


def _delete(folder: Path, name: str, rng: random.Random, tree: Tree) -> None:
    (folder / name).unlink()


def _exchange(folder: Path, name: str, rng: random.Random, tree: Tree) -> None:
    """The content of another file, of the same kind most of the time."""
    alike = [n for n in tree if n != name and n[-3:] == name[-3:]]
    other = rng.choice(alike if alike and rng.random() < 0.8 else sorted(tree))
    (folder / name).write_bytes(tree[other])


def _mangle(folder: Path, name: str, rng: random.Random, tree: Tree) -> None:
    (folder / name).write_bytes(mutate(tree[name], rng))


def _types(folder: Path, name: str, rng: random.Random, tree: Tree) -> None:
    """A note in which a value has another type; of other files, valid JSON of the wrong kind."""
    strange = rng.choice((None, -1, 1e300, "x", [], {}, [None], True, "\ud800"))
    try:
        note = json.loads(tree[name])
        note[rng.choice(sorted(note))] = strange
    except (ValueError, TypeError):
        note = strange
    (folder / name).write_text(json.dumps(note))


def _no_file(folder: Path, name: str, rng: random.Random, tree: Tree) -> None:
    """A folder, a fifo or a dead link of that name."""
    path = folder / name
    path.unlink()
    rng.choice((path.mkdir, lambda: os.mkfifo(path), lambda: path.symlink_to("nowhere")))()


def _inside(folder: Path, name: str, rng: random.Random, tree: Tree) -> None:
    """Something inside an HDF5 file is removed, renamed or another type, by the library itself."""
    import h5py

    try:
        with h5py.File(folder / name, "r+") as file:
            place = rng.choice((file, file.attrs))
            what = rng.choice(sorted(place))
            if rng.random() < 0.5:
                del place[what]
            else:
                value = rng.choice((1, "x", [1.5, 2.5], b"\xff"))
                del place[what]
                place[what] = value
    except (OSError, IndexError, RuntimeError):  # no HDF5 file: one more bit
        _flip(folder, name, rng, tree)


DAMAGE: tuple[Callable[[Path, str, random.Random, Tree], None], ...] = (
    *(_flip, _flip, _flip, _cut, _cut, _empty, _delete, _exchange, _exchange),
    *(_mangle, _types, _types, _no_file, _inside, _inside),
)


def damage(folder: Path, whole: Whole, number: int, seed: int) -> tuple[str, Tree, set[str], str]:
    """Kind of run, its tree, names that were touched, and what was done."""
    rng = random.Random(f"{seed} {number}")
    kind = rng.choice(("finished", "finished", "begun", "alone"))
    tree = whole.trees[kind]
    write_tree(folder, tree)
    targets = sorted(n for n in tree if n != "a.yaml")
    notes = [n for n in targets if not n.endswith(".h5")]
    touched, done = set(), []
    for _ in range(rng.choice((1, 1, 2))):
        name = rng.choice(notes if notes and rng.random() < 0.25 else targets)
        if name in touched:
            continue
        how = rng.choice(DAMAGE)
        how(folder, name, rng, tree)
        touched.add(name)
        done.append(f"{how.__name__.strip('_')} {name}")
    return kind, tree, touched, f"{kind}: {', '.join(done)}"


# ---- the judge


def judge(folder: Path, whole: Whole, tree: Tree, touched: set[str], *, with_run: bool) -> None:
    """AssertionError, or whatever a command raises, for a defect."""
    os.chdir(folder)
    database = "a.points/points.sqlite"
    intact = database in tree and database not in touched
    points = points_of(folder / "a.points") if intact else {}
    result = None if "a.h5" in touched else tree.get("a.h5")

    def check(after: str) -> None:
        there = points_of(folder / "a.points") if points else {}
        for key, content in points.items():
            assert there.get(key) == content, f"{after}: the intact point {key} is lost"
        if result is not None:
            code, out = call("results", "a.h5", "--json")
            assert code == 0, f"{after}: the result file cannot be read"
            assert set(rows_of(out)) == set(whole.rows), f"{after}: finished rows are lost"

    for what in ("a.h5", "a.points"):
        call("status", what)
        call("status", what, "--json")
        code, out = call("results", what, "--json")
        if code != 2:
            for key, row in rows_of(out).items():
                assert row == whole.rows[key], f"results {what}: the numbers of {key} changed without a word"
    call("verify", "a.h5", "--points", "0")
    call("verify", "a.points", "--points", "0", "--discard-damaged")
    check("verify")
    call("merge", "a.points", "-o", "b.h5")
    call("merge", "a.points")
    check("merge")
    if not with_run:
        return
    code, _ = call("run", "a.yaml", "-q", "--no-plot", "--executor", "threads", "--workers", "1")
    check("run")
    if code == 0:
        code, out = call("results", "a.h5", "--json")
        assert code == 0, "results after run"
        assert rows_of(out) == whole.rows, "run: its table is another one"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--n", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", type=int, help="leave this case in ./damaged and let it raise")
    chosen = parser.parse_args(arguments)
    back, defects, start = Path.cwd(), 0, time.monotonic()
    with tempfile.TemporaryDirectory() as made, tempfile.TemporaryDirectory() as work:
        try:
            whole = make(Path(made))
            for number in range(chosen.n) if chosen.show is None else [chosen.show]:
                folder = Path(work) if chosen.show is None else back / "damaged"
                folder.mkdir(exist_ok=True)
                _, tree, touched, what = damage(folder, whole, number, chosen.seed)
                if chosen.show is not None:
                    print(what)
                    judge(folder, whole, tree, touched, with_run=True)
                    continue
                wrong = in_child(
                    lambda: judge(folder, whole, tree, touched, with_run=number % 3 == 0),  # noqa: B023
                    seconds=SECONDS,
                    memory=MEMORY,
                    allowed=(),
                )
                if wrong:
                    defects += 1
                    print(f"{number}: {what}\n    {wrong.replace(chr(10), chr(10) + '    ')}", flush=True)
        finally:
            os.chdir(back)
    print(f"{chosen.n} damaged folders, {defects} defects, {time.monotonic() - start:.0f} s")
    return int(defects > 0)


if __name__ == "__main__":
    sys.exit(main())
