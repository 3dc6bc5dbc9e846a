"""Transport coefficients of a rate catalog by linear algebra on its master equation: no simulation, no noise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from ..energies.supercell import depends_on_configuration, translational
from ..errors import InputError
from ..model.model import Model, frozen_array
from ..ndarrays import FloatArray, IntArray
from ..rates.build import build_catalog
from ..rates.catalog import RateCatalog
from ..rates.checks import site_function_residual
from ..units import ANGSTROM, E_CHARGE, K_B
from .ensemble import Averages, site_law_of, solve_space
from .states import count_states, enumerate_states

__all__ = ["ExactTransport", "applies", "best_anchor", "solve_exact"]

MAX_STATES = 20000
LEAST_WORK = 1e-6
"""Work of the field over kT below which drift velocities are those of this work, scaled: the difference of what goes
with the field and against it loses all digits in the end."""
ALONE = "one carrier alone (dilute limit)"
"""How the answer is called that is not the one of the input's system."""


@dataclass(frozen=True, eq=False, kw_only=True)
class ExactTransport:
    """Exact transport coefficients at one temperature and field; S species, Å, s, eV, e.

    temperature : K. field : (3,) V/Å. dilute : each carrier alone, else all configurations of the supercell.
    number : (S,) carriers N_a of each species.
    drift_velocity : (S, 3) <X_a>/(N_a t), Å/s.
    collective_diffusivity : (S, 3, S, 3) <ΔX_a ΔX_b>/(2 sqrt(N_a N_b) t), Å²/s, fluctuations about the mean
        drift; zero between species when dilute.
    tracer_diffusivity : (S, 3, 3) <Δr Δr>/(2t) of one carrier, Å²/s; None where it was not asked for.
    mobility : (S, 3) v/|E|, Å²/(V s); its component along the field is the mobility, signed as the carrier.
        None without field.
    mobility_einstein : (S, 3, 3) sum_b q_b sqrt(N_b/N_a) D_ab / kT, Å²/(V s): response of species a with all
        species in the field.
    uncorrelated_diffusivity : (S, 3) sum of hop rate x (hop vector)²/2 per carrier along each axis, Å²/s: what D
        would be if no hop knew of the last one.
    occupation : (S, n_sites) where a carrier sits: share of its time on each site of the cell; sums to 1.
    n_states : number of states solved (the largest system). residual : estimated relative error.
    method : the system that was solved: ``single carrier`` (the input has one), ``all configurations``, or
        ``one carrier alone (dilute limit)`` where the input has several carriers or interactions.
    """

    temperature: float
    field: FloatArray
    dilute: bool
    number: IntArray
    drift_velocity: FloatArray
    collective_diffusivity: FloatArray
    tracer_diffusivity: FloatArray | None
    mobility: FloatArray | None
    mobility_einstein: FloatArray
    uncorrelated_diffusivity: FloatArray
    occupation: FloatArray
    charge: FloatArray
    """(S,) e."""
    n_states: int
    method: str
    residual: float

    @property
    def is_other_system(self) -> bool:
        """Whether this is not the system of the input, but one carrier of it alone."""
        return self.method == ALONE

    @property
    def mobility_along_field(self) -> FloatArray | None:
        """(S,) v.E/E², Å²/(V s); None without field."""
        if self.mobility is None:
            return None
        return self.mobility @ (self.field / np.linalg.norm(self.field))

    @property
    def charge_diffusivity(self) -> FloatArray:
        """(3, 3) D_sigma = sum_ab q_a q_b sqrt(N_a N_b) D_ab / sum_a N_a q_a², Å²/s; NaN without charges."""
        weight = self.charge * np.sqrt(self.number)
        summed = np.einsum("a,aibj,b->ij", weight, self.collective_diffusivity, weight)
        return summed / (weight @ weight) if weight.any() else np.full((3, 3), np.nan)

    def conductivity(self, volume: float | None) -> FloatArray | None:
        """(3, 3) S/m: sum_ab q_a q_b <X_a X_b>/(2 kT V t), without field (Kubo); None without a volume (Å³)."""
        if volume is None:
            return None
        charges = float(np.sum(self.number * self.charge**2))
        if not charges:
            return np.zeros((3, 3))
        return self.charge_diffusivity * (charges / (K_B * self.temperature * volume) * E_CHARGE / ANGSTROM)


