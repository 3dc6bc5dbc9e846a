"""What the user described, frozen: structure, carriers, hop network, conditions, sampling.

Units inside the package: Å, eV, s, K, e. Arrays are read-only (`frozen_array`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ..errors import InputError
from ..ndarrays import BoolArray, FloatArray, IntArray
from ..rules import get_rule
from ..sources.vibrations import AttemptFrequency
from .acceleration import ReversibleScaling
from .analysis import Analysis
from .interactions import Arrangement, Disorder, Initial, Interactions

__all__ = [
    "Carrier",
    "Conditions",
    "HopClass",
    "HopNetwork",
    "InputSource",
    "Model",
    "PolaronNumbers",
    "Sampling",
    "Structure",
    "Variant",
    "frozen_array",
]


def frozen_array(values: object, dtype: npt.DTypeLike) -> np.ndarray:
    """Copy of ``values`` as a C-contiguous array that cannot be written."""
    array = np.array(values, dtype=dtype, order="C")
    array.setflags(write=False)
    return array


@dataclass(frozen=True, eq=False, kw_only=True)
class Structure:
    """Crystal with labelled sites, and the operations of its space group.

    Attributes
    ----------
    lattice : (3, 3) rows are the cell vectors, Å. Axes that are not periodic still have a vector.
    periodic : (3,) whether the crystal repeats along each cell vector.
    labels : (n_sites,) label of each site; several sites may share one.
    frac : (n_sites, 3) fractional coordinates.
    rotations, translations : (n_ops, 3, 3) integer and (n_ops, 3) fractional, acting on fractional
        coordinates; the identity first; only operations that keep labels and the periodic axes.
    cross_section : area normal to a 1D conductor (Å²), or thickness of a 2D one (Å), or None. Without it
        a cell that is not periodic in 3D has no volume, and so no conductivity.
    """

    lattice: FloatArray
    periodic: BoolArray
    labels: tuple[str, ...]
    frac: FloatArray
    rotations: IntArray
    translations: FloatArray
    spacegroup: str
    """International symbol found, for display."""
    cross_section: float | None = None

    @property
    def n_sites(self) -> int:
        return len(self.labels)

    def cartesian_rotation(self, index: int) -> FloatArray:
        """(3, 3) rotation of an operation on Cartesian vectors (columns); the identity for -1."""
        if index < 0:
            return np.eye(3)
        axes = self.lattice.T
        return np.asarray(axes @ self.rotations[index] @ np.linalg.inv(axes))

    def operation_text(self, index: int) -> str:
        """Operation as a coordinate triplet, ``-x, y+1/2, -z``; empty for -1 (not made by an operation)."""
        if index < 0:
            return ""
        rows = []
        for rotation, shift in zip(self.rotations[index], self.translations[index], strict=True):
            text = "".join(
                ("+" if n > 0 else "-") + ("" if abs(n) == 1 else str(abs(int(n)))) + x
                for n, x in zip(rotation, "xyz", strict=True)
                if n
            )
            part = Fraction(float(shift)).limit_denominator(24)
            if part:
                text += f"{'+' if part > 0 else '-'}{abs(part)}"
            rows.append(text.removeprefix("+") or "0")
        return ", ".join(rows)

    @cached_property
    def cart(self) -> FloatArray:
        """(n_sites, 3) Cartesian site positions in the cell, Å."""
        return frozen_array(self.frac @ self.lattice, np.float64)

    @cached_property
    def cell_volume(self) -> float | None:
        """Volume per cell, Å³: of the 3D cell, or length x cross-section (1D), area x thickness (2D); else None."""
        n = int(self.periodic.sum())
        if n == 3:
            return float(abs(np.linalg.det(self.lattice)))
        if self.cross_section is None:
            return None
        vectors = self.lattice[self.periodic]
        extent = np.sqrt(np.linalg.det(vectors @ vectors.T))
        return float(extent * self.cross_section)


@dataclass(frozen=True)
class Carrier:
    """A species of carrier: an ion, a vacancy or a polaron; or an immobile species, which never hops.

    ``sites`` are the labels of the sites it may occupy; ``count`` is its number in the supercell, resolved
    from ``count`` or ``fraction`` of the input; ``charge`` is the transported charge in e, 0 of a neutral one.
    """

    name: str
    charge: float
    sites: tuple[str, ...]
    count: int


@dataclass(frozen=True)
class PolaronNumbers:
    """What tells whether a small polaron's hop is adiabatic."""

    electronic_coupling: float | None
    """V_AB, eV."""
    reorganisation_energy: float | None
    """lambda, eV."""
    phonon_frequency: float | None
    """Hz."""


