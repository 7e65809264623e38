"""The store is tested on both databases."""

import pytest


@pytest.fixture
def workspace(workspace_on_both):
    """On SQLite and on PostgreSQL."""
    return workspace_on_both
