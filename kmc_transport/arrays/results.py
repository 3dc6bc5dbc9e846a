"""Arrays of the root group of a result file."""

from __future__ import annotations

from ..records import Missing
from .coupling import COUPLING
from .mixtures import MIXTURES
from .scaling import SCALING
from .spec import CONDITIONS, ArraySpec, coordinate, registry_of
from .spec import array as _array
from .spec import estimate as _estimate

__all__ = ["ANALYSES", "ARRAYS", "OBSERVABLES", "ON_REQUEST"]

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
_TFD = CONDITIONS
_PER_CARRIER = (*_TFD, "carrier")
_AXES = (*_TFD, "axis", "axis_2")


def _observed(
    observable: str, name: str, dim: str, unit: str, long_name: str, meaning: str, definition: str
) -> ArraySpec:
    meaning += " Where the input asks for it: `sampling.observe`."
    more = {"has_stderr": True, "has_exact": True, "observable": observable}
    return _array(
        name, "float", (*_PER_CARRIER, dim), unit, long_name, meaning, definition=definition, **more
    )


def _fitted(
    name: str,
    unit: str,
    long_name: str,
    meaning: str,
    *,
    error: bool = True,
    definition: str = "mu T = A exp(-E_a/kT)",
) -> ArraySpec:
    more = {"has_stderr": error, "has_exact": error, "origin": "grid"}
    dims = ("direction", "carrier")
    return _array(name, "float", dims, unit, long_name, meaning, definition=definition, **more)


_OF_D = "D* = D_0 exp(-E_D/kT)"


