"""Carriers without interactions: tables in memory, kernels, the same in plain Python."""
