"""``sentaurus``: parameter block of Sentaurus Device for a Poole-Frenkel mobility, after the manual; not run."""

from __future__ import annotations

import math
from pathlib import Path

from ..errors import InputError
from ..units import K_B
from .drift import MAX_FIELD, drift_data
from .drift_words import commented, drift_head
from .files import write_files
from .record import TransportRecord

__all__ = ["export_sentaurus"]

OPTIONS = {"max_field": MAX_FIELD}

_ABOUT = [
    "",
    "NOT RUN: the layout follows the Sentaurus Device User Guide (Constant Mobility, Poole-Frenkel Mobility); nobody",
    "has loaded this file. Compare the names with the parameter file of your version (sdevice -P) before you use it.",
    "  low field:  mu_const = mumax (T/300 K)^(-Exponent)",
    "  with field: mu = mu_const exp(-E0/kT) exp(sqrt(F) (beta/T - gamma)), F in V/cm",
    "In the command file: Physics { Mobility ( ConstantMobility eHighFieldSaturation(PFMob) ) }, h for carriers of",
    "positive charge.",
]


def export_sentaurus(
    record: TransportRecord, path: Path, *, carrier: str = "", overwrite: bool = False, max_field: float = 0.0
) -> list[Path]:
    """Write the parameter block.

    Raises InputError where the Poole-Frenkel law does not hold (Sentaurus has no mobility of the sinh law), and for
    charges other than +-1 e: its electrons and holes have one charge.
    """
    data = drift_data(record, carrier=carrier, max_field=max_field)
    if abs(abs(data.charge) - 1) > 1e-6:
        raise InputError(
            "electrons and holes of Sentaurus Device carry one elementary charge",
            key="--carrier",
            value=f"{data.carrier}, {data.charge:+g} e",
            remedy="export a carrier of charge +1 or -1 e, or another format (devsim)",
        )
    fit = data.fit("poole-frenkel")
    own = 1 if data.charge > 0 else 0

    def pair(name: str, value: float, other: str, unit: str) -> str:
        numbers = [other, other]
        numbers[own] = f"{value:.8g}"
        return f"  {name} = {numbers[0]}, {numbers[1]}  # [{unit}]"

    def single(name: str, value: float, unit: str) -> str:
        return f"  {name}_{'eh'[own]} = {value:.8g}  # [{unit}]"

    mumax = math.exp(fit.log_prefactor) / 300 * 1e4
    lines = [
        "ConstantMobility {",
        pair("mumax", mumax, "0", "cm^2/(V s)"),
        pair("Exponent", 1.0, "1", "1"),
        "}",
        "PFMob {",
        single("E0", fit.activation_energy, "eV"),
        single("beta", fit.field_parameter / K_B * 10, "K (cm/V)^0.5"),
        single("gamma", 0.0, "(cm/V)^0.5"),
        "}",
    ]
    head = drift_head(
        record, data, fit, beyond="the simulator does not know the ranges: it goes on", about=_ABOUT
    )
    return write_files({path: commented(head, "*") + "\n".join(lines) + "\n"}, overwrite=overwrite)
