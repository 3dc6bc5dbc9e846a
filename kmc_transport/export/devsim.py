"""``devsim``: a Python module that teaches DEVSIM the mobility in field and temperature, with its derivatives."""

from __future__ import annotations

from pathlib import Path

from ..analysis.fieldlaw import FieldLawFit
from ..units import ANGSTROM, K_B
from .drift import D_MA, LAW_OR_TABLE, MAX_FIELD, drift_data
from .drift_table import DriftTable, dense_table
from .drift_words import commented, drift_head, numbers
from .files import write_files
from .record import TransportRecord

__all__ = ["export_devsim"]

OPTIONS = {"law": LAW_OR_TABLE, "max_field": MAX_FIELD, "d_ma": D_MA}

_BEYOND = (
    "the mobility of the border of the range, with no slope, so that Newton steps may pass through; "
    "check(fields, temperatures) raises ValueError for a solution that lies there"
)
_USE = [
    "",
    "Use: import this file; register(device_lengths_in='cm' or 'm') defines for models and equations",
    "  kmc_mobility(E, T)        magnitude, with its derivatives; E: the field along the edge, of any sign, in V/cm or",
    "                            V/m; T: K; mobility in cm^2/(V s) or m^2/(V s)",
    "The sign of the charge is in CHARGE (e); the carrier drifts along the field times that sign.",
    "DEVSIM then takes the diffusivity from the Einstein relation, kT/|q| times this mobility, if you do.",
]


def export_devsim(
    record: TransportRecord,
    path: Path,
    *,
    carrier: str = "",
    overwrite: bool = False,
    law: str = "sinh",
    max_field: float = 0.0,
    d_ma: float = 0.0,
) -> list[Path]:
    """Write the module; it needs DEVSIM alone, and only to register.

    Raises InputError where a law does not hold, or a table cannot be made.
    """
    data = drift_data(record, carrier=carrier, max_field=max_field)
    motion = dense_table(data) if law == "table" else data.fit(law)
    head = drift_head(record, data, motion, beyond=_BEYOND, d_ma=d_ma, about=_USE)
    (cold, hot), (_, strong) = motion.temperature_range, motion.field_range
    values = {"CHARGE": data.charge, "COLDEST": cold, "HOTTEST": hot, "STRONGEST": strong}
    body = _law(motion, values) if isinstance(motion, FieldLawFit) else _table(motion, values)
    return write_files({path: commented(head, "#") + body + _REGISTER}, overwrite=overwrite)


def _constants(values: dict[str, float]) -> str:
    return "".join(f"{n} = {v:.12g}\n" for n, v in values.items())


def _law(fit: FieldLawFit, values: dict[str, float]) -> str:
    values |= {"ENERGY": fit.activation_energy, "LN_A": fit.log_prefactor, "K_B": K_B}
    if fit.law == "sinh":
        values["PRODUCT"] = fit.field_parameter * ANGSTROM
        return f"import math\n\n{_constants(values)}{_SINH}"
    values["BETA"] = fit.field_parameter
    return f"import math\n\n{_constants(values)}{_POOLE_FRENKEL}"


def _table(table: DriftTable, values: dict[str, float]) -> str:
    x = table.inverse_temperature
    values |= {"FIRST": x[0], "STEP": (x[-1] - x[0]) / (len(x) - 1)}
    values["FIELD_STEP"] = table.field[-1] / (len(table.field) - 1)
    rows = "".join(f"    ({numbers(r).replace(' ', ', ')}),\n" for r in table.log_mu_t)
    return f"import math\n\n{_constants(values)}\n# rows: 1/T, columns: field\nROWS = (\n{rows})\n{_LOOKUP}"


