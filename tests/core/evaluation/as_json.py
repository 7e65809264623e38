"""An evaluation, and benchmarks that are asked, as JSON has them: specification and results as plain dicts."""

from __future__ import annotations

from typing import Any

from core.evaluation import measuring
from core.evaluation.benchmarks import asking
from core.evaluation.result import Report
from core.evaluation.spec import EvaluationSpec
from core.records import plain


def evaluate(folder, spec: dict[str, Any], *args, **more) -> dict[str, Any]:
    """What stands in report.json then. `spec` may leave out the rows: they are given."""
    whole = EvaluationSpec.from_dict({"dataset_version": "v1", "rows_file": "rows.parquet", **spec})
    report = measuring.evaluate(folder, whole, *args, **more)
    assert Report.from_dict(report.to_dict()) == report
    return report.to_dict()


def ask(*args, **more) -> dict[str, Any]:
    """{"tasks": results by name, "problems": [...]} of `asking.run`."""
    results, problems = asking.run(*args, **more)
    return {"tasks": plain(results), "problems": plain(problems)}
