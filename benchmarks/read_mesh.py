"""How long a large phonon mesh takes: reading it, leaving modes out, and an attempt frequency.

    python benchmarks/read_mesh.py [modes] [q-points per axis]

The files are written first, as phonopy would write them, with made-up frequencies.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import h5py
import numpy as np

from kmc_transport.sources import read_spectrum
from kmc_transport.sources.vibrations import koettgen, prepare_pair

T = TypeVar("T")


def timed(what: str, call: Callable[[], T]) -> T:
    start = time.perf_counter()
    result = call()
    print(f"{what:<42} {time.perf_counter() - start:7.3f} s")
    return result


def write_hdf5(path: Path, n_modes: int, n: int, imaginary: bool) -> None:
    """A Gamma-centred n x n x n mesh with three acoustic modes at Gamma."""
    rng = np.random.default_rng(n_modes)
    grid = np.stack(np.meshgrid(*[np.arange(n)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    frequency = np.sort(rng.uniform(2.0, 20.0, (len(grid), n_modes)), axis=1)
    frequency[0, :3] = 1e-4, 2e-4, 3e-4
    if imaginary:
        frequency[:, 0] = np.where(np.arange(len(grid)) == 0, 1e-4, -5.0)
        frequency[0, :4] = -5.0, 1e-4, 2e-4, 3e-4
    with h5py.File(path, "w") as f:
        f["mesh"], f["qpoint"] = [n, n, n], grid / n
        f["weight"], f["frequency"] = np.ones(len(grid), dtype=np.int64), frequency


def write_yaml(path: Path, n_modes: int, n: int) -> None:
    rng = np.random.default_rng(n_modes)
    lines = [f"mesh: [ {n:5d}, {n:5d}, {n:5d} ]", f"nqpoint: {n**3:<7d}", f"natom:   {n_modes // 3:<7d}"]
    lines += ["lattice:", *["- [ 10.0, 0.0, 0.0 ]"] * 3, "", "phonon:"]
    for q in np.ndindex(n, n, n):
        a, b, c = (k / n for k in q)
        lines += [f"- q-position: [ {a:12.7f}, {b:12.7f}, {c:12.7f} ]", "  distance_from_gamma:  0.000000000"]
        lines += ["  weight: 1    ", "  band:"]
        for j, nu in enumerate(rng.uniform(2.0, 20.0, n_modes)):
            lines += [f"  - # {j + 1}", f"    frequency:  {nu:15.10f}"]
        lines.append("")
    path.write_text("\n".join(lines))


def main() -> None:
    n_modes = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    n = int(sys.argv[2]) if len(sys.argv) > 2 else 16
    with tempfile.TemporaryDirectory() as folder:
        first, second, text = Path(folder, "i.hdf5"), Path(folder, "s.hdf5"), Path(folder, "mesh.yaml")
        write_hdf5(first, n_modes, n, imaginary=False)
        write_hdf5(second, n_modes, n, imaginary=True)
        write_yaml(text, n_modes // 3 * 3, n)
        print(
            f"{n_modes} modes at {n**3} q-points (yaml: {n_modes // 3 * 3}, {text.stat().st_size / 2**20:.0f} MiB)"
        )
        initial = timed("mesh.hdf5, initial state", lambda: read_spectrum(first))
        saddle = timed("mesh.hdf5, saddle", lambda: read_spectrum(second))
        pair = timed("modes left out, checked", lambda: prepare_pair(initial, saddle))
        timed("attempt frequency at one temperature", lambda: koettgen(pair, 298.0))
        timed("mesh.yaml", lambda: read_spectrum(text))


if __name__ == "__main__":
    main()
