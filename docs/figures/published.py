"""Draws the pictures of docs/published: published values, exact ones and simulated ones.

python docs/figures/published.py [garnet] [hematite] [bivo4] [tungsten]        (some minutes; all of them by default)
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from math import comb, exp
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from kmc_transport import build_catalog, run, solve_exact
from kmc_transport.figures.style import MARKERS, PALETTE, STYLE
from kmc_transport.input import load_model_text
from kmc_transport.model import Model

ROOT = Path(__file__).parents[2]
INPUTS = ROOT / "inputs" / "published"
PAGES = ROOT / "docs" / "published"
KT = 8.617333262e-5 * 298
FILLINGS = [1, *range(32, 575, 32), 575]
# Morgan's data set: ions on tetrahedral sites at E_nn = 0, by E_site/kT, at each filling
TETRAHEDRAL: dict[int, list[float]] = {
    3: [
        0.91, 28.69, 56.28, 82.25, 105.9, 126.39, 143.06, 155.88, 165.33, 172.12, 177.13, 180.82,
        183.64, 185.83, 187.58, 189.0, 190.17, 191.16, 191.98,
    ],
    4: [
        0.96, 30.67, 60.79, 89.94, 117.21, 140.99, 159.26, 171.38, 178.65, 182.95, 185.64, 187.42,
        188.67, 189.59, 190.3, 190.86, 191.31, 191.68, 191.99,
    ],
    5: [
        0.99, 31.5, 62.75, 93.55, 123.19, 149.76, 169.55, 180.55, 185.77, 188.17, 189.47, 190.23,
        190.73, 191.09, 191.36, 191.57, 191.74, 191.88, 192.0,
    ],
}  # fmt: skip


def text(name: str, **changes: str) -> str:
    """The shipped input, with top-level keys replaced or (empty) left out."""
    blocks: dict[str, str] = {}
    key = ""
    for line in (INPUTS / f"{name}.yaml").read_text(encoding="utf-8").splitlines(keepends=True):
        if line[:1].isalpha():
            key = line.partition(":")[0]
        blocks[key] = blocks.get(key, "") + line
    return "".join(changes.get(k, block) for k, block in blocks.items())


def tetrahedral(ions: int, energy: float) -> float:
    """Exact mean number of ions on 192 tetrahedral sites; the 384 octahedral ones lie `energy` kT higher."""
    weights = {
        k: comb(192, k) * comb(384, ions - k) * exp(energy * (k - min(ions, 192)))
        for k in range(max(0, ions - 384), min(ions, 192) + 1)
    }
    return sum(k * w for k, w in weights.items()) / sum(weights.values())


def garnet(axes: Any) -> None:
    for energy, colour, marker in zip(TETRAHEDRAL, PALETTE, MARKERS, strict=False):
        published = [
            n - tetrahedral(ions, energy) for ions, n in zip(FILLINGS, TETRAHEDRAL[energy], strict=True)
        ]
        axes.plot(
            FILLINGS, published, marker=marker, color=colour, mfc="white", label=f"published, {energy} kT"
        )
        here = []
        for ions in (96, 160, 192, 224, 288):
            data = run(
                load_model_text(
                    text(
                        "garnet_lattice_gas",
                        interactions="",
                        site_energies=f"site_energies: {{tet: 0, oct: {energy * KT!r} eV}}\n",
                        carriers=f"carriers: {{lithium: {{charge: 1, sites: [tet, oct], count: {ions}}}}}\n",
                        sampling="sampling: {events: 1e7, seed: 1, observe: [occupation]}\n",
                    )
                )
            )
            n, stderr = (ions * data[f"occupation{s}"].values.ravel()[0] for s in ("", "_stderr"))
            here.append((ions, n - tetrahedral(ions, energy), stderr))
        axes.errorbar(*np.transpose(here), fmt=marker, color=colour, label=f"here, {energy} kT")
    axes.axhline(0, color="0.6", lw=0.8, zorder=0)
    axes.set(xlabel="ions on 576 sites", ylabel="ions on tetrahedral sites, minus the exact mean")
    axes.legend(title="$E_\\mathrm{site}$")


def exact_lines(model: Model, kelvin: np.ndarray) -> np.ndarray:
    """(T, 3) diffusivities along the axes, cm²/s."""
    solved = (solve_exact(build_catalog(model, temperature=t), dilute=True) for t in kelvin)
    return np.array([np.diag(s.collective_diffusivity[0, :, 0]) for s in solved]) * 1e-16


def simulated(model: Model) -> Iterator[tuple[float, np.ndarray, np.ndarray]]:
    """Temperature, diffusivities along the axes and their standard errors, cm²/s."""
    data = run(model).isel(field=0, direction=0, carrier=0)
    for at in (data.isel(temperature=i) for i in range(data.sizes["temperature"])):
        value, stderr = (np.diag(at[f"tracer_diffusivity{s}"].values) * 1e4 for s in ("", "_stderr"))
        yield float(at["temperature"]), value, stderr


def hematite(axes: Any) -> None:
    kelvin = "[200, 250, 300, 400, 600, 1000]"
    model = load_model_text(
        text(
            "hematite_electron_polaron",
            conditions=f"conditions: {{temperature: {kelvin}}}\n",
            sampling="sampling: {relative_error: 2 %, seed: 1}\n",
        )
    )
    grid = np.linspace(200, 1000, 60)
    lines = exact_lines(model, grid)
    points = list(simulated(model))
    stored = {0: ((6.73e-7 + 6.78e-7) / 2, 0.07e-7), 2: (2.0e-10, 0.4e-10)}  # at 300 K
    for axis, label, colour in ((0, "in the layers", PALETTE[0]), (2, "across", PALETTE[1])):
        axes.plot(1000 / grid, lines[:, axis], color=colour, label=f"{label}, exact")
        axes.errorbar(
            [1000 / t for t, _, _ in points],
            [v[axis] for _, v, _ in points],
            [s[axis] for _, _, s in points],
            fmt="o",
            color=colour,
            ms=4,
            label=f"{label}, simulated",
        )
        value, stderr = stored[axis]
        axes.errorbar(
            1000 / 300,
            value,
            stderr,
            fmt="s",
            color=colour,
            mfc="white",
            ms=8,
            label=f"{label}, stored trajectory",
        )
    axes.set(yscale="log", xlabel="1000 K / T", ylabel="diffusivity (cm²/s)")
    axes.legend()


def bivo4(axes: Any) -> None:
    doped = load_model_text(text("bivo4_mo_electron_polaron"))
    source = text("bivo4_mo_electron_polaron")
    for number in ("0.231", "0.213", "0.236", "0.240", "0.243", "0.250", "0.252", "0.254"):
        source = source.replace(f"forward: {number}", "forward: 0.25")
    for number in ("0.268", "0.296", "0.255", "0.260", "0.242", "0.243", "0.241"):
        source = source.replace(f"reverse: {number}", "reverse: 0.25")
    even = load_model_text(source)
    grid = np.linspace(200, 1000, 60)
    mobility = 1 / (8.617333262e-5 * grid)[:, np.newaxis]
    lines, dashed = exact_lines(doped, grid) * mobility, exact_lines(even, grid) * mobility
    points = list(simulated(doped))
    for axis, label, colour in ((0, "along a", PALETTE[0]), (2, "along c", PALETTE[1])):
        axes.plot(grid, lines[:, axis], color=colour, label=f"{label}, exact")
        axes.plot(grid, dashed[:, axis], "--", color=colour, label=f"{label}, all barriers 0.250 eV")
        t = np.array([p[0] for p in points])
        value, stderr = (np.array([p[k][axis] for p in points]) / (8.617333262e-5 * t) for k in (1, 2))
        axes.errorbar(t, value, stderr, fmt="o", color=colour, ms=4, label=f"{label}, simulated")
    axes.set(yscale="log", xlabel="T (K)", ylabel="mobility (cm²/(V s)), attempt frequency 10 THz")
    axes.legend()


def tungsten(axes: Any) -> None:
    grid = np.linspace(500, 2300, 60)
    for barrier, label, colour in ((0.44, "0.440 eV", PALETTE[0]), (0.21, "0.21 eV", PALETTE[1])):
        source = text("hydrogen_in_tungsten").replace("barrier: 0.440 eV", f"barrier: {barrier} eV")
        model = load_model_text(source)
        axes.plot(1000 / grid, exact_lines(model, grid)[:, 0], color=colour, label=f"{label}, exact")
        if barrier == 0.44:
            points = list(simulated(model))
            axes.errorbar(
                [1000 / t for t, _, _ in points],
                [v[0] for _, v, _ in points],
                [s[0] for _, _, s in points],
                fmt="o",
                color=colour,
                ms=4,
                label=f"{label}, simulated",
            )
    few = grid[::6]
    quoted = 8.45e-3 * np.exp(-0.440 / (8.617333262e-5 * few))
    axes.plot(1000 / few, quoted, "x", color="black", label="quoted: 8.45e-7 exp(-0.440 eV/kT) m²/s")
    axes.set(yscale="log", xlabel="1000 K / T", ylabel="diffusivity (cm²/s)")
    axes.legend()


PICTURES: dict[str, tuple[str, Callable[[Any], None]]] = {
    "garnet": ("garnet-lattice-gas", garnet),
    "hematite": ("hematite-electron-polaron", hematite),
    "bivo4": ("bivo4-mo-electron-polaron", bivo4),
    "tungsten": ("hydrogen-in-tungsten", tungsten),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *PICTURES], help="which pictures; all by default")
    for name in parser.parse_args().names or PICTURES:
        page, draw = PICTURES[name]
        with plt.rc_context(STYLE):
            figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
            draw(axes)
            figure.savefig(PAGES / f"{page}.png", dpi=150)
            plt.close(figure)
        print(PAGES / f"{page}.png")


if __name__ == "__main__":
    main()
