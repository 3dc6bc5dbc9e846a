"""Weak fields: which points a run without field can serve, how far it is off at most, and what they then say."""

from __future__ import annotations

from dataclasses import replace
from weakref import WeakKeyDictionary

import numpy as np

from ..analysis import SMALL_BIAS, LinearResponse
from ..energies.supercell import depends_on_configuration
from ..errors import InputError, KmcTransportError
from ..exact import solve_exact
from ..model.acceleration import ReversibleScaling
from ..model.model import Model, Sampling
from ..ndarrays import FloatArray
from ..rates import RateCatalog, build_catalog
from ..store import PointRecord
from ..units import ANGSTROM, K_B

__all__ = ["WeakFields", "bias_bound", "good_enough", "linear_response", "weak_record"]


HOPS_WITHOUT_FIELD, HOPS_PER_CARRIER = 480.0, 60.0
"""Hops that a run without field takes for a relative error of 1, of all carriers and of each: what has no memory needs
about that many (see `benchmarks/weak_field.py`), divided by the square of the error."""
BIAS_STATES = 2000
"""Largest chain that is solved for the bias of linear response."""
LEAST_WORK = 1e-3
"""Work over kT at which a chain is solved for weaker fields too: below it, digits are lost."""
FEW_HOPS = 72.0
"""Mean square work of the field, over that of a hop, that carriers which feel each other remember at least."""
OF_OTHERS = 2.5
"""Factor on the nonlinearity of one carrier alone for the effect of other carriers."""
D_BIAS = 3.0
"""Bias of diffusivities over that of mobilities: cosh y against sinh(y)/y."""
BORROWED = (
    "tracer_diffusivity",
    "collective_diffusivity",
    "charge_diffusivity",
    "haven_ratio",
    "correlation_factor",
)


class WeakFields:
    """Tells, before anything is simulated, which fields are so weak that the run without field will be needed.

    They are those where linear response is good enough by the work of the field on a hop, and those where a drift
    velocity would take more hops than a run without field.
    """

    def __init__(self, model: Model) -> None:
        self.model, net = model, model.network
        charge = np.array([c.charge for c in model.carriers])[net.carrier]
        self._whole = charge[:, None] * net.vector
        self._possible = net.n_hops > 0 and all(c.response != "classical" for c in model.hop_classes)
        self._possible &= not isinstance(
            model.sampling.acceleration, ReversibleScaling
        )  # each field for itself
        number = sum(c.count for c in model.carriers)
        self._hops = max(HOPS_WITHOUT_FIELD, HOPS_PER_CARRIER * number)
        self._squares: dict[float, FloatArray] = {}

    def need_run_without_field(self, temperature: float, field: FloatArray) -> bool:
        """temperature : K. field : (3,) V/Å, not zero."""
        if not self._possible:
            return False
        kt, s = K_B * temperature, self.model.sampling
        work = float(np.abs(self._whole @ field).max()) / kt
        error = s.table_error or s.relative_error
        if error is not None and work**2 / 24 <= SMALL_BIAS * error:
            return True
        if s.table_error is not None:
            return False
        square = np.einsum("i,aij,j->a", field, self._mean_squares(temperature), field) / kt**2
        square = square[square > 1e-6 * work**2]
        return bool(np.any(4 / square > self._hops))

    def _mean_squares(self, temperature: float) -> FloatArray:
        """(S, 3, 3) mean of (Q d)(Q d) over the hops of each species as often as they happen, e²Å²."""
        if temperature not in self._squares:
            net, n = self.model.network, len(self.model.carriers)
            found = np.zeros((n, 3, 3))
            try:
                log_rate = build_catalog(self.model, temperature=temperature).log_rate
            except InputError:  # the point itself will say so
                return found
            energy = np.nan_to_num(self.model.site_energy)[net.carrier, net.origin]
            for a in range(n):
                own = np.flatnonzero(net.carrier == a)
                if len(own):
                    weight = log_rate[own] - energy[own] / (K_B * temperature)
                    weight = np.exp(weight - weight.max())
                    moves = self._whole[own]
                    found[a] = np.einsum("h,hi,hj->ij", weight / weight.sum(), moves, moves)
            self._squares[temperature] = found
        return self._squares[temperature]


