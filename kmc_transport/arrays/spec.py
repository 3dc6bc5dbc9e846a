"""What a stored array is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

__all__ = ["CONDITIONS", "ArraySpec", "array", "coordinate", "estimate", "registry_of"]

CONDITIONS = ("temperature", "field", "direction")


@dataclass(frozen=True, kw_only=True)
class ArraySpec:
    """What one stored array is.

    dtype : ``float``, ``int``, ``bool`` or ``str``. unit : in the spelling of UDUNITS, as CF wants it.
    origin : ``coordinate``; ``point`` (from the simulation of one condition) or ``grid`` (from all of them).
    per_direction : at zero field, one run serves every direction. Most arrays are then the same for all of
        them; an array with this mark is a projection and has its own value for each direction.
    of_barriers : the same at every composition and in every sample, whose axes it does not have.
    observable : module of `kmc_transport.analysis.observables` that makes it, where the input asks for that.
    optional : there only where a point holds it.
    analysis : entry of the input's `analysis` that asks for it, and module of `kmc_transport.analysis.coupling`.
    """

    name: str
    dtype: str
    dims: tuple[str, ...]
    unit: str
    long_name: str
    meaning: str
    definition: str = ""
    has_stderr: bool = False
    has_exact: bool = False
    origin: str = "point"
    per_direction: bool = False
    observable: str = ""
    optional: bool = False
    analysis: str = ""
    of_barriers: bool = False

    @property
    def on_request(self) -> str:
        """What an input must ask for to have it; empty for what every result has."""
        return self.observable or self.analysis

    @property
    def point_dims(self) -> tuple[str, ...]:
        """Dimensions of the array in the record of one point."""
        inner = tuple(d for d in self.dims if d not in CONDITIONS)
        return ("direction", *inner) if self.per_direction else inner

    @property
    def names(self) -> Iterator[str]:
        """Own name, then those of the standard error and the exact value where there are such."""
        yield self.name
        if self.has_stderr:
            yield f"{self.name}_stderr"
        if self.has_exact:
            yield f"{self.name}_exact"


def registry_of(*specs: ArraySpec) -> dict[str, ArraySpec]:
    registry = {s.name: s for s in specs}
    if len(registry) != len(specs):
        raise ValueError("two arrays of one name")
    return registry


def coordinate(name: str, dtype: str, unit: str, long_name: str, meaning: str, *dims: str) -> ArraySpec:
    return ArraySpec(
        name=name,
        dtype=dtype,
        dims=dims or (name,),
        unit=unit,
        long_name=long_name,
        meaning=meaning,
        origin="coordinate",
    )


def array(
    name: str, dtype: str, dims: tuple[str, ...], unit: str, long_name: str, meaning: str, **more: Any
) -> ArraySpec:
    return ArraySpec(
        name=name, dtype=dtype, dims=dims, unit=unit, long_name=long_name, meaning=meaning, **more
    )


def estimate(
    name: str,
    dims: tuple[str, ...],
    unit: str,
    meaning: str,
    definition: str,
    *,
    per_direction: bool = False,
    long_name: str = "",
    optional: bool = False,
) -> ArraySpec:
    long_name = long_name or name.replace("_", " ").replace("einstein", "Einstein").replace("haven", "Haven")
    more = {"has_stderr": True, "has_exact": True, "per_direction": per_direction, "optional": optional}
    return array(name, "float", dims, unit, long_name, meaning, definition=definition, **more)
