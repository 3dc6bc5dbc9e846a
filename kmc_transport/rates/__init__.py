"""Barriers, attempt frequencies and the field's work, brought together in a frozen rate catalog."""

from .catalog import RateCatalog, build_catalog
from .checks import check_catalog
from .judgement import Candidate, HopRegime, hop_regimes, rank_candidates

__all__ = [
    "Candidate",
    "HopRegime",
    "RateCatalog",
    "build_catalog",
    "check_catalog",
    "hop_regimes",
    "rank_candidates",
]
