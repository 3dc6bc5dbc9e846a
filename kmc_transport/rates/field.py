"""Moved to `kmc_transport.rules.field`; the name here goes with the next release."""

import warnings

from ..rules.field import *  # noqa: F403

warnings.warn("kmc_transport.rates.field is kmc_transport.rules.field now", DeprecationWarning, stacklevel=2)
