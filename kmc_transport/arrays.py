"""One registry of every array in a result file: name, type, dimensions, unit, one-line meaning.

It feeds the attributes in the file, the check before a file is written, and the reference page.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .errors import Problem, StoreError
from .records import Missing

__all__ = [
    "ARRAYS",
    "CATALOG_ARRAYS",
    "CONDITIONS",
    "OBSERVABLES",
    "ON_REQUEST",
    "ArraySpec",
    "attributes",
    "base_name",
    "check_dataset",
    "render_markdown_table",
]

SUFFIXES = ("_stderr", "_exact")
OBSERVABLES = (
    "drift_velocity",
    "mobility",
    "mobility_einstein",
    "tracer_diffusivity",
    "collective_diffusivity",
    "charge_diffusivity",
    "conductivity",
    "haven_ratio",
    "correlation_factor",
)
"""Estimates of which `missing` says why there is no number."""
CONDITIONS = ("temperature", "field", "direction")


@dataclass(frozen=True, kw_only=True)
class ArraySpec:
    """What one stored array is.

    dtype : ``float``, ``int``, ``bool`` or ``str``. unit : in the spelling of UDUNITS, as CF wants it.
    origin : ``coordinate``; ``point`` (from the simulation of one condition) or ``grid`` (from all of them).
    per_direction : at zero field, one run serves every direction. Most arrays are then the same for all of
        them; an array with this mark is a projection and has its own value for each direction.
    observable : module of `kmc_transport.analysis.observables` that makes it, where the input asks for that.
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


def _registry(*specs: ArraySpec) -> dict[str, ArraySpec]:
    registry = {s.name: s for s in specs}
    if len(registry) != len(specs):
        raise ValueError("two arrays of one name")
    return registry


_TFD = CONDITIONS
_PER_CARRIER = (*_TFD, "carrier")
_AXES = (*_TFD, "axis", "axis_2")


def _coordinate(name: str, dtype: str, unit: str, long_name: str, meaning: str, *dims: str) -> ArraySpec:
    return ArraySpec(
        name=name,
        dtype=dtype,
        dims=dims or (name,),
        unit=unit,
        long_name=long_name,
        meaning=meaning,
        origin="coordinate",
    )


def _estimate(
    name: str, dims: tuple[str, ...], unit: str, meaning: str, definition: str, *, per_direction: bool = False
) -> ArraySpec:
    long_name = name.replace("_", " ").replace("einstein", "Einstein").replace("haven", "Haven")
    return ArraySpec(
        name=name,
        dtype="float",
        dims=dims,
        unit=unit,
        long_name=long_name,
        meaning=meaning,
        definition=definition,
        has_stderr=True,
        has_exact=True,
        per_direction=per_direction,
    )


def _observed(
    observable: str, name: str, dim: str, unit: str, long_name: str, meaning: str, definition: str
) -> ArraySpec:
    return ArraySpec(
        name=name,
        dtype="float",
        dims=(*_PER_CARRIER, dim),
        unit=unit,
        long_name=long_name,
        meaning=f"{meaning} Where the input asks for it: `sampling.observe`.",
        definition=definition,
        has_stderr=True,
        has_exact=True,
        observable=observable,
    )


def _fitted(name: str, unit: str, long_name: str, meaning: str, *, has_stderr: bool = True) -> ArraySpec:
    return ArraySpec(
        name=name,
        dtype="float",
        dims=("direction", "carrier"),
        unit=unit,
        long_name=long_name,
        meaning=meaning,
        definition="mu T = A exp(-E_a/kT)",
        has_stderr=has_stderr,
        has_exact=has_stderr,
        origin="grid",
    )


