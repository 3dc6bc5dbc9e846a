"""Barriers and attempt frequencies that the input points at: files of other codes, rules, spectra."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from ..errors import InputError
from ..vibrations import AttemptFrequency, check_zero_point
from .inputfile import Document, KeyPath
from .schema import (
    AttemptFromEyring,
    AttemptFromKoettgen,
    AttemptFromVineyard,
    BarrierPair,
    BarrierPath,
    FrequencyPair,
    Measured,
)

__all__ = ["Found", "Sources"]

NOISE = 0.010
"""Difference (eV) between the two ends of a path between equivalent sites that is put down to the calculation."""

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
        from ..readers import read_path

        source = self.base / given.path
        if not source.exists():
            self.doc.add(
                path,
                f"{source}: there is no such file or folder",
                remedy="check the path; it is relative to the input file",
            )
            return
        key = ("path", source, given.kind, given.key, given.saddle_by_symmetry, given.migrating_atom)
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
                value=given.path,
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
        from ..readers import read_spectrum

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
                ("spectrum", str(place), mesh),
                (*path, name),
                lambda place=place, mesh=mesh, name=name: read_spectrum(  # type: ignore[misc]
                    place, mesh=mesh, name=f"{name} modes"
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
