"""Laws of the mobility in field and temperature, fitted with covariance, and refused where chi squared says no."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..errors import InputError
from ..ndarrays import BoolArray, FloatArray
from ..units import ANGSTROM, K_B

__all__ = ["LAWS", "FieldLawFit", "fit_field_law", "independent_rows", "widest_field_law"]

LAWS = ("sinh", "poole-frenkel")
REFUSED = 1e-3
"""A law is refused where a true one would have as large a chi squared with less than this probability."""
CERTAIN = 3.0
"""Standard errors that the field parameter must differ from zero by."""


@dataclass(frozen=True, eq=False, kw_only=True)
class FieldLawFit:
    """Mobility as a law of temperature T and field E, with one activation energy.

    ``sinh``:          mu T = A exp(-E_a/kT) sinh(x)/x,  x = p E/2kT,  so v = v0 exp(-E_a/kT) sinh(x)
    ``poole-frenkel``: mu T = A exp(-(E_a - beta sqrt(E))/kT)

    The sinh law is that of hops in one direction and back, all alike along the field (Mott and Gurney, Electronic
    Processes in Ionic Crystals, 1940). It holds the product p = q a of charge and length alone. With the transported
    charge q, a is the distance of the charge centres along the field; with a twice the migrating atom's displacement
    to the saddle along the field, q is Q_eqv (Salles, Nat. Commun. 11, 3330 (2020)).

    activation_energy : eV. log_prefactor : ln of |A| in K m²/(V s). field_parameter : p in e Å, or beta in
    eV (m/V)^½. covariance : (3, 3) of the three, in this order. sign : of the mobility. chi2, points : of the fit.
    p_value : probability that a true law has a chi squared as large. worst_residual : largest relative deviation
    of the law from a value. temperature_range, field_range : K and V/m, where values were.
    """

    law: str
    activation_energy: float
    log_prefactor: float
    field_parameter: float
    covariance: FloatArray
    sign: float
    chi2: float
    points: int
    p_value: float
    worst_residual: float
    temperature_range: tuple[float, float]
    field_range: tuple[float, float]

    @property
    def degrees_of_freedom(self) -> int:
        return self.points - 3

    @property
    def stderr(self) -> FloatArray:
        """(3,) of activation energy, ln prefactor and field parameter."""
        return np.sqrt(np.diag(self.covariance))

    @property
    def accepted(self) -> bool:
        return self.p_value >= REFUSED

    @property
    def velocity_prefactor(self) -> float:
        """v0 of the sinh law, m/s, positive."""
        self._only_sinh("velocity_prefactor")
        return float(2 * K_B * np.exp(self.log_prefactor) / (self.field_parameter * ANGSTROM))

    def charge(self, length: float) -> float:
        """|q| in e that goes with a length in Å."""
        self._only_sinh("charge")
        return self.field_parameter / length

    def length(self, charge: float) -> float:
        """Length in Å that goes with a charge in e."""
        self._only_sinh("length")
        return self.field_parameter / abs(charge)

    def _only_sinh(self, key: str) -> None:
        if self.law != "sinh":
            raise InputError(f"the {self.law} law has none", key=key, remedy="fit the sinh law")

    def mobility(self, temperature: npt.ArrayLike, field: npt.ArrayLike) -> FloatArray:
        """m²/(V s), signed; temperature in K and field in V/m (its sign does not matter) broadcast.

        Raises InputError outside the ranges of the fit (fields below the weakest one are inside).
        """
        t, e = self._inside(temperature, field)
        return self.sign * np.exp(_log_mu_t(self.law, self._parameters, t, e)) / t

    def drift_velocity(self, temperature: npt.ArrayLike, field: npt.ArrayLike) -> FloatArray:
        """m/s along the field's axis; odd in the field. Raises InputError as `mobility` does."""
        return self.mobility(temperature, field) * np.asarray(field, np.float64)

    def relative_stderr(self, temperature: npt.ArrayLike, field: npt.ArrayLike) -> FloatArray:
        """Standard error of ln mu from the covariance. Raises InputError as `mobility` does."""
        t, e = self._inside(temperature, field)
        shape = np.broadcast_shapes(t.shape, e.shape)
        slope = _slopes(
            self.law, self._parameters, np.broadcast_to(t, shape).ravel(), np.broadcast_to(e, shape).ravel()
        )
        return np.sqrt(np.einsum("ni,ij,nj->n", slope, self.covariance, slope)).reshape(shape)

    @property
    def _parameters(self) -> FloatArray:
        return np.array([self.activation_energy, self.log_prefactor, self.field_parameter])

    def _inside(self, temperature: npt.ArrayLike, field: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
        t, e = np.asarray(temperature, np.float64), np.abs(np.asarray(field, np.float64))
        near = 1e-9  # a range that went through a file and back
        (cold, hot), strong = self.temperature_range, self.field_range[1]
        if not (np.all(t >= cold * (1 - near)) and np.all(t <= hot * (1 + near))):
            raise InputError(
                "the fit does not reach there", key="temperature", value=t, allowed=f"{cold:g} to {hot:g} K"
            )
        if not np.all(e <= strong * (1 + near)):
            raise InputError(
                "the fit does not reach there", key="field", value=e, allowed=f"up to {strong:g} V/m"
            )
        return t, e

    def require(self) -> FieldLawFit:
        """Itself; InputError where chi squared refuses the law."""
        if not self.accepted:
            raise InputError(
                f"the {self.law} law does not hold: chi squared {self.chi2:.4g} with {self.degrees_of_freedom} degrees "
                f"of freedom, worst residual {self.worst_residual:.2%}",
                key="law",
                value=self.law,
                allowed=f"a chi squared that a true law reaches with probability {REFUSED:g} or more",
                remedy="fit weaker fields alone, try the other law, or take the table",
            )
        return self


def _log_mu_t(law: str, parameters: FloatArray, t: FloatArray, e: FloatArray) -> FloatArray:
    """ln(|mu| T)."""
    energy, log_a, third = parameters
    if law == "sinh":
        return log_a - energy / (K_B * t) + _log_sinhc(third * ANGSTROM * e / (2 * K_B * t))
    return log_a - (energy - third * np.sqrt(e)) / (K_B * t)


def _log_sinhc(x: FloatArray) -> FloatArray:
    """ln(sinh(x)/x), for x >= 0."""
    big = np.maximum(x, 1e-3)
    return np.where(x > 1e-3, big + np.log1p(-np.exp(-2 * big)) - np.log(2 * big), x**2 / 6)


def _slopes(law: str, parameters: FloatArray, t: FloatArray, e: FloatArray) -> FloatArray:
    """(n, 3) derivatives of ln(mu T) by the parameters."""
    if law == "sinh":
        y = ANGSTROM * e / (2 * K_B * t)
        x = parameters[2] * y
        big = np.maximum(x, 1e-3)
        third = y * np.where(x > 1e-3, 1 / np.tanh(big) - 1 / big, x / 3)  # Langevin function
    else:
        third = np.sqrt(e) / (K_B * t)
    return np.stack([-1 / (K_B * t), np.ones_like(t), third], axis=1)


def fit_field_law(
    temperature: npt.ArrayLike,
    field: npt.ArrayLike,
    mobility: npt.ArrayLike,
    stderr: npt.ArrayLike,
    *,
    law: str = "sinh",
) -> FieldLawFit:
    """Weighted least squares of ln(mobility x temperature); chi squared is judged by `FieldLawFit.require`.

    temperature, field, mobility, stderr : (n,) K, V/m, m²/(V s); the values independent of each other (rows that
    linear response filled from the run without field are not), of one sign; a field of zero is the weak-field
    mobility. NaN points are left out.

    Raises InputError for an unknown law, fewer than two temperatures or three fields, values of both signs, or
    fields too weak to tell the field parameter from zero.
    """
    if law not in LAWS:
        raise InputError("no such law", key="law", value=law, allowed=", ".join(LAWS))
    t, e, mu, s = (np.asarray(a, np.float64).ravel() for a in (temperature, field, mobility, stderr))
    keep = np.isfinite(t) & np.isfinite(e) & np.isfinite(mu) & np.isfinite(s) & (mu != 0) & (s > 0)
    t, e, mu, s = t[keep], np.abs(e[keep]), mu[keep], s[keep]
    for key, values, least in (("temperature", t, 2), ("field", e, 3)):
        if len(np.unique(values)) < least:
            raise InputError(
                f"a law of the field needs values at {least} {key}s or more",
                key=key,
                value=np.unique(values).tolist(),
                remedy=f"sweep more {key}s: conditions.{'field.magnitude' if key == 'field' else key}",
            )
    if not (np.all(mu > 0) or np.all(mu < 0)):
        raise InputError("a law of the field needs mobilities of one sign", key="mobility", value=mu.tolist())
    weight = np.abs(mu) / s  # 1/standard error of ln mu
    # the error of ln mu is not symmetric: its mean lies -s²/2mu² below ln of the mean
    target = np.log(np.abs(mu) * t) + 0.5 / weight**2
    parameters = _minimum(law, t, e, target, weight)
    slope = _slopes(law, parameters, t, e) * weight[:, None]
    covariance = np.linalg.inv(slope.T @ slope)
    residual = target - _log_mu_t(law, parameters, t, e)
    if not parameters[2] > CERTAIN * np.sqrt(covariance[2, 2]):
        raise InputError(
            f"the fields are too weak to tell the {law} law from a constant mobility",
            key="field",
            value=f"up to {e.max():g} V/m",
            remedy="sweep stronger fields (conditions.field.magnitude), or take the Arrhenius fit at zero field",
        )
    from scipy.stats import chi2 as chi_squared

    chi2 = float(np.sum((residual * weight) ** 2))
    return FieldLawFit(
        law=law,
        activation_energy=float(parameters[0]),
        log_prefactor=float(parameters[1]),
        field_parameter=float(parameters[2]),
        covariance=covariance,
        sign=float(np.sign(mu[0])),
        chi2=chi2,
        points=len(t),
        p_value=float(chi_squared.sf(chi2, len(t) - 3)),
        worst_residual=float(np.max(np.abs(np.expm1(-residual)))),
        temperature_range=(float(t.min()), float(t.max())),
        field_range=(float(e.min()), float(e.max())),
    )


def _minimum(law: str, t: FloatArray, e: FloatArray, target: FloatArray, weight: FloatArray) -> FloatArray:
    """(3,) parameters of least chi squared: the laws are linear in all but the product of the sinh law."""

    def linear(columns: FloatArray, y: FloatArray) -> tuple[FloatArray, float]:
        solution = np.asarray(
            np.linalg.lstsq(columns * weight[:, None], y * weight, rcond=None)[0], np.float64
        )
        return solution, float(np.sum(((y - columns @ solution) * weight) ** 2))

    arrhenius = np.stack([-1 / (K_B * t), np.ones_like(t)], axis=1)
    if law != "sinh":
        return linear(np.column_stack([arrhenius, np.sqrt(e) / (K_B * t)]), target)[0]
    from scipy.optimize import minimize_scalar

    reach = float(np.max(ANGSTROM * e / (2 * K_B * t)))  # x per e Å at the strongest field

    def chi2_of(log_p: float) -> float:
        return linear(arrhenius, target - _log_sinhc(np.exp(log_p) * ANGSTROM * e / (2 * K_B * t)))[1]

    # x at the strongest field from nothing to far beyond any hop; a grid first, for chi squared may have two valleys
    grid = np.log(np.geomspace(1e-3, 300, 60) / reach)
    best = int(np.argmin([chi2_of(g) for g in grid]))
    low, high = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    log_p = float(minimize_scalar(chi2_of, bounds=(low, high), method="bounded", options={"xatol": 1e-10}).x)
    product = float(np.exp(log_p))
    first, _ = linear(arrhenius, target - _log_sinhc(product * ANGSTROM * e / (2 * K_B * t)))
    return np.array([first[0], first[1], product])


def independent_rows(
    field: npt.ArrayLike,
    known: BoolArray,
    drift: BoolArray,
    response: BoolArray,
) -> BoolArray:
    """Which mobilities do not depend on each other, (n_temperatures, n_fields) as the last three.

    field : (n_fields,) V/m. known : there is a value with an error. drift : it is a drift velocity over field alone;
    response : linear response alone, which the run without field gives all fields of a temperature alike. Where that
    run has no row of its own, the first of its fields stands for it.
    """
    none = np.asarray(field) == 0
    independent = known & (none | drift)
    if not none.any():
        responses = known & response
        first, every = np.argmax(responses, axis=1), np.arange(len(known))
        independent[every, first] |= responses[every, first]
    return np.asarray(independent, bool)


def widest_field_law(
    temperature: npt.ArrayLike,
    field: npt.ArrayLike,
    mobility: npt.ArrayLike,
    stderr: npt.ArrayLike,
    *,
    law: str = "sinh",
    report: Callable[[FieldLawFit], None] | None = None,
) -> FieldLawFit | None:
    """The accepted fit that reaches the strongest field, strong fields left out one after the other; or None.

    Shapes and errors as `fit_field_law`; ``report`` is told of each fit. Trying several ranges makes chi squared
    somewhat more lenient than one look.
    """
    e = np.abs(np.asarray(field, np.float64)).ravel()
    for strongest in np.unique(e)[::-1]:
        inside = e <= strongest
        try:
            fit = fit_field_law(
                *(np.asarray(a, np.float64).ravel()[inside] for a in (temperature, field, mobility, stderr)),
                law=law,
            )
        except InputError:
            return None
        if report:
            report(fit)
        if fit.accepted:
            return fit
    return None
