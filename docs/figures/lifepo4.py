"""Draws the figures of the tutorial on coupled lithium and polarons from stored results.

python docs/figures/lifepo4.py FOLDER, the folder with solid_solution.h5, ordering_a.h5, ordering_b.h5, boundary_a.h5
that `kmc-transport run inputs/lifepo4/NAME.yaml` wrote, and any ordering_random_*.h5 of other salts.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from kmc_transport.store import open_results

PICTURES = Path(__file__).parent.parent / "tutorials"
BLACK, ORANGE, BLUE, GREEN = "#000000", "#e69f00", "#0072b2", "#009e73"


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
        left.plot(
            1000 / fine,
            prefactor * 1e-12 * np.exp(-energy / (8.617333e-5 * fine)),
            color=colour,
            label=f"{label}: {energy:.3f} ± {1.96 * error:.3f} eV",
        )
    left.set(yscale="log", xlabel="1000 / T (1/K)", ylabel="events (1/ps)")
    left.legend(frameon=False)
    pairs = result.sel(carrier="polaron", carrier_2="polaron", distance_window="3.5-4.3 Å")
    for temperature, colour in ((300, BLACK), (600, GREEN), (1000, ORANGE)):
        at = pairs.sel(temperature=temperature)
        lag = at["lag_window"].values[1:] * 1e12
        for name, line, style in (
            ("flip_pair_ratio_from_zero", "-", "from lag 0"),
            ("flip_pair_ratio", "--", "in the window, without lag 0"),
        ):
            value, stderr = (at[f"{name}{s}"].values[1:] for s in ("", "_stderr"))
            right.errorbar(
                *(lag, value, 1.96 * stderr),
                color=colour,
                ls=line,
                marker="o",
                ms=3,
                label=f"{temperature} K, {style}"
                if temperature == 300
                else f"{temperature} K"
                if line == "-"
                else None,
            )
    right.axhline(1.0, color="0.7", lw=0.8, zorder=0)
    right.set(
        xscale="log", yscale="log", xlabel="end of the window (ps)", ylabel="opposite / same flips, 3.87 Å"
    )
    right.legend(frameon=False, fontsize="small")
    figure.savefig(PICTURES / "lifepo4.png", dpi=130)


def order_and_boundary(folder: Path) -> None:
    """As Fig. 3 and Fig. 4 of arXiv:2507.05626."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.0, 3.6), layout="constrained")
    for order, colour in (("a", BLUE), ("b", ORANGE)):
        run = open_results(folder / f"ordering_{order}.h5").squeeze()
        value, stderr = (run[f"flip_rate{s}"].values * 1e-12 for s in ("", "_stderr"))
        left.errorbar(
            1000 / run["temperature"].values,
            value,
            1.96 * stderr,
            fmt="o-",
            ms=4,
            color=colour,
            label=f"ordered along {order}",
        )
    for k, sample in enumerate(sorted(folder.glob("ordering_random_*.h5"))):
        run = open_results(sample).squeeze()
        value, label = run["flip_rate"].values * 1e-12, None if k else "Li at random, a sample each"
        left.plot(1000 / run["temperature"].values, value, "x-", ms=4, lw=0.8, color=GREEN, label=label)
    solution = open_results(folder / "solid_solution.h5").squeeze()
    hot = solution.sel(temperature=[600, 800, 1000])
    value = hot["flip_rate"].sel(carrier="polaron", site_kind="Fe").values * 1e-12
    left.plot(
        1000 / hot["temperature"].values, value, "s:", ms=4, color=BLACK, label="solid solution, Li moving"
    )
    left.set(yscale="log", xlabel="1000 / T (1/K)", ylabel="flips per Fe (1/ps)")
    left.legend(frameon=False)
    run = open_results(folder / "boundary_a.h5").squeeze()
    x = run["layer"].values * 1e10
    right.step(x, run["layer_occupation"].values, where="mid", color=BLACK)
    right.set(xlabel="along a (Å)", ylabel="share of Fe²⁺", ylim=(-0.05, 1.1))
    rate = right.twinx()
    rate.bar(x, run["layer_flip_rate"].values * 1e-12, width=0.9 * (x[1] - x[0]), color=ORANGE, alpha=0.7)
    rate.set_ylabel("flips per Fe (1/ps), bars")
    figure.savefig(PICTURES / "lifepo4_order.png", dpi=130)


if __name__ == "__main__":
    rates_and_pairs(Path(sys.argv[1]))
    order_and_boundary(Path(sys.argv[1]))
