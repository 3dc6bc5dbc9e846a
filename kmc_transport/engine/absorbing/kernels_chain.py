# mypy: ignore-errors
# (as in `kernels_shared`: whole numbers of unlike widths)
"""Absorbing Markov chains of few states: made, and a whole stay drawn at once.

The chain is uniformised: steps come at the constant rate ``speed``, the largest total rate of a state, and a step may
stay where it is. P is its transition matrix among the n states (substochastic), x the chance that a step leaves
them. Kept are the powers P**(2**j) and, beside each, the chance to have left within so many steps, summed up without
cancellation: a stay of 1e12 steps is as exact as one of ten.

The number K of steps until absorption is discrete phase-type: the largest m with P(K <= m) <= q, q uniform, is found
by descent through the powers, n**2 operations each. The steps within a time t are a Poisson number; where the K-th is
among them, the moment of it is an order statistic of uniform times, which follows a beta law; where it is not, the
state at t has the law of the row after all of them. (M. A. Novotny, Phys. Rev. Lett. 74, 1 (1995); B. Puchala,
M. L. Falk, K. Garikipati, J. Chem. Phys. 132, 134104 (2010); uniformisation: A. Jensen, Skand. Aktuarietidskr. 36, 87
(1953).)
"""

from __future__ import annotations

import math

import numpy as np

from ...jit import jit, part
from ..kernels_shared import ONE, U1, U11, draw, load, store, uniform

MOST_LEVELS = 50
"""Powers of P that are kept: up to P**(2**49)."""

MOST_STEPS = 1e15
"""Steps of a chain that are drawn at once: whole numbers in a float."""

FEW_STEPS = 10.0
"""Mean number of steps below which a Poisson number is counted out."""


@part
def normal(rng):
    """Standard normal number (G. Marsaglia, T. A. Bray, SIAM Rev. 6, 260 (1964))."""
    while True:
        r, rng = draw(rng)
        x = 2.0 * uniform(r) - 1.0
        r, rng = draw(rng)
        y = 2.0 * uniform(r) - 1.0
        s = x * x + y * y
        if 0.0 < s < 1.0:
            return x * math.sqrt(-2.0 * math.log(s) / s), rng


@part
def gamma(k, rng):
    """Sum of k >= 1 exponential numbers of mean 1 (G. Marsaglia, W. W. Tsang, ACM Trans. Math. Softw. 26, 363 (2000));
    logarithms of ratios near 1, so that it holds for any k."""
    d = k - 1.0 / 3.0
    c = 1.0 / math.sqrt(9.0 * d)
    while True:
        x, rng = normal(rng)
        e = c * x
        if e <= -1.0:
            continue
        r, rng = draw(rng)
        u = np.float64((r >> U11) + U1) * ONE
        if math.log(u) < 0.5 * x * x + d * (3.0 * (math.log1p(e) - e) - 3.0 * e * e - e * e * e):
            v = 1.0 + e
            return d * v * v * v, rng


@part
def log_poisson(k, mean):
    """Logarithm of the chance of k, by its deviance: no difference of large numbers (C. Loader, 2000)."""
    if k == 0.0:
        return -mean
    if k < 15.0:
        rest = math.lgamma(k + 1.0) - (k + 0.5) * math.log(k) + k - 0.5 * math.log(2.0 * math.pi)
    else:
        rest = (1.0 / 12.0 - (1.0 / 360.0 - 1.0 / 1260.0 / (k * k)) / (k * k)) / k
    e = (k - mean) / mean
    return -rest - mean * ((1.0 + e) * math.log1p(e) - e) - 0.5 * math.log(2.0 * math.pi * k)


@part
def poisson(mean, rng):
    """Poisson number, as a float (W. Hörmann, Insurance Math. Econom. 12, 39 (1993): transformed rejection)."""
    if mean < FEW_STEPS:
        k, product, least = -1.0, 1.0, math.exp(-mean)
        while product > least or k < 0.0:
            r, rng = draw(rng)
            product *= np.float64((r >> U11) + U1) * ONE
            k += 1.0
        return k, rng
    b = 0.931 + 2.53 * math.sqrt(mean)
    a = -0.059 + 0.02483 * b
    top = math.log(1.1239 + 1.1328 / (b - 3.4))
    sure = 0.9277 - 3.6224 / (b - 2.0)
    while True:
        r, rng = draw(rng)
        u = uniform(r) - 0.5
        r, rng = draw(rng)
        v = np.float64((r >> U11) + U1) * ONE
        us = 0.5 - abs(u)
        if us <= 0.0:
            continue
        k = math.floor((2.0 * a / us + b) * u + mean + 0.43)
        if us >= 0.07 and v <= sure:
            return k, rng
        if k < 0.0 or (us < 0.013 and v > us):
            continue
        if math.log(v) + top - math.log(a / (us * us) + b) <= log_poisson(k, mean):
            return k, rng


@part
def eliminate(p, x, wanted, n, columns):
    """Solve (1 - P) H = ``wanted`` in place, without a subtraction: W. K. Grassmann, M. I. Taksar, D. P. Heyman, Oper.
    Res. 33, 1107 (1985). ``p`` (n, n) off its diagonal and ``x`` (n,) are spoilt."""
    for k in range(n - 1, -1, -1):
        rest = x[k]
        for j in range(k):
            rest += p[k, j]
        p[k, k] = rest
        for i in range(k):
            share = p[i, k] / rest
            for j in range(k):
                if j != i:
                    p[i, j] += share * p[k, j]
            x[i] += share * x[k]
            for c in range(columns):
                wanted[i, c] += share * wanted[k, c]
    for k in range(n):
        for c in range(columns):
            total = wanted[k, c]
            for j in range(k):
                total += p[k, j] * wanted[j, c]
            wanted[k, c] = total / p[k, k]


