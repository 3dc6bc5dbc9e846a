"""The attempt frequency of a class of hops: which rule, from which modes, at which temperature."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ...errors import InputError, Problem
from ..records import Spectrum
from .modes import ModePair
from .prefactors import (
    FORMS,
    exp_checked,
    eyring,
    log_koettgen,
    log_vineyard,
    zero_point_difference,
)
from .prepare import ACOUSTIC_LIMIT, prepare_pairs

__all__ = ["KINDS", "ZERO_POINT", "AttemptFrequency", "ZeroPointTie", "check_zero_point"]

KINDS = ("constant", "eyring", "vineyard", "koettgen")
ZERO_POINT = ("bare", "included", "unknown", "add")
"""What a barrier says of its zero-point energy; ``add``: it is bare and the program shall add the difference."""


@dataclass(frozen=True)
class ZeroPointTie:
    """How barrier and attempt frequency go together: whether the program adds dZPE, and a note for the reader."""

    add: bool
    note: str = ""


def check_zero_point(kind: str, zero_point: str, *, form: str = "full", key: str = "barrier") -> ZeroPointTie:
    """Refuse an attempt frequency and a barrier of which both, or neither, hold the zero-point energy.

    Koettgen's full form (Lei & Abate, eq 6) holds it and belongs to a ``bare`` barrier; the approximate form (eq 7)
    dropped it and belongs to a barrier with dZPE ``included``, or ``add``-ed by the program. A constant and kT/h hold
    none that is known, so nothing is refused.

    key : of the barrier in the input, for the message.

    Raises
    ------
    InputError : the two do not belong together, or the barrier does not say.
    """
    problems = [
        Problem(
            message="no such choice",
            key=name,
            value=value,
            allowed=", ".join(known),
            remedy="choose one of them",
        )
        for name, value, known in (
            ("kind", kind, KINDS),
            ("form", form, FORMS),
            ("zero_point", zero_point, ZERO_POINT),
        )
        if value not in known
    ]
    if problems:
        raise InputError(problems)
    if kind != "koettgen":
        if zero_point == "add":
            raise InputError(
                f"the program adds the zero-point energy only for Koettgen's approximate form, not for {kind}",
                key=key,
                value="zero_point: add",
                remedy="add it to the barrier yourself and say zero_point: included, or take kind: koettgen",
            )
        classical = kind == "vineyard" and zero_point == "included"
        return ZeroPointTie(
            False,
            "Vineyard's attempt frequency is classical; with a barrier that includes the zero-point energy the rate"
            " is wrong by exp(-dZPE/kT) at high temperature"
            if classical
            else "",
        )
    if (form, zero_point) in (("full", "bare"), ("approximate", "included")):
        return ZeroPointTie(False)
    if (form, zero_point) == ("approximate", "add"):
        return ZeroPointTie(True, "dZPE of the modes is added to the bare barrier")
    if zero_point == "unknown":
        message = "Koettgen's attempt frequency needs to know whether the barrier holds the zero-point energy"
        remedy = (
            "say zero_point: bare (a plain energy difference; with form: full, or zero_point: add with form:"
            " approximate) or zero_point: included (with form: approximate)"
        )
    elif form == "full":
        message = (
            "the zero-point energy would be counted twice: Koettgen's full form holds it, and the barrier too"
        )
        remedy = "take form: approximate, or give the bare barrier and say zero_point: bare"
    else:
        message = "the zero-point energy would be left out: the approximate form has dropped it, the barrier is bare"
        remedy = (
            "take form: full, or say zero_point: add, or give a barrier with it and say zero_point: included"
        )
    allowed = "full with bare; approximate with included or add"
    raise InputError(
        message, key=key, value=f"form: {form}, zero_point: {zero_point}", allowed=allowed, remedy=remedy
    )


@dataclass(frozen=True, kw_only=True)
class AttemptFrequency:
    """Rule for the attempt frequencies of a hop and its reverse.

    Made by `constant`, `eyring`, `vineyard`, `koettgen`.

    kind : ``constant``, ``eyring``, ``vineyard`` or ``koettgen``. form : of koettgen, ``full`` or ``approximate``.
    value, value_reverse : Hz, of a constant. forward, reverse : modes from each end to the common saddle.
    frozen_at : K; the value at this temperature is used at every other, or None.

    The saddle cancels in ``nu_forward/nu_reverse``: what is left is the ratio of the partition functions of the two
    sites, so ``kT ln(nu_f/nu_b)`` is a difference of site free energies (``pair-drop`` keeps this within a hop; round
    a loop it holds only if the same modes go in every hop).
    """

    kind: str
    form: str = "full"
    value: float | None = None
    value_reverse: float | None = None
    forward: ModePair | None = None
    reverse: ModePair | None = None
    frozen_at: float | None = None

    def __post_init__(self) -> None:
        problems = [
            Problem(
                message="no such choice",
                key=name,
                value=given,
                allowed=", ".join(known),
                remedy="choose one of them",
            )
            for name, given, known in (("kind", self.kind, KINDS), ("form", self.form, FORMS))
            if given not in known
        ]
        if self.kind == "constant":
            for name, given in (("value", self.value), ("value_reverse", self.value_reverse)):
                if given is None or not 0 < given < math.inf:
                    problems.append(
                        Problem(
                            message="is not an attempt frequency",
                            key=name,
                            value=given,
                            allowed="> 0 Hz",
                            remedy="give it in Hz",
                        )
                    )
        if self.kind in ("vineyard", "koettgen") and (self.forward is None or self.reverse is None):
            problems.append(
                Problem(f"{self.kind} needs the modes of both ends and the saddle", remedy="give the spectra")
            )
        if self.frozen_at is not None and not 0 < self.frozen_at < math.inf:
            problems.append(
                Problem(
                    message="is not a temperature",
                    key="frozen_at",
                    value=self.frozen_at,
                    allowed="> 0 K",
                    remedy="give it in kelvin",
                )
            )
        if problems:
            raise InputError(problems)

    @classmethod
    def constant(cls, value: float, reverse: float | None = None) -> AttemptFrequency:
        """Hz, the same at all temperatures."""
        return cls(kind="constant", value=value, value_reverse=value if reverse is None else reverse)

    @classmethod
    def eyring(cls, frozen_at: float | None = None) -> AttemptFrequency:
        """``kT/h``."""
        return cls(kind="eyring", frozen_at=frozen_at)

    @classmethod
    def vineyard(
        cls,
        initial: Spectrum,
        saddle: Spectrum,
        final: Spectrum | None = None,
        *,
        imaginary: str = "raise",
        floor: float | None = None,
        reaction_mode: str = "remove",
        acoustic_limit: float = ACOUSTIC_LIMIT,
    ) -> AttemptFrequency:
        """From the Gamma modes; the keywords are those of `prepare_pair`."""
        pairs = prepare_pairs(
            initial,
            saddle,
            final,
            imaginary=imaginary,
            floor=floor,
            reaction_mode=reaction_mode,
            acoustic_limit=acoustic_limit,
        )
        for pair in pairs:
            log_vineyard(pair)  # complains here, not at the first temperature
        return cls(kind="vineyard", forward=pairs[0], reverse=pairs[1])

    @classmethod
    def koettgen(
        cls,
        initial: Spectrum,
        saddle: Spectrum,
        final: Spectrum | None = None,
        *,
        form: str = "full",
        frozen_at: float | None = None,
        imaginary: str = "raise",
        floor: float | None = None,
        reaction_mode: str = "remove",
        acoustic_limit: float = ACOUSTIC_LIMIT,
    ) -> AttemptFrequency:
        """From all modes of the mesh; without ``final`` both ends are equivalent."""
        forward, reverse = prepare_pairs(
            initial,
            saddle,
            final,
            imaginary=imaginary,
            floor=floor,
            reaction_mode=reaction_mode,
            acoustic_limit=acoustic_limit,
        )
        return cls(kind="koettgen", form=form, forward=forward, reverse=reverse, frozen_at=frozen_at)

    @property
    def log(self) -> tuple[str, ...]:
        """What was done to the modes, and what to mind."""
        lines = () if self.forward is None else self.forward.log
        if self.frozen_at is not None and self.kind == "koettgen" and self.form == "full":
            lines += (
                f"frozen at {self.frozen_at:g} K together with its zero-point factor exp(-dZPE/kT), so the rate at"
                " other temperatures has the activation energy of the bare barrier",
            )
        return lines

    @property
    def label(self) -> str:
        """Short name for tables."""
        frozen = "" if self.frozen_at is None else f", frozen at {self.frozen_at:g} K"
        if self.kind == "constant" and self.value is not None:
            both = "" if self.value == self.value_reverse else f" / {self.value_reverse:.6g}"
            return f"constant {self.value:.6g}{both} Hz"
        names = {"eyring": "kT/h", "vineyard": "Vineyard", "koettgen": f"Koettgen, {self.form}"}
        return names[self.kind] + frozen

    @property
    def same_both_ways(self) -> bool:
        """Whether the hop and its reverse have the same frequency at every temperature."""
        if self.kind == "constant":
            return self.value == self.value_reverse
        return self.forward is self.reverse

    @property
    def depends_on_temperature(self) -> bool:
        return self.kind in ("eyring", "koettgen") and self.frozen_at is None

    def log_at(self, temperature: float) -> tuple[float, float]:
        """``(ln nu_forward, ln nu_reverse)``, nu in Hz, at ``temperature`` in K.

        Raises
        ------
        InputError : the temperature is not > 0.
        """
        log_eyring = math.log(eyring(temperature))
        t = temperature
        if self.frozen_at is not None:
            t = self.frozen_at
            log_eyring = math.log(eyring(t))
        if self.kind == "constant" and self.value is not None and self.value_reverse is not None:
            return math.log(self.value), math.log(self.value_reverse)
        if self.forward is None or self.reverse is None:
            return log_eyring, log_eyring

        def of(pair: ModePair) -> float:
            return log_vineyard(pair) if self.kind == "vineyard" else log_koettgen(pair, t, self.form)

        ahead = of(self.forward)
        return ahead, ahead if self.reverse is self.forward else of(self.reverse)

    def at(self, temperature: float) -> tuple[float, float]:
        """``(nu_forward, nu_reverse)``, Hz, at ``temperature`` in K.

        Raises
        ------
        InputError : the temperature is not > 0, or the value is no float (take `log_at`).
        """
        ahead, back = self.log_at(temperature)
        if self.kind == "constant" and self.value is not None and self.value_reverse is not None:
            return self.value, self.value_reverse  # to the last digit
        where = f"at {temperature:g} K"
        return exp_checked(ahead, where), exp_checked(back, where)

    def zero_point(self) -> tuple[float, float] | None:
        """dZPE from each end to the saddle (forward, reverse), eV; None when no modes are known."""
        if self.forward is None or self.reverse is None:
            return None
        ahead, back = (zero_point_difference(p.initial, p.saddle) for p in (self.forward, self.reverse))
        return ahead, back

    def barrier_correction(self, zero_point: str, *, key: str = "barrier") -> tuple[float, float]:
        """What to add to the forward and the reverse barrier, eV: dZPE for ``zero_point`` ``add``, else 0.

        The two differ by the zero-point energies of the sites, so detailed balance stays a matter of the sites.

        Raises
        ------
        InputError : barrier and attempt frequency do not belong together (`check_zero_point`).
        """
        tie = check_zero_point(self.kind, zero_point, form=self.form, key=key)
        both = self.zero_point()
        return both if tie.add and both is not None else (0.0, 0.0)
