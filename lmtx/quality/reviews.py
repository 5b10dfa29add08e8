"""How well a share is known from some reviewed pairs of many, and how many more reviews that takes.

Wilson's interval with the finite population correction: a sample of n from N pairs tells as much as
n (N - 1) / (N - n) draws from endlessly many, and all N tell everything.

References
----------
Wilson, Probable inference, the law of succession, and statistical inference, JASA 1927.
Cochran, Sampling techniques, 1977, section 2.6.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lmtx.errors import InputError
from lmtx.quality.estimates import label_estimates

Z = 1.959963984540054
"""Of a two-sided 95 % interval."""


def half_width(accepted: float, n: int, population: int) -> float:
    """Half the width of the interval of a share.

    Parameters
    ----------
    accepted : float
        Reviewed pairs that are right, at most n.
    n : int
        Reviewed pairs, drawn at random.
    population : int
        Pairs in all, at least n.

    Returns
    -------
    float
        In [0, 0.5]; 0.5 where nothing was reviewed, 0 where everything was.

    Raises
    ------
    InputError
        If the counts do not fit together.
    """
    _check(accepted, n, population)
    if n == population:
        return 0.0
    if n == 0:
        return 0.5
    low, high = label_estimates(accepted, n, population)
    return float(high - low) / 2


def reviews_needed(accepted: float, n: int, population: int, half: float) -> int:
    """How many more reviews make the interval so narrow, if the share stays about what it is.

    The share is taken as (accepted + 2) / (n + 4), so that a few lucky answers promise nothing.

    Parameters
    ----------
    accepted, n, population : as for `half_width`
    half : float
        Half width that is wanted, in (0, 0.5).

    Returns
    -------
    int
        0 where it is narrow enough already.

    Raises
    ------
    InputError
        If the counts do not fit together, or `half` is out of range.
    """
    if not 0 < half < 0.5:
        raise InputError(f"half is {half}, expected a half width between 0 and 0.5.")
    _check(accepted, n, population)
    return int(widths_needed([accepted], [n], [population], half)[0])


def widths_needed(
    accepted: ArrayLike, n: ArrayLike, population: ArrayLike, half: float, typical: float = 0.5
) -> NDArray[np.int64]:
    """Say of many shares how many more reviews they need; see `reviews_needed`.

    Parameters
    ----------
    accepted, n, population : array-like (n_labels,)
        As for `half_width`; not checked against each other.
    typical : float
        Share that counts as four answers more, so that a few lucky ones promise nothing.

    Returns
    -------
    int64 (n_labels,)
    """
    s, m, total = (np.asarray(x, dtype=np.float64) for x in (accepted, n, population))
    low, high = label_estimates(s, m, total)
    share = (s + 4 * typical) / (m + 4)
    product = share * (1 - share)
    # Wilson's half width, squared and solved for x = 1 / draws; the other root is negative.
    a, b, c = Z**4 * (half**2 - 0.25), Z**2 * (2 * half**2 - product), half**2
    draws = 2 * a / (-b - np.sqrt(b * b - 4 * a * c))
    reached = np.ceil(draws * total / (draws + total - 1) - 1e-9)
    # It is not narrow enough yet, whatever the smoothed share says.
    more = np.minimum(total, np.maximum(reached, m + 1)) - m
    return np.where((m > 0) & ((high - low) / 2 <= half), 0, more).astype(np.int64)


def _check(accepted: float, n: int, population: int) -> None:
    if not 0 <= accepted <= n <= population or population < 1:
        raise InputError(
            f"{accepted:g} right of {n} reviewed of {population} pairs: expected no more right than "
            "reviewed, and no more reviewed than there are."
        )


__all__ = ["half_width", "reviews_needed", "widths_needed"]
