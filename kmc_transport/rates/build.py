"""A rate catalog from a model, at one temperature and field, checked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..errors import InputError
from ..model.model import HopClass, Model, frozen_array
from ..ndarrays import FloatArray
from ..rules import BarrierRule, make_rule
from ..rules.field import effective_barrier, saddle_dipole
from ..units import K_B
from .balance import check_configurations
from .catalog import RateCatalog
from .checks import check_catalog

__all__ = ["ZeroFieldRate", "build_catalog", "zero_field_rate"]


def build_catalog(model: Model, *, temperature: float, field: npt.ArrayLike = (0.0, 0.0, 0.0)) -> RateCatalog:
    """Catalog of ``model`` at one temperature and field, checked for detailed balance and the loop rule.

    Parameters
    ----------
    temperature : K, > 0.
    field : (3,) Cartesian internal field, V/Å (1 V/m = 1e-10 V/Å).

    Rates are ``k = channels nu exp(-E/kT)``; the field enters by ``W = Q d.E`` for the whole hop and
    ``W_S = (p_S - p_i).E`` up to the saddle (Salles 2020, eq 2), clamped at strong field.

    Raises
    ------
    InputError
        When the temperature or the field is not usable.
    RateError
        When a rate breaks local detailed balance or the loop rule, or cannot be represented.
    """
    e_field = np.asarray(field, dtype=np.float64)
    if e_field.shape != (3,) or not np.isfinite(e_field).all():
        raise InputError(
            "the field is not a vector",
            key="field",
            value=field,
            allowed="three finite numbers, V/Å",
            remedy="give [Ex, Ey, Ez]",
        )
    if not 0 < temperature < np.inf:
        raise InputError(
            "the temperature is not usable",
            key="temperature",
            value=temperature,
            allowed="> 0 K",
            remedy="give it in kelvin",
        )
    net, classes = model.network, model.hop_classes
    kt = K_B * temperature
    forward = net.orientation > 0

    def per_hop(ahead: list[float], back: list[float]) -> FloatArray:
        return np.where(forward, np.array(ahead)[net.hop_class], np.array(back)[net.hop_class])

    rules = [None if c.given_barriers else _rule(c).at_temperature(temperature) for c in classes]
    corrections = [_zero_point(c) for c in classes]
    barrier = per_hop(
        [c.barrier_forward + ahead for c, (ahead, _) in zip(classes, corrections, strict=True)],
        [c.barrier_reverse + back for c, (_, back) in zip(classes, corrections, strict=True)],
    )
    logs = [
        (0.0, 0.0) if c.attempt_frequency is None else c.attempt_frequency.log_at(temperature)
        for c in classes
    ]
    log_attempt = per_hop([ahead for ahead, _ in logs], [back for _, back in logs])
    fraction = per_hop([c.saddle_fraction for c in classes], [1 - c.saddle_fraction for c in classes])
    channels = np.array([c.channels for c in classes], dtype=np.float64)[net.hop_class]
    charge = np.array([c.charge for c in model.carriers])[net.carrier]

    dipole = saddle_dipole(charge, net.vector, fraction)
    whole = charge[:, None] * net.vector
    for index, c in enumerate(classes):
        if c.response == "classical":
            assert c.classical_dipole is not None
            _turned_dipoles(model, index, np.array(c.classical_dipole), whole, dipole, doubled=True)
        elif c.saddle_dipole is not None:
            _turned_dipoles(model, index, np.array(c.saddle_dipole), whole, dipole)
    for index, rule in enumerate(rules):
        if rule is not None and not rule.takes_saddle_dipole:
            dipole[net.hop_class == index] = 0.0  # the field acts through the energies of the ends
    saddle_work = dipole @ e_field
    work = whole @ e_field
    effective, clamped = effective_barrier(barrier, barrier[net.reverse], saddle_work, work)
    difference = model.site_energy[net.carrier, net.target] - model.site_energy[net.carrier, net.origin]
    for index, rule in enumerate(rules):
        if rule is None:
            continue
        for sign, one in ((1, rule), (-1, rule.reversed())):
            hops = np.flatnonzero((net.hop_class == index) & (net.orientation == sign))
            barrier[hops] = one.activation_energy(difference[hops]).energy
            effective[hops], clamped[hops] = one.activation_energy(
                difference[hops], work[hops], saddle_work[hops]
            )
            if one.own_prefactor:
                log_attempt[hops] = np.log(one.prefactor(temperature))
            else:
                log_attempt[hops] += one.log_transmission
    slowing = np.ones(net.n_hops)
    if model.slowing:
        slowing = np.array(model.slowing, np.float64)[net.carrier]
        log_attempt += np.log(
            slowing
        )  # in the attempt frequency, so that it reaches all who work rates out anew
    log_rate = log_attempt + np.log(channels) - effective / kt
    with np.errstate(over="ignore", under="ignore"):
        rate = np.exp(log_rate)

    def keep(values: npt.ArrayLike) -> FloatArray:
        return frozen_array(values, np.float64)

    catalog = RateCatalog(
        model=model,
        temperature=float(temperature),
        field=keep(e_field),
        rate=keep(rate),
        log_rate=keep(log_rate),
        barrier=keep(barrier),
        effective_barrier=keep(effective),
        attempt_frequency=keep(np.exp(log_attempt)),
        saddle_dipole=keep(dipole),
        saddle_work=keep(saddle_work),
        work=keep(work),
        clamped=frozen_array(clamped, np.bool_),
        slowing=keep(slowing),
    )
    check_catalog(catalog)
    if model.interactions is not None or model.disorder is not None:
        check_configurations(catalog)
    return catalog


def _turned_dipoles(
    model: Model,
    hop_class: int,
    first: FloatArray,
    whole: FloatArray,
    dipole: FloatArray,
    *,
    doubled: bool = False,
) -> None:
    """Saddle dipoles of all hops of a class from that of its first: it turns with the hop, and the way up from the
    other end is the rest of the whole hop (Salles 2020, eq 2: half-path works add up). Written into ``dipole``.

    doubled : the classical picture, whose whole hop is twice the way up; written into ``whole`` too.
    """
    net = model.network
    for h in np.flatnonzero((net.hop_class == hop_class) & (net.orientation > 0)):
        back = net.reverse[h]
        dipole[h] = model.structure.cartesian_rotation(int(net.operation[h])) @ first
        if doubled:
            whole[h] = 2 * dipole[h]
            whole[back] = -whole[h]
        dipole[back] = dipole[h] - whole[h]


@dataclass(frozen=True)
class ZeroFieldRate:
    """Forward hop of a class without field: barrier (eV), attempt frequency (Hz), ln of the rate (1/s)."""

    barrier: float
    attempt_frequency: float
    log_rate: float


def zero_field_rate(hop_class: HopClass, temperature: float) -> ZeroFieldRate:
    """Rate of one class at ``temperature`` (K), used in the network or a mere candidate; ends of equal energy for
    a rule with parameters of its own."""
    nu = hop_class.attempt_frequency
    log_attempt = 0.0 if nu is None else nu.log_at(temperature)[0]
    if hop_class.given_barriers:
        barrier = hop_class.barrier_forward + _zero_point(hop_class)[0]
    else:
        rule = _rule(hop_class).at_temperature(temperature)
        barrier = float(rule.activation_energy(0.0).energy)
        log_attempt += rule.log_transmission
        if rule.own_prefactor:
            log_attempt = float(np.log(rule.prefactor(temperature)))
    log_rate = log_attempt + np.log(hop_class.channels) - barrier / (K_B * temperature)
    return ZeroFieldRate(barrier, float(np.exp(log_attempt)), float(log_rate))


def _rule(hop_class: HopClass) -> BarrierRule:
    """Rule of a hop class; refuses what it must not have beside it, and misses what it needs."""
    rule = make_rule(hop_class.rule, dict(hop_class.rule_parameters), hop_class.source)
    if hop_class.response != "midpoint" and not rule.takes_saddle_dipole:
        raise InputError(
            f"with the rule '{rule.name}' the field acts through dH alone",
            key=f"{hop_class.source} field_response",
            value=hop_class.response,
            allowed="midpoint",
            remedy="leave 'field_response' (and --classical) out: the place of the crossing follows from dH",
        )
    nu = hop_class.attempt_frequency
    if nu is None and not rule.own_prefactor:
        raise InputError(
            f"the rule '{rule.name}' needs an attempt frequency",
            key=f"{hop_class.source}.attempt_frequency",
            value=None,
            allowed="> 0 Hz, eyring, koettgen, vineyard",
            remedy="give one beside the barrier, for example  attempt_frequency: 10 THz",
        )
    rule.check_companions(
        attempt_frequency=None if nu is None else nu.label,
        saddle_dipole=None if hop_class.saddle_fraction == 0.5 else hop_class.saddle_fraction,
        key=hop_class.source,
    )
    return rule


def _zero_point(hop_class: HopClass) -> tuple[float, float]:
    """What the zero-point energy adds to the forward and the reverse barrier, eV."""
    if hop_class.attempt_frequency is None or not hop_class.given_barriers:
        return 0.0, 0.0  # the model refused `add` beside a rule
    return hop_class.attempt_frequency.barrier_correction(hop_class.zero_point, key=hop_class.source)