ARRAYS: dict[str, ArraySpec] = _registry(
    _coordinate("temperature", "float", "K", "temperature", "Temperatures of the grid."),
    _coordinate(
        "field", "float", "V m-1", "electric field strength", "Internal macroscopic field, magnitude."
    ),
    _coordinate("direction", "str", "1", "field direction", "Field direction, as the input wrote it."),
    _coordinate("carrier", "str", "1", "carrier", "Name of the species of carrier."),
    _coordinate("axis", "str", "1", "Cartesian axis", "x, y, z."),
    _coordinate("carrier_2", "str", "1", "second carrier", "Second index of matrices over carriers."),
    _coordinate("observable", "str", "1", "observable", "Estimates, first index of `missing`."),
    _coordinate("axis_2", "str", "1", "second Cartesian axis", "Second index of tensors."),
    _coordinate("hop_class", "str", "1", "hop class", "Hops that symmetry makes equivalent, by saddle."),
    _coordinate(
        "hop_class_response",
        "str",
        "1",
        "field response of the hop class",
        "Where the saddle dipole comes from; `classical` is a diagnostic that need not obey the Einstein relation.",
        "hop_class",
    ),
    _coordinate(
        "direction_vector",
        "float",
        "1",
        "unit vector of the field direction",
        "Cartesian unit vector e of each direction.",
        "direction",
        "axis",
    ),
    _coordinate("carrier_charge", "float", "C", "charge of one carrier", "Transported charge q.", "carrier"),
    _coordinate(
        "carrier_count", "int", "1", "number of carriers", "Carriers N of each species, supercell.", "carrier"
    ),
    _estimate(
        "drift_velocity",
        (*_PER_CARRIER, "axis"),
        "m s-1",
        "Mean velocity of one carrier.",
        "v_a = <X_a>/(N_a t)",
    ),
    _estimate(
        "mobility",
        _PER_CARRIER,
        "m2 V-1 s-1",
        "Drift velocity along the field over the field, signed as the carrier; NaN at zero field.",
        "mu_a = v_a·e/E",
    ),
    _estimate(
        "mobility_einstein",
        _PER_CARRIER,
        "m2 V-1 s-1",
        "Weak-field mobility from fluctuations at zero field, all species in the field; NaN at other fields.",
        "mu_a = sum_b q_b <(X_a·e)(X_b·e)>/(2 N_a kT t) (Einstein relation)",
        per_direction=True,
    ),
    _estimate(
        "mobility_tensor",
        (*_PER_CARRIER, "axis", "axis_2"),
        "m2 V-1 s-1",
        "Weak-field mobility tensor from fluctuations at zero field, all species in the field; NaN at other fields.",
        "v_i = sum_j mu_ij E_j, mu_a = sum_b q_b <X_a X_b>/(2 N_a kT t)",
    ),
    _estimate(
        "mobility_vector",
        (*_PER_CARRIER, "axis"),
        "m2 V-1 s-1",
        "Weak-field drift velocity over field, for a field along each direction; NaN at other fields.",
        "mu_a e, from mobility_tensor",
        per_direction=True,
    ),
    ArraySpec(
        name="mobility_method",
        dtype="str",
        dims=_TFD,
        unit="1",
        long_name="where mobility and drift velocity come from",
        meaning="`Einstein relation` (no field), `drift velocity`, `linear response` (weak field: the row has the "
        "numbers of the run without field), or `combined` (both, weighted with their inverse variances).",
    ),
    ArraySpec(
        name="mobility_bias",
        dtype="float",
        dims=_PER_CARRIER,
        unit="m2 V-1 s-1",
        long_name="bound of the bias of linear response",
        meaning="What the mobility may be off because linear response is in it; part of its standard error. NaN where "
        "the drift velocity alone was used.",
    ),
    ArraySpec(
        name="response_deviation",
        dtype="float",
        dims=_PER_CARRIER,
        unit="1",
        long_name="deviation of drift and linear response in standard errors",
        meaning="Drift velocity over field minus linear response, over their combined error, where both were used.",
    ),
    ArraySpec(
        name="differential_mobility",
        dtype="float",
        dims=_PER_CARRIER,
        unit="m2 V-1 s-1",
        long_name="differential mobility",
        meaning="Slope of the drift velocity along the field, from the neighbouring fields of the grid (a parabola "
        "through three of them); its error includes what the grid leaves open. At zero field the Einstein mobility.",
        definition="mu_d = d(v·e)/dE",
        has_stderr=True,
        has_exact=True,
    ),
    _estimate(
        "tracer_diffusivity",
        (*_PER_CARRIER, "axis", "axis_2"),
        "m2 s-1",
        "Diffusion tensor of one tagged carrier.",
        "D*_a = <dr dr>/(2t)",
    ),
    _estimate(
        "collective_diffusivity",
        (*_TFD, "carrier", "axis", "carrier_2", "axis_2"),
        "m2 s-1",
        "Fluctuations of the summed displacements of two species; the diagonal in carriers is the collective "
        "diffusivity of one.",
        "D_ab = <dX_a dX_b>/(2 sqrt(N_a N_b) t)",
    ),
    _estimate(
        "charge_diffusivity",
        _AXES,
        "m2 s-1",
        "Diffusion tensor of charge per carrier; differs from the tracer's by correlations.",
        "D_sigma = sum_ab q_a q_b <X_a X_b>/(2 t sum_a N_a q_a²)",
    ),
    _estimate(
        "conductivity",
        _AXES,
        "S m-1",
        "Conductivity tensor from fluctuations; absent when the cell has no volume.",
        "sigma = sum_ab q_a q_b <X_a X_b>/(2 kT V t) (Kubo)",
    ),
    _estimate(
        "haven_ratio",
        (*_PER_CARRIER, "axis"),
        "1",
        "Tracer over collective diffusivity of the same species, along each axis.",
        "H_R = D*_a/D_aa",
    ),
    _estimate(
        "correlation_factor",
        (*_PER_CARRIER, "axis"),
        "1",
        "Tracer diffusivity over that of a random walk with the same hop rates, along each axis.",
        "f = D*_a/D_uncorrelated",
    ),
    _coordinate("site_kind", "str", "1", "kind of site", "Label of the sites that carriers may be on."),
    _coordinate(
        "barrier_bin", "float", "eV", "barrier", "Middle of a bin; the last holds what is beyond too."
    ),
    _coordinate(
        "difference_bin",
        "float",
        "eV",
        "energy difference",
        "Middle of a bin; the first and the last hold what is beyond too.",
    ),
    _observed(
        "occupation",
        "occupation",
        "site_kind",
        "1",
        "share of the time on a kind of site",
        "Mean number of carriers of a species on sites of each kind, over their number.",
        "<N_a(kind)>/N_a",
    ),
    _observed(
        "residence_time",
        "residence_time",
        "site_kind",
        "s",
        "mean residence time",
        "Time between two hops of a carrier, on a site of each kind; NaN where none was left.",
        "<N_a(kind)> t/(hops that leave such sites)",
    ),
    _observed(
        "barriers",
        "barrier_share",
        "barrier_bin",
        "1",
        "share of the executed hops by barrier",
        "Barriers in the field, as the hops were executed.",
        "hops in the bin/all hops of the species",
    ),
    _observed(
        "barriers",
        "energy_difference_share",
        "difference_bin",
        "1",
        "share of the executed hops by energy difference",
        "Energy after the hop less before, without field, as the hops were executed.",
        "hops in the bin/all hops of the species",
    ),
    ArraySpec(
        name="effective_samples",
        dtype="float",
        dims=_TFD,
        unit="1",
        long_name="effective number of samples",
        meaning="Independent samples behind the target observable, autocorrelation taken into account.",
    ),
    ArraySpec(
        name="executed_hops",
        dtype="int",
        dims=_TFD,
        unit="1",
        long_name="executed hops",
        meaning="Hops carried out in all replicas.",
    ),
    ArraySpec(
        name="executed_hops_by_class",
        dtype="int",
        dims=(*_TFD, "hop_class"),
        unit="1",
        long_name="executed hops of each class",
        meaning="Hops carried out, both directions of a class together.",
    ),
    ArraySpec(
        name="simulated_time",
        dtype="float",
        dims=_TFD,
        unit="s",
        long_name="simulated time",
        meaning="Physical time of all replicas together.",
    ),
    ArraySpec(
        name="wall_time",
        dtype="float",
        dims=_TFD,
        unit="s",
        long_name="wall time",
        meaning="Time that the simulation took.",
    ),
    ArraySpec(
        name="restless_starts",
        dtype="int",
        dims=_TFD,
        unit="1",
        long_name="replicas whose start was not in equilibrium",
        meaning="Annealed starts (`initial`) whose energy still moved after all sweeps.",
    ),
    ArraySpec(
        name="clamped_share",
        dtype="float",
        dims=_TFD,
        unit="1",
        long_name="share of executed hops with a clamped barrier",
        meaning="A strong field would have made these barriers negative; see the theory page on the field.",
    ),
    ArraySpec(
        name="clamped_hops_by_class",
        dtype="int",
        dims=(*_TFD, "hop_class"),
        unit="1",
        long_name="executed hops with a clamped barrier, of each class",
        meaning="Part of `executed_hops_by_class`, with a barrier that field or surroundings would have made negative.",
    ),
    ArraySpec(
        name="linear_response_error",
        dtype="float",
        dims=(*_TFD, "hop_class"),
        unit="eV",
        long_name="estimated error of a barrier that is linear in the field",
        meaning="Largest of the hops of a class, for a sinusoidal barrier E0 and the work W of the field over the "
        "whole hop.",
        definition="W²/(2 pi² E0)",
    ),
    ArraySpec(
        name="algorithm",
        dtype="str",
        dims=_TFD,
        unit="1",
        long_name="algorithm",
        meaning="How hops were chosen: `null_event`, `rejection_free` or `sum_tree`; all sample the same law.",
    ),
    ArraySpec(
        name="missing",
        dtype="int",
        dims=(*_TFD, "observable", "carrier"),
        unit="1",
        long_name="why there is no number",
        meaning="; ".join(f"{m.value}: {m.text or 'there is a number'}" for m in Missing) + ".",
    ),
    ArraySpec(
        name="hop_rate_limit",
        dtype="float",
        dims=_PER_CARRIER,
        unit="s-1",
        long_name="upper limit of the hop rate of one carrier, 95 %",
        meaning="Of a species that has not moved (Poisson); NaN where it has, or cannot.",
        definition="3.0/(N_a t)",
    ),
    ArraySpec(
        name="diffusivity_limit",
        dtype="float",
        dims=_PER_CARRIER,
        unit="m2 s-1",
        long_name="upper limit of the diffusivity along any axis, 95 %",
        meaning="Of a species that has not moved: hops at the largest rate, each as long as its longest; NaN where "
        "it has, or cannot.",
        definition="3.0 a²/(2 N_a t)",
    ),
    ArraySpec(
        name="quenched",
        dtype="bool",
        dims=_TFD,
        unit="1",
        long_name="replicas differ in quenched parts",
        meaning="Hops do not change how many carriers sit in parts that nothing joins, or a species stands still, "
        "and replicas differ in it. The errors then contain the scatter between replicas.",
    ),
    ArraySpec(
        name="exit_reason",
        dtype="str",
        dims=_TFD,
        unit="1",
        long_name="exit reason",
        meaning="Why the simulation of this point stopped.",
    ),
    ArraySpec(
        name="converged",
        dtype="bool",
        dims=_TFD,
        unit="1",
        long_name="accuracy reached",
        meaning="Whether the asked accuracy was reached.",
    ),
    ArraySpec(
        name="complete",
        dtype="bool",
        dims=_TFD,
        unit="1",
        long_name="point finished",
        meaning="Whether this point was simulated.",
        origin="grid",
    ),
    ArraySpec(
        name="einstein_deviation",
        dtype="float",
        dims=("temperature", "direction", "carrier"),
        unit="1",
        long_name="deviation from the Einstein relation in standard errors",
        meaning="Mobility from the drift at the lowest nonzero field minus Einstein mobility, over their combined "
        "standard error; NaN where that field has linear response alone, which would be compared with itself.",
        definition="z = (mu(E) - mu_Einstein)/sqrt(s² + s_Einstein²)",
        origin="grid",
    ),
    ArraySpec(
        name="barrier_error_factor",
        dtype="float",
        dims=("temperature", "direction", "carrier"),
        unit="1",
        long_name="factor by which the uncertainty of the barriers makes the weak-field mobility uncertain",
        meaning="From the barriers' own standard uncertainties, apart from the sampling error, for one carrier alone; "
        "NaN where the input gives none.",
        definition="exp(sqrt(sum_c (d ln mu/dE_c s_c)²))",
        origin="grid",
    ),
    _fitted(
        "arrhenius_activation_energy",
        "eV",
        "activation energy of mobility times temperature",
        "Activation energy E_a of mu T at zero field.",
    ),
    _fitted(
        "arrhenius_prefactor",
        "K m2 V-1 s-1",
        "prefactor of mobility times temperature",
        "Prefactor A of mu T at zero field, signed as the carrier.",
    ),
    _fitted(
        "arrhenius_covariance",
        "eV",
        "covariance of activation energy and ln prefactor",
        "Covariance of E_a and ln|A| in the fit.",
        has_stderr=False,
    ),
    ArraySpec(
        name="arrhenius_inaccurate",
        dtype="int",
        dims=("direction", "carrier"),
        unit="1",
        long_name="points of the Arrhenius fit that are not as accurate as asked",
        meaning="They count by their own errors like the others; those of points out of time are less sure.",
        origin="grid",
    ),
    _fitted(
        "arrhenius_chi2",
        "1",
        "chi squared of the Arrhenius fit per degree of freedom",
        "About 1 for a straight line; well above it the plot is curved and the fit's errors are too small.",
        has_stderr=False,
    ),
)
"""Arrays of the root group, by name."""

