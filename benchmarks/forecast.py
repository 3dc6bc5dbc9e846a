"""What `check --time` foretells beside what the run takes: hops and processor time of the shipped inputs.

    python benchmarks/forecast.py                     # all, some minutes
    python benchmarks/forecast.py namn3o7 channel     # those whose path contains one of the words

Each input is run as it is, in this thread, without an output. ``--most 60`` skips inputs that are foretold to take more
processor seconds. Prints hops and seconds, foretold (between two numbers) and measured, and the factor by which the
middle of the forecast is off.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

from kmc_transport import load_model, run
from kmc_transport.runs.pilots import forecast

INPUTS = Path(__file__).parent.parent / "inputs"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("words", nargs="*")
    parser.add_argument("--most", type=float, default=120.0, help="processor seconds")
    asked = parser.parse_args()
    print(f"{'input':45} {'points':>6} {'foretold s':>17} {'measured s':>11} {'factor':>7} {'pilots s':>9}")
    for path in sorted(INPUTS.rglob("*.yaml")):
        name = str(path.relative_to(INPUTS))
        if not path.read_text(encoding="utf-8").count("format:") or "mgo_vacancy/" in name:
            continue
        if asked.words and not any(word in name for word in asked.words):
            continue
        model = load_model(path)
        forecast(model, 1)  # kernels
        begun = time.process_time()
        told = forecast(model, 1)
        took = time.process_time() - begun
        low, high = told.spent
        line = f"{name:45} {told.points:6d} {low:8.3g} {high:8.3g}"
        if math.sqrt(low * high) > asked.most:
            print(f"{line} {'skipped':>11} {'':>7} {took:9.2f}", flush=True)
            continue
        begun = time.process_time()
        run(model, workers=1, executor="threads")
        measured = time.process_time() - begun
        print(f"{line} {measured:11.3g} {math.sqrt(low * high) / measured:7.2f} {took:9.2f}", flush=True)


if __name__ == "__main__":
    main()
