"""Response of a hop to the field: the dipole change up to the saddle as one vector of the hop class.

Let x = (p_S - p_i) - Q d/2 for the first hop of the class. An operation that keeps the hop keeps x, and so does one
that swaps its two ends: the works of the two half paths add up to Q d. Averaging x over these operations gives the
dipole that the crystal allows; published ones are rounded, so a small correction is made and told, a large one refused
(Salles 2020, eqs 2 and 8; the half-path rule follows from the work being a state function).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .hops import HopGroup, Saddle
from .inputfile import Document
from .network import BondFinder, reversed_bond
from .schema import FieldDipole, FieldEquivalentCharge

__all__ = ["SYMMETRY_TOLERANCE", "saddle_dipole_of"]

FloatArray = npt.NDArray[np.float64]

SYMMETRY_TOLERANCE = 0.05
"""Largest correction of a given saddle dipole by symmetry, relative to it or to Q d/2 where that is larger."""
_SAME = 0.05
"""How far (Å) the hop that a response is given for may be off a hop of the class."""


def saddle_dipole_of(
    group: HopGroup, saddle: Saddle, charge: float, finder: BondFinder, title: str, doc: Document
) -> tuple[tuple[float, float, float] | None, list[str]]:
    """p_S - p_i of the first forward hop of a class, e·Å, and what was done to it; None for the midpoint rule."""
    given = saddle.response
    if given is None:
        return None, []
    path = saddle.response_path
    if saddle.fraction != 0.5:
        doc.add(path, f"{title} has both 'saddle' and 'field_response'", remedy="leave 'saddle' out")
        return None, []
    if isinstance(given, FieldEquivalentCharge):
        dipole = given.q_eqv * np.array(given.d_ma)
        log = [f"saddle dipole from Q_eqv = {given.q_eqv:g} e"]
    else:
        assert isinstance(given, FieldDipole)
        dipole, log = np.array(given.dipole, dtype=np.float64), ["saddle dipole as given"]
    first = group.bonds.forward[0]
    vector = finder.vector(first)
    if given.hop is not None:
        turned = _turn_back(group, np.array(given.hop), dipole, charge, finder)
        if turned is None:
            doc.add(
                (*path, "hop"),
                f"{title} has no hop along this vector",
                value=list(given.hop),
                allowed=f"for example {[round(float(x), 4) for x in vector]} Å",
                remedy="give one of its hop vectors, or leave 'hop' out for the one that `check` shows",
            )
            return None, []
        dipole = turned
    half = charge * vector / 2
    keep, swap = finder.stabiliser(first)
    x = np.mean([finder.turn(g) @ (dipole - half) for g in (*keep, *swap)], axis=0)
    allowed = half + x
    off = float(np.linalg.norm(allowed - dipole))
    if off > SYMMETRY_TOLERANCE * float(max(np.linalg.norm(dipole), np.linalg.norm(half))):
        doc.add(
            path,
            f"the saddle dipole of {title} breaks the symmetry of the hop: given {_text(dipole)}, but what symmetry "
            f"leaves of it is {_text(allowed)} e·Å (half the work of the whole hop on the components that symmetry "
            "reverses)",
            allowed=f"a correction of at most {SYMMETRY_TOLERANCE:.0%}",
            remedy="check the vector and the hop it belongs to; a charge centre off its site changes the hop length",
        )
        return None, []
    if off > 1e-9:
        log.append(f"made symmetric: {_text(dipole)} became {_text(allowed)} e·Å")
    share = float(allowed @ vector) / float(charge * vector @ vector)
    if not 0 <= share <= 1:
        log.append(f"warning: the half-path work is {share:.2f} of the whole, outside 0 to 1")
    return (float(allowed[0]), float(allowed[1]), float(allowed[2])), log


def _turn_back(
    group: HopGroup, hop: FloatArray, dipole: FloatArray, charge: float, finder: BondFinder
) -> FloatArray | None:
    """The dipole that goes with ``hop``, turned to the first hop of the class."""
    bonds = group.bonds
    for bond, operation in zip(bonds.forward, bonds.operation, strict=True):
        for one, sign in ((bond, 1), (reversed_bond(bond), -1)):
            vector = finder.vector(one)
            if np.linalg.norm(vector - hop) <= _SAME:
                # the way up from the other end is the rest of the whole hop
                ahead = dipole if sign > 0 else dipole - charge * vector
                return finder.turn(operation).T @ ahead
    return None


def _text(vector: FloatArray) -> str:
    return "(" + ", ".join(f"{x + 0.0:.4g}" for x in np.round(vector, 9)) + ")"
