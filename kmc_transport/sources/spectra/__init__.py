"""Phonon spectra of any code."""
