"""Draws the pictures of the gallery beside this file: two short runs, and what plot and picture make of them.

python docs/figures/gallery.py            (about two minutes; results are kept in the folder given by --work)
"""

from __future__ import annotations

import argparse
import contextlib
import os
from pathlib import Path

from kmc_transport.cli.app import main as command

HERE = Path(__file__).resolve().parent
INPUTS = HERE.parents[1] / "inputs"
MEASURED = "T (K),mobility (cm²/(V s)),mobility error (cm²/(V s))\n300,1.1e-5,2e-6\n350,4.0e-5,6e-6\n420,1.3e-4,2e-5\n"
FIELDS = "conditions.field={along: [1, 0, 0], magnitude: [0, 1e7, 3e7, 1e8, 3e8]}"
RUNS = [
    ("namn3o7", ["--set", "sampling.relative_error=0.03", "--set", FIELDS, "-o", "chain.h5"]),
    (
        "p2_naxmno2",
        ["--set", "sampling.observe=[barriers]", "--set", "sampling.wall_time=20 s", "-o", "layers.h5"],
    ),
]
PLOTS = {
    "mobility": "chain.h5 --what mobility --where field=0 --where field=1e8 --points measured.csv",
    "velocity": "chain.h5 --what drift_velocity --against field",
    "einstein": "chain.h5 --what einstein",
    "map": "chain.h5 --what mobility --against temperature --against field",
    "profile": "chain.h5 --what profile --where field=3e8",
    "convergence": "chain.h5 --what convergence --where temperature=298 --where field=0 --size page",
    "barriers": "layers.h5 --what barriers --size page",
}
PICTURES = {
    "layers": "p2_naxmno2.yaml",
    "crystal": "sio2_oxygen_interstitial.yaml",
    "carriers": "p2_naxmno2.yaml --carriers",
}


def run(*arguments: str) -> None:
    with contextlib.suppress(SystemExit):
        command(list(arguments))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("gallery"), help="folder for the result files")
    work = parser.parse_args().work
    work.mkdir(exist_ok=True)
    os.chdir(work)
    Path("measured.csv").write_text(MEASURED, encoding="utf-8")
    for name, options in RUNS:
        run("run", str(INPUTS / f"{name}.yaml"), "-q", *options)
    size = ["--size", "120"]
    for name, text in PLOTS.items():
        more = [] if "--size" in text else size
        run("plot", *text.split(), *more, "-o", str(HERE / f"gallery-{name}.png"), "--overwrite")
    for name, text in PICTURES.items():
        file, *options = text.split()
        run(
            "picture",
            str(INPUTS / file),
            *options,
            *size,
            "-o",
            str(HERE / f"gallery-{name}.png"),
            "--overwrite",
        )


if __name__ == "__main__":
    main()
