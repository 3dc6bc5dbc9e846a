"""Immobile species that are annealed once, at a temperature of their own, and then never move."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...errors import InputError
from ...model.interactions import Arrangement, Initial
from ...model.model import Model, frozen_array
from ...rates.balance import random_configuration
from ..pace import ShouldStop, never

__all__ = ["settled"]

_PURPOSE = 0x5E77
"""Of the random numbers: those of the salt belong to no replica."""


def settled(model: Model, should_stop: ShouldStop = never) -> Model:
    """The model with every immobile species in its place; itself where all are known.

    What has to be annealed is annealed together with all carriers, the highest temperature first; species of that
    temperature are then frozen in. The result depends on the input and the salts alone. Notes tell how it went.

    Raises InputError where the species find no room, Stopped (`kmc_transport.engine.pace`) when told to.
    """
    if model.variants and not model.settled:
        systems = [settled(s, should_stop) for s in model.systems]
        pairs = zip(model.variants, systems, strict=True)
        more = [_at(s, note) for s in systems for note in s.notes[len(model.notes) :]]
        return replace(
            model,
            arrangement=systems[0].arrangement,
            variants=tuple(replace(v, arrangement=s.arrangement) for v, s in pairs),
            notes=(*model.notes, *more),
        )
    while not model.settled:
        model = _freeze_hottest(model, should_stop)
    return model


def _at(system: Model, note: str) -> str:
    return f"{', '.join(f'{n} = {v:g}' for n, v in system.coordinates)}: {note}"


def _freeze_hottest(model: Model, should_stop: ShouldStop) -> Model:
    from .anneal import (
        LatticeMonteCarlo,
        anneal,
        start_temperature,
    )  # compiled kernels: only where they are needed

    loose = [k for k, place in enumerate(model.arrangement) if place.sites is None]
    kelvin = max(float(model.arrangement[k].temperature or 0.0) for k in loose)
    chosen = [k for k in loose if model.arrangement[k].temperature == kelvin]
    first = model.arrangement[chosen[0]]
    salts = [(model.arrangement[k].salt, model.arrangement[k].sample) for k in loose]
    rng = np.random.default_rng([_PURPOSE, *(x for pair in salts for x in pair)])
    start = random_configuration(model, rng)
    if start is None:
        raise InputError(
            "the species find no room to be annealed", key="carriers", remedy="use fewer of them"
        )
    sites = [np.flatnonzero(start == a + 1) for a in range(len(model.carriers))]
    for k, place in enumerate(model.arrangement):
        mine = start == len(model.carriers) + k + 1
        sites.append(np.flatnonzero(mine) if place.sites is None else np.zeros(0, np.int64))
    lattice = LatticeMonteCarlo(model, sites, rng)
    begin = Initial("annealed", None, first.start_temperature, first.sweeps)
    report = anneal(
        lattice,
        kelvin,
        start=max(kelvin, start_temperature(begin, kelvin)),
        sweeps=first.sweeps,
        should_stop=should_stop,
    )
    places: list[Arrangement] = list(model.arrangement)
    notes = list(model.notes)
    for k in chosen:
        mine = lattice.sites[len(model.carriers) + k]
        places[k] = replace(places[k], sites=frozen_array(mine, np.int64))
        notes.append(f"{model.immobile[k].name} sits where annealing left it: {report}")
    return replace(model, arrangement=tuple(places), notes=tuple(notes))
