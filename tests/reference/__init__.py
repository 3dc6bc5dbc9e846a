"""Written once for reading, without tricks; and models made by hand. Tests compare the package with it."""