ARRAYS: dict[str, ArraySpec] = registry_of(
    coordinate("temperature", "float", "K", "temperature", "Temperatures of the grid."),
    coordinate(
        "field", "float", "V m-1", "electric field strength", "Internal macroscopic field, magnitude."
    ),
    coordinate("direction", "str", "1", "field direction", "Field direction, as the input wrote it."),
    coordinate("carrier", "str", "1", "carrier", "Name of the species of carrier."),
    coordinate("axis", "str", "1", "Cartesian axis", "x, y, z."),
    coordinate("carrier_2", "str", "1", "second carrier", "Second index of matrices over carriers."),
    coordinate("observable", "str", "1", "observable", "Estimates, first index of `missing`."),
    coordinate("axis_2", "str", "1", "second Cartesian axis", "Second index of tensors."),
    coordinate("hop_class", "str", "1", "hop class", "Hops that symmetry makes equivalent, by saddle."),
    coordinate(
        "hop_class_response",
        "str",
        "1",
        "field response of the hop class",
        "Where the saddle dipole comes from; `classical` is a diagnostic that need not obey the Einstein relation.",
        "hop_class",
    ),
    coordinate(
        "direction_vector",
        "float",
        "1",
        "unit vector of the field direction",
        "Cartesian unit vector e of each direction.",
        "direction",
        "axis",
    ),
    coordinate("carrier_charge", "float", "C", "charge of one carrier", "Transported charge q.", "carrier"),
    coordinate(
        "carrier_count", "int", "1", "number of carriers", "Carriers N of each species, supercell.", "carrier"
    ),
    _array(
        "single_file_length",
        "float",
        ("carrier",),
        "m",
        "length of the rings of a single file",
        "Where carriers cannot pass each other in channels, the length after which these close in the supercell: the "
        "tracer diffusivity is that of such a ring and falls with its length. 0 for other carriers.",
        origin="coordinate",
        optional=True,
    ),
    coordinate(
        "species", "str", "1", "species", "Every species of the input, of a run with axes of composition."
    ),
    coordinate("species_charge", "float", "C", "charge of one of the species", "Charge q.", "species"),
    coordinate(
        "species_count",
        "int",
        "1",
        "simulated number",
        "Number of each species in the supercell, rounded to whole ones.",
        "species",
    ),
    coordinate(
        "species_fraction",
        "float",
        "1",
        "simulated share of its sites",
        "Share of its sites that each species occupies: the composition that was simulated.",
        "species",
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
    _array(
        "mobility_method",
        "str",
        _TFD,
        "1",
        "where mobility and drift velocity come from",
        "`Einstein relation` (no field), `drift velocity`, `linear response` (weak field: the row has the "
        "numbers of the run without field), or `combined` (both, weighted with their inverse variances).",
    ),
    _array(
        "mobility_bias",
        "float",
        _PER_CARRIER,
        "m2 V-1 s-1",
        "bound of the bias of linear response",
        "What the mobility may be off because linear response is in it; part of its standard error. NaN where "
        "the drift velocity alone was used.",
    ),
    _array(
        "response_deviation",
        "float",
        _PER_CARRIER,
        "1",
        "deviation of drift and linear response in standard errors",
        "Drift velocity over field minus linear response, over their combined error, where both were used.",
    ),
    _array(
        "differential_mobility",
        "float",
        _PER_CARRIER,
        "m2 V-1 s-1",
        "differential mobility",
        "Slope of the drift velocity along the field, from the neighbouring fields of the grid (a parabola "
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
    *MIXTURES,
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
    coordinate("site_kind", "str", "1", "kind of site", "Label of the sites that carriers may be on."),
    coordinate(
        "barrier_bin", "float", "eV", "barrier", "Middle of a bin; the last holds what is beyond too."
    ),
    coordinate(
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
    *COUPLING,
    _array(
        "effective_samples",
        "float",
        _TFD,
        "1",
        "effective number of samples",
        "Independent samples behind the target observable, autocorrelation taken into account.",
    ),
    _array("executed_hops", "int", _TFD, "1", "executed hops", "Hops carried out in all replicas."),
    _array(
        "executed_hops_by_class",
        "int",
        (*_TFD, "hop_class"),
        "1",
        "executed hops of each class",
        "Hops carried out, both directions of a class together.",
    ),
    _array("simulated_time", "float", _TFD, "s", "simulated time", "Physical time of all replicas together."),
    _array("wall_time", "float", _TFD, "s", "wall time", "Time that the simulation took."),
    _array(
        "restless_starts",
        "int",
        _TFD,
        "1",
        "replicas whose start was not in equilibrium",
        "Annealed starts (`initial`) whose energy still moved after all sweeps.",
    ),
    _array(
        "clamped_share",
        "float",
        _TFD,
        "1",
        "share of executed hops with a clamped barrier",
        "A strong field would have made these barriers negative; see the theory page on the field.",
    ),
    _array(
        "clamped_hops_by_class",
        "int",
        (*_TFD, "hop_class"),
        "1",
        "executed hops with a clamped barrier, of each class",
        "Part of `executed_hops_by_class`, with a barrier that field or surroundings would have made negative.",
    ),
    _array(
        "linear_response_error",
        "float",
        (*_TFD, "hop_class"),
        "eV",
        "estimated error of a barrier that is linear in the field",
        "Largest of the hops of a class, for a sinusoidal barrier E0 and the work W of the field over the "
        "whole hop.",
        definition="W²/(2 pi² E0)",
    ),
    _array(
        "algorithm",
        "str",
        _TFD,
        "1",
        "algorithm",
        "How hops were chosen: `null_event`, `rejection_free`, `sum_tree` or `absorbing`; all sample the same law.",
    ),
    _array("hops_per_step", "float", _TFD, "1", "hops per step", "Hops a stay or hop of absorbing chains."),
    _array(
        "missing",
        "int",
        (*_TFD, "observable", "carrier"),
        "1",
        "why there is no number",
        "; ".join(f"{m.value}: {m.text or 'there is a number'}" for m in Missing) + ".",
    ),
    _array(
        "hop_rate_limit",
        "float",
        _PER_CARRIER,
        "s-1",
        "upper limit of the hop rate of one carrier, 95 %",
        "Of a species that has not moved (Poisson); NaN where it has, or cannot.",
        definition="3.0/(N_a t)",
    ),
    _array(
        "diffusivity_limit",
        "float",
        _PER_CARRIER,
        "m2 s-1",
        "upper limit of the diffusivity along any axis, 95 %",
        "Of a species that has not moved: hops at the largest rate, each as long as its longest; NaN where "
        "it has, or cannot.",
        definition="3.0 a²/(2 N_a t)",
    ),
    _array(
        "quenched",
        "bool",
        _TFD,
        "1",
        "replicas differ in quenched parts",
        "Hops do not change how many carriers sit in parts that nothing joins, or a species stands still, "
        "and replicas differ in it. The errors then contain the scatter between replicas.",
    ),
    *SCALING,
    _array("exit_reason", "str", _TFD, "1", "exit reason", "Why the simulation of this point stopped."),
    _array("converged", "bool", _TFD, "1", "accuracy reached", "Whether the asked accuracy was reached."),
    _array(
        "complete", "bool", _TFD, "1", "point finished", "Whether this point was simulated.", origin="grid"
    ),
    _array(
        "einstein_deviation",
        "float",
        ("temperature", "direction", "carrier"),
        "1",
        "deviation from the Einstein relation in standard errors",
        "Mobility from the drift at the lowest nonzero field minus Einstein mobility, over their combined "
        "standard error; NaN where that field has linear response alone, which would be compared with itself.",
        definition="z = (mu(E) - mu_Einstein)/sqrt(s² + s_Einstein²)",
        origin="grid",
    ),
    _array(
        "barrier_error_factor",
        "float",
        ("temperature", "direction", "carrier"),
        "1",
        "factor by which the uncertainty of the barriers makes the weak-field mobility uncertain",
        "From the barriers' own standard uncertainties, apart from the sampling error, for one carrier alone; "
        "NaN where the input gives none.",
        definition="exp(sqrt(sum_c (d ln mu/dE_c s_c)²))",
        origin="grid",
        of_barriers=True,
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
        error=False,
    ),
    _array(
        "arrhenius_inaccurate",
        "int",
        ("direction", "carrier"),
        "1",
        "points of the Arrhenius fit that are not as accurate as asked",
        "They count by their own errors like the others; those of points out of time are less sure.",
        origin="grid",
    ),
    _fitted(
        "arrhenius_chi2",
        "1",
        "chi squared of the Arrhenius fit per degree of freedom",
        "About 1 for a straight line; well above it the plot is curved and the fit's errors are too small.",
        error=False,
    ),
    _fitted(
        "diffusivity_activation_energy",
        "eV",
        "activation energy of the tracer diffusivity",
        "Activation energy E_D of the tracer's D along the direction at zero field.",
        definition=_OF_D,
    ),
    _fitted(
        "diffusivity_prefactor",
        "m2 s-1",
        "prefactor of the tracer diffusivity",
        "Prefactor D_0 of the tracer's D along the direction at zero field.",
        definition=_OF_D,
    ),
    _fitted(
        "diffusivity_covariance",
        "eV",
        "covariance of activation energy and ln prefactor of D",
        "Covariance of E_D and ln D_0 in the fit.",
        error=False,
        definition=_OF_D,
    ),
    _array(
        "diffusivity_inaccurate",
        "int",
        ("direction", "carrier"),
        "1",
        "points of the fit of D that are not as accurate as asked",
        "As `arrhenius_inaccurate`.",
        origin="grid",
    ),
    _fitted(
        "diffusivity_chi2",
        "1",
        "chi squared of the fit of D per degree of freedom",
        "As `arrhenius_chi2`.",
        error=False,
        definition=_OF_D,
    ),
)
"""Arrays of the root group, by name."""

ON_REQUEST = tuple(dict.fromkeys(s.observable for s in ARRAYS.values() if s.observable))
"""Observables that an input may ask for."""

ANALYSES = tuple(dict.fromkeys(s.analysis for s in ARRAYS.values() if s.analysis))
"""Entries of the input's `analysis`."""
