"""Many points: which they are, who simulates them, what becomes of the failed ones, and one table of all."""
