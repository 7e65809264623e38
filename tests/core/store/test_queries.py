"""Which rows a page wants: by part, text, a column beside them, what another room says of them; and in which order."""

from __future__ import annotations

import numpy as np
import pytest

from core.store import beside, queries
from core.store.datasets import write_rows
from core.store.queries import Marks, Query
from core.types import Example

N = 5000


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("rows") / "rows.parquet"
    parts = ("train", "train", "validation", "test")
    write_rows(
        path,
        (
            Example(
                ({"role": "user", "content": f"question {i}"},),
                "x" * (i % 7),
                i + 1,
                parts[i % 4],
                meta={
                    "customer": f"Customer {i % 50}",
                    "weight": str((i * 7) % 1000),
                    **({"late": "1"} if i > 4900 else {}),
                },
            )
            for i in range(N)
        ),
    )
    return path


def places(path, query, all_of_them=False):
    return np.asarray(queries.matching(path, query, all_of_them)[0]).tolist()


def test_columns_beside_the_rows_are_known_also_where_they_come_late(path):
    assert beside.names(path) == ("customer", "weight", "late")


def test_rows_are_wanted_by_all_that_is_asked(path):
    assert places(path, Query(column="customer", value="customer 4")) == [
        i for i in range(N) if f"customer {i % 50}".startswith("customer 4")
    ]
    query = Query("test", "question 3", column="weight", value="77")
    assert places(path, query) == [
        i for i in range(N) if i % 4 == 3 and "question 3" in f"question {i}" and "77" in str((i * 7) % 1000)
    ]
    marks = Marks("odd", np.arange(N) % 3)
    assert places(path, Query("train", among=marks)) == [i for i in range(N) if i % 4 < 2 and i % 3]


def test_a_thousand_are_found_of_a_frequent_text_unless_all_are_wanted(path):
    assert len(places(path, Query(text="question"))) == queries.MOST
    assert queries.matching(path, Query(text="question"))[1]
    assert len(places(path, Query(text="question"), all_of_them=True)) == N


def test_orders(path):
    weights = [(i * 7) % 1000 for i in range(N)]
    assert places(path, Query(order="column:weight")) == sorted(range(N), key=lambda i: weights[i])
    assert places(path, Query(order="column:customer"))[:2] == [0, 50]  # “Customer 0”, as texts
    parts = (0, 0, 1, 2)
    assert places(path, Query(order="part")) == sorted(range(N), key=lambda i: -parts[i % 4])
    marks = Marks("odd", np.arange(N) % 3)
    assert places(path, Query(order="marked", marks=marks)) == sorted(range(N), key=lambda i: -(i % 3))
    shown = queries.page(path, Query("test", order="longest"), 0, 5)
    assert [len(e.target) for e in shown.rows] == [6] * 5
    assert [e.row - 1 for e in shown.rows] == shown.places


def test_values_have_hashes_and_rows_without_one_stand_alone(path):
    hashes = beside.hashes(path, "customer")
    assert len(np.unique(hashes)) == 50 and hashes[3] == hashes[53]
    assert len(np.unique(beside.hashes(path, "late"))) == 4901 + 1
