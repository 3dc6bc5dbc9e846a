"""Which hop limits transport, and what the barriers' own uncertainties do to the mobility."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ..energies.supercell import depends_on_configuration
from ..errors import InputError
from ..model.model import Model, frozen_array
from ..ndarrays import FloatArray, IntArray
from ..rates.build import build_catalog
from ..rates.catalog import RateCatalog
from ..rates.configuration import ConfigurationRates
from ..units import K_B
from .solve import ALONE, MAX_STATES, ExactTransport, solve_exact

__all__ = ["Sensitivity", "sensitivity"]

STEP = 2e-3
"""Change of ln(rate) for the central differences (this and half of it, extrapolated)."""
RESOLVED = 1e-3
"""Shares that the two steps disagree on by more are not given."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Sensitivity:
    """How the mobility along one direction answers to the barriers; S species, C hop classes.

    temperature : K. field : (3,) V/Å. direction : (3,) unit vector.
    observable : ``mobility`` (v/E along the direction) or, without field, ``mobility_einstein``.
    mobility : (S,) its value, Å²/(V s). Of a carrier without charge all numbers are those of its D, Å²/s.
    share : (S, C) d ln|mobility| / d ln(rates of the class), both directions of its hops together. The shares
        of a species add up to 1 (all rates scaled by one factor scale the mobility by it), unless hops are
        clamped by the field: those do not answer to their barrier and count 0.
    dlnmu_dbarrier : (S, C) d ln|mobility| / d barrier, 1/eV; = -share/kT.
    limiting : (S,) class with the largest |share|; -1 where nothing is resolved (no transport that way).
    sigma_ln : (S,) standard uncertainty of ln(mobility) from ``HopClass.barrier_stderr``, taken as
        independent; NaN when no class that matters has one. error_factor : (S,) exp(sigma_ln).
    accuracy : (S,) estimated absolute error of the shares.
    method : the system that was solved, as in `ExactTransport`.
    """

    temperature: float
    field: FloatArray
    direction: FloatArray
    observable: str
    hop_classes: tuple[str, ...]
    mobility: FloatArray
    share: FloatArray
    dlnmu_dbarrier: FloatArray
    limiting: IntArray
    sigma_ln: FloatArray
    error_factor: FloatArray
    accuracy: FloatArray
    method: str

    @property
    def is_other_system(self) -> bool:
        """Whether this is not the system of the input, but one carrier of it alone."""
        return self.method == ALONE

    def limiting_class(self, species: int = 0) -> str | None:
        """Name of the hop class that limits this species, or None."""
        index = int(self.limiting[species])
        return None if index < 0 else self.hop_classes[index]


