"""HDF5 in and out: finished points, partial points, the result file, and who may write where."""

from .catalogfile import load_catalog, save_catalog
from .container import read_container, write_container
from .dataset import build_dataset, catalog_dataset
from .output import OutputState, begin_run, check_output, lock_output, points_folder, read_run, start_over
from .points import PointRecord, PointStore, point_key
from .provenance import Provenance, package_versions
from .results import open_results, read_catalog, read_provenance, write_results

__all__ = [
    "OutputState",
    "PointRecord",
    "PointStore",
    "Provenance",
    "begin_run",
    "build_dataset",
    "catalog_dataset",
    "check_output",
    "load_catalog",
    "lock_output",
    "open_results",
    "package_versions",
    "point_key",
    "points_folder",
    "read_catalog",
    "read_container",
    "read_provenance",
    "read_run",
    "save_catalog",
    "start_over",
    "write_container",
    "write_results",
]
