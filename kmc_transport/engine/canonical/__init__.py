"""Configurations in equilibrium: where a run starts, annealing, chemical potentials."""