@dataclass(frozen=True, kw_only=True)
class HopClass:
    """Hops that symmetry makes equivalent, one of their saddles, and the numbers the user gave for it.

    Two saddles that join the same two sites are two classes. ``forward`` is the direction of the input's
    ``between: [from, to]``; a hop with ``orientation`` -1 in the network is the reverse of the class.
    """

    name: str
    """Unique, such as ``oxygen_vacancy:O-O#1`` or ``hole_polaron:O1_pair-O1_pair#1:3NN_a``."""
    carrier: int
    """Index into ``Model.carriers``."""
    distance: float
    """Length of the hop, Å."""
    barrier_forward: float
    """Zero-field barrier, eV; NaN where a rule with parameters of its own gives it."""
    barrier_reverse: float
    """Zero-field barrier of the reverse hop, eV; NaN likewise."""
    barrier_stderr: float | None
    """Standard uncertainty of the barrier (both directions move together), eV, if the user gave one."""
    attempt_frequency: AttemptFrequency | None
    """Of the hop and its reverse at any temperature; None where the rule holds its own prefactor."""
    channels: int
    """Number of equivalent saddles that join the same two sites; multiplies the rate."""
    saddle_fraction: float
    """Place of the saddle's charge centre along the forward hop vector; 0.5 is the midpoint."""
    source: str
    """Where the numbers come from: input file, line and key."""
    saddle_dipole: tuple[float, float, float] | None = None
    """p_S - p_i of the class's first forward hop, e·Å, Cartesian; None: from ``saddle_fraction``."""
    response: str = "midpoint"
    """Where p_S - p_i comes from: ``midpoint``, ``dipole``, ``q_eqv``, ``magnitude``, ``born``, ``berry``; or
    ``classical``, a diagnostic: ``classical_dipole`` for both halves of the hop, W = 2 W_S, outside all checks."""
    classical_dipole: tuple[float, float, float] | None = None
    """Nominal charge times the migrating atom's displacement to the saddle, of the first forward hop, e·Å."""
    read_from: str = ""
    """Outputs of other codes that the numbers were read from."""
    zero_point: str = "unknown"
    """Whether the barrier holds the zero-point energy: ``bare``, ``included``, ``add`` or ``unknown``."""
    rule: str = "fixed"
    """Name of the barrier rule, see `kmc_transport.rules`."""
    rule_parameters: tuple[tuple[str, object], ...] = ()
    """Key and value of the rule's parameters, as the user wrote them."""
    polaron: PolaronNumbers | None = None
    log: tuple[str, ...] = ()
    """What was done to the numbers on the way: modes removed, barriers symmetrised."""
    given: tuple[float, float] | None = None
    """Forward and reverse barrier of the input, eV, where they were reconciled; None where they are used as given."""

    def given_from(self, orientation: int) -> float | None:
        """Barrier of the input, eV, of the forward (+1) or reverse (-1) hop, where it was reconciled."""
        return None if self.given is None else self.given[0 if orientation > 0 else 1]

    @property
    def given_barriers(self) -> bool:
        """Whether the barriers are the numbers above, not those of a rule with parameters of its own."""
        return get_rule(self.rule, self.source).given_barriers


@dataclass(frozen=True, eq=False, kw_only=True)
class HopNetwork:
    """All directed hops that start in one cell; the crystal repeats them.

    Every hop has its reverse in the network: ``reverse[reverse[h]] == h``.

    Attributes (first axis: directed hop)
    ----------
    carrier : (n_hops,) index of the carrier.
    origin, target : (n_hops,) site index in the cell.
    cell : (n_hops, 3) cell offset of the target; 0 along axes that are not periodic.
    vector : (n_hops, 3) displacement of the charge centre, Å, Cartesian.
    hop_class : (n_hops,) index into ``Model.hop_classes``.
    orientation : (n_hops,) +1 forward, -1 reverse.
    reverse : (n_hops,) index of the reverse hop (same class, other direction).
    operation : (n_hops,) index of the space-group operation that makes it from the class's first hop, -1 for none.
    """

    carrier: IntArray
    origin: IntArray
    target: IntArray
    cell: IntArray
    vector: FloatArray
    hop_class: IntArray
    orientation: IntArray
    reverse: IntArray
    operation: IntArray

    @property
    def n_hops(self) -> int:
        return len(self.origin)


