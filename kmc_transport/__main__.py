"""``python -m kmc_transport`` is the command ``kmc-transport``."""

from .cli import main

if __name__ == "__main__":
    main()