@part
def raise_powers(power, left, n):
    """Fill ``power`` (levels, n, n) and ``left`` (levels, n) from their first entries, P and x. Returns the levels: up
    to the one after which half of the walks have left, wherever they began."""
    levels = 1
    while levels < len(left):
        least = 1.0
        for i in range(n):
            least = min(least, left[levels - 1, i])
        if least >= 0.5:
            break
        a, b = power[levels - 1], power[levels]
        for i in range(n):
            gone, stays = left[levels - 1, i], 0.0
            for j in range(n):
                gone += a[i, j] * left[levels - 1, j]
                b[i, j] = 0.0
            for k in range(n):
                for j in range(n):
                    b[i, j] += a[i, k] * a[k, j]
            for j in range(n):
                stays += b[i, j]
            gone = min(gone, 1.0)
            left[levels, i] = gone
            for j in range(n):  # rounding must not leak: it would double with each level
                b[i, j] *= (1.0 - gone) / stays if stays > 0.0 else 0.0
        levels += 1
    return levels


@part
def keep_powers(numbers, at, power, left, levels, n):
    """Put them where `walk` reads them: powers (levels, n, n) from ``at`` on, then chances to have left (levels, n)."""
    for level in range(levels):
        for i in range(n):
            for j in range(n):
                numbers[at + (level * n + i) * n + j] = power[level, i, j]
            numbers[at + levels * n * n + level * n + i] = left[level, i]


@part
def walk(numbers, at, levels, n, start, most, q, here, next_):
    """Steps m <= ``most`` made without leaving, of a walk that leaves with the step after them, if it does, for a
    uniform number q. Fills ``here`` (n,) with the chances of the states after m steps, not having left.

    numbers : from ``at`` on as `keep_powers` has put them.
    """
    left = at + levels * n * n
    for i in range(n):
        here[i] = 0.0
    here[start] = 1.0
    m, gone = 0.0, 0.0
    for level in range(levels - 1, -1, -1):
        step = 2.0**level
        while m + step <= most:
            after = gone
            for i in range(n):
                after += here[i] * numbers[left + level * n + i]
            if after > q:
                break
            for j in range(n):
                next_[j] = 0.0
            for i in range(n):
                if here[i] > 0.0:
                    for j in range(n):
                        next_[j] += here[i] * numbers[at + (level * n + i) * n + j]
            for j in range(n):
                here[j] = next_[j]
            gone = after
            m += step
            if level < levels - 1:
                break
    return m


@part
def pick(weight, n, rng):
    """One of n by weights."""
    total = 0.0
    for i in range(n):
        total += weight[i]
    r, rng = draw(rng)
    x, found = uniform(r) * total, 0
    for i in range(n):
        if weight[i] > 0.0:
            found = i
            if x < weight[i]:
                break
            x -= weight[i]
    return found, rng


@part
def draw_stay(numbers, first, at, levels, n, start, most, here, next_, rng):
    """A stay that begins in state ``start``, for ``most`` s at the longest (`MOST_STEPS` of its steps at the most).

    numbers : from ``first`` on the speed and x (n,), from ``at`` on what `walk` needs. Returns how long it was, s, the
    state at its end, and whether the time was over before the chain had left.
    """
    speed = numbers[first]
    steps, rng = poisson(most * speed, rng)
    r, rng = draw(rng)
    m = walk(numbers, at, levels, n, start, steps, uniform(r), here, next_)
    lasts, time = m == steps, most
    if not lasts:
        for i in range(n):
            here[i] *= numbers[first + 1 + i]
        before, rng = gamma(m + 1.0, rng)
        after, rng = gamma(steps - m, rng)
        time = most * (before / (before + after))
    end, rng = pick(here, n, rng)
    return time, end, lasts, rng


@jit
def draw_exits(inside, exits, start, most, words, time, state):
    """Fill ``time`` (s) and ``state`` with the ends of stays in one chain: for looking at their law alone.

    inside : (n, n) rates among its states, 1/s. exits : (n,) rates out of it. Stays are cut after ``most`` s and go on.
    words : (4,) uint64 state of the random stream.
    """
    n = len(exits)
    power, left = np.zeros((MOST_LEVELS, n, n)), np.zeros((MOST_LEVELS, n))
    numbers, speed = np.zeros(1 + n + MOST_LEVELS * n * (n + 1)), 0.0
    total = np.zeros(n)
    for i in range(n):
        total[i] = exits[i] + np.sum(inside[i])
        speed = max(speed, total[i])
    for i in range(n):
        numbers[1 + i] = left[0, i] = exits[i] / speed
        for j in range(n):
            power[0, i, j] = inside[i, j] / speed
        power[0, i, i] = (speed - total[i]) / speed
    numbers[0] = speed
    levels = raise_powers(power, left, n)
    keep_powers(numbers, 1 + n, power, left, levels, n)
    here, next_ = np.zeros(n), np.zeros(n)
    rng = load(words)
    for k in range(len(time)):
        time[k], state[k], lasts = 0.0, start, True
        while lasts:
            length, end, lasts, rng = draw_stay(
                numbers, 0, 1 + n, levels, n, state[k], most, here, next_, rng
            )
            time[k] += length
            state[k] = end
    store(rng, words)
