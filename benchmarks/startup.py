"""How long a person waits: help, errors, check, and the main job on its first and later runs.

    python benchmarks/startup.py

Every command runs in a fresh process; the first run of the job compiles the kernels into an empty cache.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
INPUT = ROOT / "inputs" / "namn3o7.yaml"


def seconds(arguments: list[str], cwd: str, env: dict[str, str], repeats: int = 1) -> float:
    """Shortest of ``repeats`` runs."""
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "kmc_transport", *arguments],
            cwd=cwd,
            env=env,
            capture_output=True,
            check=False,
        )
        best = min(best, time.perf_counter() - start)
    return best


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "PYTHONPATH": str(ROOT), "NUMBA_CACHE_DIR": f"{folder}/cache"}
        bad = Path(folder, "bad.yaml")
        bad.write_text(INPUT.read_text(encoding="utf-8").replace("barrier:", "barier:"), encoding="utf-8")
        job = ["run", str(INPUT)]
        rows = [
            ("kmc-transport --help", seconds(["--help"], folder, env, 5), 0.4),
            ("an input error", seconds(["run", str(bad)], folder, env, 3), 1.0),
            ("kmc-transport check", seconds(["check", str(INPUT)], folder, env, 3), 1.5),
            ("NaMn3O7 job, very first run", seconds([*job, "-o", "a.h5"], folder, env), 30.0),
            ("NaMn3O7 job, kernels cached", seconds([*job, "-o", "b.h5"], folder, env), 8.0),
            ("NaMn3O7 job, all points there", seconds([*job, "-o", "b.h5"], folder, env), 8.0),
        ]
    print(f"{'':34}{'seconds':>9}{'wanted':>9}")
    for name, measured, wanted in rows:
        print(f"{name:34}{measured:9.2f}{'<= ' + format(wanted, 'g'):>9}")


if __name__ == "__main__":
    main()
