"""Which column of a table is which: from its heading, or not at all."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..units import DIMENSIONS
from .paths_common import fail
from .settings import told_settings

__all__ = ["ENERGIES", "LENGTHS", "Column", "columns_named", "energy_unit_said"]

LENGTHS = {k: float(v) for k, v in DIMENSIONS["length"].units.items()}
LENGTHS |= dict.fromkeys(("A", "Ang", "ang", "Angst", "Angstroms", "angstroms", "å"), 1.0)
ENERGIES = {k: float(v) for k, v in DIMENSIONS["energy"].units.items()}
ENERGIES |= {"ev": 1.0, "mev": 1e-3, "ry": ENERGIES["Ry"]}
_WORDS = ("eV", "meV", "keV", "ev", "mev", "Ry", "Ha", "Å")  # units that need no brackets

_NAME_IT = "name the columns in a heading, such as 'image, energy [eV]' or 's [Å], energy [meV], error [meV]'"
_BRACKET = re.compile(r"[\[(]\s*([^\[\]()]+(?:\([^()]*\))?[^\[\]()]*?)\s*[\])]")
_AFTER = re.compile(r"(?:/|\bin\s+)\s*\(?([^\s()\[\]]+)\)?")  # E/eV, F/(eV/Å), energy in meV
# first letters, or all of a word where it stands in quotes; what comes first decides
_KINDS: tuple[tuple[str, str], ...] = (
    ("error", "err uncert std 'sigma' 'u' 'unc' 'rmse'"),
    ("force", "forc fmax frms grad slope 'f' 'fperp' 'fpar' tang residual spring"),
    (
        "energy",
        "energ 'e' 'de' 'en' 'etot' 'erel' 'toten' 'ediff' 'δe' '∆e' enthalp poten barrier 'mep' 'pes'",
    ),
    ("other", "volume pressure temperature time magnet charge press angle stress"),
    ("distance", "dist 'd' 's' 'l' length displ 'arc' 'rmsd'"),
    (
        "coordinate",
        "image coord reaction fraction index step number path point 'x' 'q' 'r' 'i' 'n' 'id' 'no' 'nr' 'xi'",
    ),
)


@dataclass(frozen=True)
class Column:
    """kind : energy, error, force, distance, coordinate, setting or other. unit : as written, or empty."""

    name: str
    kind: str
    unit: str = ""


def columns_named(heading: str, n_columns: int) -> list[Column] | None:
    """The columns that a heading names, or None where it is no list of so many names."""
    parts = [p.strip(" \"'") for p in re.split(r"[,;\t]|\s{2,}", heading) if p.strip()]
    if len(parts) != n_columns:
        # blanks between the columns: only when each has one word, such as image energy_meV
        parts = re.sub(r"\s+([\[(])", r"\1", heading).split()
    if len(parts) != n_columns or any(p in ENERGIES for p in parts):
        return None
    columns = [_column(p) for p in parts]
    if columns[0].kind == "energy" and not re.match(r"e(nergy)?(\b|_)", parts[0], re.IGNORECASE):
        return None  # "energies in meV, ...": a sentence
    return columns


def _column(part: str) -> Column:
    """Units in brackets, after a slash or "in", or the usual ones as words; what is no unit stays in the name."""
    brackets = [m[1] for m in _BRACKET.finditer(part)]
    outside = _BRACKET.sub(" ", part)
    words = [w for w in re.findall(r"[^\W\d_]+", outside) if w in _WORDS]
    said = [*brackets, *(m[1] for m in _AFTER.finditer(part)), *words]
    unit = next(
        (u for u in said if u in ENERGIES or u in LENGTHS or _is_force(u)), brackets[-1] if brackets else ""
    )
    kind = _kind(_AFTER.sub(" ", outside) if unit in said[len(brackets) :] else outside)
    if told_settings({"_".join(re.findall(r"\w+", outside)): 0}):
        kind = "setting"
    if unit in ENERGIES:
        kind = kind if kind in ("error", "setting") else "energy"
    elif _is_force(unit):
        kind = "force"
    elif unit in LENGTHS:
        kind = "distance"
    return Column(part, kind, unit)


def _kind(name: str) -> str:
    words = [w.lower() for w in re.findall(r"[^\W\d_]+", name)]
    for kind, beginnings in _KINDS:
        for b in beginnings.split():
            if any(w == b[1:-1] if b[0] == "'" else w.startswith(b) for w in words):
                return kind
    return ""


def _is_force(unit: str) -> bool:
    """An energy over a length: eV/Å, Ry/bohr, eV·Å^-1."""
    energy, _, length = re.sub(r"[·*\s]|\^?[-−]1|⁻¹", "/", unit).rstrip("/").partition("/")
    return energy in ENERGIES and length.strip("/") in LENGTHS


def energy_unit_said(headings: Sequence[str], n_columns: int, file: Path) -> str | None:
    """Unit of energy in a heading that is a sentence rather than names of columns.

    Raises
    ------
    InputError : it speaks of forces or distances and not of energies, or of two units; three columns of which
        nothing says that they are energies.
    """
    text = headings[-1] if headings else ""
    words = re.findall(r"[^\s,;:\[\]()]+", text)
    units = {w for w in words if w in _WORDS and w in ENERGIES} | {
        u for u in re.findall(r"[\[(/_]\s*([^\W\d_][\w/]*)", text) if u in ENERGIES
    }
    forces = [w for h in headings for w in re.findall(r"[^\s,;:\[\]()]+", h) if _is_force(w)]
    said = " ".join(headings)
    kinds = {_kind(w) for w in said.split()}
    energetic = re.search(r"[Ee]nerg|ENERG|\bd?E\b|[Δ∆]E", said)
    if (forces or "force" in kinds or (kinds & {"distance", "other"} and not units)) and not energetic:
        raise fail(
            file,
            "the heading names something else than an energy" + (f" ({forces[0]})" if forces else ""),
            _NAME_IT,
            value=said[:100],
        )
    if n_columns > 2 and (not (energetic or units) or forces or "force" in kinds):
        raise fail(
            file,
            f"{n_columns} columns without names: which is the energy, and what the others are, is not told",
            _NAME_IT,
            value=said[:100] or None,
        )
    if len(units) > 1:
        raise fail(
            file,
            "the heading names two units of energy",
            "name one, such as 'energy [meV]'",
            value=text,
            allowed=", ".join(ENERGIES),
        )
    return next(iter(units), None)
