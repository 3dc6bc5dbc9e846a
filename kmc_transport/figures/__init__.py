"""Pictures of results, of a hop's dipoles, of two runs side by side."""
