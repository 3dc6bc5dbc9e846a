"""Draws the profiles of LiFePO4 beside FePO4 of the tutorial on coupled lithium and polarons.

python docs/figures/lifepo4_boundary.py FOLDER, the folder with boundary_a.h5, boundary_b.h5 and boundary_c.h5 that
`kmc-transport run inputs/lifepo4/boundary_a.yaml` and so on wrote.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from kmc_transport.store import open_results

PICTURE = Path(__file__).parent.parent / "tutorials" / "lifepo4_boundary.png"


def draw(folder: Path) -> None:
    figure, panels = plt.subplots(1, 3, figsize=(10.0, 3.2), layout="constrained")
    for axis, panel in zip("abc", panels, strict=True):
        run = open_results(folder / f"boundary_{axis}.h5").squeeze()
        x = run["layer"].values * 1e10
        rate, stderr = (run[f"layer_flip_rate{s}"].values * 1e-9 for s in ("", "_stderr"))
        panel.bar(
            x,
            rate,
            width=0.9 * (x[1] - x[0]),
            yerr=1.96 * stderr,
            color="#e69f00",
            label="flips per Fe and ns",
        )
        panel.set(xlabel=f"along {axis} (Å)", ylim=(0, 1.25 * rate.max()))
        panel.set_title(f"normal to {axis}", fontsize="medium")
        share = panel.twinx()
        share.step(x, run["layer_occupation"].values, where="mid", color="#000000")
        share.set_ylim(-0.04, 1.25)
        if axis == "a":
            panel.set_ylabel("flips per Fe and ns (bars)")
        if axis == "c":
            share.set_ylabel("share of Fe²⁺ (line)")
    figure.savefig(PICTURE, dpi=130)


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