def applies(catalog_or_model: RateCatalog | Model, max_states: int = MAX_STATES) -> int | None:
    """Number of states that `solve_exact` needs, or None if more than ``max_states``. Quick: only counts."""
    model = catalog_or_model.model if isinstance(catalog_or_model, RateCatalog) else catalog_or_model
    numbers = tuple(c.count for c in model.carriers)
    if sum(numbers) == 1 and not depends_on_configuration(model):
        n = max(int(row.sum()) for row, k in zip(model.allowed_sites, numbers, strict=True) if k)
    else:
        n = best_anchor(model, numbers)[1]
    return n if n <= max_states else None


def largest_work(catalog: RateCatalog) -> float:
    """Of the field on the hop with the largest one, over kT."""
    return float(np.abs(catalog.work).max(initial=0.0)) / (K_B * catalog.temperature)


def solve_exact(
    catalog: RateCatalog,
    *,
    dilute: bool | None = None,
    max_states: int = MAX_STATES,
    tracer: bool = False,
    at_field: Callable[[FloatArray], RateCatalog] | None = None,
) -> ExactTransport:
    """Drift velocity and diffusion tensors from the master equation of ``catalog``.

    Parameters
    ----------
    dilute : True: each carrier alone on the periodic network of the primitive cell (of the supercell, with quenched
        disorder), without interactions. False: all configurations of the supercell, one carrier at most on a site.
        None: True when there is one carrier in all and rates do not depend on the configuration.
    max_states : refuse beyond this many states.
    tracer : also tag one carrier of each species (`tracer_diffusivity` of this finite cell). It is given
        anyway where each species has one carrier.
    at_field : the same catalog at another field (V/Å), for drift velocities in weak fields; None: `build_catalog`.

    Raises
    ------
    TooManyStates
        Found by counting, before anything is enumerated.
    KmcTransportError
        When separate parts of the network (or of the configurations) would give different answers, so that
        the answer depends on where carriers start; or when the digits do not survive.
    InputError
        When hop vectors are not consistent with the cell.

    Group-inverse formula of Koza, J. Phys. A 32, 7637 (1999), evaluated as `chain.solve_chain` says.
    """
    found = _solve(catalog, dilute, max_states, tracer)
    work = largest_work(catalog)
    if not 0 < work < LEAST_WORK:
        return found
    stronger = catalog.field * (LEAST_WORK / work)
    at_field = at_field or partial(_at_field, catalog)
    with_it, against = (
        _solve(at_field(sign * stronger), dilute, max_states, False).drift_velocity for sign in (1.0, -1.0)
    )
    part = work / LEAST_WORK  # odd and even part of the velocity go with the field and with its square
    drift = part * (with_it - against) / 2 + part**2 * (with_it + against) / 2
    size = float(np.linalg.norm(catalog.field))
    return replace(
        found,
        drift_velocity=frozen_array(drift, np.float64),
        mobility=frozen_array(drift / size, np.float64),
    )


def _at_field(catalog: RateCatalog, field: FloatArray) -> RateCatalog:
    return build_catalog(catalog.model, temperature=catalog.temperature, field=field)


