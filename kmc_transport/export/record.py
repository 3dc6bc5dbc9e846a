"""What every format is made of: the quantities of a run on plain axes, with errors, state and provenance."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .._version import __version__
from ..arrays import ARRAYS, CONDITIONS
from ..arrays.axes import composition_axes
from ..errors import InputError, Problem, StoreError
from ..figures.quantities import quantity as stored_quantity
from ..ndarrays import BoolArray, FloatArray
from ..store import average_samples
from ..units import E_CHARGE

if TYPE_CHECKING:
    import xarray

__all__ = ["GridAxis", "GridQuantity", "TransportRecord", "read_record"]


@dataclass(frozen=True, eq=False, kw_only=True)
class GridAxis:
    """name : ``temperature``, ``field``, or that of an axis of composition. values : (n,) in ``unit``, as stored."""

    name: str
    unit: str
    values: FloatArray

    @property
    def range(self) -> tuple[float, float]:
        return float(self.values.min()), float(self.values.max())


@dataclass(frozen=True, eq=False, kw_only=True)
class GridQuantity:
    """One quantity along the direction of the record, on the grid, in the unit of the file (SI, energies in eV).

    carrier : empty where it belongs to no single species. value, stderr, exact : arrays with one dimension for each
    of ``axes`` (compositions, ``temperature``, ``field``); NaN where there is no number. complete, converged : of
    the points behind the numbers, same shape. caveat : what is wrong with these points, empty if nothing is; has to
    stand in every file that is made of them.
    """

    name: str
    carrier: str
    unit: str
    meaning: str
    definition: str
    axes: tuple[GridAxis, ...]
    value: FloatArray
    stderr: FloatArray
    exact: FloatArray
    complete: BoolArray
    converged: BoolArray
    caveat: str = ""

    def axis(self, name: str) -> GridAxis:
        """KeyError when the quantity has no such axis."""
        return _axis(self.axes, name)

    @property
    def axis_names(self) -> tuple[str, ...]:
        return tuple(a.name for a in self.axes)

    @property
    def composition(self) -> tuple[GridAxis, ...]:
        return tuple(a for a in self.axes if a.name not in CONDITIONS)

    def take(self, name: str, index: int) -> GridQuantity:
        """The same at one value of an axis, which goes away."""
        at = self.axis_names.index(name)
        parts = ("value", "stderr", "exact", "complete", "converged")
        cut: dict[str, Any] = {p: np.take(getattr(self, p), index, axis=at) for p in parts}
        return replace(self, axes=tuple(a for a in self.axes if a.name != name), **cut)

    @property
    def relative_error(self) -> float:
        """Largest standard error over value, of the numbers that there are; NaN without errors."""
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.abs(self.stderr / self.value)
        return float(np.nanmax(ratio)) if np.isfinite(ratio).any() else float("nan")


def _axis(axes: tuple[GridAxis, ...], name: str) -> GridAxis:
    return {a.name: a for a in axes}[name]


@dataclass(frozen=True, eq=False, kw_only=True)
class TransportRecord:
    """A run as exports see it.

    direction : label of the one direction whose components are taken; direction_vector : (3,). carriers : names;
    charges : in e. provenance : texts by name, for the head of a file. allow_partial : numbers of points that are
    missing or not as accurate as asked are handed out too, with a `GridQuantity.caveat`. dataset : what it was
    read from, one direction left, samples averaged.
    """

    title: str
    direction: str
    direction_vector: tuple[float, float, float]
    carriers: tuple[str, ...]
    charges: tuple[float, ...]
    axes: tuple[GridAxis, ...]
    provenance: Mapping[str, str]
    allow_partial: bool
    dataset: xarray.Dataset

    def axis(self, name: str) -> GridAxis:
        """KeyError when the run has no such axis."""
        return _axis(self.axes, name)

    @property
    def composition(self) -> tuple[GridAxis, ...]:
        """Axes of composition."""
        return tuple(a for a in self.axes if a.name not in CONDITIONS)

    def one_carrier(self, carrier: str = "") -> str:
        """The name given, or that of the only carrier. InputError when there is no such, or no choice was made."""
        if carrier in self.carriers:
            return carrier
        if not carrier and len(self.carriers) == 1:
            return self.carriers[0]
        raise InputError(
            "there is no such carrier" if carrier else "this format holds one carrier",
            key="--carrier",
            value=carrier or None,
            allowed=", ".join(self.carriers),
            remedy=f"say which one: --carrier {self.carriers[0]}",
        )

    def charge(self, carrier: str) -> float:
        """e."""
        return self.charges[self.carriers.index(carrier)]

    def has(self, name: str) -> bool:
        """Whether the run holds numbers of an array."""
        names = _MADE_OF.get(name, (name,))
        return name in self.dataset and any(bool(self.dataset[n].notnull().any()) for n in names)

    def up_to_field(self, strongest: float) -> TransportRecord:
        """Without stronger fields, V/m. InputError when none is left."""
        axis = self.axis("field")
        kept = np.flatnonzero(axis.values <= strongest * (1 + 1e-9))
        if not len(kept):
            raise InputError(
                "leaves no field",
                key="--option max_field",
                value=strongest,
                allowed=f"at least {axis.values.min():g} V/m",
            )
        axes = tuple(replace(a, values=a.values[kept]) if a is axis else a for a in self.axes)
        return replace(self, axes=axes, dataset=self.dataset.isel(field=kept))

    def quantity(self, name: str, carrier: str = "") -> GridQuantity:
        """An array of the result file by its name, of one carrier where it is one of carriers, at all fields.

        ``mobility`` has the Einstein mobility at zero field.

        Raises
        ------
        InputError
            When the run has no such numbers, or points are not simulated or not as accurate as asked, and that was
            not allowed.
        """
        full = self._quantity(name, carrier)
        return self._checked(full, ~full.complete)

    def at_zero_field(self, name: str, carrier: str = "") -> GridQuantity:
        """The same without field, where each point must have a number: the dimension ``field`` goes away.

        InputError as `quantity`, and when the run has no row without field.
        """
        full = self._quantity(name, carrier)
        zero = np.flatnonzero(full.axis("field").values == 0)
        if not len(zero):
            raise InputError(
                f"{name.replace('_', ' ')} is wanted without field, and this run has only fields",
                key="field",
                value=full.axis("field").values.tolist(),
                remedy="add 0 to conditions.field.magnitude and run the input again",
            )
        weak = full.take("field", int(zero[0]))
        return self._checked(weak, ~weak.complete | ~np.isfinite(weak.value))

    def _quantity(self, name: str, carrier: str) -> GridQuantity:
        if not self.has(name):
            raise InputError(
                f"this run holds no {name.replace('_', ' ')}",
                key="quantity",
                value=name,
                remedy=_HOW.get(name, "run an input whose run has it, or choose another format"),
            )
        found = stored_quantity(self.dataset, name)
        back = (1 / found.unit.factor, -found.unit.zero)
        order = [a.name for a in self.axes if a.name in found.value.dims]

        def plain(array: Any) -> npt.NDArray[Any]:
            if "carrier" in array.dims:
                array = array.isel(carrier=self.carriers.index(carrier))
            drop = {d: 0 for d in array.dims if d not in order}
            return array.isel(drop).transpose(*order).values

        value = (plain(found.value) + back[1]) * back[0]
        spec = ARRAYS.get(name)
        return GridQuantity(
            name=name,
            carrier=carrier if "carrier" in self.dataset[name].dims else "",
            unit=str(self.dataset[name].attrs.get("units", "1")),
            meaning=_MEANING.get(name) or (spec.meaning if spec else name),
            definition=spec.definition if spec else "",
            axes=tuple(a for a in self.axes if a.name in order),
            value=value,
            stderr=plain(found.stderr) * back[0],
            exact=(plain(found.exact) + back[1]) * back[0],
            complete=_state(self.dataset, "complete", order),
            converged=_state(self.dataset, "converged", order),
        )

    def _checked(self, quantity: GridQuantity, missing: BoolArray) -> GridQuantity:
        counts = (int(missing.sum()), int(np.sum(quantity.complete & ~quantity.converged)))
        parts = [
            f"{count} of {missing.size} points {what}"
            for count, what in zip(counts, ("have no number", "are not as accurate as asked"), strict=True)
            if count
        ]
        caveat = ", ".join(parts)
        if caveat and not self.allow_partial:
            raise InputError(
                f"the {quantity.name.replace('_', ' ')} of this run is not complete: {caveat}",
                key="RUN",
                remedy="run the input again to go on (`kmc-transport results RUN --unfinished` shows them), or take "
                "what there is with --allow-partial",
            )
        return replace(quantity, caveat=caveat)


_MADE_OF = {"mobility": ("mobility", "mobility_einstein"), "drift_velocity": ("mobility",)}
_MEANING = {
    "mobility": "Drift velocity along the field over the field, signed as the carrier; at zero field from the "
    "fluctuations (Einstein relation).",
    "drift_velocity": "Mean velocity of one carrier along the field; none without field.",
}
"""Of arrays that are put together of others."""
_HOW = {
    "chemical_diffusivity": "ask for the thermodynamic factor, without which it is unknown: "
    "sampling.thermodynamics: 3 %, at zero field, over a composition "
    "(docs/theory/chemical-diffusion.md); the tracer diffusivity is no substitute"
}
"""The way to get an array that a run need not have."""


def _state(dataset: xarray.Dataset, name: str, order: list[str]) -> BoolArray:
    array = dataset[name].astype(bool)
    gone = [d for d in array.dims if d not in order]
    return np.asarray(array.all(gone).transpose(*order).values, bool)


def read_record(
    dataset: xarray.Dataset,
    *,
    direction: str = "",
    allow_partial: bool = False,
    provenance: Mapping[str, str] | None = None,
) -> TransportRecord:
    """Read a result (`open_results`, `load_table`, `build_dataset`) for export.

    direction : label of the direction whose components are taken; may be left out where there is one. provenance :
    attributes of the result file where ``dataset`` was not read from one. An axis of composition with one value is
    no axis of the record. Samples are averaged (`average_samples`).

    Raises InputError for an unknown direction, StoreError when nothing was simulated.
    """
    labels = [str(v) for v in dataset["direction"].values]
    if direction not in labels and (direction or len(labels) > 1):
        raise InputError(
            "there is no such direction" if direction else "an export holds one direction of the field",
            key="--direction",
            value=direction or None,
            allowed=", ".join(labels),
            remedy=f'say which one: --direction "{labels[0]}"',
        )
    if not bool(dataset["complete"].any()):
        raise StoreError(Problem("no point of this run is finished", key="RUN", remedy="run the input first"))
    one = average_samples(dataset.isel(direction=[labels.index(direction) if direction else 0]))
    alone = {n: float(one[n].values[0]) for n in composition_axes(one) if one.sizes[n] == 1}
    one = one.isel(dict.fromkeys(alone, 0))
    names = [str(d) for d in one["complete"].dims if d != "direction"]
    vector = [float(x) for x in one["direction_vector"].values[0]]
    return TransportRecord(
        title=str(dataset.attrs.get("title", "")),
        direction=str(one["direction"].values[0]),
        direction_vector=(vector[0], vector[1], vector[2]),
        carriers=tuple(str(c) for c in one["carrier"].values),
        charges=tuple(round(float(q) / E_CHARGE, 9) for q in one["carrier_charge"].values),
        axes=tuple(
            GridAxis(
                name=n,
                unit=str(one[n].attrs.get("units", "1")),
                values=np.asarray(one[n].values, np.float64),
            )
            for n in names
        ),
        provenance={
            **_provenance(one.attrs | dict(provenance or {})),
            "kinetics": _kinetics(dataset),
            **{f"at {n}": f"{v:.10g}" for n, v in alone.items()},
            **(_simulated(one, names) if composition_axes(dataset) else {}),
        },
        allow_partial=allow_partial,
        dataset=one,
    )


def _provenance(attrs: Mapping[str, Any]) -> dict[str, str]:
    """What of the attributes of a result file stands at the head of an export."""
    text = str(attrs.get("input", ""))
    versions = json.loads(str(attrs.get("package_versions", "{}")))
    found = {
        "made by": f"kmc_transport {__version__}",
        "simulated by": f"kmc_transport {versions['kmc_transport']}" if "kmc_transport" in versions else "",
        "input": str(attrs.get("input_path", "")),
        "sha256 of the input": str(attrs.get("input_sha256") or (text and _sha256(text))),
        "model": str(attrs.get("model_identity", "")),
        "seed": str(attrs.get("seed", "")),
        "command": str(attrs.get("command", "")),
        "simulated at": str(attrs.get("time", "")),
        "samples": f"each number is the mean over {attrs['samples']} samples of what is quenched, its error holds "
        "their spread; errors at different conditions are not independent"
        if "samples" in attrs
        else "",
    }
    return {k: v for k, v in found.items() if v}


def _kinetics(dataset: xarray.Dataset) -> str:
    """Whether hops were made as the rates say."""
    if "scaling_factor" in dataset and bool((dataset["scaling_factor"] < 1).any()):
        return (
            "quick carriers were slowed (reversible scaling) and the numbers extrapolated to the system as it is; "
            "errors contain that"
        )
    if "algorithm" in dataset and bool((dataset["algorithm"] == "absorbing").any()):
        return "whole stays in basins were drawn at once (absorbing chains, exact in law)"
    return "every hop was simulated at its own rate (nothing accelerated)"


def _simulated(dataset: xarray.Dataset, names: list[str]) -> dict[str, str]:
    """The whole carriers at each composition: a cell holds the nearest to what was asked for."""
    axes = [n for n in names if n not in CONDITIONS]
    count, fraction = (
        dataset[n].transpose(*axes, "species").values for n in ("species_count", "species_fraction")
    )
    species, found = dataset["species"].values.tolist(), {}
    for at in np.ndindex(*count.shape[:-1]):
        place = ", ".join(f"{n} = {dataset[n].values[i]:.10g}" for n, i in zip(axes, at, strict=True))
        found[f"simulated composition{' at ' * bool(place)}{place}"] = ", ".join(
            f"{c} {s} on {f:.6g} of its sites"
            for s, c, f in zip(species, count[at], fraction[at], strict=True)
        )
    return found


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
