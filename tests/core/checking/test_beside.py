"""What checks found, beside the rows: of those that are shown, and as a number a row."""

from __future__ import annotations

from core.checking import beside, result, worker
from core.types import Example


def test_findings_stand_beside_their_rows(workspace):
    rows = [
        Example(({"role": "user", "content": f"Question {i}?"},), f"A good answer, number {i}.", i + 1)
        for i in range(60)
    ]
    rows[7] = Example(rows[7].messages, "As an AI language model, I cannot answer that.", 8)
    version = workspace.add_version(workspace.create_project("p").id, "v", rows, {"file": "x"})
    path = workspace.rows_file(version.id)
    assert beside.of_rows(path, [7]) == {} and beside.all_checks(path) is None
    assert beside.of_check(path, "refusals") is None
    summary = worker.check(workspace, version, lambda share, what: None)
    [name] = [f.check for f in summary.shown if 7 in result.places(path, f.check)]
    found = beside.of_rows(path, [3, 7])
    assert [check for check, _ in found[7]] == [name] and 3 not in found
    marks = beside.of_check(path, name)
    assert marks is not None and marks.numbers.nonzero()[0].tolist() == result.places(path, name).tolist()
    every = beside.all_checks(path)
    assert every is not None and every.numbers[7] == 1 and every == beside.all_checks(path)
    assert beside.of_check(path, "no such check") is None
