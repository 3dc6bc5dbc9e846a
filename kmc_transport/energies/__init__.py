"""The energy of a configuration: electrostatics (Ewald) and clusters."""