def sensitivity(
    model: Model,
    *,
    temperature: float,
    field: float = 0.0,
    direction: npt.ArrayLike,
    dilute: bool | None = None,
    max_states: int = MAX_STATES,
) -> Sensitivity:
    """Derivatives of ln(mobility) along ``direction`` by the barrier of each hop class, exactly solved.

    Parameters
    ----------
    temperature : K. field : magnitude along ``direction``, V/Å. direction : (3,) Cartesian, any length.
    dilute, max_states : as for `solve_exact`.

    The saddle of a class is shifted: forward and reverse rates change by one factor, so detailed balance is
    kept. Central differences with two steps, extrapolated; errors are those of `build_catalog` and
    `solve_exact`.
    """
    axis = np.asarray(direction, float)
    length = float(np.linalg.norm(axis)) if axis.shape == (3,) else 0.0
    if not 0 < length < np.inf:
        raise InputError(
            "the direction is not a vector", key="direction", value=direction, allowed="three numbers, not 0"
        )
    axis = axis / length
    catalog = build_catalog(model, temperature=temperature, field=field * axis)
    hop_class, n_classes = model.network.hop_class, len(model.hop_classes)
    depends = depends_on_configuration(model)  # then each configuration clamps by itself

    def solved(shift: FloatArray) -> ExactTransport:
        def at_field(other: FloatArray) -> RateCatalog:
            return _shifted(build_catalog(model, temperature=temperature, field=other), shift)

        return solve_exact(_shifted(catalog, shift), dilute=dilute, max_states=max_states, at_field=at_field)

    def mobility(shift: FloatArray) -> FloatArray:
        return of(solved(shift))

    def of(answer: ExactTransport) -> FloatArray:
        if answer.mobility is None:
            found = np.einsum("i,aij,j->a", axis, answer.mobility_einstein, axis)
        else:
            found = answer.mobility @ axis
        own = np.einsum("i,aiaj,j->a", axis, answer.collective_diffusivity, axis)
        return np.where(answer.charge == 0, own, found)

    undisturbed = solved(np.zeros(len(hop_class)))
    value = of(undisturbed)
    share = np.zeros((len(value), n_classes))
    accuracy = np.zeros(len(value))
    with np.errstate(divide="ignore", invalid="ignore"):
        for c in range(n_classes):
            mine = hop_class == c
            answers = (mine if depends else mine & ~catalog.clamped).astype(float)
            slopes = []
            for step in (STEP, STEP / 2):
                up, down = mobility(step * answers), mobility(-step * answers)
                slopes.append(np.log(np.abs(up / down)) / (2 * step))
            share[:, c] = (4 * slopes[1] - slopes[0]) / 3
            accuracy = np.fmax(accuracy, np.abs(share[:, c] - slopes[1]))
    resolved = (value != 0) & np.isfinite(share).all(axis=1) & (accuracy < RESOLVED)
    share[~resolved] = np.nan
    accuracy[~resolved] = np.nan
    derivative = -share / (K_B * temperature)
    limiting = [int(np.argmax(np.abs(s))) if ok else -1 for s, ok in zip(share, resolved, strict=True)]
    sigma = np.array([np.nan if c.barrier_stderr is None else c.barrier_stderr for c in model.hop_classes])
    known = ~np.isnan(sigma)
    variance = (derivative[:, known] ** 2) @ sigma[known] ** 2
    told = (np.abs(share[:, known]) > 1e-9).any(axis=1)
    sigma_ln = np.where(told, np.sqrt(variance), np.nan)
    return Sensitivity(
        temperature=float(temperature),
        field=catalog.field,
        direction=frozen_array(axis, np.float64),
        observable="mobility" if field else "mobility_einstein",
        hop_classes=tuple(c.name for c in model.hop_classes),
        mobility=frozen_array(value, np.float64),
        share=frozen_array(share, np.float64),
        dlnmu_dbarrier=frozen_array(derivative, np.float64),
        limiting=frozen_array(limiting, np.int64),
        sigma_ln=frozen_array(sigma_ln, np.float64),
        error_factor=frozen_array(np.exp(sigma_ln), np.float64),
        accuracy=frozen_array(accuracy, np.float64),
        method=undisturbed.method,
    )


def _shifted(catalog: RateCatalog, shift: FloatArray) -> RateCatalog:
    """The same catalog with ``shift`` (n_hops,) added to ln(rate).

    Where rates depend on the configuration they are worked out later: a saddle that lies lower by kT x shift is a
    saddle work that is larger by it; a rule without a saddle of its own gets another prefactor.
    """
    log_rate = catalog.log_rate + shift
    if depends_on_configuration(catalog.model):
        rules = ConfigurationRates(catalog)
        saddle = np.array([rules.rule_of(h).takes_saddle_dipole for h in range(len(shift))])
        work = catalog.saddle_work + np.where(saddle, K_B * catalog.temperature * shift, 0.0)
        frequency = catalog.attempt_frequency * np.exp(np.where(saddle, 0.0, shift))
        catalog = replace(
            catalog,
            saddle_work=frozen_array(work, np.float64),
            attempt_frequency=frozen_array(frequency, np.float64),
        )
    return replace(
        catalog,
        rate=frozen_array(np.exp(log_rate), np.float64),
        log_rate=frozen_array(log_rate, np.float64),
    )
