"""A positive quantity as a smooth function of two variables, with derivatives. Numpy alone: exports contain it."""

import numpy as np

__all__ = ["LogTable"]


class LogTable:
    """Logarithms on a grid of x and temperature, joined by cubics in x and in 1/T, so that Arrhenius laws are exact.

    x : (n,) rising. temperature : (m,) K, rising, m >= 2. log_value : (n, m) ln of the quantity.
    slope : (n, m) its derivative by x at the nodes; those of a monotone cubic keep it free of overshoots.
    With n = 1 there is one x.
    """

    def __init__(self, x, temperature, log_value, slope):
        self.x = np.asarray(x, float)
        self.temperature = np.asarray(temperature, float)
        self.log_value = np.asarray(log_value, float)
        self.slope = np.asarray(slope, float)
        edge = 2 if len(self.temperature) > 2 else 1
        self._u = 1 / self.temperature[::-1]
        f, fx = self.log_value[:, ::-1], self.slope[:, ::-1]
        self._corners = (
            (f, np.gradient(f, self._u, axis=1, edge_order=edge)),  # type: ignore[call-overload]
            (fx, np.gradient(fx, self._u, axis=1, edge_order=edge)),  # type: ignore[call-overload]
        )

    def __call__(self, x, temperature):
        """Value, its derivative by x, its derivative by temperature; arguments broadcast.

        ValueError outside the grid.
        """
        x, t = np.broadcast_arrays(np.asarray(x, float), np.asarray(temperature, float))
        t = _inside("temperature", t, self.temperature)
        x = _inside("x", x, self.x)
        u = 1 / t
        i, along_x = _cubics(self.x, x)
        j, along_u = _cubics(self._u, u)
        log, by_x, by_u = 0.0, 0.0, 0.0
        for a in range(2):
            for b in range(2):
                at = (np.minimum(i + a, len(self.x) - 1), j + b)
                for p in range(2):
                    for q in range(2):
                        node = self._corners[p][q][at]
                        w, dw = along_x[p][a]
                        v, dv = along_u[q][b]
                        log = log + w * v * node
                        by_x = by_x + dw * v * node
                        by_u = by_u + w * dv * node
        value = np.exp(log)
        return value, value * by_x, -value * by_u * u**2


def _inside(name, given, nodes):
    """Clipped against rounding only."""
    low, high = nodes[0], nodes[-1]
    room = 1e-9 * max(abs(low), abs(high))
    if not np.all((given >= low - room) & (given <= high + room)):
        raise ValueError(f"{name} outside the validity range {low:g} to {high:g}")
    return np.clip(given, low, high)


def _cubics(nodes, at):
    """Left node of each interval; Hermite cubics of (value, slope) at its (left, right) end, each with derivative."""
    if len(nodes) == 1:
        one, nil = np.ones_like(at), np.zeros_like(at)
        return np.zeros(at.shape, int), (((one, nil), (nil, nil)), ((nil, nil), (nil, nil)))
    i = np.clip(np.searchsorted(nodes, at, side="right") - 1, 0, len(nodes) - 2)
    h = nodes[i + 1] - nodes[i]
    s = (at - nodes[i]) / h
    right, d_right = s * s * (3 - 2 * s), 6 * s * (1 - s) / h
    return i, (
        ((1 - right, -d_right), (right, d_right)),
        ((h * s * (1 - s) ** 2, (1 - s) * (1 - 3 * s)), (h * s * s * (s - 1), s * (3 * s - 2))),
    )
