"""Times of null events, for whoever needs the lags between them.

The attempts of a sample interval are uniform in time. Their order statistics are sums of exponential gaps over the sum
of all of them (L. Devroye, Non-Uniform Random Variate Generation, Springer 1986, section V.2.2). The gaps are hashes of
a key, the number of the sample and the number of the attempt (SplitMix64: G. L. Steele, D. Lea, C. H. Flood, OOPSLA
2014), so that they do not depend on how a run was cut into calls, and nothing of them has to be kept.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ..jit import jit, part

__all__ = ["gap", "order_statistics"]

WORD = np.uint64(0x9E3779B97F4A7C15)
FIRST, SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
THIRTY, TWENTY_SEVEN, THIRTY_ONE, ELEVEN = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)


@part
def _mixed(x: np.uint64) -> np.uint64:
    x = (x ^ (x >> THIRTY)) * FIRST
    x = (x ^ (x >> TWENTY_SEVEN)) * SECOND
    return x ^ (x >> THIRTY_ONE)


@part
def gap(stream: np.uint64, k: int) -> float:
    """Exponential random number of mean 1, number k of a stream."""
    word = _mixed(stream + WORD * np.uint64(k + 1))
    return -math.log((float(word >> ELEVEN) + 0.5) * 2.0**-53)


@jit
def order_statistics(
    key: np.uint64,
    first: int,
    attempts: npt.NDArray[np.int64],
    sample: npt.NDArray[np.int64],
    number: npt.NDArray[np.int64],
    out: npt.NDArray[np.float64],
) -> None:
    """Part of its sample that is over at each of n hops.

    first : number of the first sample. attempts : (m,) in each sample. sample : (n,) 0 to m - 1, ascending.
    number : (n,) of the attempt within the sample, ascending in each. out : (n,) receives them.
    """
    h = 0
    while h < len(sample):
        s = sample[h]
        stream = _mixed(key + WORD * np.uint64(first + s))
        total = 0.0
        for k in range(attempts[s] + 1):
            total += gap(stream, k)
        over, k = 0.0, 0
        while h < len(sample) and sample[h] == s:
            while k <= number[h]:
                over += gap(stream, k)
                k += 1
            out[h] = over / total
            h += 1
