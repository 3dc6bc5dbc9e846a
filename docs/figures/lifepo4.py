"""Draws the figures of the tutorial on coupled lithium and polarons from stored results.

python docs/figures/lifepo4.py FOLDER

FOLDER holds what `kmc-transport run` makes of inputs/lifepo4: solid_solution.h5 (--set sampling.events=4e5), and
ordering_a.h5, ordering_b.h5, ordering_random_1.h5, _2.h5, _3.h5 (three salts) with --set sampling.events=1.2e5
--set 'conditions.temperature=[300,400,500,600,800,1000,1200,1400]'. The same five with the ending _20.h5 have
--set interactions.coulomb.permittivity=20, half these temperatures and 5e4 events. A quarter of an hour of one core.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import xarray
import yaml
from matplotlib.axes import Axes

from kmc_transport.store import open_results
from kmc_transport.units import K_B

PICTURES = Path(__file__).parent.parent / "tutorials"
BLACK, ORANGE, BLUE, GREEN = "#000000", "#e69f00", "#0072b2", "#009e73"
BARRIER, ATTEMPTS = 0.175, 6.95
"""eV, 1/ps: of a polaron that feels nobody."""


def rates_and_pairs(folder: Path) -> None:
    """As Fig. 1b, Fig. 2 and Table 2 of arXiv:2507.05626."""
    result = open_results(folder / "solid_solution.h5").squeeze()
    t = result["temperature"].values
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.0, 3.6), layout="constrained")
    for name, carrier, site, label, colour in (
        ("flip_rate", "polaron", "Fe", "flips per Fe", ORANGE),
        ("hop_rate", "Li", "Li", "hops per Li", BLUE),
    ):
        at = {"carrier": carrier, "site_kind": site}
        value, stderr = (result[f"{name}{s}"].sel(at).values * 1e-12 for s in ("", "_stderr"))
        energy, prefactor = (float(result[f"{name}_{n}"].sel(at)) for n in ("activation_energy", "prefactor"))
        error = float(result[f"{name}_activation_energy_stderr"].sel(at))
        left.errorbar(1000 / t, value, 1.96 * stderr, fmt="o", color=colour, ms=4)
        fine = np.linspace(t.min(), t.max(), 100)
        label = f"{label}: {energy:.3f} ± {1.96 * error:.3f} eV"
        left.plot(1000 / fine, prefactor * 1e-12 * np.exp(-energy / (K_B * fine)), color=colour, label=label)
    left.set(yscale="log", xlabel="1000 / T (1/K)", ylabel="events (1/ps)")
    left.legend(frameon=False)
    pairs = result.sel(carrier="polaron", carrier_2="polaron", distance_window="3.5-4.3 Å")
    for temperature, colour in ((300, BLACK), (600, GREEN), (1000, ORANGE)):
        at = pairs.sel(temperature=temperature)
        lag = at["lag_window"].values[1:] * 1e12
        for name, line in (("flip_pair_ratio_from_zero", "-"), ("flip_pair_ratio", "--")):
            value, stderr = (at[f"{name}{s}"].values[1:] for s in ("", "_stderr"))
            right.errorbar(lag, value, 1.96 * stderr, color=colour, ls=line, marker="o", ms=3)
        right.plot([], [], "o-", color=colour, ms=3, label=f"{temperature} K")
    for line, label in (("-", "from lag 0"), ("--", "in the window, without lag 0")):
        right.plot([], [], line, color="0.4", label=label)
    right.axhline(1.0, color="0.7", lw=0.8, zorder=0)
    right.set(
        xscale="log", yscale="log", xlabel="end of the window (ps)", ylabel="opposite / same flips, 3.87 Å"
    )
    right.legend(frameon=False, fontsize="small")
    figure.savefig(PICTURES / "lifepo4.png", dpi=130)


def flips(run: xarray.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Per Fe and ps, and standard error, at each temperature."""
    value, stderr = (run[f"flip_rate{s}"].values * 1e-12 for s in ("", "_stderr"))
    return value, stderr


