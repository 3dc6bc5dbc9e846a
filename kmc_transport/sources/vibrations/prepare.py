"""From two spectra to the modes that enter an attempt frequency, each step checked and written down.

Left out: the three acoustic modes at Gamma (of both sides), the reaction mode of the saddle, and, by a named policy,
imaginary modes that should not be there.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...errors import InputError, Problem
from ...ndarrays import FloatArray
from ..records import Spectrum
from .modes import ModePair
from .sides import (
    VANISHING,
    Side,
    describe,
    fraction,
    listed,
    match_qpoints,
)

__all__ = ["ACOUSTIC_LIMIT", "IMAGINARY", "REACTION_MODE", "prepare_pair", "prepare_pairs"]

IMAGINARY = ("raise", "pair-drop", "floor", "abs")
"""What may be done about imaginary modes that are not the reaction mode."""
REACTION_MODE = ("remove", "lowest")
"""How the reaction mode of the saddle is found."""

ACOUSTIC_LIMIT = 0.5
"""THz; three modes at Gamma above it are no acoustic modes."""


def prepare_pair(
    initial: Spectrum,
    saddle: Spectrum,
    *,
    imaginary: str = "raise",
    floor: float | None = None,
    reaction_mode: str = "remove",
    acoustic_limit: float = ACOUSTIC_LIMIT,
) -> ModePair:
    """Modes of one hop that enter its attempt frequency.

    Parameters
    ----------
    initial, saddle : spectra of the same atoms in the same cell.
    imaginary : what to do about imaginary (or vanishing) modes other than the reaction mode. ``raise``;
        ``pair-drop``: leave them out together with the lowest mode of the other side at the same q-point;
        ``floor``: raise every mode below ``floor`` to it, on both sides; ``abs``: take the absolute value.
    floor : THz, for ``floor``.
    reaction_mode : ``remove``: the lowest mode of the saddle, which must be imaginary at every q-point;
        ``lowest``: the branch of the lowest mode that is no acoustic one, real or not, for a saddle that is a
        minimum under a constraint, as a localised polaron. A saddle with one mode fewer already is left alone.
    acoustic_limit : THz; the three modes at Gamma nearest to zero must lie below.

    Raises
    ------
    InputError : other atoms or cells, unequal Gamma weights, no acoustic modes at Gamma, no imaginary branch,
        imaginary modes under ``raise``, or not exactly one mode more on the initial side.
    """
    return prepare_pairs(
        initial,
        saddle,
        imaginary=imaginary,
        floor=floor,
        reaction_mode=reaction_mode,
        acoustic_limit=acoustic_limit,
    )[0]


def prepare_pairs(
    initial: Spectrum,
    saddle: Spectrum,
    final: Spectrum | None = None,
    *,
    imaginary: str = "raise",
    floor: float | None = None,
    reaction_mode: str = "remove",
    acoustic_limit: float = ACOUSTIC_LIMIT,
) -> tuple[ModePair, ModePair]:
    """`prepare_pair` for the hop and its reverse, with one and the same saddle in both.

    All states are treated together, so the saddle drops out of ``nu_forward/nu_reverse``. Without ``final`` the end
    state is equivalent to the initial one.
    """
    _check_choices(imaginary, floor, reaction_mode)
    sides = [Side("initial state", initial), Side("saddle", saddle)]
    if final is not None:
        sides.append(Side("final state", final))
    start, top, ends = sides[0], sides[1], [s for s in sides if s is not sides[1]]
    log = [f"{s.name}: {note}" for s in sides for note in s.spectrum.notes]
    _check_cells(sides, log)
    _drop_acoustic(sides, acoustic_limit, log)
    _drop_reaction(start, top, reaction_mode, log)
    _treat_imaginary(sides, imaginary, floor, log)
    for end in ends:
        excess = end.count - top.count
        if abs(excess - 1) > 1e-6:
            raise InputError(
                f"the {end.name} must have exactly one mode more than the saddle",
                value=f"{excess:.6g} more ({end.count:.6g} against {top.count:.6g})",
                allowed="1",
                remedy="give complete spectra of the same atoms; the saddle's reaction mode is left out here",
            )
    modes = [s.modes() for s in sides]
    lines = tuple(log)
    forward = ModePair(modes[0], modes[1], lines)
    return forward, forward if final is None else ModePair(modes[2], modes[1], lines)


def _check_choices(imaginary: str, floor: float | None, reaction_mode: str) -> None:
    problems = []
    if imaginary not in IMAGINARY:
        problems.append(
            Problem(
                message="no such policy",
                key="imaginary",
                value=imaginary,
                allowed=", ".join(IMAGINARY),
                remedy="choose one of them",
            )
        )
    if imaginary == "floor" and (floor is None or not VANISHING < floor < np.inf):
        problems.append(
            Problem(
                message="the policy floor needs a frequency",
                key="floor",
                value=floor,
                allowed=f"> {VANISHING:g} THz",
                remedy="give one, e.g. 0.5 THz",
            )
        )
    if imaginary != "floor" and floor is not None:
        problems.append(
            Problem(f"has no meaning with imaginary: {imaginary}", "floor", floor, remedy="leave it out")
        )
    if reaction_mode not in REACTION_MODE:
        problems.append(
            Problem(
                message="no such choice",
                key="reaction_mode",
                value=reaction_mode,
                allowed=", ".join(REACTION_MODE),
                remedy="choose one of them",
            )
        )
    if problems:
        raise InputError(problems)


def _check_cells(sides: Sequence[Side], log: list[str]) -> None:
    first = sides[0]
    for side in sides[1:]:
        a, b = first.spectrum, side.spectrum
        both = f"{first.name} and {side.name}"
        if a.n_atoms is not None and b.n_atoms is not None and a.n_atoms != b.n_atoms:
            raise InputError(
                f"{both} do not have the same number of atoms",
                value=f"{a.n_atoms} ({a.source}) and {b.n_atoms} ({b.source})",
                remedy="give phonons of the same supercell; if only the primitive cells of phonopy's forces"
                " differ, say cell: unit",
            )
        if a.mesh is not None and b.mesh is not None and a.mesh != b.mesh:
            log.append(f"{both}: meshes differ, {_product(a.mesh)} and {_product(b.mesh)}")
        if a.cell is None or b.cell is None:
            continue
        volumes = [abs(float(np.linalg.det(s.cell))) for s in (a, b) if s.cell is not None]
        if abs(volumes[0] / volumes[1] - 1) > 0.01:
            raise InputError(
                f"{both} do not have the same cell",
                value=f"volumes {volumes[0]:.4f} and {volumes[1]:.4f} Å³",
                allowed="equal within 1 %",
                remedy="compute both in the same supercell; the files may be mixed up",
            )
        if not np.allclose(a.cell, b.cell, atol=0.01 * volumes[0] ** (1 / 3)):
            log.append(f"{both}: cells of the same volume with other vectors")


def _product(mesh: Sequence[int]) -> str:
    return " x ".join(map(str, mesh))


def _drop_acoustic(sides: Sequence[Side], limit: float, log: list[str]) -> None:
    """Three modes at Gamma are free translations; they cancel only if both sides lose the same weight of them."""
    weights = [s.gamma_weight for s in sides]
    if max(weights) - min(weights) > 1e-9:
        excess = 3 * (max(weights) - min(weights))
        raise InputError(
            "the Gamma point has different weights, so leaving out its acoustic modes would unbalance the states",
            value=", ".join(f"{s.name} {fraction(w)}" for s, w in zip(sides, weights, strict=True))
            + f"; {1 + excess:.4g} or {1 - excess:.4g} modes in excess instead of 1",
            allowed="equal weights",
            remedy="sample all states on the same mesh",
        )
    for side in sides:
        if side.gamma is None or side.spectrum.without_acoustic:
            continue
        row = side.nu[side.gamma]
        if len(row) < 4:
            _refuse_acoustic(side, row, limit)
        order = np.argsort(np.abs(row), kind="stable")
        going = row[order[:3]]
        if np.abs(going).max() > limit:
            _refuse_acoustic(side, going, limit)
        side.kept[side.gamma, order[:3]] = False
        log.append(
            f"{side.name}: three acoustic modes at Gamma left out ({listed(going)} THz),"
            f" weight {fraction(side.gamma_weight)}"
        )
        if abs(row[order[3]]) < max(0.1, 2 * np.abs(going).max()):
            log.append(f"{side.name}: the next mode at Gamma, {row[order[3]]:.4g} THz, is nearly as low")


def _refuse_acoustic(side: Side, modes: FloatArray, limit: float) -> None:
    raise InputError(
        f"the {side.name} has no three acoustic modes at Gamma",
        value=f"nearest to zero: {listed(modes)} THz ({side.spectrum.source})",
        allowed=f"below {limit:g} THz",
        remedy="symmetrise the force constants (acoustic sum rule), raise acoustic_limit, or say that the list is"
        " without them (acoustic: removed)",
    )


def _drop_reaction(start: Side, top: Side, how: str, log: list[str]) -> None:
    excess = start.count - top.count
    if abs(excess - 1) < 1e-6:
        log.append("saddle: has one mode fewer already; its reaction mode is taken as left out")
        return
    n_q = len(top.nu)
    rows = np.arange(n_q)
    first = top.kept.argmax(axis=1)
    lowest = top.nu[rows, first]
    n_imaginary = int((lowest < -VANISHING).sum())
    if how == "remove":
        if n_imaginary < n_q:
            found = f"{n_imaginary} of {n_q} q-points have one" if n_imaginary else "all modes are real"
            raise InputError(
                "the saddle has no imaginary branch, so its reaction mode is not known",
                value=f"{found}; lowest at Gamma or first q-point {lowest[top.gamma or 0]:.4g} THz"
                f" ({top.spectrum.source})",
                allowed="one imaginary mode at every q-point",
                remedy="check that it is a saddle (a branch imaginary only near Gamma can be sampled at Gamma"
                " alone); for a constrained minimum, as a localised polaron, say reaction_mode: lowest; or give"
                " a list without the reaction mode",
            )
        which = first
    else:
        by_gamma = lowest[top.gamma] < -VANISHING if top.gamma is not None else n_imaginary == n_q
        # away from Gamma the three lowest branches are the acoustic ones, unless the lowest is the reaction's
        branch = 0 if by_gamma or top.nu.shape[1] < 4 else 3
        which = np.where(rows == (-1 if top.gamma is None else top.gamma), first, branch)
    going = top.nu[rows, which]
    top.kept[rows, which] = False
    choice = (
        "imaginary at every q-point"
        if how == "remove"
        else "lowest that is not acoustic, chosen by the input; nu0 depends on this choice"
    )
    spread = f"{going[0]:.4g}" if n_q == 1 else f"{going.min():.4g} to {going.max():.4g}"
    log.append(f"saddle: reaction mode left out, {spread} THz ({choice})")


def _treat_imaginary(sides: Sequence[Side], policy: str, floor: float | None, log: list[str]) -> None:
    unstable = [s.unstable() for s in sides]
    n_bad = sum(int(u.sum()) for u in unstable)
    if policy == "floor" and floor is not None:
        for side in sides:
            low = side.kept & (side.nu < floor)
            if low.any():
                describe(log, side, low, f"raised to the floor of {floor:g} THz")
                side.nu = np.where(low, floor, side.nu)
        return
    if not n_bad:
        return
    if policy == "raise":
        lines: list[str] = []
        for side, bad in zip(sides, unstable, strict=True):
            describe(lines, side, bad, "")
        raise InputError(
            "imaginary or vanishing modes have no partition function",
            key="imaginary",
            value="; ".join(lines),
            allowed=f"every mode above {VANISHING:g} THz",
            remedy="relax further, use a larger supercell, or name a policy: imaginary: pair-drop, floor or abs"
            " (a list with acoustic modes: say acoustic: included)",
        )
    if policy == "pair-drop":
        match_qpoints(sides)
        n = np.max([s.unstable().sum(axis=1) for s in sides], axis=0)
        for side in sides:
            going = side.drop_lowest(n)
            log.append(
                f"{side.name}: pair-drop left out {len(going)} modes ({listed(going)} THz) at {int((n > 0).sum())}"
                " q-points"
            )
        return
    for side, bad in zip(sides, unstable, strict=True):
        if (side.kept & (np.abs(side.nu) <= VANISHING)).any():
            raise InputError(
                f"a mode of the {side.name} vanishes, so its absolute value does not help",
                key="imaginary",
                value="abs",
                allowed="pair-drop, floor",
                remedy="if it is an acoustic mode of a list, say acoustic: included; else choose another policy",
            )
        if bad.any():
            describe(log, side, bad, "taken by absolute value")
            side.nu = np.where(side.kept, np.abs(side.nu), side.nu)
