"""Moved to `kmc_transport.rules`; the name here goes with the next release."""

import warnings

from ..rules import *  # noqa: F403

warnings.warn("kmc_transport.rates.rules is kmc_transport.rules now", DeprecationWarning, stacklevel=2)
