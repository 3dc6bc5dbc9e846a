"""Formula units exchanged with a reservoir: chemical potential and thermodynamic factor."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from ...ndarrays import FloatArray, IntArray
from ...records import Estimate
from ...units import K_B
from ..pace import ShouldStop, Stopped, never
from . import kernels as k
from .anneal import LatticeMonteCarlo
from .equilibration import autocorrelation_time

__all__ = ["Exchange", "NoEstimate", "log_ratio", "number_fluctuations"]

BLOCKS = 32
"""Parts of the series behind the standard errors; fewer while it is short."""
FEWEST_BLOCKS = 16
TAUS = 10.0
"""Autocorrelation times that a block outlives."""
FIRST_ROUNDS, MOST_ROUNDS = 512, 2**15
TRIALS = 1024
"""Exchanges tried in a round, at least."""
PILOTS, PILOT_ROUNDS = 60, 32
RECOUNT = 64
"""Rounds between two counts of energy and potential from scratch."""


class NoEstimate(Exception):
    """Why there is no number."""


class Exchange:
    """Monte Carlo with a varying number of formula units in the supercell of ``lattice``, which is in equilibrium.

    Parameters
    ----------
    unit : (S,) carriers of each species in a unit. temperature : K.

    Carriers are put in and taken out one by one, species after species: rungs of a ladder. What lies between two whole
    numbers of units has a weight of its own and does not count, so that a neutral pair need not be moved at one stroke
    (D. J. Adams, Mol. Phys. 29, 307 (1975), for one species). Between exchanges carriers move as in
    `LatticeMonteCarlo`.
    """

    def __init__(
        self,
        lattice: LatticeMonteCarlo,
        unit: npt.ArrayLike,
        temperature: float,
    ) -> None:
        self.lattice, self.temperature = lattice, temperature
        self.unit = np.asarray(unit, np.int64)
        self.order = np.repeat(np.arange(len(self.unit)), self.unit)
        basis = lattice.open_sites % lattice.model.structure.n_sites
        own = [lattice.open_sites[lattice.energies.allowed[a][basis]] for a in range(len(self.unit))]
        self.first, self.own = np.cumsum([0, *map(len, own)]), np.concatenate(own)
        self._most = max(map(len, own))
        number, there = self._number, self.unit > 0
        self.units = int((number[there] // self.unit[there]).min())
        """Units at the start."""
        room = np.diff(self.first) - number + self.units * self.unit
        steps = len(self.order)
        self.bottom, self.rung = 0, self.units * steps
        self.top = int((room[there] // self.unit[there]).min()) * steps
        """Rungs between which the number of carriers varies."""
        self.steps = np.zeros(steps)
        """ln Z(k + 1)/Z(k) that the weights of the rungs make up for, for each carrier of a unit."""
        self.rounds = 0

    @property
    def _number(self) -> IntArray:
        return np.bincount(self.lattice.species_of, minlength=len(self.unit)).astype(np.int64)

    def _round(self, bias: FloatArray, tally: FloatArray) -> None:
        """Some exchanges, and a trial move of every carrier."""
        lattice, number = self.lattice, self._number
        listed = np.zeros((len(self.unit), self._most), np.int64)
        for a in range(len(self.unit)):
            listed[a, : number[a]] = lattice.site_of[lattice.species_of == a]
        self.rung, lattice.energy = k.exchange_trials(
            lattice.energies,
            lattice.occupation,
            lattice.potential,
            self.order,
            self.first,
            self.own,
            listed,
            number,
            bias,
            self.bottom,
            self.top,
            self.rung,
            1 / (K_B * self.temperature),
            lattice.rng.random((max(TRIALS, 2 * lattice.n_carriers), 3)),
            tally,
            lattice.energy,
        )
        lattice.relist()
        self.rounds += 1
        lattice.run(self.temperature, 1, recount=self.rounds % RECOUNT == 0)

    def run(self, rounds: int, should_stop: ShouldStop = never) -> tuple[FloatArray, FloatArray]:
        """What `kernels.exchange_trials` counts on the rungs from the bottom on, in (up to `BLOCKS`) blocks of equal
        length, and the mean rung in each round. Raises Stopped when told to."""
        n_steps, rungs = len(self.order), np.arange(self.top + 1)
        offset = np.concatenate([[0.0], np.cumsum(self.steps)[:-1]])
        bias = -float(self.steps.sum()) * (rungs // n_steps) - offset[rungs % n_steps]
        blocks = np.zeros((min(rounds, BLOCKS), len(rungs), 5))
        mean, held = np.zeros(rounds), np.zeros(len(rungs))
        for i in range(rounds):
            if should_stop():
                raise Stopped
            tally = blocks[i * len(blocks) // rounds]
            held[:] = tally[:, 0]
            self._round(bias, tally)
            held = tally[:, 0] - held
            mean[i] = held @ rungs / held.sum()
        return blocks[:, self.bottom :], mean

    def settle_rungs(self, should_stop: ShouldStop = never) -> None:
        """Find weights with which all rungs between the present number of units and one more are held alike.

        Raises NoEstimate where there are none, Stopped when told to.
        """
        bounds, n_steps = (self.bottom, self.top), len(self.order)
        self.bottom = self.rung
        self.top = self.rung + n_steps
        for _ in range(PILOTS):
            tally = self.run(PILOT_ROUNDS, should_stop)[0].sum(axis=0)
            ratio = _log_ratios(tally)
            self.steps += np.clip(np.nan_to_num(ratio, posinf=2.0, neginf=-2.0), -3.0, 3.0)
            if np.all(np.abs(ratio) < 1.0):
                break
        else:
            raise NoEstimate("exchanges of carriers are too rare")
        while self.rung > self.bottom:  # back to as many units as before
            self.run(1, should_stop)
        self.bottom, self.top = bounds


def _log_ratios(tally: FloatArray) -> FloatArray:
    """(rungs - 1,) ln of how much more often each rung would be held than the one below, from the probabilities of all
    trials, accepted or not; infinite where one of them was never seen.

    C. H. Bennett, J. Comput. Phys. 22, 245 (1976), with Metropolis' function; insertions alone are Widom's.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        up, down = tally[:-1, 2] / tally[:-1, 1], tally[1:, 4] / tally[1:, 3]
        found = np.log(up) - np.log(down)
    found = np.where(np.isnan(up) | (down == 0), np.inf, found)
    return np.asarray(np.where(np.isnan(down) | (up == 0), -np.inf, found))


