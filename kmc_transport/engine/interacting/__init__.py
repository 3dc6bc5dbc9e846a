"""Carriers that interact: local environments, ghost sites, null events, composition-rejection, Coulomb energies."""
