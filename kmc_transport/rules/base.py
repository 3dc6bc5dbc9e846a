"""What a barrier rule is: parameters with units and allowed ranges, and two forms of one formula."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cache
from typing import Any, ClassVar, NamedTuple, overload

import numpy as np
import numpy.typing as npt

from ..errors import InputError, Problem
from ..ndarrays import BoolArray, FloatArray
from ..units import DIMENSIONS, K_B

__all__ = ["Activation", "BarrierRule", "Parameter", "parameter"]


class Activation(NamedTuple):
    """Activation energies and where they were clamped (the formula gave less than max(dH, 0))."""

    energy: FloatArray
    """(n,) eV."""
    clamped: BoolArray
    """(n,)"""


class Parameter:
    """One number of a rule, written into the class body by `parameter`; on an instance it is the value.

    Attributes
    ----------
    name : of the attribute. key : in the input file. dimension : a key of `kmc_transport.units.DIMENSIONS`.
    meaning, source : what it is, and the paper (DOI) that defines it.
    above, at_least, at_most : allowed range in internal units; None where open.
    default : value when it is not given, or None when it must be given.
    alternatives : other keys of the input, with the factor that turns their value into this one.
    """

    def __init__(
        self,
        dimension: str,
        key: str,
        meaning: str,
        source: str,
        above: float | None,
        at_least: float | None,
        at_most: float | None,
        default: float | None,
        alternatives: dict[str, float],
    ) -> None:
        self.name = ""
        self.dimension, self.key, self.meaning, self.source = dimension, key, meaning, source
        self.above, self.at_least, self.at_most = above, at_least, at_most
        self.default, self.alternatives = default, alternatives

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name
        self.key = self.key or name

    @overload
    def __get__(self, rule: None, owner: type) -> Parameter: ...
    @overload
    def __get__(self, rule: BarrierRule, owner: type) -> float: ...
    def __get__(self, rule: BarrierRule | None, owner: type) -> Parameter | float:
        return self if rule is None else rule.values[self.name]

    @property
    def unit(self) -> str:
        """Unit of a bare number in the input."""
        return DIMENSIONS[self.dimension].unit

    def allowed(self, factor: float = 1.0) -> str:
        """Allowed range in words, in the unit of the input; ``factor`` is that of an alternative key."""
        scale = float(DIMENSIONS[self.dimension].per_internal) / factor
        parts = [
            f"{sign} {bound * scale:g}"
            for sign, bound in ((">", self.above), (">=", self.at_least), ("<=", self.at_most))
            if bound is not None
        ]
        return " and ".join(parts or ["any finite number"]) + (f" {self.unit}" if self.unit else "")

    def accepts(self, value: float) -> bool:
        """Whether ``value`` (internal unit) is finite and in the allowed range."""
        return (
            math.isfinite(value)
            and (self.above is None or value > self.above)
            and (self.at_least is None or value >= self.at_least)
            and (self.at_most is None or value <= self.at_most)
        )


def parameter(
    dimension: str,
    *,
    meaning: str,
    source: str,
    key: str = "",
    above: float | None = None,
    at_least: float | None = None,
    at_most: float | None = None,
    default: float | None = None,
    alternatives: dict[str, float] | None = None,
) -> Parameter:
    """Declare a parameter in the body of a `BarrierRule`; see `Parameter`. ``key`` is the name by default."""
    if dimension not in DIMENSIONS:
        raise ValueError(f"dimension {dimension!r} is none of {', '.join(DIMENSIONS)}")
    return Parameter(
        dimension, key, meaning, source, above, at_least, at_most, default, dict(alternatives or {})
    )


class BarrierRule(ABC):
    """Activation energy of a hop from the energies of its end states and the work of the field.

    A rule is a frozen object: its parameters are declared in the class body with `parameter` and given by
    name, in internal units (eV, Hz, ...). Subclasses give ``name``, ``formula``, ``references``,
    `activation_energy` and `scalar`, and `reversed` where the reverse hop has other numbers.

    The rate of a directed hop is ``prefactor exp(-energy / kT)`` for each channel. Every rule obeys
    ``E(forward) - E(reverse) = dH = dE - W``: local detailed balance, clamped or not.

    Raises
    ------
    InputError
        When a parameter is missing, unknown or out of range.
    """

    name: ClassVar[str]
    """Name in the input file."""
    formula: ClassVar[str]
    references: ClassVar[tuple[str, ...]]
    own_prefactor: ClassVar[bool] = False
    """Whether the rule holds the whole rate, so that an attempt frequency beside it is refused."""
    takes_saddle_dipole: ClassVar[bool] = True
    """Whether the field acts on the saddle by a dipole of its own; otherwise it acts through dH alone."""
    assumed_regime: ClassVar[str | None] = None
    """``adiabatic`` or ``non-adiabatic`` when the rule holds in that regime only (see `regime`)."""
    given_barriers: ClassVar[bool] = False
    """Whether its parameters are the forward and the reverse barrier that the input gives as numbers."""
    intrinsic_barrier: ClassVar[str | None] = None
    """Name of the parameter that is the barrier between ends of equal energy, which the surroundings of a hop replace;
    None where they cannot."""
    physical: ClassVar[bool] = True
    """False for dynamics that only lead to equilibrium: their times and diffusivities mean nothing."""

    monotonic: ClassVar[bool] = False
    """Whether the barrier never falls as the energy difference rises, whatever the field: no inverted region. Carriers
    that interact run faster then."""

    hop_length: ClassVar[str | None] = None
    """Name of the parameter that is the length of the hop when the input does not give it."""

    values: dict[str, float]
    """Parameters by name, internal units. Not to be changed."""

    def __init__(self, **values: float) -> None:
        declared = {p.name: p for p in self.parameters()}
        problems = [
            Problem(
                f"the rule '{self.name}' has no parameter '{name}'",
                name,
                values[name],
                ", ".join(declared) or "none",
            )
            for name in values
            if name not in declared
        ]
        found: dict[str, float] = {}
        for name, p in declared.items():
            value = values.get(name, p.default)
            if value is None:
                problems.append(Problem(f"the rule '{self.name}' needs {p.meaning}", name, None, p.allowed()))
            elif not p.accepts(float(value)):
                problems.append(
                    Problem(
                        message=f"{p.meaning} is outside the allowed range",
                        key=name,
                        value=value,
                        allowed=p.allowed(),
                        remedy="check the unit of the number",
                    )
                )
            else:
                found[name] = float(value)
        if problems:
            raise InputError(problems)
        object.__setattr__(self, "values", found)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a rule cannot be changed; make a new {type(self).__name__}")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.values == other.values  # type: ignore[attr-defined]

    def __hash__(self) -> int:
        return hash((type(self), *self.values.items()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self.values.items())})"

    @classmethod
    @cache
    def parameters(cls) -> tuple[Parameter, ...]:
        """Parameters in the order of their declaration, those of base classes first."""
        found: dict[str, Parameter] = {}
        for base in reversed(cls.__mro__):
            found.update({k: v for k, v in vars(base).items() if isinstance(v, Parameter)})
        return tuple(found.values())

    @abstractmethod
    def activation_energy(
        self, energy_difference: npt.ArrayLike, work: npt.ArrayLike = 0.0, saddle_work: npt.ArrayLike = 0.0
    ) -> Activation:
        """Activation energy in the field, clamped.

        Parameters
        ----------
        energy_difference : (n,) dE, end state minus start state without field, eV.
        work : (n,) W, work of the field on the whole hop, eV; dH = dE - W.
        saddle_work : (n,) W_S = (p_S - p_i).E, eV; 0 unless ``takes_saddle_dipole``.
        """

    @staticmethod
    def scalar(
        energy_difference: float, work: float, saddle_work: float, p: Sequence[float]
    ) -> tuple[float, bool]:
        """`activation_energy` of one hop as plain arithmetic: (energy, clamped).

        ``p`` is `scalar_parameters` as a tuple or a float array. The function calls nothing but ``math`` and
        builtins, so that ``numba.njit`` compiles it as it stands and a kernel can inline it.
        """
        raise NotImplementedError

    def scalar_parameters(self) -> tuple[float, ...]:
        """Numbers that `scalar` gets as ``p``; the parameters in order unless a rule adds derived ones."""
        return tuple(self.values.values())

    def at_temperature(self, temperature: float) -> BarrierRule:
        """The rule at ``temperature`` (K): itself, unless its activation energy depends on the temperature.

        Catalogs, kernels and checks take this before they evaluate a rule.
        """
        return self

    def prefactor(self, temperature: float, attempt_frequency: npt.ArrayLike | None = None) -> FloatArray:
        """What multiplies exp(-energy/kT), 1/s: attempt frequency times transmission, or the rule's own.

        It depends on the temperature alone, never on dH, so a kernel takes it as a constant.

        Raises
        ------
        InputError : an attempt frequency is missing, or given to a rule that has its own prefactor.
        """
        self.check_companions(attempt_frequency=attempt_frequency)
        if attempt_frequency is None:
            raise InputError(
                f"the rule '{self.name}' needs an attempt frequency",
                key="attempt_frequency",
                value=None,
                allowed="> 0 Hz",
                remedy="give one; eyring is kT/h",
            )
        return np.asarray(attempt_frequency, dtype=np.float64) * math.exp(self.log_transmission)

    @property
    def log_transmission(self) -> float:
        """Logarithm of what multiplies the attempt frequency, such as a tunnelling factor."""
        return 0.0

    def log_rate(
        self,
        energy_difference: npt.ArrayLike,
        work: npt.ArrayLike = 0.0,
        saddle_work: npt.ArrayLike = 0.0,
        *,
        temperature: float,
        attempt_frequency: npt.ArrayLike | None = None,
    ) -> FloatArray:
        """(n,) natural logarithm of the rate per channel, 1/s; arguments as in `activation_energy`, K, Hz."""
        energy = (
            self.at_temperature(temperature).activation_energy(energy_difference, work, saddle_work).energy
        )
        prefactor = self.prefactor(temperature, attempt_frequency)
        return np.asarray(np.log(prefactor) - energy / (K_B * temperature))

    def reversed(self) -> BarrierRule:
        """Rule of the reverse hop, which gets -dE, -W and W_S - W; itself unless overridden."""
        return self

    @property
    def equal_ends_barrier(self) -> float:
        """The barrier between ends of equal energy, eV; only where ``intrinsic_barrier`` names it."""
        assert self.intrinsic_barrier is not None
        return self.values[self.intrinsic_barrier]

    @property
    def given_difference(self) -> float | None:
        """dE that the rule itself fixes, eV, or None when it holds for any dE."""
        return None

    def remarks(self, dH: npt.ArrayLike) -> tuple[str, ...]:
        """What the reader should know about the rule at these dH (n,), eV; empty when nothing is unusual."""
        return ()

    def check_companions(
        self, *, attempt_frequency: object = None, saddle_dipole: object = None, key: str = ""
    ) -> None:
        """Refuse what a hop with this rule must not have beside it (None: not given).

        Raises
        ------
        InputError : an attempt frequency beside a rule with its own prefactor, or a saddle dipole beside a
            rule whose field response lies in dH.
        """
        prefix = f"{key}." if key else ""
        problems = []
        if attempt_frequency is not None and self.own_prefactor:
            problems.append(
                Problem(
                    message=f"the rule '{self.name}' holds the whole rate, its prefactor included",
                    key=prefix + "attempt_frequency",
                    value=attempt_frequency,
                    allowed="nothing",
                    remedy="remove the attempt frequency" + self._instead_of_attempt_frequency(),
                )
            )
        if saddle_dipole is not None and not self.takes_saddle_dipole:
            problems.append(
                Problem(
                    message=f"with the rule '{self.name}' the field acts through dH alone",
                    key=prefix + "saddle",
                    value=saddle_dipole,
                    allowed="nothing",
                    remedy="remove the saddle dipole: the place of the crossing follows from dH",
                )
            )
        if problems:
            raise InputError(problems)

    def _instead_of_attempt_frequency(self) -> str:
        frequencies = [p.key for p in self.parameters() if p.dimension == "frequency"]
        return f", or give it as {frequencies[0]}" if frequencies else ""

    def difference_in_field(
        self, energy_difference: npt.ArrayLike, work: npt.ArrayLike, saddle_work: npt.ArrayLike
    ) -> FloatArray:
        """dH (n,) for rules without a saddle dipole, which refuse a saddle work."""
        if np.any(np.asarray(saddle_work) != 0):
            self.check_companions(saddle_dipole=f"works up to {np.max(np.abs(saddle_work)):g} eV")
        return np.asarray(energy_difference, dtype=np.float64) - np.asarray(work, dtype=np.float64)


def as_arrays(*values: Any) -> tuple[FloatArray, ...]:
    """``values`` as float arrays of one shape."""
    return tuple(np.broadcast_arrays(*(np.asarray(v, dtype=np.float64) for v in values)))
