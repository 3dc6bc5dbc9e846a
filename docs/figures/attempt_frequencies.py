"""Draws attempt_frequencies.png beside this file: one hop, the same modes and barrier, six forms of its rate.

python docs/figures/attempt_frequencies.py
"""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from kmc_transport.sources import read_spectrum
from kmc_transport.sources.vibrations import AttemptFrequency
from kmc_transport.units import K_B

BARRIER = 0.242
"""eV, without zero-point energy."""
INITIAL, SADDLE = read_spectrum([5.0, 8.0, 10.0]), read_spectrum([6.0, 9.0])
TEMPERATURE = np.linspace(50.0, 1000.0, 191)

FORMS = (  # name, rule, what the barrier says of its zero-point energy, colour, line
    (
        "Koettgen, full; bare barrier",
        AttemptFrequency.koettgen(INITIAL, SADDLE),
        "bare",
        "#000000",
        "-",
    ),
    (
        "Koettgen, approximate; barrier + ΔZPE",
        AttemptFrequency.koettgen(INITIAL, SADDLE, form="approximate"),
        "add",
        "#e69f00",
        (0, (2, 2)),
    ),
    (
        "Koettgen, approximate; bare barrier (refused)",
        AttemptFrequency.koettgen(INITIAL, SADDLE, form="approximate"),
        None,
        "#d55e00",
        "-",
    ),
    ("Vineyard; bare barrier", AttemptFrequency.vineyard(INITIAL, SADDLE), "bare", "#0072b2", "-."),
    ("Eyring, kT/h; bare barrier", AttemptFrequency.eyring(), "bare", "#009e73", "--"),
    (
        "constant: approximate form at 298 K; bare barrier",
        AttemptFrequency.koettgen(INITIAL, SADDLE, form="approximate", frozen_at=298.0),
        None,
        "#cc79a7",
        ":",
    ),
)


def log_rate(rule: AttemptFrequency, zero_point: str | None) -> np.ndarray:
    """ln k at each temperature; ``None`` mixes barrier and form as the program itself refuses to."""
    added = 0.0 if zero_point is None else rule.barrier_correction(zero_point)[0]
    return np.array([rule.log_at(t)[0] - (BARRIER + added) / (K_B * t) for t in TEMPERATURE])


def main() -> None:
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
    full = log_rate(FORMS[0][1], "bare")
    for name, rule, zero_point, colour, line in FORMS:
        values = log_rate(rule, zero_point)
        width = 3.0 if zero_point == "add" else 1.6
        style = {"color": colour, "linestyle": line, "linewidth": width, "label": name}
        left.plot(1000 / TEMPERATURE, values / np.log(10), **style)
        right.plot(TEMPERATURE, np.exp(values - full), **style)
    left.set(xlabel="1000 K / T", ylabel="log$_{10}$ (rate / s$^{-1}$)", xlim=(1, 10), ylim=(-1, 12.5))
    right.set(xlabel="T (K)", ylabel="rate / rate of the full form", xlim=(50, 1000), ylim=(0.02, 4))
    right.set_yscale("log")
    right.set_yticks([0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 4], [*map(str, (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 4))])
    right.minorticks_off()
    right.axvline(298, color="#999999", linewidth=0.8)
    right.legend(fontsize=8, loc="lower right", frameon=False)
    left.set_title("Rate of one hop", fontsize=10)
    right.set_title("The same, relative to the full form", fontsize=10)
    figure.savefig(Path(__file__).with_suffix(".png"), dpi=130)


if __name__ == "__main__":
    main()
