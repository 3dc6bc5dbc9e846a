"""Mobility of one carrier over temperature and field, as device models want it: a law, or what a table is made of."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..analysis.fieldlaw import LAWS, FieldLawFit, fit_field_law, independent_rows, widest_field_law
from ..errors import InputError
from ..ndarrays import BoolArray, FloatArray
from .record import GridQuantity, TransportRecord

__all__ = ["D_MA", "LAW", "LAW_OR_TABLE", "MAX_FIELD", "DriftData", "drift_data"]

LAW = f"law of the mobility in field and temperature: {', '.join(LAWS)}"
LAW_OR_TABLE = f"{LAW}, or table"
MAX_FIELD = "V/m; stronger fields are left out (default: none)"
D_MA = (
    "way of the migrating atom to the saddle, along the field, Å; the file then says Q_eqv too (default: not)"
)
"""What options of several formats mean."""


@dataclass(frozen=True, eq=False, kw_only=True)
class DriftData:
    """Mobility over temperature and field.

    charge : e. temperature : (n_temperatures,) K, rising. field : (n_fields,) V/m, rising, from 0 or the weakest.
    mobility, stderr : (n_temperatures, n_fields) m²/(V s), signed; NaN where there is none. independent : of the
    same shape, False where linear response has filled a row from the run without field, or helped to. classical : the
    field response is the diagnostic one. clamped : V/m, weakest field that made barriers negative, or None.
    quantity : what it was read from.
    """

    carrier: str
    charge: float
    temperature: FloatArray
    field: FloatArray
    mobility: FloatArray
    stderr: FloatArray
    independent: BoolArray
    classical: bool
    clamped: float | None
    quantity: GridQuantity

    @property
    def worst_stderr(self) -> float:
        """Largest relative standard error of a mobility."""
        return float(np.nanmax(self.stderr / np.abs(self.mobility)))

    def fit(self, law: str) -> FieldLawFit:
        """The law over all fields; InputError where chi squared refuses it, with the fields at which it holds."""
        if law not in LAWS:
            raise InputError("there is no such law", key="law", value=law, allowed=", ".join(LAWS))
        grid = np.broadcast_arrays(self.temperature[:, None], self.field[None, :], self.mobility, self.stderr)
        columns = [a[self.independent] for a in grid]
        fit = fit_field_law(*columns, law=law)
        if fit.accepted:
            return fit
        try:
            fit.require()
        except InputError as e:
            (problem,) = e.problems
        weaker = widest_field_law(*columns, law=law)
        holds = f"--option max_field={weaker.field_range[1]:g} (it holds up to there), " if weaker else ""
        raise InputError(
            problem.message,
            key="law",
            value=law,
            allowed=problem.allowed,
            remedy=f"{holds}another law or law=table, in a format that has them (ngspice, devsim)",
        )


def drift_data(record: TransportRecord, *, carrier: str = "", max_field: float = 0.0) -> DriftData:
    """Mobilities of one carrier along the direction of the record.

    max_field : V/m, stronger ones are left out; 0: none.

    Raises InputError as `TransportRecord.quantity` and `one_carrier`, where the run sweeps a composition, and where
    no field is left.
    """
    name = record.one_carrier(carrier)
    if record.composition:
        raise InputError(
            "a device model holds one composition, and this run sweeps some",
            key="RUN",
            value=", ".join(a.name for a in record.composition),
            remedy="take one: " + " ".join(f"--where {a.name}={a.values[0]:g}" for a in record.composition),
        )
    if max_field:
        record = record.up_to_field(max_field)
    quantity = record.quantity("mobility", name)
    temperature, field = quantity.axis("temperature").values, quantity.axis("field").values
    rows, columns = np.argsort(temperature), np.argsort(field)
    temperature, field = temperature[rows], field[columns]
    chosen = np.ix_(rows, columns)
    quantity = replace(
        quantity,
        axes=(
            replace(quantity.axis("temperature"), values=temperature),
            replace(quantity.axis("field"), values=field),
        ),
        **{p: getattr(quantity, p)[chosen] for p in ("value", "stderr", "exact", "complete", "converged")},
    )

    def stored(array: str) -> np.ndarray:
        return record.dataset[array].isel(direction=0).transpose("temperature", "field", ...).values[chosen]

    mobility, stderr = quantity.value, quantity.stderr
    method = stored("mobility_method").astype(str)
    known = np.isfinite(mobility) & (stderr > 0)
    independent = independent_rows(field, known, method == "drift velocity", method == "linear response")
    clamped = field[(stored("clamped_share") > 0).any(axis=0)]
    return DriftData(
        carrier=name,
        charge=record.charge(name),
        temperature=temperature,
        field=field,
        mobility=mobility,
        stderr=stderr,
        independent=independent,
        classical=bool(np.any(record.dataset["hop_class_response"].values == "classical")),
        clamped=float(clamped.min()) if len(clamped) else None,
        quantity=quantity,
    )
