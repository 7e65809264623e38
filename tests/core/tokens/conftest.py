"""Rows on disk, as the Tokens tab asks for them."""

from __future__ import annotations

import pytest

from core.store import datasets
from core.store.queries import Rows


@pytest.fixture
def stored(tmp_path):
    def write(examples) -> Rows:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.parquet"
        datasets.write_rows(path, examples)
        return Rows(path)

    return write