def linear_response(catalog: RateCatalog, zero: PointRecord) -> LinearResponse | None:
    """What the run without field, at the same temperature, says of the field of ``catalog``; None if nothing."""
    if not {"mobility_tensor", "collective_diffusivity"} <= zero.values.keys():
        return None
    size = float(np.linalg.norm(catalog.field))
    there = np.flatnonzero(np.linalg.norm(zero.directions - catalog.field / size, axis=1) < 1e-9)
    if not len(there):
        return None
    d, strength = int(there[0]), size / ANGSTROM
    mobility, unit = zero.values["mobility_einstein"][d], zero.directions[d]
    if "mobility_vector" in zero.values:
        vector, error = zero.values["mobility_vector"][d], zero.stderrs["mobility_vector"][d]
    else:  # of an earlier version: an upper bound of the error
        vector = zero.values["mobility_tensor"] @ unit
        error = zero.stderrs["mobility_tensor"] @ np.abs(unit)
    return LinearResponse(
        field=catalog.field / ANGSTROM,
        velocity=vector * strength,
        velocity_stderr=error * strength,
        mobility=mobility,
        mobility_stderr=zero.stderrs["mobility_einstein"][d],
        bias=bias_bound(catalog, zero, d),
        effective_samples=float(zero.meta["estimates"]["mobility_einstein"]["effective_samples"]),
    )


def good_enough(linear: LinearResponse, sampling: Sampling) -> bool:
    """Whether the bias is small against the error asked for; in a run of fixed length, against the error there is."""
    size = float(np.linalg.norm(linear.field))
    value = np.abs(linear.mobility)
    allowed = np.zeros_like(value)
    relative = sampling.relative_error or sampling.table_error
    mobile = sampling.target in ("mobility", "drift_velocity")
    if relative is not None:
        allowed = relative * value
    if sampling.absolute_error is not None and mobile:
        factor = size if sampling.target == "drift_velocity" else 1.0
        allowed = np.maximum(allowed, sampling.absolute_error / factor)
    elif relative is None:
        allowed = linear.mobility_stderr
    bias = linear.bias * (1.0 if mobile else D_BIAS)
    return bool(np.all((bias <= SMALL_BIAS * allowed) | (linear.mobility_stderr == 0) | np.isnan(value)))


def weak_record(
    catalog: RateCatalog,
    zero: PointRecord,
    linear: LinearResponse,
    exacts: dict[str, FloatArray],
    key: str,
) -> PointRecord:
    """The record of a field so weak that the run without field, found by ``key``, is all that is needed.

    exacts : exact answers at this field. Diffusivities are those without field, their errors widened alike.
    """
    model = catalog.model
    values, stderrs = dict(zero.values), dict(zero.stderrs)
    for name in [n for n in stderrs if n not in BORROWED]:
        del values[name], stderrs[name]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = linear.bias / np.abs(linear.mobility)
        error = linear.mobility_error / np.abs(linear.mobility)
    worst = float(np.max(error, where=np.isfinite(error), initial=0.0))
    share = D_BIAS * float(np.max(ratio, where=np.isfinite(ratio), initial=0.0))
    for name in stderrs:
        stderrs[name] = np.where(
            stderrs[name] > 0, np.hypot(stderrs[name], share * np.abs(values[name])), stderrs[name]
        )
    values |= {"drift_velocity": linear.velocity, "mobility": linear.mobility}
    stderrs |= {"drift_velocity": linear.velocity_error, "mobility": linear.mobility_error}
    doubt = np.zeros(len(model.hop_classes))
    np.maximum.at(doubt, model.network.hop_class, catalog.linear_response_error)
    values |= {
        "mobility_method": "linear response",
        "mobility_bias": linear.bias,
        "linear_response_error": doubt,
    }
    return replace(
        zero,
        field=catalog.field,
        values=values,
        stderrs=stderrs,
        exacts=exacts,
        meta={
            **zero.meta,
            "targets": [],
            "accuracy": {"ratio": None, "relative": worst},
            "without_field": key,
        },
        tallies=(),
    )


def bias_bound(catalog: RateCatalog, zero: PointRecord, direction: int) -> FloatArray:
    """(S,) how far linear response is off at most, m²/(V s).

    Of a system small enough to be solved it is the difference of two exact answers. Else a bound, from what one
    carrier alone does, from the asymmetry of the saddles where the crystal does not forbid what is linear in the
    field, and from the work of the field on the way that carriers go while they remember each other: that of the
    blocks behind the diffusivity, or half the supercell if that is less.
    """
    kt = K_B * catalog.temperature
    work = float(np.abs(catalog.work).max()) / kt
    if work == 0:
        return np.zeros(len(catalog.model.carriers))
    stronger = max(1.0, LEAST_WORK / work)
    system = _solved(catalog, stronger, dilute=None)
    if system is not None:
        return (system[0] + system[1]) / stronger * ANGSTROM**2
    alone = _solved(catalog, stronger, dilute=True)
    number = sum(c.count for c in catalog.model.carriers)
    one_even = one_odd = np.inf
    if alone is not None:
        one_even, one_odd = (_relative(x, alone[2]) / stronger for x in alone[:2])
    if number == 1 and alone is not None:
        return (one_even + one_odd) * _scale(catalog.model, zero, direction)
    relative = _linear_part(catalog, one_even, work) + _square_part(catalog, zero, one_odd, work)
    return relative * _scale(catalog.model, zero, direction)


