"""Says in words whether a point charge describes the hop in the field."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ...units import K_B
from .images import HopImages
from .table import DipoleLevel, Verdict

__all__ = ["judge"]

_HOLDS, _ROUGHLY = 0.05, 0.20
_ROOM = 300.0  # K


def judge(images: HopImages, levels: Sequence[DipoleLevel], field: float) -> Verdict | None:
    """The classical level against the best one; None where one of them is missing. field : V/Å."""
    by_key = {level.key: level for level in levels}
    best, classical = levels[0], by_key.get("classical")
    if classical is None or best.key in ("classical", "migrating_atom"):
        return None
    difference = best.total - classical.total
    miss = float(np.linalg.norm(difference)) / max(best.magnitude, 1e-12)
    change = -abs(best.parallel) * field
    # a field that helps the hop at the best level
    sign = math.copysign(1.0, best.parallel)
    simple = -sign * classical.parallel * field
    worst = float(np.linalg.norm(difference)) * field
    text = _words(images, best, classical, miss, change, simple, worst, field)
    return Verdict(
        holds=miss <= _HOLDS,
        miss=miss,
        field=field,
        barrier_change=change,
        classical_barrier_change=simple,
        worst_miss=worst,
        text=text,
    )


def _words(
    images: HopImages,
    best: DipoleLevel,
    classical: DipoleLevel,
    miss: float,
    change: float,
    simple: float,
    worst: float,
    field: float,
) -> str:
    if miss <= _HOLDS:
        opening = f"The classical picture holds here, within {100 * miss:.0f} %"
    elif miss <= _ROUGHLY:
        opening = f"The classical picture holds roughly here: it misses {100 * miss:.0f} % of the dipole"
    else:
        opening = f"The classical picture fails here: it misses {100 * miss:.0f} % of the dipole"
    factor = math.exp(min(abs(change - simple) / (K_B * _ROOM), 700.0))
    parts = [
        f"{opening} ({best.title.split(' (')[0]}).",
        f"A field of {field * 1e10:.3g} V/m that pulls along the {images.symbols[images.migrating_atom]} atom's "
        f"displacement changes the barrier by {1e3 * change:+.1f} meV, the classical one by {1e3 * simple:+.1f} meV: "
        f"a factor {factor:.3g} in the rate at {_ROOM:g} K. In the worst direction they differ by "
        f"{1e3 * worst:.1f} meV.",
    ]
    reasons = []
    environment = float(np.linalg.norm(best.environment))
    if np.isfinite(environment) and environment > 0.2 * best.magnitude:
        reasons.append(f"the environment holds {100 * environment / best.magnitude:.0f} % of the dipole")
    own = float(np.linalg.norm(best.migrating - classical.total))
    if np.isfinite(own) and own > 0.1 * best.magnitude:
        reasons.append(
            f"the migrating atom's own part is {np.linalg.norm(best.migrating):.2f} e·Å, not the nominal "
            f"{classical.magnitude:.2f}"
        )
    if best.perpendicular > 0.3 * best.magnitude:
        reasons.append("the dipole is not parallel to the migrating atom's displacement")
    if reasons and miss > _HOLDS:
        joined = "; ".join(reasons)
        parts.append(f"{joined[0].upper()}{joined[1:]}.")
    elif reasons:
        parts.append(f"It holds by compensation: {'; '.join(reasons)}.")
    parts.append(f"Q_eqv = {best.q_eqv:+.2f} e against {classical.q_eqv:+.2f} e.")
    return " ".join(parts)
