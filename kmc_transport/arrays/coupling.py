"""Arrays of how species move together: `analysis` in the input, and the rates of hops and flips."""

from __future__ import annotations

from .spec import CONDITIONS, ArraySpec, coordinate

__all__ = ["COUPLING"]


def _array(
    analysis: str,
    name: str,
    dims: tuple[str, ...],
    unit: str,
    long_name: str,
    meaning: str,
    definition: str,
    *,
    exact: bool = True,
) -> ArraySpec:
    return ArraySpec(
        name=name,
        dtype="float",
        dims=(*CONDITIONS, *dims),
        unit=unit,
        long_name=long_name,
        meaning=f"{meaning} Where the input asks for it: `analysis.{analysis}`.",
        definition=definition,
        has_stderr=True,
        has_exact=exact,
        analysis=analysis,
    )


def _rate(name: str, long_name: str, meaning: str, definition: str) -> ArraySpec:
    return ArraySpec(
        name=name,
        dtype="float",
        dims=(*CONDITIONS, "carrier", "site_kind"),
        unit="s-1",
        long_name=long_name,
        meaning=f"{meaning} Where the input asks for it: `sampling.observe`.",
        definition=definition,
        has_stderr=True,
        has_exact=True,
        observable="hop_rates",
    )


def _fitted(rate: str, name: str, unit: str) -> ArraySpec:
    words = name.replace("_", " ")
    return ArraySpec(
        name=f"{rate}_{name}",
        dtype="float",
        dims=("direction", "carrier", "site_kind"),
        unit=unit,
        long_name=f"{words} of the {rate.replace('_', ' ')}",
        meaning="Arrhenius fit over the temperatures without field; 1.96 standard errors make the 95 % interval.",
        definition=f"{rate} = A exp(-E_a/kT)",
        has_stderr=True,
        origin="grid",
        observable="hop_rates",
    )


_PAIRS = ("carrier", "carrier_2", "lag_window", "distance_window")

COUPLING: tuple[ArraySpec, ...] = (
    _rate(
        "hop_rate",
        "hops per carrier and time",
        "Hops off sites of a kind, per carrier of the species.",
        "hops_a(kind)/(N_a t)",
    ),
    _rate(
        "flip_rate",
        "flips per site and time",
        "How often a site of a kind gains or loses a carrier: a hop is two flips.",
        "(hops off + hops onto)/(sites(kind) t)",
    ),
    *(
        _fitted(rate, name, unit)
        for rate in ("hop_rate", "flip_rate")
        for name, unit in (("activation_energy", "eV"), ("prefactor", "s-1"))
    ),
    coordinate(
        "lag_window",
        "float",
        "s",
        "end of the window of time lag",
        "Windows follow each other from 0; the first entry, 0, is the pair that one hop makes.",
    ),
    coordinate("distance_window", "str", "1", "window of distance", "Between the sites of the two flips."),
    _array(
        "flip_pairs",
        "flip_pairs_opposite",
        _PAIRS,
        "s-1",
        "opposite pairs of flips",
        "One site gained a carrier and the other lost one; per site of the later flip's species; never one site with "
        "itself; the pair of one hop counts once, at lag 0.",
        "pairs/(sites_b t)",
        exact=False,
    ),
    _array(
        "flip_pairs",
        "flip_pairs_same",
        _PAIRS,
        "s-1",
        "same pairs of flips",
        "Both sites gained a carrier, or both lost one; otherwise as `flip_pairs_opposite`.",
        "pairs/(sites_b t)",
        exact=False,
    ),
    _array(
        "flip_pairs",
        "flip_pair_ratio",
        _PAIRS,
        "1",
        "opposite over same pairs, in the window",
        "Without the pair that one hop makes.",
        "opposite/same",
        exact=False,
    ),
    _array(
        "flip_pairs",
        "flip_pair_ratio_from_zero",
        _PAIRS,
        "1",
        "opposite over same pairs, from lag 0 to the end of the window",
        "With the pair that one hop makes.",
        "sum of opposite/sum of same",
        exact=False,
    ),
    _array(
        "flip_pairs",
        "flip_correlation",
        _PAIRS,
        "1",
        "pairs of flips over those of independent flips",
        "1 where the flips of the two species know nothing of each other; the co-hop correlation of two species.",
        "(opposite + same)/(f_a <sites_a in the window> f_b dt)",
        exact=False,
    ),
)
"""In the order of the file."""
