"""Transport coefficients of ions and small polarons in solids, from first-principles barriers.

Internal units: eV, Å, s, K, e. Results are in SI. The names below load their modules on first use.
"""

# no other module of the standard library: the command line first takes the working folder off the path
import sys

from ._lazy import lazily
from ._moved import Moved
from ._version import __version__

_WHERE = {
    "build_catalog": "rates",
    "fit_arrhenius": "analysis",
    "fit_field_law": "analysis",
    "load_model": "input",
    "open_results": "store",
    "open_trajectory": "trajectory",
    "plot_results": "figures.results",
    "run": "runs.pipeline",
    "sensitivity": "exact",
    "settled": "engine.canonical.settle",
    "solve_exact": "exact",
    "write_trajectory": "trajectory.recording",
}

__all__ = [
    "__version__",
    "build_catalog",
    "fit_arrhenius",
    "fit_field_law",
    "load_model",
    "open_results",
    "open_trajectory",
    "plot_results",
    "run",
    "sensitivity",
    "settled",
    "solve_exact",
    "write_trajectory",
]

sys.meta_path.append(Moved())

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .analysis import fit_arrhenius, fit_field_law
    from .engine.canonical.settle import settled
    from .exact import sensitivity, solve_exact
    from .figures.results import plot_results
    from .input import load_model
    from .rates import build_catalog
    from .runs.pipeline import run
    from .store import open_results
    from .trajectory import open_trajectory
    from .trajectory.recording import write_trajectory


__getattr__ = lazily(__name__, _WHERE)


def __dir__() -> list[str]:
    return sorted(__all__)