def _solve(catalog: RateCatalog, dilute: bool | None, max_states: int, tracer: bool) -> ExactTransport:
    model = catalog.model
    _check_vectors(model)
    numbers = tuple(c.count for c in model.carriers)
    if dilute is None:
        dilute = sum(numbers) == 1 and not depends_on_configuration(model)
    present = [a for a, n in enumerate(numbers) if n]
    n_species = len(numbers)
    drift = np.full((n_species, 3), np.nan)
    collective = np.full((n_species, 3, n_species, 3), np.nan)
    tracer_tensor = np.full((n_species, 3, 3), np.nan)
    occupation = np.full((n_species, model.structure.n_sites), np.nan)
    free = np.full((n_species, 3), np.nan)
    has_tracer = dilute or tracer or all(numbers[a] == 1 for a in present)
    solved: list[Averages] = []
    if dilute:
        collective[np.ix_(present, range(3), present, range(3))] = 0.0
        alike = translational(model)
        alone = _without_interactions(catalog)
        for a in present:
            one = tuple(int(b == a) for b in range(n_species))
            cells = (1, 1, 1) if alike else model.supercell
            space = enumerate_states(alone.model, one, a if alike else None, cells, max_states)
            part = solve_space(space, alone, None, with_tracer=False)
            solved.append(part)
            drift[a] = part.drift[a]
            collective[a, :, a] = tracer_tensor[a] = part.diffusion[a, :, a]
            occupation[a], free[a] = part.occupation[a], part.free[a]
    else:
        site_law = site_law_of(_without_interactions(catalog), max_states) if translational(model) else None
        anchors: list[int | None] = [a for a in present if numbers[a] > 1] if tracer else []
        if not anchors:
            anchors = [best_anchor(model, numbers)[0]]
        for anchor in anchors:
            space = enumerate_states(model, numbers, anchor, model.supercell, max_states)
            part = solve_space(space, catalog, site_law, with_tracer=tracer)
            solved.append(part)
            if tracer and anchor is not None:
                tracer_tensor[anchor] = part.tracer
        part = solved[0]
        drift[present] = part.drift[present] / np.array(numbers)[present, None]
        root = np.sqrt(np.array(numbers, float))
        for a in present:
            for b in present:
                collective[a, :, b] = part.diffusion[a, :, b] / (root[a] * root[b])
            if numbers[a] == 1:
                tracer_tensor[a] = collective[a, :, a]
        occupation[present], free[present] = part.occupation[present], part.free[present]
    charge = np.array([c.charge for c in model.carriers])
    size = float(np.linalg.norm(catalog.field))
    return ExactTransport(
        temperature=catalog.temperature,
        field=catalog.field,
        dilute=dilute,
        number=frozen_array(numbers, np.int64),
        drift_velocity=frozen_array(drift, np.float64),
        collective_diffusivity=frozen_array(collective, np.float64),
        tracer_diffusivity=frozen_array(tracer_tensor, np.float64) if has_tracer else None,
        mobility=frozen_array(drift / size, np.float64) if size > 0 else None,
        mobility_einstein=frozen_array(
            _einstein(collective, charge, numbers, catalog.temperature), np.float64
        ),
        uncorrelated_diffusivity=frozen_array(free, np.float64),
        occupation=frozen_array(occupation, np.float64),
        charge=frozen_array(charge, np.float64),
        n_states=max(p.n_states for p in solved),
        method=_system(model, dilute),
        residual=max(p.residual for p in solved),
    )


def _system(model: Model, dilute: bool) -> str:
    if not dilute:
        return "all configurations"
    lonely = sum(c.count for c in model.carriers) == 1 and model.interactions is None
    return "single carrier" if lonely else ALONE


def _einstein(
    collective: FloatArray, charge: FloatArray, numbers: tuple[int, ...], temperature: float
) -> FloatArray:
    root = np.sqrt(np.array(numbers, float))
    weight = np.nan_to_num(charge * root)
    summed = np.einsum("aibj,b->aij", np.where(root[None, None, :, None] > 0, collective, 0.0), weight)
    with np.errstate(divide="ignore", invalid="ignore"):
        return summed / root[:, None, None] / (K_B * temperature)


def best_anchor(model: Model, numbers: tuple[int, ...]) -> tuple[int | None, int]:
    """Species whose tagged carrier makes the fewest states, or None for plain configurations; their number."""
    choices: list[int | None] = [None, *(a for a, n in enumerate(numbers) if n and translational(model))]
    counts = [count_states(model, numbers, a, model.supercell) for a in choices]
    best = int(np.argmin(np.array(counts, dtype=object)))
    return choices[best], counts[best]


def _without_interactions(catalog: RateCatalog) -> RateCatalog:
    """The catalog of carriers that do not feel each other."""
    if catalog.model.interactions is None:
        return catalog
    return replace(catalog, model=replace(catalog.model, interactions=None))


def _check_vectors(model: Model) -> None:
    """Refuse hop vectors that do not add up to the cell vectors that their loops wind by."""
    net, structure = model.network, model.structure
    step = structure.cart[net.target] + net.cell @ structure.lattice - structure.cart[net.origin]
    if np.allclose(net.vector, step, rtol=0, atol=1e-6):
        return
    for axis in range(3):  # a site may carry a dipole: only loops count
        residual = site_function_residual(net, net.vector[:, axis] - step[:, axis])
        if np.abs(residual).max() > 1e-6:
            hop = int(np.abs(residual).argmax())
            raise InputError(
                "hop vectors round a loop do not add up to the cell vectors it winds by",
                key=model.hop_classes[net.hop_class[hop]].source,
                value=net.vector[hop].tolist(),
                allowed=f"{step[hop].tolist()} up to a function of the sites",
                remedy="make the vectors and the cell offsets of this hop agree",
            )
