"""Initial configurations from lattice Monte Carlo: canonical, with the energies of the model, cooled to equilibrium."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...model.interactions import Clusters, Initial
from ...model.model import Model
from ...units import K_B
from ..pace import Pace, ShouldStop, Stopped, never
from . import kernels as k
from .equilibration import Equilibration, judge

__all__ = ["Annealing", "LatticeMonteCarlo", "Rung", "anneal", "build_energies", "start_temperature"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

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


def build_energies(model: Model) -> k.Energies:
    """The model's energies as arrays for the kernels of `kmc_transport.engine.canonical.kernels`."""
    n_sites, n_species = model.structure.n_sites, len(model.carriers)
    size = np.array(model.supercell, np.int64)
    site = np.nan_to_num(np.array(model.site_energy, np.float64))
    pairs: list[list[tuple[list[int], float]]] = [[] for _ in range(n_species * n_sites)]
    terms: list[list[tuple[list[list[int]], float]]] = [[] for _ in range(n_species * n_sites)]
    interactions = model.interactions
    if interactions is not None and interactions.clusters is not None:
        _sort_clusters(interactions.clusters, size, n_sites, site, pairs, terms)
    flat_pairs = [p for own in pairs for p in own]
    flat_terms = [t for own in terms for t in own]
    members = [m for others, _ in flat_terms for m in others]
    d = model.disorder
    coulomb = None if interactions is None else interactions.coulomb
    charge = np.array([c.charge for c in model.carriers], np.float64)
    phi = np.zeros((1, 1, 0, 0, 0))
    if coulomb is not None and charge.any():
        once = np.nan_to_num(np.asarray(coulomb.potential, np.float64))
        phi = np.concatenate([once, once], axis=-1)
    return k.Energies(
        size,
        site,
        np.zeros((n_species, 0))
        if d is None or d.site_energy is None
        else np.ascontiguousarray(d.site_energy),
        np.concatenate([[0], np.cumsum([len(p) for p in pairs])]).astype(np.int64),
        np.array([row for row, _ in flat_pairs], np.int64).reshape(-1, 5),
        np.array([energy for _, energy in flat_pairs], np.float64),
        np.concatenate([[0], np.cumsum([len(t) for t in terms])]).astype(np.int64),
        np.array([energy for _, energy in flat_terms], np.float64),
        np.concatenate([[0], np.cumsum([len(others) for others, _ in flat_terms])]).astype(np.int64),
        np.array(members, np.int64).reshape(-1, 5),
        phi,
        charge,
        np.array(model.allowed_sites, np.bool_),
    )


def _sort_clusters(
    clusters: Clusters,
    size: IntArray,
    n_sites: int,
    site: FloatArray,
    pairs: list[list[tuple[list[int], float]]],
    terms: list[list[tuple[list[list[int]], float]]],
) -> None:
    """Each copy of a cluster that touches a site of cell 0, once, into the lists of the species that it wants there.

    A copy whose members all fall on that site (in a small supercell) is added to the site energy; one that wants two
    species on one site never holds.
    """
    for c, energy in enumerate(clusters.energy):
        which = slice(int(clusters.start[c]), int(clusters.start[c + 1]))
        members = list(zip(clusters.site[which], clusters.cell[which], clusters.species[which], strict=True))
        copies = {(int(s), tuple(int(x) for x in cell % size)) for s, cell, _ in members}
        for at, cell in sorted(copies):
            places: dict[tuple[int, ...], int] = {}
            sound = True
            for s, offset, species in members:
                place = (*(int(x) for x in (offset - np.array(cell)) % size), int(s))
                sound &= places.setdefault(place, int(species)) == int(species)
            if not sound:
                continue
            own = places.pop((0, 0, 0, at))
            rows = [[*place, species] for place, species in places.items()]
            if not rows:
                site[own, at] += energy
            elif len(rows) == 1:
                pairs[own * n_sites + at].append((rows[0], float(energy)))
            else:
                terms[own * n_sites + at].append((rows, float(energy)))


