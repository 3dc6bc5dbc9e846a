"""Barriers and attempt frequencies that the input points at: files of other codes, rules, spectra."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ..errors import InputError
from ..sources.vibrations import AttemptFrequency, check_zero_point
from .document import Document, KeyPath
from .response import Response
from .schema.barriers import BarrierPair, BarrierPath
from .schema.base import Measured
from .schema.frequencies import AttemptFromEyring, AttemptFromKoettgen, AttemptFromVineyard, FrequencyPair
from .schema.response import FieldFiles

__all__ = ["Found", "Sources"]

NOISE = 0.010
"""Difference (eV) between the two ends of a path between equivalent sites that is put down to the calculation."""

CELL = 0.03
"""Largest strain between the cell of files of a hop and the supercell of the structure that it is."""

T = TypeVar("T")


@dataclass
class Found:
    """Numbers of a saddle with where they were read from and what was done to them."""

    barrier: Measured | BarrierPair | None = None
    attempt_frequency: AttemptFrequency | None = None
    read_from: list[str] = field(default_factory=list)
    log: list[str] = field(default_factory=list)


class Sources:
    """Reads what hop entries point at, each file once; problems go to the document."""

    def __init__(self, base: Path, doc: Document) -> None:
        self.base, self.doc = base, doc
        self._read: dict[tuple[Any, ...], Any] = {}

    def _once(self, key: tuple[Any, ...], path: KeyPath, read: Callable[[], T]) -> T | None:
        """What ``read`` gives, or None with its problems noted at ``path``."""
        if key not in self._read:
            try:
                self._read[key] = read()
            except OSError as error:  # a name that is too long, a folder that may not be read
                self._read[key] = None
                self.doc.add(path, f"this cannot be read: {error.strerror}", value=str(error.filename or ""))
            except InputError as error:
                self._read[key] = None
                for p in error.problems:
                    file = f"{p.file}:{p.line}" if p.file and p.line else p.file
                    what = ": ".join(str(x) for x in (file, p.key) if x)
                    self.doc.add(
                        path,
                        f"{what}: {p.message}" if what else p.message,
                        value=p.value,
                        allowed=p.allowed,
                        remedy=p.remedy,
                    )
        return self._read[key]  # type: ignore[no-any-return]

    def barrier(self, given: BarrierPath, equal_ends: bool, title: str, path: KeyPath, into: Found) -> None:
        """Barriers of both directions from a path; ``equal_ends``: symmetry makes the two the same."""
        from ..sources import read_path

        sources = [self.base / f for f in given.path]
        missing = [str(f) for f in sources if not os.path.exists(f)]
        if missing:
            self.doc.add(
                path,
                f"{', '.join(missing)}: there is no such file or folder",
                remedy="check the path; it is relative to the input file",
            )
            return
        source = sources[0] if len(sources) == 1 else sources
        key = ("path", tuple(sources), given.kind, given.key, given.saddle_by_symmetry, given.migrating_atom)
        found = self._once(
            key,
            path,
            lambda: read_path(
                source,
                kind=given.kind,
                key=given.key,
                saddle_by_symmetry=given.saddle_by_symmetry,
                migrating_atom=given.migrating_atom,
            ),
        )
        if found is None:
            return
        into.read_from.append(found.source)
        into.log += [f"barrier from {found.interpolation}", *found.notes]
        forward, reverse = found.barrier_forward, found.barrier_reverse
        if not equal_ends:
            into.barrier = BarrierPair.model_construct(
                forward=Measured(forward, given.uncertainty), reverse=reverse
            )
            return
        if abs(forward - reverse) > NOISE:
            self.doc.add(
                path,
                f"{title} joins equivalent sites, but the path rises by {forward:.4f} eV from one end and "
                f"{reverse:.4f} eV from the other",
                value=", ".join(given.path),
                allowed=f"equal within {NOISE:g} eV",
                remedy="relax both ends alike, or give the barrier as a number, or label the sites differently",
            )
            return
        mean = (forward + reverse) / 2
        if abs(forward - reverse) > 1e-6:
            into.log.append(
                f"the ends are equivalent: mean of {forward:.4f} and {reverse:.4f} eV taken as both barriers"
            )
        into.barrier = Measured(mean, given.uncertainty)

    def response(self, given: FieldFiles, lattice: np.ndarray, title: str, path: KeyPath) -> Response | None:
        """Saddle dipole from Born charges or Berry phases of a hop's images; None with a problem noted."""
        from ..sources import berry_path, read_born_charges
        from ..sources import spread_sum_rule as spread
        from ..sources.polarization import DipoleTable, hop_images, saddle_dipole_levels

        born = given.born or []
        if not (born or given.berry):
            self.doc.add(
                path, "neither Born charges nor Berry phases are given", remedy="born: [start/OUTCAR]"
            )
            return None
        files = [given.start, given.saddle, *(given.path or ()), *born, *(given.berry or ())]
        missing = [f for f in files if not os.path.exists(self.base / f)]
        if missing:
            self.doc.add(
                path,
                f"there is no such file: {', '.join(str(self.base / f) for f in dict.fromkeys(missing))}",
                remedy="check the paths; they are relative to the input file",
            )
            return None

        def read() -> DipoleTable:
            images = hop_images(
                self.base / given.start,
                self.base / given.saddle,
                path=[self.base / f for f in given.path] if given.path else None,
                migrating_atom=given.migrating_atom,
            )
            charges = [read_born_charges(self.base / f, cell_charge=given.cell_charge) for f in born]
            if given.spread_sum_rule:
                charges = [spread(c) for c in charges]
            berry = berry_path([self.base / f for f in given.berry], charges) if given.berry else None
            return saddle_dipole_levels(images, charges or None, berry=berry, cell_charge=given.cell_charge)

        table = self._once(
            ("response", given.model_dump_json(exclude={"hop", "tolerance", "level"})), path, read
        )
        if table is None:
            return None
        cells = table.images.cell @ np.linalg.inv(lattice)
        strain = np.abs(cells - np.round(cells)).max() / max(1.0, np.abs(cells).max())
        if strain > CELL or abs(np.linalg.det(np.round(cells))) < 0.5:
            self.doc.add(
                path,
                f"the cell of {given.start} is no supercell of the structure along the same axes",
                value=[[round(float(x), 3) for x in row] for row in table.images.cell],
                allowed=f"whole multiples of the cell vectors within {CELL:.0%}",
                remedy="give structure and files in one frame: dipoles are vectors",
            )
            return None
        if given.level != "best" and given.level not in table.keys:
            self.doc.add(
                (*path, "level"),
                "the files do not allow this level of approximation",
                value=given.level,
                allowed=", ".join(table.keys),
            )
            return None
        level = table.best if given.level == "best" else table[given.level]
        images = table.images
        atom = images.displacement[:, images.migrating_atom]
        way = atom[-1] if images.complete else 2 * atom[images.saddle]
        told = (
            f"saddle dipole of {title} by {level.title}: {level.magnitude:.3f} e·Å, migrating atom "
            f"{images.symbols[images.migrating_atom]} {level.length:.3f} Å, Q_eqv = {level.q_eqv:.3f} e"
        )
        return Response(
            kind="berry" if level.key == "berry" else "born",
            dipole=np.array(level.total),
            hop=None if given.hop is None else np.array(given.hop, dtype=np.float64),
            way=np.array(way),
            site=given.from_,
            tolerance=given.tolerance,
            log=(told, *table.notes),
            read_from=tuple(files),
        )

    def attempt(self, given: object, equal_ends: bool, title: str, path: KeyPath, into: Found) -> None:
        """Attempt frequency of any form."""
        if isinstance(given, FrequencyPair):
            into.attempt_frequency = AttemptFrequency.constant(given.forward, given.reverse)
        elif given == "eyring":
            into.attempt_frequency = AttemptFrequency.eyring()
        elif isinstance(given, AttemptFromEyring):
            into.attempt_frequency = AttemptFrequency.eyring(frozen_at=given.eyring.frozen_at)
        elif isinstance(given, AttemptFromKoettgen | AttemptFromVineyard):
            self._vibrations(given, equal_ends, title, path, into)
        else:
            assert isinstance(given, float)
            into.attempt_frequency = AttemptFrequency.constant(given)

    def tie(
        self, frequency: AttemptFrequency, zero_point: str, ruled: bool, path: KeyPath, into: Found
    ) -> bool:
        """Whether barrier and frequency hold the zero-point energy once; ``ruled``: a rule gives the barrier."""
        try:
            found = check_zero_point(frequency.kind, zero_point, form=frequency.form)
        except InputError as error:
            for p in error.problems:
                self.doc.add(path, p.message, value=p.value, allowed=p.allowed, remedy=p.remedy)
            return False
        if found.add and ruled:
            self.doc.add(
                path,
                "the program adds the zero-point energy only to barriers that are numbers or read from a path",
                value="zero_point: add",
                remedy="take form: full, or parameters of the rule that include it and zero_point: included",
            )
            return False
        note = found.note
        both = frequency.zero_point()
        if found.add and both is not None:
            other = "" if both[0] == both[1] else f" forward and {1e3 * both[1]:.4g} meV reverse"
            note = f"{note}: {1e3 * both[0]:.4g} meV{other}"
        into.log += [note] if note else []
        return True

    def _vibrations(
        self,
        given: AttemptFromKoettgen | AttemptFromVineyard,
        equal_ends: bool,
        title: str,
        path: KeyPath,
        into: Found,
    ) -> None:
        from ..sources import read_spectrum

        numbers = given.koettgen if isinstance(given, AttemptFromKoettgen) else given.vineyard
        path = (*path, "koettgen" if isinstance(given, AttemptFromKoettgen) else "vineyard")
        if numbers.final is not None and equal_ends:
            self.doc.add(
                (*path, "final"),
                f"{title} joins equivalent sites: its end state is the initial one",
                remedy="leave 'final' out",
            )
            return
        spectra = []
        for name in ("initial", "saddle", "final"):
            source = getattr(numbers, name)
            if source is None:
                continue
            place = source if isinstance(source, list) else self.base / source
            mesh = tuple(numbers.mesh) if numbers.mesh else None
            spectrum = self._once(
                ("spectrum", str(place), mesh, numbers.cell),
                (*path, name),
                lambda place=place, mesh=mesh, name=name: read_spectrum(  # type: ignore[misc]
                    place, mesh=mesh, cell=numbers.cell, name=f"{name} modes"
                ),
            )
            if spectrum is None:
                return
            spectra.append(spectrum)
            into.read_from.append(spectrum.source)
        policy: dict[str, Any] = {
            "imaginary": numbers.imaginary,
            "floor": None if numbers.floor is None else numbers.floor * 1e-12,  # THz
            "reaction_mode": numbers.reaction_mode,
        }
        if numbers.acoustic_limit is not None:
            policy["acoustic_limit"] = numbers.acoustic_limit * 1e-12  # THz
        key = (path, tuple(s.source for s in spectra))

        def combine() -> AttemptFrequency:
            if isinstance(given, AttemptFromKoettgen):
                return AttemptFrequency.koettgen(
                    *spectra, form=given.koettgen.form, frozen_at=given.koettgen.frozen_at, **policy
                )
            return AttemptFrequency.vineyard(*spectra, **policy)

        into.attempt_frequency = self._once(key, path, combine)
        if into.attempt_frequency is not None:
            into.log += into.attempt_frequency.log
            if numbers.final is None and not equal_ends:
                self.doc.note(
                    f"{title}: the vibrations of the end state are taken as those of the initial one"
                )
