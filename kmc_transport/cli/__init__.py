"""The command ``kmc-transport``: its commands, progress on a terminal, streams and signals."""