class LatticeMonteCarlo:
    """Metropolis Monte Carlo of all carriers in the supercell at fixed numbers, without field.

    Parameters
    ----------
    sites : flat sites of the carriers of each species, numbered as in `kmc_transport.model.interactions`.
    rng : every random number comes from it.

    Attributes
    ----------
    energy : eV, of the present configuration; kept up to date and counted anew with every call of `run`.
    possible, accepted : trial moves since the start.
    """

    def __init__(self, model: Model, sites: Sequence[npt.ArrayLike], rng: np.random.Generator) -> None:
        self.model, self.rng = model, rng
        self.energies = build_energies(model)
        n_flat = model.n_cells * model.structure.n_sites
        given = [np.array(s, np.int64) for s in sites]
        self.site_of = np.concatenate([np.zeros(0, np.int64), *given])
        self.species_of = np.repeat(np.arange(len(given)), [len(s) for s in given]).astype(np.int64)
        self.occupation = np.zeros(n_flat, np.int16)
        self.occupation[self.site_of] = self.species_of + 1
        open_ = np.tile(np.any(model.allowed_sites, axis=0), model.n_cells)
        if model.disorder is not None and model.disorder.blocked is not None:
            open_ &= ~np.asarray(model.disorder.blocked)
        self.open_sites = np.flatnonzero(open_)
        self.free = self.open_sites[self.occupation[self.open_sites] == 0]
        charged = self.energies.phi.shape[2] > 0
        self.potential = np.zeros((model.structure.n_sites, *model.supercell) if charged else (0, 0, 0, 0))
        self.possible = self.accepted = 0
        self._pace = Pace()
        self.energy = self.recount()

    @property
    def n_carriers(self) -> int:
        return len(self.site_of)

    @property
    def sites(self) -> tuple[IntArray, ...]:
        """Flat sites of the carriers of each species, ascending."""
        return tuple(np.sort(self.site_of[self.species_of == a]) for a in range(len(self.model.carriers)))

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
            draws = self.rng.random((done, 4))
            self.energy, possible, accepted = k.run_trials(
                self.energies,
                self.occupation,
                self.potential,
                self.site_of,
                self.species_of,
                self.free,
                beta,
                draws,
                part,
                self.energy,
            )
            self.possible += possible
            self.accepted += accepted
            trial += done
            self._pace.end(done)
        if recount:
            self.energy = self.recount()
        return series


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


def anneal(
    lattice: LatticeMonteCarlo,
    temperature: float,
    *,
    start: float,
    sweeps: int = 10000,
    should_stop: ShouldStop = never,
) -> Annealing:
    """Cool from ``start`` to ``temperature`` (K) and stay until equilibrium.

    Temperatures fall by at most a factor of `RATIO`. At each one the energy after every sweep is recorded, and the
    series made twice as long until `judge` finds it at rest, or ``sweeps`` trials per carrier are reached (an eighth
    of that before the last temperature). A temperature at which no trial at all was accepted counts as equilibrated
    if the one before it was: it has no way down left.

    One chain cannot see a state that it never visits: what `judge` cannot exclude is a long-lived state beside the
    stable one. Independent replicas come from independent anneals; compare their energies. Raises Stopped when told to.
    """
    steps = max(0, math.ceil(math.log(start / temperature) / math.log(RATIO) - 1e-9))
    ladder = [temperature * (start / temperature) ** (1 - i / steps) for i in range(steps)]
    rungs: list[Rung] = []
    for kelvin in [*ladder, temperature]:
        possible, accepted = lattice.possible, lattice.accepted
        series = np.zeros(0)
        most = sweeps if len(rungs) == len(ladder) else max(1, sweeps // ON_THE_WAY)
        goal = min(FIRST_SWEEPS, most)
        while True:
            series = np.concatenate(
                [series, lattice.run(kelvin, goal - len(series), should_stop=should_stop)]
            )
            verdict = judge(series)
            if verdict.equilibrated or goal >= most:
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
