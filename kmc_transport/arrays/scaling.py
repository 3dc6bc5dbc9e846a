"""Arrays of runs whose fast species are slowed (`sampling.acceleration`)."""

from __future__ import annotations

from .spec import CONDITIONS, array

__all__ = ["SCALING"]

SCALING = (
    array(
        "time_scale_separation",
        "float",
        CONDITIONS,
        "1",
        "separation of the time scales",
        "Hops of a carrier of the slowest fast species for each hop of one of the quickest slow species, as measured, "
        "if nothing were slowed. NaN where no acceleration was asked for.",
        optional=True,
    ),
    array(
        "scaling_factor",
        "float",
        CONDITIONS,
        "1",
        "factor on the rates of the fast species",
        "In the first of three runs; it is twice and four times as large in the others. 1 where nothing was slowed.",
        optional=True,
    ),
    array(
        "scaling_verdict",
        "int",
        (*CONDITIONS, "observable", "carrier"),
        "1",
        "what an extrapolated number is worth",
        "0: nothing was slowed, or it is defined at other fields; 1: valid, the extrapolation changes less than the "
        "statistical error; 2: valid with an error for the extrapolation; 3: refused, `missing` says why.",
        optional=True,
    ),
    array(
        "scaling_note",
        "str",
        CONDITIONS,
        "1",
        "what was slowed",
        "The measured separation and what follows from it, in words; empty where no acceleration was asked for.",
        optional=True,
    ),
)
"""Part of `kmc_transport.arrays.ARRAYS`."""
