"""Migration paths (NEB, dimers, tables) of any code."""
