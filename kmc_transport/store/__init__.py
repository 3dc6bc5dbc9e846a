"""In and out: points, their folder, the result file, and who may write where."""

from .arrayfile import read_arrays, write_arrays
from .atomic import write_parts, write_text
from .catalogfile import load_catalog, save_catalog
from .dataset import Outline, build_dataset, catalog_dataset
from .folder import (
    EmptyTable,
    Plan,
    join_tables,
    read_empty_table,
    read_plan,
    read_progress,
    write_empty_table,
    write_outline,
    write_plan,
    write_progress,
)
from .keeping import (
    LostConditions,
    condition,
    finished_conditions,
    finished_rows,
    refuse_to_lose,
    update_results,
)
from .ours import PICTURE_MARK, REPORT_MARK, SHEET_MARK, check_free
from .output import (
    OutputState,
    Shard,
    begin_run,
    check_output,
    lock_output,
    owner_mark,
    points_folder,
    read_run,
    result_path,
    run_is_alive,
    start_over,
)
from .pack import Pack
from .points import Failure, PackedPoint, PointRecord, PointStore, pack_point, point_key
from .provenance import Provenance, package_versions
from .results import open_results, read_catalog, read_provenance, write_results
from .samples import FROM_SAMPLES, FROM_SAMPLING, average_samples
from .status import Status, read_status

__all__ = [
    "FROM_SAMPLES",
    "FROM_SAMPLING",
    "PICTURE_MARK",
    "REPORT_MARK",
    "SHEET_MARK",
    "EmptyTable",
    "Failure",
    "LostConditions",
    "Outline",
    "OutputState",
    "Pack",
    "PackedPoint",
    "Plan",
    "PointRecord",
    "PointStore",
    "Provenance",
    "Shard",
    "Status",
    "average_samples",
    "begin_run",
    "build_dataset",
    "catalog_dataset",
    "check_free",
    "check_output",
    "condition",
    "finished_conditions",
    "finished_rows",
    "join_tables",
    "load_catalog",
    "lock_output",
    "open_results",
    "owner_mark",
    "pack_point",
    "package_versions",
    "point_key",
    "points_folder",
    "read_arrays",
    "read_catalog",
    "read_empty_table",
    "read_plan",
    "read_progress",
    "read_provenance",
    "read_run",
    "read_status",
    "refuse_to_lose",
    "result_path",
    "run_is_alive",
    "save_catalog",
    "start_over",
    "update_results",
    "write_arrays",
    "write_empty_table",
    "write_outline",
    "write_parts",
    "write_plan",
    "write_progress",
    "write_results",
    "write_text",
]
