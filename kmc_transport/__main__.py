"""``python -m kmc_transport`` is the command ``kmc-transport``: the process is made ready before more is imported."""

import os
import sys


def _leave_the_working_folder() -> None:
    """``python -m`` puts the working folder on the path: what lies beside an input is no code to import.

    A folder that PYTHONPATH names stays, and that of this package.
    """
    try:
        here = os.path.realpath(os.getcwd())
    except OSError:  # it is gone
        return
    asked = [os.path.realpath(p) for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p]
    if here not in [*asked, os.path.dirname(os.path.dirname(os.path.realpath(__file__)))]:
        sys.path[:] = [p for p in sys.path if p and os.path.realpath(p) != here]


def main() -> None:
    """The program."""
    try:
        _leave_the_working_folder()
        from .cli.terminal import open_streams, quit_on_interrupt

        quit_on_interrupt()
        open_streams()
        from .cli.app import main as run

        run()
    except KeyboardInterrupt:
        os.write(2, b"kmc-transport: interrupted\n")
        sys.exit(130)


if __name__ == "__main__":
    main()
