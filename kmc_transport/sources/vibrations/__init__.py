"""Attempt frequencies: from phonon spectra of initial state and saddle to a frequency at each temperature."""

from .attempt import AttemptFrequency, ZeroPointTie, check_zero_point
from .convergence import ConvergenceRow, convergence_table, sub_mesh
from .modes import ModePair, Modes
from .prefactors import (
    eyring,
    koettgen,
    log_koettgen,
    log_vineyard,
    vineyard,
    zero_point_difference,
)
from .prepare import prepare_pair, prepare_pairs

__all__ = [
    "AttemptFrequency",
    "ConvergenceRow",
    "ModePair",
    "Modes",
    "ZeroPointTie",
    "check_zero_point",
    "convergence_table",
    "eyring",
    "koettgen",
    "log_koettgen",
    "log_vineyard",
    "prepare_pair",
    "prepare_pairs",
    "sub_mesh",
    "vineyard",
    "zero_point_difference",
]