def _jackknife(
    function: Callable[[FloatArray], FloatArray], blocks: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Value and standard error of a function of the sum over blocks (n, ...)."""
    n, whole = len(blocks), blocks.sum(axis=0)
    left = np.array([function(whole - b) for b in blocks])
    return function(whole), np.sqrt((n - 1) / n * ((left - left.mean(axis=0)) ** 2).sum(axis=0))


def _sampled(
    exchange: Exchange,
    function: Callable[[FloatArray], FloatArray],
    good: Callable[[FloatArray, FloatArray], bool],
    should_stop: ShouldStop,
) -> tuple[FloatArray, FloatArray, int, float]:
    """Value and standard error of a function of what was counted, by twice as many rounds each time until they are
    ``good`` or `MOST_ROUNDS` over; number of blocks, and of independent samples. Raises NoEstimate, Stopped."""
    blocks, means = exchange.run(FIRST_ROUNDS, should_stop)
    while True:
        tau = autocorrelation_time(means)
        merged = blocks
        while len(merged) > 1 and len(means) / len(merged) < TAUS * tau:
            merged = merged[: len(merged) // 2 * 2].reshape(-1, 2, *merged.shape[1:]).sum(axis=1)
        if len(merged) >= FEWEST_BLOCKS:
            value, stderr = _jackknife(function, merged)
            if good(value, stderr) or len(means) >= MOST_ROUNDS:
                return value, stderr, len(merged), len(means) / tau
        elif len(means) >= MOST_ROUNDS:
            raise NoEstimate("the number of carriers changes too slowly for an error bar")
        more, series = exchange.run(len(means), should_stop)
        means = np.concatenate([means, series])
        blocks = np.concatenate([blocks, more]).reshape(len(blocks), 2, *more.shape[1:]).sum(axis=1)


def log_ratio(
    exchange: Exchange, error: float, should_stop: ShouldStop = never
) -> tuple[float, float, float]:
    """ln Z(n + 1)/Z(n) of the n units that are there, with a standard error of ``error`` if that can be had, and the
    number of independent samples. Raises NoEstimate, Stopped."""
    exchange.settle_rungs(should_stop)
    exchange.bottom, exchange.top = exchange.rung, exchange.rung + len(exchange.order)

    def ratio(tally: FloatArray) -> FloatArray:
        return np.array([float(_log_ratios(tally).sum())])

    value, stderr, _, samples = _sampled(exchange, ratio, lambda v, s: bool(s[0] <= error), should_stop)
    if not (np.isfinite(value[0]) and np.isfinite(stderr[0])):
        raise NoEstimate("exchanges of carriers are too rare")
    return float(value[0] + exchange.steps.sum()), float(stderr[0]), samples


def number_fluctuations(
    exchange: Exchange, relative_error: float, should_stop: ShouldStop = never
) -> tuple[Estimate, Estimate]:
    """Thermodynamic factor <n>/(<n²> - <n>²) and chemical potential (eV) of the grand canonical ensemble whose mean is
    the number of units that are there.

    Sampled until the factor has the relative error or the rounds are over. Raises NoEstimate where the number of units
    jumps (two phases) or changes too slowly, Stopped when told to.
    """
    n, n_steps, kt = exchange.units, len(exchange.order), K_B * exchange.temperature
    exchange.settle_rungs(should_stop)
    first = exchange.bottom // n_steps

    def counts(tally: FloatArray) -> tuple[IntArray, FloatArray]:
        """Numbers of whole units that were seen, and how often."""
        whole = tally[::n_steps, 0]
        seen = np.flatnonzero(whole)
        return seen + first, whole[seen]

    for _ in range(PILOTS):
        tally = exchange.run(PILOT_ROUNDS, should_stop)[0].sum(axis=0)
        mean, variance = _moments(*counts(tally))
        if abs(mean - n) < max(0.3, 0.3 * math.sqrt(variance)):
            break
        exchange.steps += np.clip((mean - n) / max(variance, 0.25), -1.0, 1.0) / n_steps
    else:
        raise NoEstimate(f"{n} units are not the mean at any chemical potential that was tried: two phases")

    def numbers(tally: FloatArray) -> FloatArray:
        """Factor and mu, at the chemical potential where the mean is right."""
        units, often = counts(tally)
        shift = 0.0
        for _ in range(50):
            weight = shift * (units - n)
            mean, variance = _moments(units, often * np.exp(weight - weight.max()))
            step = float(np.clip((n - mean) / max(variance, 1e-12), -1.0, 1.0))
            shift += step
            if abs(step) < 1e-12:
                break
        return np.array([n / variance, kt * (shift - exchange.steps.sum())])

    value, stderr, blocks, samples = _sampled(
        exchange, numbers, lambda v, s: bool(s[0] <= relative_error * v[0]), should_stop
    )
    factor, potential = (
        Estimate(
            value=value[i],
            stderr=stderr[i],
            effective_samples=samples,
            method=f"number fluctuations, jackknife over {blocks} blocks",
            unit=unit,
        )
        for i, unit in enumerate(("1", "eV"))
    )
    return factor, potential


def _moments(n: IntArray, often: FloatArray) -> tuple[float, float]:
    total = float(often.sum())
    mean = float(often @ n) / total
    return mean, float(often @ (n - mean) ** 2) / total
