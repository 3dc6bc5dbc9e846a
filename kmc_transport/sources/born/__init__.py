"""Born effective charges and Berry-phase dipoles."""