def _relative(part: FloatArray, whole: FloatArray) -> float:
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.nan_to_num(part / np.abs(whole), posinf=0.0).max(initial=0.0))


def _solved(
    catalog: RateCatalog, stronger: float, *, dilute: bool | None
) -> tuple[FloatArray, FloatArray, FloatArray] | None:
    """Mobility along the field that is even and odd beyond linear response, and linear response; (S,), Å²/(V s)."""
    model = catalog.model
    size = float(np.linalg.norm(catalog.field))
    unit = catalog.field / size
    try:
        ends = []
        for sign in (1.0, -1.0):
            near = build_catalog(
                model, temperature=catalog.temperature, field=sign * stronger * catalog.field
            )
            solved = solve_exact(near, dilute=dilute, max_states=BIAS_STATES)
            ends.append(solved.drift_velocity @ unit / (stronger * size))
        linear = np.einsum("i,aij,j->a", unit, _response(catalog, dilute), unit)
    except KmcTransportError:
        return None
    even, odd = np.abs(ends[0] + ends[1]) / 2, np.abs((ends[0] - ends[1]) / 2 - linear)
    return np.nan_to_num(even), np.nan_to_num(odd), np.nan_to_num(linear)


_responses: WeakKeyDictionary[Model, dict[tuple[float, bool | None], FloatArray]] = WeakKeyDictionary()


def _response(catalog: RateCatalog, dilute: bool | None) -> FloatArray:
    """Exact mobility tensors without field, (S, 3, 3) Å²/(V s); the same for all fields."""
    known = _responses.setdefault(catalog.model, {})
    key = catalog.temperature, dilute
    if key not in known:
        zero = build_catalog(catalog.model, temperature=catalog.temperature)
        known[key] = solve_exact(zero, dilute=dilute, max_states=BIAS_STATES).mobility_einstein
    return known[key]


def _linear_part(catalog: RateCatalog, even: float, work: float) -> float:
    """Relative bias that is linear in the field."""
    model, kt = catalog.model, K_B * catalog.temperature
    asymmetry = float(np.abs(2 * catalog.saddle_work - catalog.work).max()) / (2 * kt)
    if not np.isfinite(even):
        return 0.0 if _reversed(model, catalog.field) else 2 * max(asymmetry, 0.1 * work)
    if even > 1e-6 * work:
        return 2 * max(even, asymmetry)
    if model.interactions is None or _reversed(model, catalog.field):
        return 0.0
    return 0.1 * work


def _reversed(model: Model, field: FloatArray) -> bool:
    """Whether an operation of the crystal turns the field round."""
    turns = (model.structure.cartesian_rotation(k) for k in range(len(model.structure.rotations)))
    return any(np.allclose(turn @ field, -field, atol=1e-6 * np.linalg.norm(field)) for turn in turns)


def _square_part(catalog: RateCatalog, zero: PointRecord, odd: float, work: float) -> float:
    """Relative bias that grows with the square of the field."""
    model, kt = catalog.model, K_B * catalog.temperature
    charge = np.array([c.charge for c in model.carriers])
    cell = np.asarray(model.structure.lattice) * np.array(model.supercell)[:, None]
    across = np.abs(cell @ catalog.field)[np.asarray(model.structure.periodic)].max(initial=0.0)
    most = 0.5 * float(np.abs(charge).max() * across / kt) ** 2
    remembered = most
    if "memory" in zero.meta:
        memory = np.einsum("i,aij,j->a", catalog.field, np.array(zero.meta["memory"]), catalog.field)
        remembered = float((charge**2 * memory).max()) / kt**2
    if depends_on_configuration(model) or sum(c.count > 0 for c in model.carriers) > 1:
        remembered = max(remembered, FEW_HOPS * work**2)
    alone = odd if np.isfinite(odd) else work**2 / 24
    return max(OF_OTHERS * alone, min(most, remembered) / 24)


def _scale(model: Model, zero: PointRecord, direction: int) -> FloatArray:
    """(S,) what a relative bias refers to: mobilities whose cross terms do not cancel, m²/(V s)."""
    unit, kt = zero.directions[direction], K_B * zero.temperature
    number, charge = (np.array([getattr(c, n) for c in model.carriers], float) for n in ("count", "charge"))
    matrix = np.abs(np.einsum("i,aibj,j->ab", unit, zero.values["collective_diffusivity"], unit))
    root = np.sqrt(np.maximum(number, 1))
    return np.nansum(matrix * (np.abs(charge) * root)[None], axis=1) / root / kt
