"""The chemical diffusivity of an electrode's particles as battery models want it: over their stoichiometry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from ..input.expressions import parse_expression
from ..ndarrays import FloatArray
from .record import TransportRecord
from .surface import FittedSurface, diffusivity_surface

__all__ = ["ELECTRODES", "Electrode", "electrode"]

ELECTRODES = ("positive", "negative")


@dataclass(frozen=True, eq=False, kw_only=True)
class Electrode:
    """Dense table of ln D for readers who interpolate linearly.

    name : positive or negative. expression : the stoichiometry in terms of the axis of composition. sto : (n,)
    rising, None without composition. temperature : (m,) K. log_value : (n, m), D in m²/s. table_error : relative, of
    the reader's interpolation.
    """

    name: str
    expression: str
    surface: FittedSurface
    sto: FloatArray | None
    temperature: FloatArray
    log_value: FloatArray
    table_error: float

    def sto_of(self, x: FloatArray) -> FloatArray:
        """Stoichiometry of compositions."""
        assert self.surface.x is not None
        return stoichiometry_of(self.expression, self.surface.x.name, x)

    def range_text(self) -> str:
        """The expression and its range."""
        assert self.sto is not None
        return f"{self.expression}, from {self.sto[0]:.6g} to {self.sto[-1]:.6g}"

    def describe(self) -> Mapping[str, str]:
        """For the head of a file."""
        more = self.surface.describe()
        if self.sto is not None:
            more["stoichiometry"] = self.range_text()
        nodes = " x ".join(str(n) for n in self.log_value.shape)
        return more | {"table": f"{nodes} nodes; interpolating adds at most {self.table_error:.2%}"}


def electrode(record: TransportRecord, name: str, stoichiometry: str = "") -> Electrode:
    """The table of a record. InputError as `export_pybamm` tells."""
    if name not in ELECTRODES:
        raise InputError(
            "there is no such electrode", key="--option electrode", value=name, allowed=", ".join(ELECTRODES)
        )
    surface = diffusivity_surface(record)
    x, temperature, log_value, error = surface.dense()
    if surface.x is None:
        return Electrode(
            name=name,
            expression="",
            surface=surface,
            sto=None,
            temperature=temperature,
            log_value=log_value,
            table_error=error,
        )
    expression = stoichiometry or surface.x.name
    sto = stoichiometry_of(expression, surface.x.name, x)
    if sto[0] > sto[-1]:
        sto, log_value = sto[::-1], log_value[::-1]
    return Electrode(
        name=name,
        expression=expression,
        surface=surface,
        sto=sto,
        temperature=temperature,
        log_value=log_value,
        table_error=error,
    )


def stoichiometry_of(expression: str, axis: str, x: FloatArray) -> FloatArray:
    """An expression of the axis, at its values. InputError unless it is linear, not constant, and within 0 to 1."""
    key = "--option stoichiometry"
    try:
        parsed = parse_expression(expression)
        sto = np.array([parsed.value({axis: float(v)}) for v in x])
    except (ValueError, KeyError, ArithmeticError) as e:
        raise InputError(
            f"is no expression of the axis {axis}: {e}",
            key=key,
            value=expression,
            allowed=f"numbers, {axis}, + - * / and parentheses, such as 1-{axis}",
        ) from None
    line = sto[0] + (sto[-1] - sto[0]) * (x - x[0]) / (x[-1] - x[0])
    if sto[0] == sto[-1] or np.abs(sto - line).max() > 1e-9:
        raise InputError(f"must be linear in {axis}", key=key, value=expression, allowed=f"such as 1-{axis}")
    if sto.min() < 0 or sto.max() > 1:
        raise InputError(
            f"goes from {sto.min():g} to {sto.max():g}",
            key=key,
            value=expression,
            allowed="0 to 1, the share of the sites for lithium that is filled",
            remedy=f"give the stoichiometry as an expression of {axis}",
        )
    return sto
