"""Runner of `peers.py` for lattice_mc (https://github.com/bjmorgan/lattice_mc)."""

from __future__ import annotations

import random
import time

import numpy as np
from lattice_mc import init_lattice
from lattice_mc.atom import Atom
from lattice_mc.global_vars import kT, rate_prefactor
from lattice_mc.lattice import Lattice
from lattice_mc.lattice_site import Site
from lattice_mc.lookup_table import LookupTable
from peers_job import ENERGY, Job, measure, read_job, report

BY_HAND = 30
"""Size from which the lattice is put together here, as the package's own function takes minutes."""


def build(job: Job) -> Lattice:
    """Lattice whose sites have our numbers plus one."""
    n = job.size
    if n < BY_HAND:
        return init_lattice.cubic_lattice(n, n, n, 1.0)
    sites = [
        Site(s + 1, np.array(job.place(s), float), [k + 1 for k in job.neighbours(s)], 0.0, "L")
        for s in range(job.n_sites)
    ]
    return Lattice(sites, np.array([n, n, n], float))


def main(job: Job) -> None:
    random.seed(1)
    lattice = build(job)
    at = {tuple(np.rint(site.r).astype(int).tolist()): site for site in lattice.sites}
    atoms = [Atom(at[job.place(s)]) for s in job.occupied()]
    lattice.number_of_occupied_sites = len(atoms)
    if job.name == "pairs":
        lattice.set_nn_energy(ENERGY * kT)
        lattice.jump_lookup_table = LookupTable(lattice, "nearest-neighbour")
    start_rate = sum(jump.relative_probability for jump in lattice.potential_jumps())
    lattice.jump()
    startup = time.time() - job.started
    lattice.reset()

    def run(hops: int) -> int:
        for _ in range(hops):
            lattice.jump()
        return hops

    before = sum(atom.number_of_hops for atom in atoms)
    found = measure(run, job.seconds)
    hops = sum(atom.number_of_hops for atom in atoms) - before
    clock = {"clock_hops": hops, "clock": lattice.time * rate_prefactor, "start_rate": start_rate}
    report(job, {**found, **clock, "startup": startup}, ("lattice_mc", "numpy"))


if __name__ == "__main__":
    main(read_job())
