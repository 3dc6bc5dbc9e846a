"""Which column of a table is which: from its heading, or not at all."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..common import fail
from ..settings import told_settings
from .units import ENERGIES, LENGTHS, strange_unit, unit_said, units_of_comment

__all__ = ["FileColumn", "columns_named", "energy_unit_said", "listed_names", "setting_named"]

_NAME_IT = "name the columns in a heading, such as 'image, energy [eV]' or 's [Å], energy [meV], error [meV]'"
_BRACKET = re.compile(r"[\[(]\s*([^\[\]()]+(?:\([^()]*\))?[^\[\]()]*?)\s*[\])]")
_SLOPE = re.compile(r"[dδ∂]\s*[EeVU]\s*/\s*[dδ∂]\s*[a-zA-Z]")  # dE/ds
_AFTER = re.compile(r"(?:/|\bin\s+)\s*\(?([^\s()\[\]]+)\)?")  # E/eV, F/(eV/Å), energy in meV
# what people add to "energy" of VASP
_AT_ZERO = re.compile(
    r"\(\s*(?:sigma|σ)\s*(?:->|→)\s*0\s*\)|\((?:T\s*=\s*)?0\s*K\)|\bw(?:/o|ithout)\s+entropy"
)
_SETTINGS = {
    "kpoints": r"\bk[\s_-]*(?:points?|pts?|mesh|grid)",
    "cutoff": r"cut[\s_-]?off|\becut|\bencut|\benmax",
    "nelectrons": r"electrons",
    "functional": r"functional",
    "hubbard": r"hubbard",
}
# first letters, all of a word where it stands in quotes, any part after a star; what comes first decides
_KINDS: tuple[tuple[str, str], ...] = (
    ("error", "err *error uncert std 'sigma' 'u' 'unc' 'rmse'"),
    ("force", "forc fmax frms grad slope 'f' 'fperp' 'fpar' tang residual spring 'deds' 'dedx' kraft kräfte"),
    ("other", "zpe zero vibr gap bandgap fermi efermi kinetic ekin entrop homo lumo vbm cbm"),
    (
        "energy",
        "*energ 'e' 'de' 'en' 'etot' 'erel' 'toten' 'ediff' 'δe' '∆e' enthalp poten barrier 'mep' 'pes'",
    ),
    ("other", "volume pressure temperature time magnet charge press angle stress"),
    ("distance", "dist 'd' 's' 'l' length displ 'arc' 'rmsd' separation abstand"),
    (
        "coordinate",
        "image bild coord reaction fraction index step number path point 'x' 'q' 'r' 'i' 'n' 'id' 'no' 'nr' 'xi'",
    ),
)


@dataclass(frozen=True)
class FileColumn:
    """kind : energy, error, force, distance, coordinate, setting or other. unit : as written, or empty."""

    name: str
    kind: str
    unit: str = ""


def columns_named(heading: str, n_columns: int) -> list[FileColumn] | None:
    """The columns that a heading names, or None where it is no list of so many names."""
    parts = listed_names(heading)
    if len(parts) == n_columns - 1 and heading[:1] in ",;":
        parts = ["", *parts]  # rows that are numbered without a name
    if len(parts) != n_columns:
        # blanks between the columns: only when each has one word, such as image energy_meV
        parts = re.sub(r"\s+([\[(])", r"\1", heading).split()
    if len(parts) != n_columns or any(p.strip("[]()") in ENERGIES for p in parts):
        return None
    columns = [_column(p) for p in parts]
    if columns[0].kind == "energy" and not re.match(r"e(nergy)?(\b|_)", parts[0], re.IGNORECASE):
        return None  # "energies in meV, ...": a sentence
    return columns


def listed_names(heading: str) -> list[str]:
    """Parts of a heading between commas, semicolons, tabs or several blanks."""
    return [p.strip(" \"'") for p in re.split(r"[,;\t]|\s{2,}", heading) if p.strip(" \"'")]


def _column(part: str) -> FileColumn:
    """Units of energies and forces wherever they stand, of lengths in brackets, after a slash or "in"."""
    plain = _AT_ZERO.sub(" ", part)
    brackets = [m[1] for m in _BRACKET.finditer(plain)]
    outside = _BRACKET.sub(" ", plain)
    after = [m[1] for m in _AFTER.finditer(plain)]
    unit, dimension = unit_said(plain)
    if not dimension:
        said = [*brackets, *after, *re.findall("Å", outside)]
        unit = next((u for u in said if u in LENGTHS), brackets[-1] if brackets else "")
    slope = _SLOPE.search(outside) is not None
    kind = "force" if slope else _kind(_AFTER.sub(" ", outside) if {unit, *LENGTHS} & {*after} else outside)
    if setting_named(part):
        kind = "setting"
    if dimension == "energy":
        kind = kind if kind in ("error", "setting", "other") else "energy"
    elif dimension == "force":
        kind = "force"
    elif unit in LENGTHS:
        kind = "distance"
    if kind == "energy":
        unit = strange_unit(plain) or unit or next(iter(after), "")
    return FileColumn(part, kind, unit)


def setting_named(name: str) -> str:
    """The setting that a column holds, as `told_settings` calls it, or nothing."""
    plain = "_".join(re.findall(r"\w+", re.split(r"[\[(]", name)[0]))
    if told_settings({plain: 0}):
        return plain
    return next((key for key, pattern in _SETTINGS.items() if re.search(pattern, name, re.IGNORECASE)), "")


def _kind(name: str) -> str:
    words = [w.lower() for w in re.findall(r"[^\W\d_]+", re.sub(r"\bE_(F|g)\b", "fermi", name))]
    for kind, beginnings in _KINDS:
        for b in beginnings.split():
            if any(
                w == b[1:-1] if b[0] == "'" else b[1:] in w if b[0] == "*" else w.startswith(b) for w in words
            ):
                return kind
    return ""


def energy_unit_said(headings: Sequence[str], n_columns: int, file: Path) -> str | None:
    """Unit of energy in a heading that is a sentence rather than names of columns.

    Raises
    ------
    InputError : it speaks of forces or distances and not of energies, or of two units; three columns of which
        nothing says that they are energies.
    """
    said = " ".join(headings)
    units = units_of_comment(said)
    forces = [w for h in headings for w in re.findall(r"[^\s,;:\[\]()]+", h) if unit_said(w)[1] == "force"]
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
            value=said[:100],
            allowed=", ".join(ENERGIES),
        )
    return next(iter(units), None)
