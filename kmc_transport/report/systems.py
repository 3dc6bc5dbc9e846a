"""Tables of runs with axes of composition: what a function makes of one composition, for all of them in one table."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from ..arrays import composition_axes
from ..store import average_samples
from .numbers import enough_digits
from .table import Column, Table

if TYPE_CHECKING:
    import xarray

__all__ = ["each_system", "in_each_system"]

R = TypeVar("R")


@dataclass(frozen=True)
class _Placed(Generic[R]):
    """A row of the table of one composition. system : which one."""

    system: int
    place: tuple[float, ...]
    row: R


def each_system(dataset: xarray.Dataset) -> Iterator[tuple[tuple[float, ...], xarray.Dataset]]:
    """Values on the axes of composition, and the dataset there, without these axes."""
    axes = composition_axes(dataset)
    for at in np.ndindex(*(dataset.sizes[n] for n in axes)):
        here = dict(zip(axes, at, strict=True))
        yield tuple(float(dataset[n].values[k]) for n, k in here.items()), dataset.isel(here, drop=True)


def in_each_system(
    dataset: xarray.Dataset, make: Callable[[xarray.Dataset], Sequence[Table[Any]]]
) -> list[Table[Any]]:
    """Tables of each composition joined: rows one below the other, behind columns for the axes; means over samples.

    make : the same tables at every composition, or less. Without such axes: what it makes.
    """
    dataset, axes = average_samples(dataset), composition_axes(dataset)
    if not axes:
        return list(make(dataset))
    systems = list(each_system(dataset))
    titles: dict[str, list[tuple[int, tuple[float, ...], Table[Any]]]] = {}
    for k, (place, one) in enumerate(systems):
        for table in make(one):
            titles.setdefault(table.title, []).append((k, place, table))
    columns = [_axis(dataset, name, k) for k, name in enumerate(axes)]
    return [_joined(title, columns, parts, axes) for title, parts in titles.items()]


def _axis(dataset: xarray.Dataset, name: str, k: int) -> Column[_Placed[Any]]:
    digits = enough_digits(dataset[name].values, 3)
    return Column(
        header=name, value=lambda r: r.place[k], key=name, text=f".{digits}g", names=True
    )  # fmt: skip


def _joined(
    title: str,
    axes: Sequence[Column[_Placed[Any]]],
    parts: Sequence[tuple[int, tuple[float, ...], Table[Any]]],
    names: Sequence[str],
) -> Table[Any]:
    ids = list(dict.fromkeys((c.header, c.key) for _, _, t in parts for c in t.columns))
    own = [{(c.header, c.key): c for c in t.columns} for _, _, t in parts]
    number = {system: n for n, (system, _, _) in enumerate(parts)}
    columns = [_placed(one, own, number) for one in ids]
    rows = [_Placed(k, place, row) for k, place, t in parts for row in t.rows]
    where = [", ".join(f"{n} = {v:g}" for n, v in zip(names, place, strict=True)) for _, place, _ in parts]
    notes = _merged([t.notes for _, _, t in parts], where)
    return Table(title, [*axes, *columns], rows, notes)


def _placed(
    one: tuple[str, str], own: Sequence[dict[tuple[str, str], Column[Any]]], number: dict[int, int]
) -> Column[_Placed[Any]]:
    """A column of the joined table, which asks that of each row's own table."""
    first = next(columns[one] for columns in own if one in columns)

    def column(r: _Placed[Any]) -> Column[Any]:
        return own[number[r.system]].get(one, first)

    def known(r: _Placed[Any]) -> bool:
        return one in own[number[r.system]]

    return replace(
        first,
        value=lambda r: column(r).value(r.row) if known(r) else None,
        text=lambda r: column(r).cell(r.row) if known(r) else "",
        stderr=None if first.stderr is None else lambda r: column(r).stderr(r.row) if known(r) else None,  # type: ignore[misc]
        reason=None if first.reason is None else lambda r: column(r).reason(r.row) if known(r) else "",  # type: ignore[misc]
        shown=any(columns[one].shown for columns in own if one in columns),
    )


def _merged(notes: Sequence[Sequence[str]], where: Sequence[str]) -> list[str]:
    """Notes that all compositions have in common once; of those that differ in numbers alone, the first."""
    alike: dict[str, list[tuple[str, str]]] = {}
    for here, own in zip(where, notes, strict=True):
        for note in own:
            alike.setdefault(re.sub(r"\d[\d.e+-]*", "#", note), []).append((here, note))
    merged = []
    for found in alike.values():
        (here, note), others = found[0], len(found) - 1
        if len({text for _, text in found}) == 1 and len(found) == len(notes):
            merged.append(note)
            continue
        where = "one more composition" if others == 1 else f"{others} more compositions"
        more = f" The same, with other numbers, at {where}." if others else ""
        merged.append(f"At {here}: {note}{more}")
    return merged