@dataclass(frozen=True, eq=False)
class Conditions:
    """Grid of conditions: every temperature x every field magnitude x every direction.

    temperature : (n_temperatures,) K. field : (n_fields,) V/Å, magnitudes >= 0, ascending.
    direction : (n_directions, 3) Cartesian unit vectors. direction_label : as the user wrote them.
    """

    temperature: FloatArray
    field: FloatArray
    direction: FloatArray
    direction_label: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How long to simulate each point. At least one of the error targets, ``events`` or ``time`` is set."""

    target: str = "mobility"
    """Observable that the error targets apply to; see `kmc_transport.analysis.TARGETS`."""
    relative_error: float | None = 0.01
    absolute_error: float | None = None
    """In the SI unit of the target observable."""
    events: int | None = None
    """Stop after this many executed hops per point (all replicas together)."""
    time: float | None = None
    """Stop after this simulated time per replica, s."""
    min_effective_samples: int = 64
    equilibration: float | None = None
    """Executed hops per carrier that are thrown away first; None lets the runner choose."""
    replicas: int = 4
    seed: int | None = None
    """Root seed; drawn and recorded when None."""
    wall_time: float | None = None
    """Stop each point after this many seconds of wall time, s."""
    table_error: float | None = None
    """Root mean square of the relative errors of all points, reached in rounds (`kmc_transport.runs.rounds`)."""
    algorithm: str = "auto"
    """``auto``, ``null_event``, ``rejection_free``, ``sum_tree``, or ``absorbing`` (an acceleration, exact too)."""
    observe: tuple[str, ...] = ()
    """Observables on request (`kmc_transport.arrays.ON_REQUEST`)."""
    thermodynamics: float | None = None
    """Relative error of the thermodynamic factor, where it is wanted."""
    acceleration: ReversibleScaling | None = None
    """How very different rates are bridged; None: they are simulated as they are."""


@dataclass(frozen=True)
class InputSource:
    """The input as the user wrote it."""

    path: str
    """Path as given, or ``<string>``."""
    text: str
    files: tuple[tuple[str, str], ...] = ()
    """Structure files that the input names, (name, text), for `load_model_text`. Paths and spectra of other codes are
    not kept: the numbers read from them are in the catalog, with their source."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Variant:
    """What is special to one system of a model that has axes of composition or samples."""

    coordinates: tuple[tuple[str, float], ...]
    """Name and value of each axis; ``sample`` comes last."""
    carriers: tuple[Carrier, ...]
    disorder: Disorder | None
    initial: Initial
    immobile: tuple[Carrier, ...] = ()
    arrangement: tuple[Arrangement, ...] = ()


