"""An interval that may be looked at as often as one likes: for stopping a benchmark as soon as it has said enough.

An ordinary 95 % interval that is computed again after every hundred questions, until it is narrow or excludes 0, misses
the truth far more often than one time in 20. A confidence sequence holds at all looks together.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

import numpy as np

from core.statistics.bounds import LEVEL
from core.statistics.clustered import FEWEST_CLUSTERS, clustered_error
from core.statistics.intervals import Interval, Z

TIGHTEST_AT = 400
"""Items at which the sequence is narrowest in proportion: about where a benchmark may stop."""
NARROW = 0.03
"""Half of the width that is narrow enough to stop: 3 points."""
FIRST_LOOK, EVERY = 200, 100
"""Items of the first look, and between two looks."""


def confidence_sequence(
    base: Sequence[float], tuned: Sequence[float], clusters: Sequence[Hashable] | None = None
) -> Interval:
    """Tuned minus base on the same items in random order, with bounds that hold at every look from the first on.

    The asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (2024, arXiv 2103.06476,
    equation 11) with variance as of one item more that was lost and one that was gained, so that it never collapses.

    `clusters` names each item's cluster, where the clusters are what is random (two or more of them, the same at every
    look). Then the variance is the cluster-robust one where that is larger: the interval is as many standard errors
    wide, of which a part does not shrink with more questions of the same subjects. Of few clusters that standard error
    is itself uncertain: it counts as much more as Student's t is wider than the normal distribution, without which
    three or five subjects would be covered in 90 and 93 %. Two clusters say nothing of their spread: no interval.
    """
    from scipy.special import stdtrit

    b, t = np.asarray(base, dtype=np.float64), np.asarray(tuned, dtype=np.float64)
    d = t - b
    n, alpha = len(d), 1 - LEVEL
    variance = (float((d**2).sum()) + 2) / (n + 2) - float(d.mean()) ** 2
    if clusters is not None:
        if (among := len(set(clusters))) < FEWEST_CLUSTERS:
            return Interval(float(b.mean()), float(t.mean()), float(d.mean()), None, None, n, why="few rows")
        wider = float(stdtrit(among - 1, (1 + LEVEL) / 2)) / Z
        variance = max(variance, n * (wider * clustered_error(d, clusters)) ** 2)
    rho2 = (-2 * math.log(alpha) + math.log(-2 * math.log(alpha)) + 1) / TIGHTEST_AT
    spread = n * rho2 + 1
    half = math.sqrt(max(variance, 0.0)) * math.sqrt(2 * spread / (n * n * rho2) * math.log(math.sqrt(spread) / alpha))
    mean, changed = float(d.mean()), int(np.count_nonzero(d))
    return Interval(float(b.mean()), float(t.mean()), mean, mean - half, mean + half, n, changed=changed)


def narrow_enough(interval: Interval) -> bool:
    return interval.low is not None and interval.high is not None and (interval.high - interval.low) / 2 <= NARROW


def looks(items: int) -> list[int]:
    """How many items have been asked at each look; the last is all of them."""
    return [*range(FIRST_LOOK, items, EVERY), items]
