"""Sorted instead of hashed: the same as NumPy's own, which are slower."""

from __future__ import annotations

import numpy as np
import pytest

from core.store import keys


@pytest.mark.parametrize("size", [0, 1, 2, 50])
@pytest.mark.parametrize("kind", [np.int64, np.uint64])
def test_it_is_what_numpy_gives(size, kind):
    draw = np.random.default_rng(size)
    some, others = (draw.integers(0, 30, n).astype(kind) for n in (size, 12))
    assert keys.distinct(some).tolist() == np.unique(some).tolist()
    assert keys.among(others, some).tolist() == np.isin(others, some).tolist()
    assert keys.among(some, others).tolist() == np.isin(some, others).tolist()
    places = np.unique(others.astype(np.int64))
    assert keys.left(40, places).tolist() == np.setdiff1d(np.arange(40), places).tolist()