_SINH = '''

def _log_mu_t(e, t):
    """ln(mu T) in m^2 K/(V s) and its derivatives by E in V/m and T in K."""
    x = PRODUCT * e / (2 * K_B * t)
    if x < 1e-3:
        log_sinhc, langevin = x * x / 6, x / 3
    else:
        log_sinhc = x + math.log1p(-math.exp(-2 * x)) - math.log(2 * x)
        langevin = 1 / math.tanh(x) - 1 / x
    y = LN_A - ENERGY / (K_B * t) + log_sinhc
    return y, langevin * PRODUCT / (2 * K_B * t), ENERGY / (K_B * t * t) - langevin * x / t
'''
_POOLE_FRENKEL = '''

def _log_mu_t(e, t):
    """ln(mu T) in m^2 K/(V s) and its derivatives by E in V/m and T in K; flat below 1e-6 of the strongest field."""
    weak = 1e-6 * STRONGEST
    root = math.sqrt(max(e, weak))
    barrier = ENERGY - BETA * root
    slope = BETA / (2 * root * K_B * t) if e > weak else 0.0
    return LN_A - barrier / (K_B * t), slope, barrier / (K_B * t * t)
'''
_LOOKUP = '''

def _log_mu_t(e, t):
    """ln(mu T) in m^2 K/(V s) and its derivatives by E in V/m and T in K, linear between rows and columns."""
    u, w = (1 / t - FIRST) / STEP, e / FIELD_STEP
    i, j = min(max(int(u), 0), len(ROWS) - 2), min(max(int(w), 0), len(ROWS[0]) - 2)
    u, w = u - i, w - j
    (a, b), (c, d) = ROWS[i][j : j + 2], ROWS[i + 1][j : j + 2]
    y = (1 - u) * ((1 - w) * a + w * b) + u * ((1 - w) * c + w * d)
    by_e = ((1 - u) * (b - a) + u * (d - c)) / FIELD_STEP
    by_inverse = ((1 - w) * (c - a) + w * (d - b)) / STEP
    return y, by_e, -by_inverse / (t * t)
'''
_REGISTER = '''

def _all(field, temperature):
    e, t = min(abs(field), STRONGEST), min(max(temperature, COLDEST), HOTTEST)
    y, by_e, by_t = _log_mu_t(e, t)
    mu = math.exp(y) / t
    by_e = mu * by_e if abs(field) <= STRONGEST else 0.0
    by_t = mu * (by_t - 1 / t) if COLDEST <= temperature <= HOTTEST else 0.0
    return mu, math.copysign(by_e, field), by_t


def mobility(field, temperature):
    """Magnitude in m^2/(V s); field in V/m, temperature in K."""
    return _all(field, temperature)[0]


def mobility_by_field(field, temperature):
    """Derivative, m^3/(V^2 s)."""
    return _all(field, temperature)[1]


def mobility_by_temperature(field, temperature):
    """Derivative, m^2/(V s K)."""
    return _all(field, temperature)[2]


def check(fields, temperatures):
    """ValueError where a field (V/m) or a temperature (K) of a solution is outside the simulated range."""
    far, cold, hot = max(abs(e) for e in fields), min(temperatures), max(temperatures)
    if not far <= STRONGEST * (1 + 1e-9):
        raise ValueError(f"a field of {far:g} V/m: the mobility is known up to {STRONGEST:g} V/m")
    if not COLDEST * (1 - 1e-9) <= cold <= hot <= HOTTEST * (1 + 1e-9):
        raise ValueError(f"{cold:g} to {hot:g} K: the mobility is known from {COLDEST:g} to {HOTTEST:g} K")


def register(device_lengths_in="cm"):
    """Define kmc_mobility(E, T) in DEVSIM, for devices whose lengths are in cm or m."""
    import devsim

    length = {"cm": 1e-2, "m": 1.0}[device_lengths_in]  # m

    def define(name, function, unit):
        devsim.register_function(name=name, nargs=2, procedure=lambda e, t: function(e / length, t) / unit)

    define("kmc_mobility", mobility, length**2)
    define("kmc_mobility_by_field", mobility_by_field, length**3)
    define("kmc_mobility_by_temperature", mobility_by_temperature, length**2)
    for name in ("kmc_mobility_by_field", "kmc_mobility_by_temperature"):
        devsim.symdiff(expr=f"declare({name}(e, t))")
    devsim.symdiff(
        expr="define(kmc_mobility(e, t), kmc_mobility_by_field(e, t), kmc_mobility_by_temperature(e, t))"
    )
'''
