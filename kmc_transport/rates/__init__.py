"""Barriers, attempt frequencies and the field's work, brought together in a frozen rate catalog."""

from .catalog import RateCatalog, build_catalog
from .checks import check_catalog

__all__ = ["RateCatalog", "build_catalog", "check_catalog"]