ON_REQUEST = tuple(dict.fromkeys(s.observable for s in ARRAYS.values() if s.observable))
"""Observables that an input may ask for."""


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
CATALOG_ARRAYS: dict[str, ArraySpec] = _registry(
    _coordinate("temperature", "float", "K", "temperature", "Temperatures of the catalog."),
    _coordinate("axis", "str", "1", "Cartesian axis", "x, y, z."),
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


def base_name(name: str) -> str:
    """Name without ``_stderr`` or ``_exact``: ``mobility_stderr`` gives ``mobility``."""
    for suffix in SUFFIXES:
        if name.endswith(suffix) and name not in ARRAYS:
            return name.removesuffix(suffix)
    return name


def attributes(name: str, registry: Mapping[str, ArraySpec] = ARRAYS) -> dict[str, str]:
    """Attributes in the file of an array, of its ``_stderr`` or of its ``_exact``.

    KeyError when the registry has no such array.
    """
    base = base_name(name)
    spec = registry[base]
    if name not in spec.names:
        raise KeyError(name)
    attrs = {"units": spec.unit, "long_name": spec.long_name}
    if name != base:
        kind = "standard error" if name.endswith("_stderr") else "exact value (master equation)"
        attrs["long_name"] = f"{kind} of the {spec.long_name}"
        return attrs
    attrs["comment"] = spec.meaning
    if spec.definition:
        attrs["definition"] = spec.definition
    if spec.has_stderr:
        attrs["ancillary_variables"] = f"{name}_stderr"
    return attrs


_KINDS = {"float": "f", "int": "iu", "bool": "b", "str": "UOT"}


def check_dataset(dataset: Any, registry: Mapping[str, ArraySpec] = ARRAYS) -> None:
    """Check names, dimensions, types and attributes of an ``xarray.Dataset`` against the registry.

    Raises StoreError that lists everything that does not fit.
    """
    problems = []
    present = set(dataset.variables)
    for name, variable in dataset.variables.items():
        try:
            expected = attributes(name, registry)
        except KeyError:
            problems.append(
                Problem(
                    "is not in the registry of arrays", name, remedy="define it in kmc_transport/arrays.py"
                )
            )
            continue
        spec = registry[base_name(name)]
        if tuple(variable.dims) != spec.dims:
            problems.append(Problem("has other dimensions", name, variable.dims, str(spec.dims)))
        if variable.dtype.kind not in _KINDS[spec.dtype]:
            problems.append(Problem("has another type", name, variable.dtype, spec.dtype))
        for key in ("units", "long_name", "ancillary_variables"):
            if variable.attrs.get(key) != expected.get(key):
                problems.append(
                    Problem(
                        f"has another attribute {key}", name, variable.attrs.get(key), str(expected.get(key))
                    )
                )
        if name in registry and spec.has_stderr and f"{name}_stderr" not in present:
            problems.append(Problem("has no standard error beside it", name, allowed=f"{name}_stderr"))
    if problems:
        raise StoreError(problems)


def render_markdown_table(registry: Mapping[str, ArraySpec] = ARRAYS) -> str:
    """Reference of the arrays as a Markdown table."""

    def cell(text: str) -> str:
        return text.replace("|", "\\|")

    lines = [
        "| name | dimensions | unit | beside it | meaning |",
        "| --- | --- | --- | --- | --- |",
    ]
    for spec in registry.values():
        beside = ", ".join(f"`{n.removeprefix(spec.name)}`" for n in spec.names if n != spec.name)
        meaning = f"{spec.meaning} `{spec.definition}`" if spec.definition else spec.meaning
        dims = ", ".join(spec.dims)
        lines.append(f"| `{spec.name}` | {dims} | {spec.unit} | {beside} | {cell(meaning)} |")
    return "\n".join(lines) + "\n"
