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
        has_exact=True,
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
    ),
    _array(
        "flip_pairs",
        "flip_pairs_same",
        _PAIRS,
        "s-1",
        "same pairs of flips",
        "Both sites gained a carrier, or both lost one; otherwise as `flip_pairs_opposite`.",
        "pairs/(sites_b t)",
    ),
    _array(
        "flip_pairs",
        "flip_pair_ratio",
        _PAIRS,
        "1",
        "opposite over same pairs, in the window",
        "Without the pair that one hop makes.",
        "opposite/same",
    ),
    _array(
        "flip_pairs",
        "flip_pair_ratio_from_zero",
        _PAIRS,
        "1",
        "opposite over same pairs, from lag 0 to the end of the window",
        "With the pair that one hop makes.",
        "sum of opposite/sum of same",
    ),
    _array(
        "flip_pairs",
        "flip_correlation",
        _PAIRS,
        "1",
        "pairs of flips over those of independent flips",
        "1 where the flips of the two species know nothing of each other; the co-hop correlation of two species.",
        "(opposite + same)/(f_a <sites_a in the window> f_b dt)",
    ),
    coordinate("bound_pair", "str", "1", "pair of species", "Two species that may be bound."),
    coordinate(
        "pair_distance", "float", "m", "distance of two sites", "Distances between sites of the two species."
    ),
    _array(
        "binding",
        "pair_correlation",
        ("bound_pair", "pair_distance"),
        "1",
        "pair correlation g(r)",
        "Pairs at a distance over those of carriers put on their sites at random; NaN where no sites are so far apart.",
        "<pairs>/(site pairs rho_a rho_b)",
    ),
    _array(
        "binding",
        "bound_fraction",
        ("bound_pair", "carrier"),
        "1",
        "bound fraction",
        "Share of its time that a carrier has at least one partner in contact.",
        "<N_a with a partner>/N_a",
    ),
    _array(
        "binding",
        "binding_free_energy",
        ("bound_pair", "carrier"),
        "eV",
        "binding free energy",
        "Against carriers put on their sites at random; negative for attraction.",
        "-kT ln[p (1 - p0)/((1 - p) p0)], p0 = bound fraction at random",
    ),
    _array(
        "binding",
        "pair_lifetime",
        ("bound_pair",),
        "s",
        "lifetime of a pair",
        "Mean time that two given carriers are in contact without a break.",
        "<pairs in contact> t/(pairs that broke)",
    ),
    _array(
        "binding",
        "bound_time",
        ("bound_pair", "carrier"),
        "s",
        "time that a carrier stays bound",
        "Mean time with at least one partner in contact, whichever.",
        "<N_a with a partner> t/(times that the last one left)",
    ),
    coordinate(
        "environment",
        "str",
        "1",
        "local environment",
        "Species whose sites flip, the species around, and how many of them in each shell.",
    ),
    _array(
        "environments",
        "environment_share",
        ("environment",),
        "1",
        "share of the sites with this environment",
        "Mean share of the sites that the flipping species may be on.",
        "<sites(environment)>/sites",
    ),
    _array(
        "environments",
        "environment_flip_rate",
        ("environment",),
        "s-1",
        "flips per site with this environment and time",
        "The environment of each of the two sites is that before the hop.",
        "flips(environment)/(<sites(environment)> t)",
    ),
    coordinate("layer", "float", "m", "layer", "Middle of a layer along the axis of the profile."),
    _array(
        "profile",
        "layer_occupation",
        ("carrier", "layer"),
        "1",
        "occupation of a layer",
        "Mean number of carriers over the number of sites in the layer; NaN where it has none.",
        "<N_a(layer)>/sites(layer)",
    ),
    _array(
        "profile",
        "layer_flip_rate",
        ("carrier", "layer"),
        "s-1",
        "flips per site of a layer and time",
        "Flips of the sites that the species may be on.",
        "flips(layer)/(sites(layer) t)",
    ),
    coordinate(
        "interface",
        "str",
        "1",
        "interface",
        "The two borders between two phases in a periodic cell, by position.",
    ),
    _array(
        "profile",
        "interface_position",
        ("carrier", "interface"),
        "m",
        "position of an interface",
        "Where the occupation is halfway between its two plateaus; NaN where the profile has not two such places.",
        "f = (f_low + f_high)/2",
    ),
    _array(
        "profile",
        "interface_width",
        ("carrier", "interface"),
        "m",
        "width of an interface",
        "From 10 % to 90 % of the way from one plateau to the other.",
        "|x(90 %) - x(10 %)|",
    ),
    _array(
        "profile",
        "interface_flip_rate",
        ("carrier", "interface"),
        "s-1",
        "flips per site of an interface and time",
        "Mean over the sites of the layers from 10 % to 90 %, and of the two layers on both sides of the middle.",
        "flips/(sites t)",
    ),
)
"""In the order of the file."""
