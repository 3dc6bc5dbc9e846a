"""Occupation and flip rate in layers along an axis, and the interfaces between two phases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ...model.analysis import ProfileSettings
from ...model.model import Model
from ...ndarrays import FloatArray, IntArray
from ...rates.catalog import RateCatalog
from ...records import HopChunk
from ...units import ANGSTROM
from ..observables.base import Observable
from ..observables.expected import expected
from .interface import find_interfaces
from .kernels_pairs import walk
from .lattice import over, species_of_carriers, steps_of

if TYPE_CHECKING:
    from ...exact.flow import StationaryFlow

__all__ = ["OBSERVABLE", "Profile"]

INTERFACES = ("first", "second")
MAX_STATES = 2000
"""Most configurations, with all translations of each, that exact profiles are averaged over."""
TIE = 1e-6
"""Part of a layer: sites nearer to a border lie above it."""


class Profile(Observable):
    """ticks, flips : (S, L) time of carriers in each layer, flips of its sites. time : ()."""

    def __init__(self, catalog: RateCatalog) -> None:
        model = catalog.model
        self.steps, self.species, wanted = steps_of(model), species_of_carriers(model), asked(model)
        cells = np.indices(model.supercell).reshape(3, -1).T[:, wanted.axis]
        height = (cells[:, None] + model.structure.frac[:, wanted.axis]) * wanted.layers
        self.n_layers = model.supercell[wanted.axis] * wanted.layers
        self.layer = (np.floor(height + TIE).astype(np.int64) % self.n_layers).reshape(-1)
        """(n_flat,) of each site of the supercell."""
        per_layer = [
            np.bincount(self.layer[np.tile(own, model.n_cells)], minlength=self.n_layers)
            for own in model.allowed_sites
        ]
        self.sites = np.array(per_layer)
        super().__init__(catalog)

    def count(self, chunk: HopChunk) -> dict[str, IntArray]:
        n_species, n_layers = self.sites.shape
        of_hop, of_carrier = self.species[chunk.carrier] * n_layers, self.species * n_layers
        ends = self.layer[walk(chunk.sites.copy(), chunk.carrier, chunk.hop, self.steps)]
        ticks = (
            np.bincount(of_carrier + self.layer[chunk.sites], minlength=n_species * n_layers) * chunk.length
        )
        left = chunk.length - chunk.tick
        np.add.at(ticks, of_hop + ends[1], left)
        np.subtract.at(ticks, of_hop + ends[0], left)
        flips = np.bincount(np.concatenate(of_hop + ends), minlength=n_species * n_layers)
        return {
            "ticks": ticks.reshape(n_species, n_layers),
            "flips": flips.reshape(n_species, n_layers),
            "time": np.array(chunk.length),
        }

    def estimate(self, sums: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
        model = self.catalog.model
        time = sums["time"][:, None, None]
        occupation = over(sums["ticks"] / time, self.sites)
        flips = sums["flips"] / (time * self.tick_seconds)
        n, n_species, n_layers = occupation.shape
        step = _height(model) / n_layers * ANGSTROM
        height = _height(model) * ANGSTROM
        position, width, rate = (np.full((n, n_species, len(INTERFACES)), np.nan) for _ in range(3))
        for a, sites in enumerate(self.sites):
            layers = np.flatnonzero(sites)
            middle = (layers + 0.5) * step
            places = np.arange(len(layers) + 1), [*middle, *middle[:1] + height]
            order = find_interfaces(occupation[:, a, layers].mean(axis=0))
            if len(order) != len(INTERFACES):
                continue
            for i in range(n):
                found = find_interfaces(occupation[i, a, layers])
                if len(found) != len(INTERFACES):
                    continue
                for k, like in enumerate(
                    order
                ):  # the same border in all rows, on the same side of the cell's
                    one = next(f for f in found if f.rises == like.rises)
                    x, near = (np.interp(f.position, *places) for f in (one, like))
                    position[i, a, k] = x + height * np.round((near - x) / height)
                    width[i, a, k] = one.width * height / len(layers)
                    inside = layers[list(one.layers)]
                    rate[i, a, k] = flips[i, a, inside].sum() / sites[inside].sum()
        return {
            "layer_occupation": occupation,
            "layer_flip_rate": over(flips, self.sites),
            "interface_position": position,
            "interface_width": width,
            "interface_flip_rate": rate,
        }

    @classmethod
    def coordinates(cls, model: Model) -> dict[str, np.ndarray]:
        wanted = asked(model)
        n = model.supercell[wanted.axis] * wanted.layers
        middle = (np.arange(n) + 0.5) * _height(model) / n * ANGSTROM
        return {"layer": middle, "interface": np.array(INTERFACES)}

    @classmethod
    def exact(cls, flow: StationaryFlow) -> dict[str, FloatArray]:
        whole = flow.of_all_places(MAX_STATES)
        return {} if whole is None else expected(cls, whole)


def asked(model: Model) -> ProfileSettings:
    """What the input asks for. ValueError where it does not."""
    if model.analysis.profile is None:
        raise ValueError("the input has no analysis.profile")
    return model.analysis.profile


def _height(model: Model) -> float:
    """Length of the supercell along the axis, Å."""
    axis = asked(model).axis
    return float(np.linalg.norm(model.structure.lattice[axis])) * model.supercell[axis]


OBSERVABLE = Profile
