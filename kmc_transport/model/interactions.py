"""Energies and barriers that depend on where the other carriers are, frozen (eV, e, Å).

A site of the supercell is numbered ``((i L1 + j) L2 + k) n_sites + s`` for site ``s`` of cell (i, j, k): "flat".
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ..ndarrays import BoolArray, FloatArray, IntArray

__all__ = [
    "Arrangement",
    "Clusters",
    "Coulomb",
    "Disorder",
    "EnvironmentTable",
    "Initial",
    "Interactions",
    "LocalClusters",
]


@dataclass(frozen=True, eq=False, kw_only=True)
class Clusters:
    """Short-range energies: pairs, triplets, ... each cluster once per cell; the crystal repeats it.

    The energy of a configuration is the sum of ``energy[c]`` over all translations (by cell vectors, modulo the
    supercell) of all clusters c whose every member's site holds a carrier of the member's species. Where the
    supercell is so small that two translations or two members fall on the same sites, each still counts: these
    are interactions with periodic images.

    Attributes
    ----------
    energy : (n_clusters,) eV.
    start : (n_clusters + 1,) members of cluster c are ``start[c]:start[c + 1]``; two or more each.
    species, site : (n_members,) index into ``Model.species`` and of the site in the cell.
    cell : (n_members, 3) cell offset, (0, 0, 0) for the first member of each cluster.
    name : (n_clusters,) the input's name of the orbit, for tables.
    """

    energy: FloatArray
    start: IntArray
    species: IntArray
    site: IntArray
    cell: IntArray
    name: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Coulomb:
    """Point charges under periodic boundaries: E = 1/2 sum_ij q_i q_j potential(i, j), i = j (own images) included.

    potential : (n_sites, n_sites, L1, L2, L3) eV/e²: at site [1] of cell (i, j, k), due to a unit charge at site
        [0] of cell (0, 0, 0), all its periodic images and the neutralising background (Ewald sum, tin-foil
        boundary). ``potential[s, s, 0, 0, 0]`` is that of its own images. NaN between sites that no carrier visits.
    permittivity : (3, 3) relative. accuracy : estimated error of ``potential``, eV/e².
    """

    potential: FloatArray
    permittivity: FloatArray
    accuracy: float


@dataclass(frozen=True, eq=False, kw_only=True)
class LocalClusters:
    """Local cluster expansion of the kinetically resolved barrier: terms added to E_kra of a directed hop.

    As `Clusters`, but each cluster belongs to directed hop ``hop[c]`` of the network; ``cell`` is relative to the
    hop's origin cell and one member suffices. No member is an end of the hop. A hop and its reverse hold the same
    sites, so that the barrier is the same both ways.
    """

    hop: IntArray
    energy: FloatArray
    start: IntArray
    species: IntArray
    site: IntArray
    cell: IntArray


@dataclass(frozen=True, eq=False, kw_only=True)
class EnvironmentTable:
    """Kinetically resolved barrier of a hop class looked up by what surrounds the hop; replaces E_kra.

    The code of directed hop h's surroundings is the sum of ``stride[m]`` over members m in
    ``start[h]:start[h + 1]`` whose site (``cell`` relative to the origin's) holds ``species[m]``; the barrier is
    ``barrier[code]``. Hops of other classes have no members. A hop and its reverse have the same codes.
    """

    hop_class: int
    start: IntArray
    species: IntArray
    site: IntArray
    cell: IntArray
    stride: IntArray
    barrier: FloatArray
    """(n_codes,) eV, environments that the input does not list filled in by its stated rule."""
    listed: BoolArray
    """(n_codes,) whether the input lists it."""


@dataclass(frozen=True, eq=False)
class Interactions:
    """All that makes rates depend on the configuration. Energies combine by addition to the site energies."""

    clusters: Clusters | None = None
    coulomb: Coulomb | None = None
    local_clusters: LocalClusters | None = None
    environments: tuple[EnvironmentTable, ...] = ()


@dataclass(frozen=True, eq=False)
class Disorder:
    """Quenched disorder of the supercell, a function of site and salt; None where there is none.

    site_energy : (n_species, n_flat) eV, added to the model's. barrier : (n_cells, n_hops) eV, added to the barrier
    of each directed hop, the same for a hop and its reverse. blocked : (n_flat,) sites that no carrier may enter.
    """

    site_energy: FloatArray | None = None
    barrier: FloatArray | None = None
    blocked: BoolArray | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Arrangement:
    """Where an immobile species sits, the same in every replica and at every point.

    kind : ``random``, ``given`` or ``annealed``. sites : (count,) its flat sites, ascending; None where they are known
    only after annealing all species at ``temperature`` (`kmc_transport.settled`). salt, sample : name one of many
    random arrangements. start_temperature, sweeps : as in `Initial`.
    """

    kind: str = "random"
    sites: IntArray | None = None
    salt: int = 0
    sample: int = 0
    temperature: float | None = None
    """K."""
    start_temperature: float | None = None
    """K."""
    sweeps: int = 10000

    def __str__(self) -> str:
        if self.kind == "annealed":
            return f"annealed at {self.temperature:g} K, then frozen (salt {self.salt})"
        return f"random (salt {self.salt})" if self.kind == "random" else "given"


@dataclass(frozen=True)
class Initial:
    """Where carriers start: ``random``, ``given`` (also ordered patterns, resolved to sites), ``annealed``, ``each``.

    sites : flat sites of each mobile species' carriers (``given``), as long as its count, or None. Empty for those of
    another start.
    start_temperature : annealing begins here, K; it ends at the temperature of the point. sweeps : Monte Carlo
    trials per carrier at each temperature at most (annealed); equilibration is detected, this is the cap.
    equal_networks : whether the parts of the supercell that the hops of a species do not join hold equal numbers of it
    (random, annealed). moves : of annealing; ``single``: a carrier to a free site anywhere, swaps of unlike ones;
    ``pairs``: hops and shifts of bound pairs besides. each : of kind ``each``, one start for every mobile species; the
    annealed ones are annealed together, as start_temperature, sweeps and moves say here, while the others stay where
    they start.
    """

    kind: str = "random"
    sites: tuple[tuple[int, ...], ...] | None = None
    start_temperature: float | None = None
    sweeps: int = 10000
    equal_networks: bool = field(default=False, kw_only=True)
    moves: str = field(default="single", kw_only=True)
    each: tuple[Initial, ...] = field(default=(), kw_only=True)

    def of(self, species: int) -> Initial:
        """How a mobile species starts; its sites, where it has any, are ``sites[species]`` here."""
        return self.each[species] if self.each else self

    @property
    def anneals(self) -> bool:
        """Whether a species is annealed."""
        return self.kind == "annealed" or any(one.anneals for one in self.each)

    def __str__(self) -> str:
        return f"{self.kind}, equal numbers in networks" if self.equal_networks else self.kind
