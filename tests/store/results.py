"""Records and datasets with made-up numbers, for the tests of what is stored and drawn."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import xarray

from kmc_transport.model.model import Conditions, Model, frozen_array
from kmc_transport.records import Tallies
from kmc_transport.store import PointRecord, build_dataset
from kmc_transport.units import K_B
from tests.reference.networks import make_model

X = ("[1, 0, 0]", (1.0, 0.0, 0.0))
Y = ("[0, 1, 0]", (0.0, 1.0, 0.0))
NAMES = ("hole_polaron", "sodium_ion", "vacancy")


def grid_model(
    temperatures: Sequence[float],
    fields: Sequence[float],
    *,
    charges: Sequence[float] = (1.0,),
    directions: Sequence[tuple[str, Sequence[float]]] = (X,),
    volume: bool = True,
) -> Model:
    """Square network; ``fields`` in V/m."""
    edges = [(0, 0, (1, 0, 0), 1.0), (0, 0, (0, 1, 0), 1.0)]
    model = make_model(
        np.diag([2.0, 2.0, 5.0]),
        [[0, 0, 0]],
        [edges] * len(charges),
        counts=[3] * len(charges),
        charges=charges,
        supercell=(4, 4, 1),
        periodic=(True, True, volume),
    )
    conditions = Conditions(
        frozen_array(temperatures, float),
        frozen_array(np.array(fields) * 1e-10, float),
        frozen_array([d for _, d in directions], float),
        tuple(label for label, _ in directions),
    )
    carriers = tuple(dataclasses.replace(c, name=NAMES[i]) for i, c in enumerate(model.carriers))
    return dataclasses.replace(model, carriers=carriers, conditions=conditions)


def records(
    model: Model, *, relative_error: float = 0.02, seed: int = 0, exact: bool = True
) -> list[PointRecord]:
    """One record for each point of the grid; mobilities of thermally activated hops with made-up noise."""
    rng = np.random.default_rng(seed)
    charges = np.array([c.charge for c in model.carriers])
    directions = model.conditions.direction
    n, n_classes = len(charges), len(model.hop_classes)
    out = []
    for temperature in model.conditions.temperature:
        kt = K_B * temperature
        weak = charges * 1e-6 * np.exp(-(0.24 + 0.1 * np.arange(n)) / kt)
        for field in model.conditions.field:
            for direction in directions if field > 0 else directions[:1]:
                argument = field / kt
                truth = weak * (np.sinh(argument) / argument if field > 0 else 1.0)
                name, shape = ("mobility", (n,)) if field > 0 else ("mobility_einstein", (len(directions), n))
                truth = np.broadcast_to(truth, shape)
                noise = 1 + relative_error * rng.normal(size=shape)
                diffusivity = np.abs(rng.normal(size=(n, 3, 3)))
                values = {
                    name: truth * noise,
                    "tracer_diffusivity": diffusivity,
                    "executed_hops": 1000,
                    "executed_hops_by_class": np.arange(n_classes),
                    "conductivity": np.eye(3),
                    "exit_reason": "accuracy reached",
                    "converged": True,
                }
                stderrs = {name: np.abs(truth) * relative_error, "tracer_diffusivity": 0.1 * diffusivity}
                exacts = {name: truth} if exact else {}
                meta = {"seed": str(2**100 + 1), "how": {"nested": [1, 2.5, None]}}
                out.append(
                    PointRecord(
                        temperature=temperature,
                        field=field * direction,
                        values=values,
                        stderrs=stderrs,
                        exacts=exacts,
                        directions=directions,
                        meta=meta,
                    )
                )
    return out


def dataset(
    temperatures: Sequence[float],
    fields: Sequence[float],
    *,
    relative_error: float = 0.02,
    exact: bool = True,
    charges: Sequence[float] = (1.0,),
    directions: Sequence[tuple[str, Sequence[float]]] = (X,),
) -> xarray.Dataset:
    model = grid_model(temperatures, fields, charges=charges, directions=directions)
    return build_dataset(model, records(model, relative_error=relative_error, exact=exact))


def random_tallies(rows: int = 4, *, seed: int = 0) -> Tallies:
    rng = np.random.default_rng(seed)
    return Tallies(
        sample_interval=1e-9 / 3,
        levels=3,
        windows_per_row=2,
        number=frozen_array([5, 6], np.int64),
        events=rng.integers(0, 2**60, (rows, 4)),
        attempts=rng.integers(0, 100, rows),
        displacement=rng.normal(size=(rows, 2, 3)),
        collective=rng.normal(size=(rows, 4, 2, 3, 2, 3)),
        tracer=rng.normal(size=(rows, 4, 2, 3, 3)),
    )
