"""Draws field_response.png beside this file: three oxides in strong fields, by charge centres and classically.

python docs/figures/field_response.py            (about three minutes; results are kept in the folder given by --work)
"""

from __future__ import annotations

import argparse
from pathlib import Path

from kmc_transport import load_model, run
from kmc_transport.figures.comparison import plot_comparison
from kmc_transport.model import classical_model

INPUTS = Path(__file__).parents[2] / "inputs"
SYSTEMS = {
    "mgo_vacancy": "V$_\\mathrm{O}$(2+) in MgO",
    "sio2_oxygen_interstitial": "I$_\\mathrm{O}$(2−) in quartz",
    "sio2_oxygen_vacancy": "V$_\\mathrm{O}$(2+) in quartz",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--work", type=Path, default=Path("field_response"), help="folder for the result files"
    )
    work = parser.parse_args().work
    work.mkdir(exist_ok=True)
    pairs = []
    for name in SYSTEMS:
        model = load_model(INPUTS / f"{name}.yaml")
        first = run(model, output=work / f"{name}.h5")
        second = run(classical_model(model), output=work / f"{name}-classical.h5")
        pairs.append((first, second))
    plot_comparison(
        pairs,
        Path(__file__).with_suffix(".png"),
        titles=list(SYSTEMS.values()),
        labels=("charge centres", "classical"),
        temperatures=[300, 1000],
        dpi=120,
        overwrite=True,
    )


if __name__ == "__main__":
    main()
