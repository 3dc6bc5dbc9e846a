"""Barrier rules: the activation energy of a hop from its energy difference and the work of the field.

A rule is a small frozen class, found by name, with an array form and a scalar form that agree; other packages
add theirs through `register_rule` or the entry-point group ``kmc_transport.rules``.
"""

from .base import Activation, BarrierRule, Parameter, parameter
from .checking import check_rule
from .equilibration import HeatBath, Metropolis, MillerAbrahams
from .linear import Fixed, KineticallyResolved
from .marcus import MarcusAdiabatic, MarcusAdiabaticApproximate
from .nonadiabatic import LandauZener, MarcusNonadiabatic
from .regime import (
    Derived,
    Regime,
    contradiction,
    derive_reorganisation_energy,
    mulliken_hush,
    regime,
)
from .registry import get_rule, make_rule, register_rule, rule_names, rule_parameters

__all__ = [
    "Activation",
    "BarrierRule",
    "Derived",
    "Fixed",
    "HeatBath",
    "KineticallyResolved",
    "LandauZener",
    "MarcusAdiabatic",
    "MarcusAdiabaticApproximate",
    "MarcusNonadiabatic",
    "Metropolis",
    "MillerAbrahams",
    "Parameter",
    "Regime",
    "check_rule",
    "contradiction",
    "derive_reorganisation_energy",
    "get_rule",
    "make_rule",
    "mulliken_hush",
    "parameter",
    "regime",
    "register_rule",
    "rule_names",
    "rule_parameters",
]
