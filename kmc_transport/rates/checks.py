"""Checks that every catalog passes: local detailed balance, loop rule, rates within range."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import numpy as np

from ..errors import Problem, RateError
from ..ndarrays import FloatArray
from ..units import K_B

if TYPE_CHECKING:
    from ..model.model import HopNetwork, Model
    from .catalog import RateCatalog

__all__ = ["check_catalog", "describe_hop", "site_function_residual"]

TOLERANCE = 1e-8
"""Largest mismatch of a logarithmic rate ratio, relative to 1 + its size."""


def describe_hop(model: Model, hop: int) -> str:
    """One directed hop in words, for messages."""
    net, labels = model.network, model.structure.labels
    cell = ", ".join(str(int(c)) for c in net.cell[hop])
    return (
        f"hop {hop} ({model.hop_classes[net.hop_class[hop]].name}): {labels[net.origin[hop]]}"
        f"[{net.origin[hop]}] -> {labels[net.target[hop]]}[{net.target[hop]}] in cell ({cell})"
    )


def site_function_residual(network: HopNetwork, difference: FloatArray) -> FloatArray:
    """How far ``difference`` is from being the difference of a function of the sites, hop by hop.

    A quantity on the hops sums to zero round every loop of sites exactly when it is such a difference. The
    function is built along a spanning tree for each carrier; the residual of each hop (n_hops,) is returned.
    """
    residual = np.zeros(network.n_hops)
    for carrier in np.unique(network.carrier):
        hops = np.flatnonzero(network.carrier == carrier)
        origin, target = network.origin[hops], network.target[hops]
        leaving: dict[int, list[tuple[int, float]]] = {}
        for i, j, d in zip(origin.tolist(), target.tolist(), difference[hops].tolist(), strict=True):
            leaving.setdefault(i, []).append((j, d))
        value: dict[int, float] = {}
        for start in leaving:
            if start in value:
                continue
            value[start] = 0.0
            queue = deque([start])
            while queue:
                site = queue.popleft()
                for end, step in leaving.get(site, ()):
                    if end not in value:
                        value[end] = value[site] + step
                        queue.append(end)
        known = np.zeros(int(max(origin.max(), target.max())) + 1)
        known[list(value)] = list(value.values())
        residual[hops] = difference[hops] - (known[target] - known[origin])
    return residual


def check_catalog(catalog: RateCatalog) -> None:
    """Raise `RateError` naming the worst hop of each rule that the catalog breaks.

    1. Rates are finite and representable. 2. Local detailed balance for each hop and its reverse:
    ``ln(k_f/k_b) = ln(nu_f/nu_b) - (E0 - E0' - W)/kT``. 3. Loop rule: round a loop that winds by R,
    ``sum W = Q R.E``, and without the field's work ``sum ln(k_f/k_b) = 0`` (Salles 2020; the state-function
    property of the work). Carriers with a classical response, a diagnostic, are exempt from the rule for W.
    4. Where carriers are slowed: all hops of a carrier by one factor, so that equilibrium and affinities stay.
    """
    model, net = catalog.model, catalog.model.network
    kt = K_B * catalog.temperature
    problems: list[Problem] = []

    bad = ~np.isfinite(catalog.log_rate) | (catalog.rate < 1e-290) | (catalog.rate > 1e290)
    if bad.any():
        h = int(np.flatnonzero(bad)[0])
        problems.append(
            Problem(
                f"the rate of {describe_hop(model, h)} is out of range at {catalog.temperature:g} K",
                key=model.hop_classes[net.hop_class[h]].source,
                value=f"10^{catalog.log_rate[h] / np.log(10):.1f} 1/s",
                allowed="1e-290 to 1e290 1/s",
                remedy="raise the temperature, or check the unit of the barrier",
            )
        )

    log_ratio = catalog.log_rate - catalog.log_rate[net.reverse]
    nu_ratio = np.log(catalog.attempt_frequency / catalog.attempt_frequency[net.reverse])
    expected = nu_ratio - (catalog.barrier - catalog.barrier[net.reverse] - catalog.work) / kt
    _worst(
        problems,
        catalog,
        np.abs(log_ratio - expected) / (1 + np.abs(expected)),
        "breaks local detailed balance: ln(k_f/k_b) is not ln(nu_f/nu_b) - dH/kT",
        log_ratio,
        expected,
    )

    charge = np.array([c.charge for c in model.carriers])[net.carrier]
    step = (
        model.structure.cart[net.target]
        + net.cell @ model.structure.lattice
        - model.structure.cart[net.origin]
    )
    winding_work = charge * (step @ catalog.field)
    residual = site_function_residual(net, catalog.work - winding_work)
    # the classical picture breaks the rule by its nature: every output says so, and the Einstein check shows it
    residual[np.isin(net.carrier, net.carrier[catalog.classical])] = 0.0
    _worst(
        problems,
        catalog,
        np.abs(residual) / kt / (1 + np.abs(catalog.work) / kt),
        "breaks the loop rule: the field's work round a loop is not Q R.E",
        catalog.work,
        catalog.work - residual,
    )

    zero_field = log_ratio - catalog.work / kt
    residual = site_function_residual(net, zero_field)
    _worst(
        problems,
        catalog,
        np.abs(residual) / (1 + np.abs(log_ratio)),
        "drives a current round a closed loop: without the field's work ln(k_f/k_b) does not sum to zero",
        zero_field,
        zero_field - residual,
    )
    factor = np.ones(len(model.carriers)) if not model.slowing else np.array(model.slowing)
    _worst(
        problems,
        catalog,
        np.abs(catalog.slowing / factor[net.carrier] - 1),
        "is not slowed like the other hops of its carrier, its reverse among them: that would change the equilibrium",
        catalog.slowing,
        factor[net.carrier],
    )
    if problems:
        raise RateError(problems)


def _worst(
    problems: list[Problem],
    catalog: RateCatalog,
    mismatch: FloatArray,
    what: str,
    given: FloatArray,
    needed: FloatArray,
) -> None:
    if mismatch.size and not mismatch.max() <= TOLERANCE:
        h = int(np.argmax(mismatch))  # NaN is worst
        model = catalog.model
        problems.append(
            Problem(
                f"{describe_hop(model, h)} {what}",
                key=model.hop_classes[model.network.hop_class[h]].source,
                value=f"{given[h]:.10g}",
                allowed=f"{needed[h]:.10g} within {TOLERANCE:g}",
                remedy="make the barriers (or attempt frequencies) of the loop that this hop closes consistent",
            )
        )
