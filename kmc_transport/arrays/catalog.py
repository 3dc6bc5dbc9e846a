"""Arrays of the group ``catalog`` of a result file."""

from __future__ import annotations

from .spec import ArraySpec, coordinate, registry_of

__all__ = ["CATALOG_ARRAYS"]


def _column(name: str, dtype: str, unit: str, long_name: str, meaning: str, *dims: str) -> ArraySpec:
    return ArraySpec(
        name=name,
        dtype=dtype,
        dims=dims or ("hop",),
        unit=unit,
        long_name=long_name,
        meaning=meaning,
        origin="grid",
    )


_T_HOP = ("temperature", "hop")
CATALOG_ARRAYS: dict[str, ArraySpec] = registry_of(
    coordinate("temperature", "float", "K", "temperature", "Temperatures of the catalog."),
    coordinate("axis", "str", "1", "Cartesian axis", "x, y, z."),
    _column("class_name", "str", "1", "hop class", "Name of the hop's class."),
    _column("carrier_name", "str", "1", "carrier", "Species that hops."),
    _column("origin", "str", "1", "label of the first site", "Label of the site that is left."),
    _column("target", "str", "1", "label of the last site", "Label of the site that is reached."),
    _column("origin_site", "int", "1", "index of the first site", "Site of the cell that is left, from 0."),
    _column("target_site", "int", "1", "index of the last site", "Site of the cell that is reached, from 0."),
    _column("orientation", "int", "1", "orientation", "+1 forward hop of the class, -1 its reverse."),
    _column("reverse", "int", "1", "index of the reverse hop", "Row of the reverse hop, from 0."),
    _column("channels", "int", "1", "channels", "Equivalent saddles that join the two sites."),
    _column("vector", "float", "m", "hop vector", "Displacement of the charge centre.", "hop", "axis"),
    _column(
        "saddle_dipole",
        "float",
        "C m",
        "saddle dipole",
        "Dipole change p_S - p_i up to the saddle.",
        "hop",
        "axis",
    ),
    _column("response", "str", "1", "field response", "Where the saddle dipole comes from."),
    _column("rule", "str", "1", "barrier rule", "Name of the rule that gives the barrier."),
    _column("operation", "str", "1", "symmetry operation", "What made the hop from the first of its class."),
    _column("barrier", "float", "eV", "barrier", "Barrier without field.", *_T_HOP),
    _column(
        "barrier_given",
        "float",
        "eV",
        "barrier of the input",
        "As the input has it, where `reconcile` changed it; NaN where it is used as given. Left out where none did.",
    ),
    _column(
        "effective_barrier", "float", "eV", "barrier in the field", "Barrier with field and clamp.", *_T_HOP
    ),
    _column(
        "attempt_frequency", "float", "s-1", "attempt frequency", "Attempt frequency of one channel.", *_T_HOP
    ),
    _column("log_rate", "float", "1", "ln of the rate in 1/s", "ln(k s), channels included.", *_T_HOP),
    _column("source", "str", "1", "source", "Place in the input that the numbers come from."),
    _column("read_from", "str", "1", "read from", "Outputs of other codes that they were read from."),
)
"""Arrays of the group ``catalog``, by name; one row per directed hop of the cell.

No column has the name of a coordinate of the root, which a group inherits.
"""