@dataclass(frozen=True, eq=False, kw_only=True)
class Model:
    """Everything the input file says, checked and frozen.

    An input with axes of composition or samples is several systems that share all but the numbers of carriers, the
    disorder and the start. The model of such an input holds these of its first system, and `systems` is all of them.
    """

    title: str
    references: tuple[str, ...]
    structure: Structure
    supercell: tuple[int, int, int]
    carriers: tuple[Carrier, ...]
    """Those that hop; an index into them is one into `species` too."""
    site_energy: FloatArray
    """(n_species, n_sites) eV; NaN where the species may not sit."""
    hop_classes: tuple[HopClass, ...]
    network: HopNetwork
    conditions: Conditions
    sampling: Sampling
    source: InputSource
    candidates: tuple[HopClass, ...] = ()
    """Saddles that the input lists beside the used ones, to be ranked but not simulated."""
    notes: tuple[str, ...] = field(default=())
    """Remarks for the reader, printed below tables: the input's own, then what was derived or left out."""
    interactions: Interactions | None = None
    """What makes rates depend on the other carriers; None: exclusion alone."""
    disorder: Disorder | None = None
    site_dipole: FloatArray | None = None
    """(n_species, n_sites, 3) e·Å: dipole of a carrier on a site, which moves its charge centre by dipole/charge; hop
    vectors of the network contain that. None: all zero."""
    initial: Initial = field(default_factory=Initial)
    immobile: tuple[Carrier, ...] = ()
    """Species that stay where they are: dopants, or carriers held still for this run."""
    arrangement: tuple[Arrangement, ...] = ()
    """Where each of them sits."""

    @property
    def species(self) -> tuple[Carrier, ...]:
        """Everything that sits on sites: the carriers, then what is immobile."""
        return self.carriers + self.immobile

    @property
    def settled(self) -> bool:
        """Whether it is known where the immobile species sit; some have to be annealed first."""
        places = (self.arrangement, *(v.arrangement for v in self.variants))
        return all(a.sites is not None for place in places for a in place)

    def require_settled(self) -> None:
        """InputError where it is not."""
        if not self.settled:
            names = [c.name for c, a in zip(self.immobile, self.arrangement, strict=True) if a.sites is None]
            raise InputError(
                f"where {', '.join(names)} sits is known only after annealing",
                key=f"carriers.{names[0]}.arrangement",
                remedy="call settled(model) of kmc_transport first; a run and the command line do so by themselves",
            )

    @cached_property
    def background(self) -> IntArray:
        """(n_flat,) the configuration without carriers: 0 or, where an immobile species sits, its index + 1."""
        found = np.zeros(self.n_cells * self.structure.n_sites, np.int64)
        for a, place in enumerate(self.arrangement, len(self.carriers)):
            if place.sites is not None:
                found[place.sites] = a + 1
        return frozen_array(found, np.int64)

    @cached_property
    def closed(self) -> BoolArray | None:
        """(n_flat,) sites that no carrier may enter: blocked, or taken by an immobile species; None without any."""
        blocked = None if self.disorder is None else self.disorder.blocked
        if not self.immobile:
            return blocked
        taken = self.background > 0
        return frozen_array(taken if blocked is None else taken | blocked, np.bool_)

    analysis: Analysis = field(default_factory=Analysis)
    variants: tuple[Variant, ...] = ()
    """One for each system, the last axis fastest; empty without such axes."""
    coordinates: tuple[tuple[str, float], ...] = ()
    """Of one of `systems`: its place on the axes."""
    slowing: tuple[float, ...] = ()
    """Factor on the rates of all hops of each carrier, both ways alike; empty: none is slowed (`acceleration`)."""

    @property
    def observed(self) -> tuple[str, ...]:
        """Names of all observables that are asked for (`kmc_transport.analysis.observables.kind_of`)."""
        return (*self.sampling.observe, *self.analysis.names)

    @cached_property
    def systems(self) -> tuple[Model, ...]:
        """The model at each composition and sample, as `variants` lists them; itself where there are no such axes."""
        if not self.variants:
            return (self,)
        return tuple(replace(self, variants=(), **vars(v)) for v in self.variants)

    def system(self, **where: float) -> Model:
        """The one of `systems` at these coordinates, such as ``x=0.1``; axes with one value may be left out.

        Raises InputError where that is none, or not one alone.
        """
        found = [
            s
            for s in self.systems
            if all(
                math.isclose(dict(s.coordinates).get(n, math.nan), v, rel_tol=1e-9) for n, v in where.items()
            )
        ]
        if len(found) == 1:
            return found[0]
        listing = "; ".join(f"{n}: {', '.join(f'{v:g}' for v in values)}" for n, values in self.axes.items())
        raise InputError(
            "this needs one composition and sample" if found else "there is no such composition or sample",
            key="where",
            value=", ".join(f"{n}={v:g}" for n, v in where.items()) or None,
            allowed=listing or "nothing: the input has no axes of composition",
            remedy="name one value of each axis, such as " * bool(listing)
            + " ".join(f"--where {n}={values[0]:g}" for n, values in self.axes.items()),
        )

    @property
    def axes(self) -> dict[str, tuple[float, ...]]:
        """Values of each axis of composition, then ``sample``; empty without such axes."""
        values: dict[str, dict[float, None]] = {}
        for variant in self.variants:
            for name, value in variant.coordinates:
                values.setdefault(name, {})[value] = None
        return {name: tuple(found) for name, found in values.items()}

    @property
    def n_cells(self) -> int:
        return int(np.prod(self.supercell))

    @cached_property
    def allowed_sites(self) -> BoolArray:
        """(n_carriers, n_sites) whether the carrier may sit on the site of the cell."""
        return frozen_array(self.species_sites[: len(self.carriers)], np.bool_)

    @cached_property
    def species_sites(self) -> BoolArray:
        """(n_species, n_sites) the same of every species."""
        labels = np.array(self.structure.labels)
        return frozen_array([np.isin(labels, c.sites) for c in self.species], np.bool_)

    @cached_property
    def site_vectors(self) -> FloatArray:
        """(n_hops, 3) hop vectors from site to site, Å: those of the network without what site dipoles add."""
        net = self.network
        if self.site_dipole is None:
            return net.vector
        charge = np.array([c.charge or 1.0 for c in self.carriers])[
            net.carrier, None
        ]  # neutral: without dipole
        step = self.site_dipole[net.carrier, net.target] - self.site_dipole[net.carrier, net.origin]
        return frozen_array(net.vector - step / charge, np.float64)

    @cached_property
    def volume(self) -> float | None:
        """Volume of the supercell, Å³, or None (see `Structure.cell_volume`)."""
        cell = self.structure.cell_volume
        return None if cell is None else cell * self.n_cells