def orderings(folder: Path) -> None:
    """As Fig. 3 of arXiv:2507.05626, and where that order holds."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.0, 3.8), layout="constrained")
    for name, style, colour, label in (
        ("ordering_a", "o-", BLUE, "ordered along a"),
        ("ordering_random_1", "x-", GREEN, "Li at random, a sample each"),
        ("ordering_random_2", "x-", GREEN, None),
        ("ordering_random_3", "x-", GREEN, None),
        ("ordering_b", "o-", ORANGE, "ordered along b"),
    ):
        run = open_results(folder / f"{name}.h5").squeeze().sel(temperature=slice(300, 1000))
        value, stderr = flips(run)
        x = 1000 / run["temperature"].values
        left.errorbar(x, value, 1.96 * stderr, fmt=style, ms=4, lw=0.9, color=colour, label=label)
    solution = open_results(folder / "solid_solution.h5").squeeze().sel(carrier="polaron", site_kind="Fe")
    value, stderr = flips(solution)
    x, label = 1000 / solution["temperature"].values, "solid solution, Li moving"
    left.errorbar(x, value, 1.96 * stderr, fmt="s:", ms=4, color=BLACK, label=label)
    left.set(yscale="log", xlabel="1000 / T (1/K)", ylabel="flips per Fe (1/ps), permittivity 10")
    left.legend(frameon=False)
    window(right, folder)
    figure.savefig(PICTURES / "lifepo4_order.png", dpi=130)


def window(axes: Axes, folder: Path) -> None:
    """Where a < random < b holds: energies over kT depend on permittivity times temperature alone."""
    for ending, fill in (("", "full"), ("_20", "none")):
        found = {}
        for name in ("a", "random_1", "random_2", "random_3", "b"):
            run = open_results(folder / f"ordering_{name}{ending}.h5")
            permittivity = yaml.safe_load(run.attrs["input"])["interactions"]["coulomb"]["permittivity"]
            value, stderr = flips(run.squeeze())
            t = run["temperature"].values
            found[name] = np.array([value, stderr]) * np.exp(BARRIER / (K_B * t)) / ATTEMPTS
        samples = np.array([v[0] for n, v in found.items() if n.startswith("random")])
        scatter = samples.std(axis=0, ddof=1) / np.sqrt(len(samples))
        found["random"] = np.array([samples.mean(axis=0), scatter])
        product = permittivity * t
        for name, colour, marker in (("a", BLUE, "o"), ("random", GREEN, "D"), ("b", ORANGE, "s")):
            value, stderr = found[name]
            label = (
                None if ending else {"a": "ordered along a", "b": "ordered along b"}.get(name, "Li at random")
            )
            axes.errorbar(
                *(product, value, 1.96 * stderr),
                color=colour,
                marker=marker,
                fillstyle=fill,
                ls="-" if not ending else ":",
                ms=5,
                lw=0.9,
                label=label,
            )
        (low, low_error), (mean, mean_error), (high, high_error) = (found[n] for n in ("a", "random", "b"))
        surely = (mean - low > 2 * np.hypot(low_error, mean_error)) & (
            high - mean > 2 * np.hypot(mean_error, high_error)
        )
        print(
            f"permittivity {permittivity}: a < random < b at",
            ", ".join(f"{p:.0f} K" for p in product[surely]),
        )
    axes.plot([], [], "k-", marker="o", label="permittivity 10")
    axes.plot([], [], "k:", marker="o", fillstyle="none", label="permittivity 20")
    axes.set(
        yscale="log",
        xlabel="permittivity × temperature (K)",
        ylabel=r"flips per Fe / ($\nu\,e^{-0.175\,\mathrm{eV}/kT}$)",
    )
    axes.legend(frameon=False, fontsize="small")


if __name__ == "__main__":
    rates_and_pairs(Path(sys.argv[1]))
    orderings(Path(sys.argv[1]))
