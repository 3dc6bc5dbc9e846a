"""The energy of a configuration: its terms, each written once and counted in every form that is needed."""
