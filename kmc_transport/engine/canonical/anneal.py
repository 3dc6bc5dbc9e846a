"""Initial configurations from lattice Monte Carlo: canonical, with the energies of the model, cooled to equilibrium."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...energies.supercell import Supercell
from ...energies.terms import Charges, terms_of
from ...model.interactions import Initial
from ...model.model import Model
from ...ndarrays import FloatArray, IntArray
from ...units import K_B
from ..pace import Pace, ShouldStop, Stopped, never
from . import kernels as k
from .equilibration import Equilibration, judge
from .kernels_moves import run_moves
from .moves import build_moves, networks_of

__all__ = ["Annealing", "LatticeMonteCarlo", "Rung", "anneal", "build_energies", "start_temperature"]

RATIO = 1.25
"""Largest ratio of two temperatures that follow each other."""
FIRST_SWEEPS = 256
"""Length of the first look at a temperature; it doubles until the series has come to rest."""
DEFAULT_START = 10.0
"""Times the last temperature: where annealing starts when the input does not say."""
TRIALS = 2**18
"""Trials whose random numbers are drawn at once."""
ON_THE_WAY = 8
"""Temperatures before the last one get at most this fraction of the sweeps."""
FEW_SWEEPS = 64
"""As many where pairs move too: what counts is that the last temperature is at rest."""
EASY, LOOK = 0.5, 8
"""Share of accepted trials, in so many sweeps after as many others, from which on there is nothing to cool down for."""
STUCK = 0.01
"""Share of accepted trials below which an energy that stays the same says nothing before all sweeps are done."""


def build_energies(model: Model) -> k.CarrierEnergies:
    """The terms of the model's energy as arrays for the kernels of `kmc_transport.engine.canonical.kernels`.

    In eV, not in whole numbers: energy series of earlier runs stay what they were, to the last digit.
    """
    n_sites, n_species = model.structure.n_sites, len(model.species)
    terms = terms_of(Supercell(model))
    site = np.nan_to_num(terms.sites.value)
    pairs, several = (([0], list[IntArray](), list[float]()) for _ in range(2))
    for species, s in np.ndindex(n_species, n_sites):
        if terms.clusters is not None:
            for c, others in terms.clusters.near(species, s).copies():
                energy = float(terms.clusters.value[c])
                if not len(others):
                    site[species, s] += energy
                    continue
                _, members, energies = pairs if len(others) == 1 else several
                members.append(others)
                energies.append(energy)
        for first, _, energies in (pairs, several):
            first.append(len(energies))
    phi = np.zeros((1, 1, 0, 0, 0))
    if isinstance(terms.charges, Charges) and terms.charges.charge.any():
        phi = np.concatenate([np.nan_to_num(terms.charges.potential)] * 2, axis=-1)
    none = np.zeros((0, 5), np.int64)
    return k.CarrierEnergies(
        size=np.array(model.supercell, np.int64),
        site=site,
        disorder=np.zeros((n_species, 0))
        if terms.disorder is None
        else np.ascontiguousarray(terms.disorder.value),
        pair_first=np.array(pairs[0], np.int64),
        pair=np.concatenate([none, *pairs[1]]),
        pair_energy=np.array(pairs[2], np.float64),
        term_first=np.array(several[0], np.int64),
        term_energy=np.array(several[2], np.float64),
        term_start=np.cumsum([0, *map(len, several[1])]),
        member=np.concatenate([none, *several[1]]),
        phi=phi,
        charge=np.array([c.charge for c in model.species], np.float64),
        allowed=np.array(model.species_sites, np.bool_),
    )


class LatticeMonteCarlo:
    """Metropolis Monte Carlo of all carriers in the supercell at fixed numbers, without field.

    Immobile species stay where they sit; those that are not settled yet move like carriers.

    Parameters
    ----------
    sites : flat sites of the carriers of each species, numbered as in `kmc_transport.model.interactions`; of immobile
        ones too where they are not settled.
    rng : every random number comes from it.
    within_networks : whether each carrier stays in the part of the supercell that its hops join; or the species
        of which this holds.
    held : species whose carriers stay on their sites.
    pairs : whether carriers also hop, and move together with one that they are bound to, beside going anywhere
        (`kmc_transport.engine.canonical.kernels_moves`): bound carriers come to equilibrium much sooner.

    Attributes
    ----------
    energy : eV, of the present configuration; kept up to date and counted anew with every call of `run`.
    possible, accepted : trial moves since the start.
    """

    def __init__(
        self,
        model: Model,
        sites: Sequence[npt.ArrayLike],
        rng: np.random.Generator,
        *,
        within_networks: bool | Collection[int] = False,
        held: Collection[int] = (),
        pairs: bool = False,
    ) -> None:
        self.model, self.rng = model, rng
        self.energies = build_energies(model)
        given = [np.array(s, np.int64) for s in sites]
        self.n_species = len(given)
        self.site_of = np.concatenate([np.zeros(0, np.int64), *given])
        self.species_of = np.repeat(np.arange(len(given)), [len(s) for s in given]).astype(np.int64)
        self.occupation = model.background.astype(np.int16)
        self.occupation[self.site_of] = self.species_of + 1
        stays = np.isin(self.species_of, list(held))
        self._held = {a: np.sort(given[a]) for a in held}
        kept, self.site_of, self.species_of = (
            self.site_of[stays],
            self.site_of[~stays],
            self.species_of[~stays],
        )
        open_ = np.tile(np.any(model.species_sites[: len(given)], axis=0), model.n_cells)
        if model.closed is not None:
            open_ &= ~model.closed
        open_[kept] = False
        self.open_sites = np.flatnonzero(open_)
        self.free = self.open_sites[self.occupation[self.open_sites] == 0]
        charged = self.energies.phi.shape[2] > 0
        self.potential = np.zeros((model.structure.n_sites, *model.supercell) if charged else (0, 0, 0, 0))
        self.possible = self.accepted = 0
        several = len(set(self.species_of.tolist())) > 1
        self._several = several if model.immobile or held else len(given) > 1
        among = (
            range(len(given) if within_networks else 0)
            if isinstance(within_networks, bool)
            else within_networks
        )
        self._networks = networks_of(model, among, kept) if within_networks or pairs else None
        self.moves = build_moves(model, self.energies) if pairs else None
        self._pace = Pace()
        self.energy = self.recount()

    @property
    def n_carriers(self) -> int:
        return len(self.site_of)

    @property
    def sites(self) -> tuple[IntArray, ...]:
        """Flat sites of the carriers of each species, ascending."""
        return tuple(
            self._held[a] if a in self._held else np.sort(self.site_of[self.species_of == a])
            for a in range(self.n_species)
        )

    def relist(self) -> None:
        """Carriers and free sites anew from the occupation."""
        sites = self.open_sites[self.occupation[self.open_sites] > 0]
        sites = sites[np.argsort(self.occupation[sites], kind="stable")]
        self.site_of, self.species_of = sites, self.occupation[sites].astype(np.int64) - 1
        self.free = self.open_sites[self.occupation[self.open_sites] == 0]

    def recount(self) -> float:
        """Energy from scratch, eV; the potential is counted anew too."""
        k.fill_potential(self.energies, self.occupation, self.potential)
        return float(k.total_energy(self.energies, self.occupation, self.potential))

    def difference(self, x: int, y: int) -> float:
        """Energy difference of swapping what sits on two sites, eV."""
        return float(k.swap_difference(self.energies, self.occupation, self.potential, x, y))

    def run(
        self, temperature: float, sweeps: int, *, recount: bool = True, should_stop: ShouldStop = never
    ) -> FloatArray:
        """(sweeps,) energy after each sweep (as many trials as there are carriers), eV.

        Without ``recount``, energy and potential are not counted anew in the end, which takes long for many charges.
        Raises Stopped when told to.
        """
        beta, n = 1 / (K_B * temperature), self.n_carriers
        series = np.full(sweeps, self.energy)
        trial, trials = 0, sweeps * n
        while trial < trials:
            if should_stop():
                raise Stopped
            self._pace.start()
            most = min(self._pace.work, TRIALS, trials - trial)
            within = trial % n
            done = min(most, n - within) if within or most < n else most // n * n
            part = series[
                trial // n : -(-(trial + done) // n)
            ]  # a sweep in pieces: the last one's energy stays
            self.energy, possible, accepted = self._trials(beta, done, part)
            self.possible += possible
            self.accepted += accepted
            trial += done
            self._pace.end(done)
        if self._networks is not None:
            self.free = self.open_sites[self.occupation[self.open_sites] == 0]
        if recount:
            self.energy = self.recount()
        return series

    def _trials(self, beta: float, number: int, series: FloatArray) -> tuple[float, int, int]:
        """Energy after ``number`` trials, how many were possible and accepted."""
        state = (self.energies, self.occupation, self.potential, self.site_of, self.species_of)
        if self._networks is not None and self.moves is not None:
            draws = self.rng.random((number, 6))
            return run_moves(*state, self._networks, self.moves, beta, draws, series, self.energy)
        if self._networks is not None:
            draws = self.rng.random((number, 3))
            return k.run_trials_within(*state, self._networks, beta, draws, series, self.energy)
        draws = self.rng.random((number, 4))
        return k.run_trials(*state, self.free, self._several, beta, draws, series, self.energy)


@dataclass(frozen=True)
class Rung:
    """What happened at one temperature."""

    temperature: float
    sweeps: int
    acceptance: float
    """Share of the possible trials that was accepted."""
    verdict: Equilibration


@dataclass(frozen=True, eq=False)
class Annealing:
    """How a configuration was annealed, and whether it has come to equilibrium."""

    rungs: tuple[Rung, ...]
    energy: float
    """eV, of the configuration in the end."""

    @property
    def equilibrated(self) -> bool:
        """Whether the series at the last temperature has passed the test of `judge`."""
        return self.rungs[-1].verdict.equilibrated

    @property
    def sweeps(self) -> int:
        """Trials per carrier, all temperatures together."""
        return sum(r.sweeps for r in self.rungs)

    def __str__(self) -> str:
        last = self.rungs[-1]
        how = "equilibrated" if self.equilibrated else f"not equilibrated ({last.verdict.why})"
        return (
            f"{how} at {last.temperature:g} K after {last.sweeps} sweeps there, {self.sweeps} in all; "
            f"mean energy {last.verdict.mean:.6g} ± {last.verdict.stderr:.2g} eV"
        )


def start_temperature(initial: Initial, temperature: float) -> float:
    """Where annealing to ``temperature`` (K) begins, K."""
    return DEFAULT_START * temperature if initial.start_temperature is None else initial.start_temperature


def _where_to_start(lattice: LatticeMonteCarlo, temperature: float, should_stop: ShouldStop) -> float:
    """The temperature itself where carriers move easily as they are, else `DEFAULT_START` times as much."""
    lattice.run(temperature, LOOK, should_stop=should_stop)
    possible, accepted = lattice.possible, lattice.accepted
    lattice.run(temperature, LOOK, should_stop=should_stop)
    easy = lattice.accepted - accepted >= EASY * (lattice.possible - possible)
    return temperature if easy else DEFAULT_START * temperature


def anneal(
    lattice: LatticeMonteCarlo,
    temperature: float,
    *,
    start: float | None,
    sweeps: int = 10000,
    should_stop: ShouldStop = never,
) -> Annealing:
    """Cool from ``start`` to ``temperature`` (K) and stay until equilibrium.

    Temperatures fall by at most a factor of `RATIO`. At each one the energy after every sweep is recorded, and the
    series made twice as long until `judge` finds it at rest, or ``sweeps`` trials per carrier are reached (an eighth
    of that before the last temperature; `FEW_SWEEPS` where pairs move). A temperature at which no trial at all was
    accepted counts as equilibrated if the one before it was: it has no way down left. Without ``start`` there is no
    cooling where trials are often accepted at ``temperature``, else from `DEFAULT_START` times as much.

    One chain cannot see a state that it never visits: what `judge` cannot exclude is a long-lived state beside the
    stable one. Independent replicas come from independent anneals; compare their energies. Raises Stopped when told to.
    """
    pairs = lattice.moves is not None
    if start is None:
        start = _where_to_start(lattice, temperature, should_stop)
    steps = max(0, math.ceil(math.log(start / temperature) / math.log(RATIO) - 1e-9))
    ladder = [temperature * (start / temperature) ** (1 - i / steps) for i in range(steps)]
    rungs: list[Rung] = []
    for kelvin in [*ladder, temperature]:
        possible, accepted = lattice.possible, lattice.accepted
        series = np.zeros(0)
        most = sweeps
        if len(rungs) < len(ladder):
            most = min(sweeps, FEW_SWEEPS) if pairs else max(1, sweeps // ON_THE_WAY)
        goal = min(FIRST_SWEEPS, most)
        while True:
            series = np.concatenate(
                [series, lattice.run(kelvin, goal - len(series), should_stop=should_stop)]
            )
            verdict = judge(series)
            moved = lattice.accepted - accepted >= STUCK * (lattice.possible - possible)
            at_rest = verdict.equilibrated and (moved or verdict.why != "constant" or not pairs)
            if at_rest or goal >= most:
                break
            goal = min(2 * goal, most)
        possible, accepted = lattice.possible - possible, lattice.accepted - accepted
        if possible and not accepted and not (rungs and rungs[-1].verdict.equilibrated):
            verdict = Equilibration(
                equilibrated=False,
                start=0,
                mean=verdict.mean,
                stderr=verdict.stderr,
                autocorrelation_time=1.0,
                z=0.0,
                why="no trial was accepted",
            )
        rungs.append(Rung(kelvin, len(series), accepted / possible if possible else 1.0, verdict))
    return Annealing(tuple(rungs), lattice.energy)
