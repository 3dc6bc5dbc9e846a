"""What helps where a run is foretold to take long, or not to reach what it asks for."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..model.acceleration import ReversibleScaling
from ..model.model import Model

if TYPE_CHECKING:
    from ..runs.forecast import HopFrequencies
    from ..runs.pilots import Forecast, Pilot

__all__ = ["advice", "long_time", "span"]

LONG = 600.0
"""Wall seconds of a run from which remedies are told."""
CHEAPER = 3.0
"""Factor in hops that makes another target worth telling, and another accuracy."""
RARER = 30.0
"""Factor between the rates of two species from which the slower one decides."""
POOR = 0.3
"""Relative error in the end from which a longer run is worth telling."""
MANY = 64
"""Carriers of which a smaller cell would have fewer."""
YEAR = 365.25 * 86400
FOREVER = 1e6 * YEAR
SCALED = 5000
"""How much more rarely a species hops from where reversible scaling gains, as measured."""
UNITS = (("years", YEAR), ("d", 86400), ("h", 3600), ("min", 60), ("s", 1))


def long_time(seconds: float) -> str:
    """To two digits, in the unit that suits it."""
    return span(seconds, seconds).removeprefix("about ")


def span(low: float, high: float, at_least: bool = False) -> str:
    """``some 2 to 5 min``, ``at least 3 h``."""
    if at_least:
        return f"at least {long_time(low)}"
    if low > FOREVER:
        return "more than a million years"
    unit, size = next((u, x) for u, x in UNITS if high >= x or x == 1)
    first, second = (
        f"{max(x / size, 0.01):.2g}" if x < 100 * size else f"{x / size:.0f}" for x in (low, high)
    )
    if high > FOREVER:
        return f"at least {long_time(low)}"
    return f"about {first} {unit}" if first == second else f"some {first} to {second} {unit}"


def advice(model: Model, found: Sequence[HopFrequencies], told: Forecast, exact: int | None) -> Iterator[str]:
    """Remedies that apply, most effective first. exact : states of the exact solution, where there is one."""
    sampling = model.sampling
    worst = max(told.pilots, key=lambda p: p.seconds[1])
    error = sampling.table_error or sampling.relative_error
    too_long = told.wall[1] > LONG
    yield from _limits(model, told, worst)
    if exact is not None and (too_long or worst.hops.at_least):
        yield f"kmc-transport exact answers without noise: its master equation has {exact} states"
    yield from _replicas(model, told)
    if error is None:
        last = max((p.error for p in told.pilots if math.isfinite(p.error)), default=0.0)
        if last > POOR:
            yield (
                f"the {sampling.target.replace('_', ' ')} will have an error of up to about {100 * last:.0f} %: "
                "raise sampling.events (or time) for a better one"
            )
        return
    if not too_long:
        return
    if told.absorbing > CHEAPER:
        yield (
            f"sampling.acceleration: absorbing is about {told.absorbing:.1g} times quicker (tried out): most hops go "
            "back and forth, and it makes whole stays at once"
        )
    yield from _slow_species(model, found, worst)
    factor = math.sqrt(told.wall[1] / LONG)
    if factor > math.sqrt(CHEAPER) and not worst.rare:
        yield (
            f"a looser error takes less by its square: sampling.relative_error: {100 * error * factor:.1g} % "
            f"instead of {100 * error:.3g} % takes about {long_time(LONG)}"
        )
    cheaper = {n: h for n, h in worst.others.items() if CHEAPER * h < worst.hops.likely}
    if isinstance(sampling.acceleration, ReversibleScaling):
        cheaper.pop("charge_diffusivity", None)  # which it refuses
    for name, hops in sorted(cheaper.items(), key=lambda item: item[1])[:1]:
        yield f"sampling.target: {name} is as accurate after some {hops:.0e} hops instead of {worst.hops.likely:.0e}"
    if worst.decides is not None and sampling.target != "tracer_diffusivity":
        number = model.carriers[worst.decides].count
        if number >= MANY:
            yield (
                f"a smaller supercell: the {sampling.target.replace('_', ' ')} of {number} carriers is one number of "
                "all of them, which half as many carriers tell as well with half the hops"
            )


def _limits(model: Model, told: Forecast, worst: Pilot) -> Iterator[str]:
    """What will end points before they are as accurate as asked."""
    limit, need = model.sampling.wall_time, worst.seconds[0]
    if limit is not None and need > limit:
        yield (
            f"sampling.wall_time of {long_time(limit)} ends points before: they need "
            f"{span(*worst.seconds, worst.hops.at_least)}; raise it, and run again to go on"
        )
    if worst.decides is None:
        return
    if worst.hops.low > worst.cap:
        why = "sampling.events or time" if _capped(model) else "the package's own limit"
        yield f"points end after {worst.cap:.0e} hops ({why}), with what they know by then"


def _capped(model: Model) -> bool:
    return model.sampling.events is not None or model.sampling.time is not None


def _replicas(model: Model, told: Forecast) -> Iterator[str]:
    """Where replicas differ in what no hop changes, only more of them help."""
    scatter = max(p.scatter for p in told.pilots)
    if scatter <= 1:
        return
    number = math.ceil(1.2 * model.sampling.replicas * scatter**2)
    more = f"some {number:.0e} replicas" if number > 1000 else f"sampling.replicas: {number}"
    yield (
        "replicas keep the numbers of carriers that their networks start with, and that scatter alone is about "
        f"{scatter:.2g} times the error asked for, however long they run: initial: {{networks: equal}}, or {more}"
    )


def _slow_species(model: Model, found: Sequence[HopFrequencies], worst: Pilot) -> Iterator[str]:
    """Where the target waits for a species that hops rarely beside others."""
    if worst.decides is None:
        return
    here = min(found, key=lambda f: abs(1 / f.temperature - 1 / worst.temperature))
    slower = here.slower[worst.decides]
    if not np.isfinite(slower) or slower < RARER:
        return
    slow = model.carriers[worst.decides].name
    quick = model.carriers[int(np.argmax(here.rate / np.maximum(here.number, 1)))].name
    if isinstance(model.sampling.acceleration, ReversibleScaling):
        yield (
            f"the times above are those of a run hop by hop; reversible scaling makes the hops of {quick}, "
            f"{slower:.1g} for each of {slow}, as many fewer as it finds sound"
        )
        return
    more, sampling = "", model.sampling
    refused = model.observed or sampling.table_error is not None or sampling.target == "charge_diffusivity"
    if slower > SCALED and not refused and sampling.algorithm != "absorbing":
        more = f"; or, where {slow} is all that is asked for, sampling.acceleration: reversible_scaling"
    yield (
        f"the run waits for {slow}, which hops {slower:.1g} times more rarely than {quick}: simulate {quick} alone "
        f"(freeze: [{slow}]), and {slow} without {quick} or at higher temperatures{more}"
    )
