"""Coulomb energies that are cut off: pairs like any others."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ..model.model import Carrier
from ..model.network import BondFinder, is_forward
from .clusters import Cluster, canonical
from .ewald import distances, scaled_lattice

__all__ = ["cut_off_pairs"]


def cut_off_pairs(
    carriers: Sequence[Carrier], finder: BondFinder, permittivity: npt.ArrayLike, cutoff: float, most: int
) -> list[tuple[Cluster, float]] | None:
    """Pairs nearer than the cutoff (Å) and their energies q_a q_b (phi(r) - phi(cutoff)), eV; None when there may be
    more than ``most``.

    In an anisotropic medium distances are measured as the medium sees them, scaled so that the volume within the
    cutoff is that of a sphere of this radius: the energy is zero on the whole surface.
    """
    structure, tensor = finder.structure, np.array(permittivity)
    cell, factor = scaled_lattice(structure.lattice, tensor)
    shrink = float(np.linalg.det(tensor)) ** (1 / 6)  # scaled lengths of a sphere of the same volume
    reach = cutoff / shrink
    stretch = math.sqrt(float(np.linalg.eigvalsh(tensor).max()))
    found: list[tuple[Cluster, float]] = []
    labels = list(dict.fromkeys(structure.labels))
    allowed = {label: [a for a, c in enumerate(carriers) if label in c.sites] for label in labels}
    for i, first in enumerate(labels):
        for second in labels[i:]:
            if not (allowed[first] and allowed[second]):
                continue
            bonds = finder.within(first, second, 0.0, reach * stretch * (1 + 1e-9))
            if first == second:
                bonds = [b for b in bonds if is_forward(b)]
            if len(found) + len(bonds) * len(allowed[first]) * len(allowed[second]) > most:
                return None
            if not bonds:
                continue
            ends = np.array([(b[0], b[1]) for b in bonds])
            apart = structure.frac[ends[:, 1]] + np.array([b[2] for b in bonds]) - structure.frac[ends[:, 0]]
            near = np.linalg.norm(apart @ cell, axis=1) < reach
            energies = distances(structure.lattice, tensor, apart) - factor / reach
            for k in np.flatnonzero(near).tolist():
                origin, target, away = bonds[k]
                for a in allowed[first]:
                    for b in allowed[second]:
                        pair = canonical(((a, origin, (0, 0, 0)), (b, target, away)))
                        found.append((pair, carriers[a].charge * carriers[b].charge * float(energies[k])))
    return found
