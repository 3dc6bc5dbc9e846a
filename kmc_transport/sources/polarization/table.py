"""What the levels of approximation say about one hop, side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...ndarrays import FloatArray
from .images import HopImages

__all__ = ["DipoleLevel", "DipoleTable", "Verdict"]


@dataclass(frozen=True, eq=False, kw_only=True)
class DipoleLevel:
    """Dipole change from the start at one level of approximation, e·Å.

    key : berry, path_integral, constant, isotropic, migrating_atom or classical. title : in words.
    total, migrating, environment : (3,) up to the saddle; NaN where the level cannot tell the parts.
    direction : (3,) unit vector of the migrating atom's displacement to the saddle, length : its length, Å.
    whole : (3,) of the whole hop, or None. uncertainty : e·Å of the total, as far as it is known, or None.
    displacement : (m, 3) of the migrating atom at the images of this level, Å.
    series, migrating_series : (m, 3) dipole changes there; environment = series - migrating_series.
    """

    key: str
    title: str
    total: FloatArray
    migrating: FloatArray
    environment: FloatArray
    direction: FloatArray
    length: float
    whole: FloatArray | None
    displacement: FloatArray
    series: FloatArray
    migrating_series: FloatArray
    uncertainty: float | None = None

    @property
    def magnitude(self) -> float:
        """|p_S - p_i|, e·Å."""
        return float(np.linalg.norm(self.total))

    @property
    def parallel(self) -> float:
        """Component of the total along the migrating atom's displacement, e·Å; an anion's is negative."""
        return float(self.total @ self.direction)

    @property
    def perpendicular(self) -> float:
        """Length of what is left of the total across that displacement, e·Å."""
        return float(np.linalg.norm(self.total - self.parallel * self.direction))

    @property
    def migrating_parallel(self) -> float:
        """Part of the migrating atom along its displacement, e·Å."""
        return float(self.migrating @ self.direction)

    @property
    def environment_parallel(self) -> float:
        """Part of all other atoms along that displacement, e·Å."""
        return float(self.environment @ self.direction)

    @property
    def q_eqv(self) -> float:
        """Equivalent charge of the polarization work, e (Salles 2020, eq. 8): with the sign of `parallel`.

        It multiplies the migrating atom's displacement. As the charge of a vacancy, which moves the other way,
        it has the opposite sign. It belongs to the work up to the saddle alone, never to that of the whole hop.
        """
        return float(np.copysign(self.magnitude / self.length, self.parallel))

    @property
    def q_eqv_parallel(self) -> float:
        """The same from the parallel component alone, e."""
        return self.parallel / self.length

    @property
    def share_at_saddle(self) -> float | None:
        """W_S/W for a field along the dipole change of the whole hop: 1/2 where symmetry swaps the ends."""
        if self.whole is None or not self.whole.any():
            return None
        return float(self.total @ self.whole / (self.whole @ self.whole))

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers, e·Å and e; None where the level cannot tell."""

        def plain(x: float | None) -> float | None:
            return None if x is None or not np.isfinite(x) else float(x)

        return {
            "level": self.key,
            "title": self.title,
            "total_e_A": [plain(x) for x in self.total],
            "migrating_e_A": [plain(x) for x in self.migrating],
            "environment_e_A": [plain(x) for x in self.environment],
            "magnitude_e_A": self.magnitude,
            "parallel_e_A": self.parallel,
            "perpendicular_e_A": self.perpendicular,
            "migrating_parallel_e_A": plain(self.migrating_parallel),
            "environment_parallel_e_A": plain(self.environment_parallel),
            "q_eqv_e": self.q_eqv,
            "q_eqv_parallel_e": self.q_eqv_parallel,
            "whole_hop_e_A": None if self.whole is None else [float(x) for x in self.whole],
            "share_at_saddle": self.share_at_saddle,
            "uncertainty_e_A": plain(self.uncertainty),
        }


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether a point charge describes the change of the barrier in the field.

    holds : the classical dipole misses the best one by at most 5 % of it.
    miss : |p_best - p_classical| / |p_best|. field : V/Å.
    barrier_change, classical_barrier_change : of the barrier in a field along the migrating atom's displacement, eV.
    worst_miss : largest difference of the two over all directions of the field, eV.
    """

    holds: bool
    miss: float
    field: float
    barrier_change: float
    classical_barrier_change: float
    worst_miss: float
    text: str


@dataclass(frozen=True, eq=False, kw_only=True)
class DipoleTable:
    """All levels that the given data allow, best first; Salles 2020, Table 1.

    nominal_charge : of the migrating atom, e, or None. verdict : None without a classical level.
    """

    images: HopImages
    levels: tuple[DipoleLevel, ...]
    nominal_charge: float | None
    cell_charge: float
    verdict: Verdict | None
    notes: tuple[str, ...]

    @property
    def best(self) -> DipoleLevel:
        """The most accurate level there is."""
        return self.levels[0]

    @property
    def keys(self) -> tuple[str, ...]:
        """Names of the levels."""
        return tuple(level.key for level in self.levels)

    def __getitem__(self, key: str) -> DipoleLevel:
        for level in self.levels:
            if level.key == key:
                return level
        raise KeyError(f"{key} is not among the levels: {', '.join(self.keys)}")

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        atom, d = self.images.migrating_atom, self.images.migrating_displacement
        verdict = self.verdict
        return {
            "source": self.images.source,
            "migrating_atom": atom,
            "element": self.images.symbols[atom],
            "displacement_A": [float(x) for x in d],
            "displacement_length_A": float(np.linalg.norm(d)),
            "nominal_charge_e": self.nominal_charge,
            "cell_charge_e": self.cell_charge,
            "levels": [level.as_dict() for level in self.levels],
            "verdict": None
            if verdict is None
            else {
                "classical_holds": verdict.holds,
                "miss": verdict.miss,
                "field_V_per_m": verdict.field * 1e10,
                "barrier_change_meV": 1e3 * verdict.barrier_change,
                "classical_barrier_change_meV": 1e3 * verdict.classical_barrier_change,
                "worst_miss_meV": 1e3 * verdict.worst_miss,
                "text": verdict.text,
            },
            "notes": list(self.notes),
        }
