"""Space groups by symbol or number, from spglib's own table (pymatgen's takes 0.6 s to import).

Reference: S. R. Hall, Acta Cryst. A 37, 517 (1981); the 530 settings are those of International Tables A.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from ..ndarrays import FloatArray, IntArray

__all__ = ["Setting", "find_operations", "find_setting", "operations", "symbols"]

_SYSTEMS = (
    (2, "triclinic"),
    (15, "monoclinic"),
    (74, "orthorhombic"),
    (142, "tetragonal"),
    (194, "hexagonal"),
    (230, "cubic"),
)
"""Last group number of each crystal system; trigonal groups have hexagonal axes."""


@dataclass(frozen=True)
class Setting:
    """One setting of a space group."""

    hall_number: int
    number: int
    symbol: str
    choice: str

    @property
    def name(self) -> str:
        """``Fd-3m:2`` where there is a choice."""
        return f"{self.symbol}:{self.choice}" if self.choice else self.symbol

    @property
    def crystal_system(self) -> str:
        system = next(name for last, name in _SYSTEMS if self.number <= last)
        return "rhombohedral" if system == "hexagonal" and self.choice == "R" else system


@contextmanager
def quiet_spglib() -> Iterator[None]:
    """spglib 2.7 and later warn about their own transition to exceptions on every call."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def _squeeze(symbol: str) -> str:
    return symbol.replace(" ", "").replace("_", "").lower()


@cache
def _table() -> dict[str, Setting]:
    """Settings by squeezed symbol, by ``symbol:choice`` and by number; the standard setting under the bare name."""
    import spglib

    table: dict[str, Setting] = {}
    with quiet_spglib():
        types: list[Any] = [spglib.get_spacegroup_type(hall) for hall in range(1, 531)]
    settings = []
    for hall, kind in enumerate(types, 1):
        full = str(kind.international_full).split()
        if len(full) == 4:  # "P 1 2_1/n 1" is also known as P2_1/n
            full = [full[0], *([t for t in full[1:] if t != "1"] or ["1"])]
        names = {str(kind.international_short), "".join(full), str(kind.international_full)}
        names |= set(str(kind.international).split("="))
        setting = Setting(hall, int(kind.number), str(kind.international_short), str(kind.choice))
        settings.append((setting, {_squeeze(n) for n in names}))
    # the first setting is the standard one; of two origins the second, at the inversion centre
    ordered = [s for s in settings if not s[0].choice.startswith("1")]
    for setting, _ in [*ordered, *settings]:
        # the short symbol of a group comes before odd settings of other groups that read the same
        table.setdefault(_squeeze(setting.symbol), setting)
        table.setdefault(str(setting.number), setting)
        if setting.choice:
            table.setdefault(f"{_squeeze(setting.symbol)}:{setting.choice.lower()}", setting)
            table.setdefault(f"{setting.number}:{setting.choice.lower()}", setting)
    for setting, names in [*ordered, *settings]:
        for name in sorted(names):
            table.setdefault(name, setting)
    return table


def find_setting(symbol: str | int) -> Setting | None:
    """Setting named by an international symbol (short or full) or number, with an optional ``:choice``."""
    return _table().get(_squeeze(str(symbol)))


def symbols() -> list[str]:
    """The short symbols of all settings, for suggestions."""
    return sorted({s.symbol for s in _table().values()})


def operations(setting: Setting) -> tuple[IntArray, FloatArray]:
    """(n, 3, 3) rotations and (n, 3) translations of a setting, centring included."""
    import spglib

    with quiet_spglib():
        data: Any = spglib.get_symmetry_from_database(setting.hall_number)
    return np.asarray(data["rotations"], np.int64), np.asarray(data["translations"], float)


def find_operations(
    lattice: FloatArray, frac: FloatArray, kinds: list[int], symprec: float
) -> tuple[IntArray, FloatArray, str] | None:
    """Operations that map labelled sites on themselves, and the group's symbol; None when the search fails."""
    import spglib

    cell: Any = (lattice, frac, kinds)
    try:
        with quiet_spglib():
            found: Any = spglib.get_symmetry_dataset(cell, symprec=symprec)
        if found is None:
            return None
        data = found if isinstance(found, dict) else vars(found)  # a dictionary before spglib 2.5
        symbol = f"{data['international']} ({data['number']})"
    except Exception:  # SpglibError of newer versions; older ones return None
        return None
    return np.asarray(data["rotations"], np.int64), np.asarray(data["translations"], float), symbol
