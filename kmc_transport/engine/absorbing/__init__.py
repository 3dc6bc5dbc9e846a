"""Carriers that hop back and forth: whole stays in small basins at once, exact in law."""
