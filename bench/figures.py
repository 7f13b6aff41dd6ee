# SPDX-License-Identifier: Apache-2.0
"""Medians, and how far they can be trusted."""

import math
import statistics
from typing import NamedTuple

CONFIDENCE = 0.95


class Median(NamedTuple):
    """A median and the interval in which the true one lies with CONFIDENCE."""

    value: float
    low: float
    high: float


def median_of(values):
    """The median with its interval by order statistics, which assumes nothing of the values.

    Each value falls below the true median with probability one half. So the number that do is
    binomial, and the true median lies outside the range from the value of rank |rank| (counted
    from 0) to that of the same rank from above with twice the probability that no more than |rank|
    do. Fewer than six values give their whole range, and less confidence.
    """
    ordered = sorted(values)
    count = len(ordered)
    rank = 0
    outside = 2 * math.comb(count, 0) / 2**count
    while rank + 1 <= (count - 1) // 2:
        outside += 2 * math.comb(count, rank + 1) / 2**count
        if outside > 1 - CONFIDENCE:
            break
        rank += 1
    return Median(statistics.median(ordered), ordered[rank], ordered[count - 1 - rank])
