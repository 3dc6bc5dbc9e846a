"""Barriers, attempt frequencies and the field's work, brought together in a frozen rate catalog."""

from .balance import check_configurations
from .build import build_catalog
from .catalog import RateCatalog
from .checks import check_catalog
from .configuration import ConfigurationRates
from .foretell import foretell
from .frequencies import are_alone, equilibrium_rates
from .judgement import Candidate, HopRegime, hop_regimes, rank_candidates

__all__ = [
    "Candidate",
    "ConfigurationRates",
    "HopRegime",
    "RateCatalog",
    "are_alone",
    "build_catalog",
    "check_catalog",
    "check_configurations",
    "equilibrium_rates",
    "foretell",
    "hop_regimes",
    "rank_candidates",
]
