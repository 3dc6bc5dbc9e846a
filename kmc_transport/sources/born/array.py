"""Born charges from plain arrays: .npy, text, YAML or JSON."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from ..common import fail, library, numbers
from ..files import bare_name, read_packed_text
from ..plain_json import parse_json
from ..records import BornCharges, Snapshot
from ..structures.read import read_structure
from .common import freeze_born

__all__ = ["looks_like_numbers", "read_array"]

_KEYS = ("tensors", "symbols", "cell", "positions", "cell_charge", "index_order")
_ORDERS = ("polarization, displacement", "displacement, polarization")
_SYMBOL = re.compile(r"[A-Z][a-z]?\d*\Z")


def looks_like_numbers(text: str) -> bool:
    """Whether the first line that is no comment is 3 or 9 numbers, perhaps after an element."""
    for line in text.splitlines():
        words = line.split("#")[0].replace(",", " ").split()
        if words:
            words = words[1:] if _SYMBOL.match(words[0]) else words
            return len(words) in (3, 9) and all(re.fullmatch(r"[-+.\deEdD]+", w) for w in words)
    return False


def read_array(file: Path, structure: Path | None) -> BornCharges:
    """``Z_ab = dP_a/dr_b`` for each atom; in text 9 numbers a line (Zxx Zxy Zxz Zyx ...), or 3 lines of 3.

    YAML and JSON: keys tensors (n_atoms, 3, 3), and perhaps symbols, cell and positions (Å, Cartesian),
    cell_charge (e), index_order ("polarization, displacement", or the reverse).
    """
    snapshot = None if structure is None else read_structure(structure)
    suffix = Path(bare_name(file)).suffix.lower()
    if suffix in (".yaml", ".yml", ".json"):
        return _from_mapping(file, snapshot)
    if file.suffix == ".npy":
        with library(file, "a NumPy array", "write it with numpy.save"):
            tensors = np.load(file, allow_pickle=False)
        symbols: list[str] | None = None
    else:
        tensors, symbols = _from_text(file)
    if snapshot is not None:
        return _freeze(file, tensors, {}, snapshot, symbols)
    return freeze_born(tensors, file=file, what="array", symbols=symbols)


def _from_text(file: Path) -> tuple[np.ndarray, list[str] | None]:
    rows: list[list[float]] = []
    symbols: list[str] = []
    for n, line in enumerate(read_packed_text(file, "a table of Born charges").splitlines(), start=1):
        words = line.split("#")[0].replace(",", " ").split()
        if not words:
            continue
        if _SYMBOL.match(words[0]):
            symbols.append(words.pop(0))
            if not words:
                continue
        if len(words) not in (3, 9):
            raise fail(
                file,
                "this line is no row of a Born charge",
                "9 numbers for each atom, or 3 lines of 3",
                line=n,
                value=line.strip()[:80],
            )
        values = numbers(words, file, n)
        rows += [values[k : k + 3] for k in range(0, len(values), 3)]
    if len(rows) % 3 or not rows:
        raise fail(file, f"{len(rows)} rows do not make whole tensors", "give 3 rows for each atom")
    tensors = np.array(rows).reshape(-1, 3, 3)
    if symbols and len(symbols) != len(tensors):
        raise fail(file, f"{len(symbols)} elements for {len(tensors)} tensors", "name each atom or none")
    return tensors, symbols or None


def _from_mapping(file: Path, snapshot: Snapshot | None) -> BornCharges:
    text = read_packed_text(file, "Born charges as YAML or JSON")
    if bare_name(file).endswith(".json"):
        data: Any = parse_json(file, text)
    else:
        with library(file, "YAML", "write it again"):
            data = _load_yaml(text)
    data = {"tensors": data} if isinstance(data, list) else data
    if not isinstance(data, dict) or "tensors" not in data:
        raise fail(
            file, "this has no key 'tensors'", "give tensors, (n_atoms, 3, 3)", allowed=", ".join(_KEYS)
        )
    if unknown := sorted(set(map(str, data)) - set(_KEYS)):
        raise fail(file, f"unknown key {unknown[0]}", "remove it", allowed=", ".join(_KEYS))
    with library(file, "Born charges", "tensors, cell and positions are lists of numbers"):
        tensors = np.array(data["tensors"], dtype=float)
    order = data.get("index_order", _ORDERS[0])
    if order not in _ORDERS:
        raise fail(
            file, "this is no order of indices", key="index_order", value=order, allowed=" or ".join(_ORDERS)
        )
    if order == _ORDERS[1] and tensors.ndim == 3:
        tensors = np.swapaxes(tensors, 1, 2)
    return _freeze(file, tensors, data, snapshot, data.get("symbols"))


def _load_yaml(text: str) -> Any:
    from ruamel.yaml import YAML

    return YAML(typ="safe", pure=True).load(text)


def _freeze(
    file: Path,
    tensors: np.ndarray,
    data: dict[str, Any],
    snapshot: Snapshot | None,
    symbols: list[str] | None,
) -> BornCharges:
    if snapshot is not None:
        if symbols is not None and tuple(symbols) != snapshot.symbols:
            raise fail(
                file,
                "the elements are not those of the structure",
                "write both with the atoms in the same order",
            )
        symbols = list(snapshot.symbols)
    with library(file, "Born charges", "cell and positions are lists of numbers, in Å"):
        cell = data.get("cell") if snapshot is None else snapshot.cell
        positions = data.get("positions") if snapshot is None else snapshot.positions
        return freeze_born(
            tensors,
            file=file,
            what="array",
            symbols=symbols,
            cell=None if cell is None else np.array(cell, dtype=float).reshape(3, 3),
            positions=None if positions is None else np.array(positions, dtype=float).reshape(-1, 3),
            cell_charge=data.get("cell_charge"),
        )
