"""``python``: a module that needs numpy alone; functions with derivatives, errors beyond the validity range.

For DEVSIM, FiPy, FEniCS, scikit-fem and whatever else evaluates Python functions in its Newton steps.
"""

from __future__ import annotations

from pathlib import Path

from ..errors import InputError
from . import logtable
from .files import head_lines, write_files
from .logtable import LogTable
from .mobility import mobility_surface
from .record import TransportRecord
from .surface import diffusivity_surface

__all__ = ["export_python"]


def export_python(
    record: TransportRecord, path: Path, *, carrier: str = "", overwrite: bool = False
) -> list[Path]:
    """Write ``mobility(T, E)`` and ``drift_velocity(T, E)`` of a charged carrier, and ``diffusivity(x, T)``.

    The diffusivity is the chemical one; it is there where the run knows it. Each function has a second one,
    ``..._derivatives``, with the derivatives by its two arguments. Arguments broadcast; ValueError outside the ranges.

    Raises InputError where the run has neither, as `TransportRecord.quantity` and as `fit_surface`.
    """
    parts, surfaces = [_source()], []
    more: dict[str, str] = {}
    if record.has("mobility") and not (record.composition and record.has("chemical_diffusivity")):
        name = record.one_carrier(carrier)
        if record.charge(name):
            mobility = mobility_surface(record, name)
            surfaces.append(mobility)
            parts.append(
                _table("_MOBILITY", mobility.table) + _MOBILITY.format(sign=mobility.sign, carrier=name)
            )
            more |= mobility.describe()
    if record.has("chemical_diffusivity"):
        diffusivity = diffusivity_surface(record)
        surfaces.append(diffusivity)
        axis = diffusivity.x
        template = _DIFFUSIVITY_ALONE if axis is None else _DIFFUSIVITY.format(x=axis.name)
        parts.append(_table("_DIFFUSIVITY", diffusivity.table) + template)
        more |= diffusivity.describe()
    else:
        more["diffusivity"] = "not in this file: the thermodynamic factor of this run is unknown"
    if not surfaces:
        raise InputError(
            "this run has neither mobilities nor a chemical diffusivity",
            key="RUN",
            remedy="export it as csv or json",
        )
    head = head_lines(record, [s.quantity for s in surfaces], beyond="ValueError", more=more)
    text = _MODULE.format(head="\n".join(head).replace("\\", "/").replace('"""', "'''"))
    return write_files({path: text + "\n\n".join(parts)}, overwrite=overwrite)


def _source() -> str:
    """The class `LogTable`, as it stands in this package."""
    text = Path(logtable.__file__).read_text(encoding="utf-8")
    return text[text.index("class LogTable") :]


def _table(name: str, table: LogTable) -> str:
    arrays = (table.x, table.temperature, table.log_value, table.slope)
    return f"{name} = LogTable(\n" + "".join(f"    {a.tolist()!r},\n" for a in arrays) + ")\n"


_MODULE = '''"""Transport coefficients, written by kmc_transport. SI units; needs numpy.

{head}
"""

import numpy as np


'''
_MOBILITY = '''

def mobility(T, E):
    """Field mobility v/E of {carrier}, m2 V-1 s-1, signed; T in K, E in V/m (its sign does not matter)."""
    return {sign} * _MOBILITY(np.abs(E), T)[0] / np.asarray(T)


def mobility_derivatives(T, E):
    """d mobility/dT, d mobility/dE."""
    T = np.asarray(T)
    value, by_field, by_temperature = _MOBILITY(np.abs(E), T)
    return {sign} * (by_temperature - value / T) / T, {sign} * np.sign(E) * by_field / T


def drift_velocity(T, E):
    """Drift velocity of {carrier} along the field, m s-1, signed; T in K, E in V/m."""
    return mobility(T, E) * np.asarray(E)


def drift_velocity_derivatives(T, E):
    """d drift_velocity/dT, d drift_velocity/dE (the differential mobility)."""
    by_temperature, by_field = mobility_derivatives(T, E)
    return by_temperature * np.asarray(E), mobility(T, E) + by_field * np.asarray(E)
'''
_DIFFUSIVITY = '''

def diffusivity(x, T):
    """Chemical diffusivity, m2 s-1; x is the composition {x} of the run, T in K."""
    return _DIFFUSIVITY(x, T)[0]


def diffusivity_derivatives(x, T):
    """d diffusivity/dx, d diffusivity/dT."""
    return _DIFFUSIVITY(x, T)[1:]
'''
_DIFFUSIVITY_ALONE = '''

def diffusivity(T):
    """Chemical diffusivity, m2 s-1; T in K. The run has one composition."""
    return _DIFFUSIVITY(0.0, T)[0]


def diffusivity_derivatives(T):
    """d diffusivity/dT, as a tuple of one."""
    return (_DIFFUSIVITY(0.0, T)[2],)
'''
