"""Runner of `peers.py` for kMCpy (https://github.com/caneparesearch/kmcpy)."""

from __future__ import annotations

import math
import os
import time
from typing import Any

import numpy as np
from kmcpy.event import Event, EventLib, HopStateLookup, event_direction
from kmcpy.event.generators import EventGenerator
from kmcpy.io.cif import load_labeled_structure_from_cif
from kmcpy.models import LocalBarrierModel
from kmcpy.models.base import BaseModel
from kmcpy.simulator.config import Configuration
from kmcpy.simulator.kmc import KMC
from kmcpy.simulator.state import State
from kmcpy.structure.active_site_order import ActiveSiteOrder
from peers_job import ENERGY, STEPS, Job, read_job, report
from pymatgen.core import Lattice, Structure

MAPPING = {"Na": ["Na", "X"]}
FILE = "sc.cif"


class PairRates(BaseModel):
    """Metropolis rates with pairs of neighbours; the surroundings are those of the first end, then of the second."""

    def __init__(self, size_of_surroundings: int = 5) -> None:
        super().__init__(name="pairs")
        self.half = size_of_surroundings
        self.rate = {k: min(1.0, math.exp(-ENERGY * k)) for k in range(-self.half, self.half + 1)}

    def compute_probability(self, event: Event, runtime_config: object, simulation_state: State) -> float:
        state = simulation_state.occupations
        direction = event_direction(state, event)
        if direction == 0:
            return 0.0
        occupied = [state[s] == 0 for s in event.local_env_indices]
        return self.rate[direction * (sum(occupied[self.half :]) - sum(occupied[: self.half]))]

    def as_dict(self) -> dict[str, Any]:
        return {"name": self.name}

    @classmethod
    def from_dict(cls, d: dict[str, Any]) -> PairRates:
        return cls()


class TimeIsUp(Exception):
    """Ends a run."""


def events_by_hand(job: Job, order: ActiveSiteOrder, index: dict[int, int]) -> EventLib:
    """Each pair of neighbours once; surroundings only where rates depend on them."""
    library = EventLib()
    for site in range(job.n_sites):
        for k, other in enumerate(job.neighbours(site)):
            if STEPS[k] < (0, 0, 0):
                continue
            ends = index[site], index[other]
            around: tuple[int, ...] = ()
            if job.name == "pairs":
                first = [index[s] for s in job.neighbours(site) if s != other]
                around = (*first, *(index[s] for s in job.neighbours(other) if s != site))
            library.add_event(Event(ends, around))
    library.set_index_metadata(order)
    library.generate_event_dependencies()
    return library


def main(job: Job) -> None:
    """Variants: ``generator`` (the package's own) and ``by hand``."""
    folder = job.work / "kmcpy"
    folder.mkdir(exist_ok=True)
    os.chdir(folder)
    n, event_file = job.size, f"events{job.size}.json"
    Structure(Lattice.cubic(3.0), ["Na"], [[0, 0, 0]]).to(filename=FILE)
    structure = load_labeled_structure_from_cif(FILE, primitive=False)
    order = ActiveSiteOrder.from_structure_and_mapping(structure, MAPPING, supercell_shape=[n] * 3)
    active = order.active_structure()
    places = np.rint(active.frac_coords * n).astype(int) % n
    index = {job.number(*(int(x) for x in place)): i for i, place in enumerate(places)}
    occupations = [1] * job.n_sites  # 0 is the first state of the mapping, the ion
    for site in job.occupied():
        occupations[index[site]] = 0

    if job.variant == "generator":
        EventGenerator().generate_events(
            structure_file=FILE,
            supercell_shape=[n] * 3,
            event_file=event_file,
            site_mapping=MAPPING,
            local_env_cutoff=3.1,
        )
        library = EventLib.from_file(event_file)
        os.remove(event_file)
    else:
        library = events_by_hand(job, order, index)
    config = Configuration(
        structure_file=FILE,
        supercell_shape=(n, n, n),
        mobile_ion_specie="Na",
        elementary_hop_distance=3.0,
        site_mapping=MAPPING,
        initial_occupations=occupations,
        temperature=300.0,
        attempt_frequency=1.0,
        equilibration_passes=0,
        kmc_passes=1000000,
        random_seed=1,
    )
    kmc = KMC(
        active,
        PairRates() if job.name == "pairs" else LocalBarrierModel.constant_barrier(0.0),
        library,
        config,
        State.from_occupations(occupations, active_site_order=order),
        HopStateLookup.from_active_site_order(order, "Na"),
        order,
    )
    start_rate = float(kmc.prob_list.sum())
    marks: list[tuple[float, int, float]] = []  # real time, hops, simulated time
    startup = 0.0

    def mark(state: State, step: int, simulated: float) -> None:
        nonlocal startup
        startup = startup or time.time() - job.started
        marks.append((time.perf_counter(), step, simulated))
        if marks[-1][0] - marks[0][0] > job.seconds:
            raise TimeIsUp

    kmc.attach(mark, interval=1, store=False)
    try:
        kmc.run()
    except RuntimeError as error:
        if not isinstance(error.__cause__, TimeIsUp):
            raise
    (begin, first, early), (end, last, late) = marks[0], marks[-1]
    rate = (last - first) / (end - begin)
    found = {"hops": last - first, "seconds": end - begin, "rate": rate, "startup": startup}
    clock = {"clock_hops": last - first, "clock": late - early, "start_rate": start_rate}
    note = "" if job.variant == "generator" else "events listed by hand, each pair once"
    report(job, {**found, **clock, "note": note}, ("kmcpy", "numpy", "numba"))


if __name__ == "__main__":
    main(read_job())
