"""Settings of all tests."""

from __future__ import annotations

import gc
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    import xarray

# examples may compile a kernel or meet a busy machine; where nobody can look at a new example, take the known ones
settings.register_profile("house", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("house")

# pytest-xdist tells its workers a width of 80 columns; tests of tables say their own
os.environ.pop("COLUMNS", None)
# processes that tests start find the package compiled, as they find the kernels, which are kept at the same place
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# threads of the linear algebra of several test processes get in one another's way; read as numpy is imported
os.environ.setdefault("OMP_NUM_THREADS", "1")

# nothing here has to outlive a power cut; tests of the order of syncs put their own in place
os.fsync = lambda fd: None


def pytest_collection_finish() -> None:
    """What was imported and collected stays: the collector of garbage need not look through it again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def chain_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, xarray.Dataset]:
    """A short run of `inputs/namn3o7.yaml` with its folder, and what it counted; not to be changed."""
    import numpy as np

    from kmc_transport import load_model, run

    path = tmp_path_factory.mktemp("chain") / "chain.h5"
    model = load_model(Path(__file__).parents[1] / "inputs" / "namn3o7.yaml")
    conditions = replace(
        model.conditions, temperature=np.array([250.0, 298.0, 400.0]), field=np.array([0, 0.01, 0.03])
    )
    counted = ("occupation", "residence_time", "barriers")
    sampling = replace(model.sampling, relative_error=0.05, observe=counted)
    return path, run(replace(model, conditions=conditions, sampling=sampling), output=path)
