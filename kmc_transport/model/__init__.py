"""What the user describes: input file, structure, hop network; built, then frozen into arrays."""
