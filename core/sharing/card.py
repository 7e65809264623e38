"""The model card of a run: what it is, how it was trained, what its newest evaluation says. Never the rows.

Its front matter, which the Hub reads, is made by huggingface_hub.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.evaluation import actions as evaluation_actions
from core.evaluation.result import evaluations_with_report
from core.models.catalogue import public_name
from core.store.workspace import Job, Workspace
from core.training.result import RunRecord, record_of
from core.wording import count

if TYPE_CHECKING:
    from huggingface_hub import EvalResult


def model_card(workspace: Workspace, run: Job) -> str:
    """A model card in Markdown."""
    from huggingface_hub import ModelCardData

    record = record_of(workspace.folder(run))
    model, settings = public_name(record.spec.model), record.spec.settings
    whole = settings.method == "full"
    newest = next(iter(evaluations_with_report(workspace, run.project_id, run)), None)
    about = ModelCardData(
        base_model=model,
        base_model_relation="finetune" if whole else "adapter",
        library_name="transformers" if whole else "peft",
        pipeline_tag="text-generation",
        tags=[settings.method, "tunewright"],
        model_name=f"Run {run.number}",
        eval_results=_results(workspace, newest) if newest else None,
    )
    return f"---\n{about.to_yaml()}\n---\n{_body(run, record, model, whole)}{_section(workspace, newest)}"


def _body(run: Job, record: RunRecord, model: str, whole: bool) -> str:
    settings = "\n".join(f"| {name} | {value} |" for name, value in vars(record.spec.settings).items())
    versions = ", ".join(f"{name} {version}" for name, version in record.versions.items())
    at = f"\nSaved at {100 * record.strength:g} % of the strength it was trained to.\n" if record.strength else ""
    return f"""# {"Model" if whole else "Adapter"} of run {run.number}

Trained with Tunewright{f" {record.version}" if record.version else ""} on {record.rows.get("train", 0)} rows, \
{record.trained_tokens_per_epoch:,} trained tokens an epoch.{_not_trained(record)}
Base model: {model}, weights SHA-256 `{record.base_weights_sha256}`.
{at}
| setting | value |
| --- | --- |
{settings}

Libraries: {versions}. Device: {record.device}, {record.dtype}.
"""


def _not_trained(record: RunRecord) -> str:
    """Rows that were left out, with the reasons; nothing where there are none."""
    n = record.dropped + record.refused
    reasons = "; ".join(f"{why.rstrip('.')} ({count(rows, 'row')})" for why, rows in record.reasons.items())
    return f"\nNot trained: {count(n, 'row')}{f'. {reasons}' if reasons else ''}." if n else ""


def _section(workspace: Workspace, newest: Job | None) -> str:
    """What the run's newest evaluation says; nothing where there is none."""
    from core.evaluation.report.document import model_card_section

    section = model_card_section(evaluation_actions.document(workspace, newest)) if newest else ""
    return f"\n{section}" if section else ""


def _results(workspace: Workspace, newest: Job) -> list[EvalResult]:
    """The tuned side's values, as the Hub lists them: benchmarks by lm-eval's name, the test rows as nobody else's."""
    from huggingface_hub import EvalResult

    from core.evaluation.report.measures import measures
    from core.evaluation.result import report_of

    return [
        EvalResult(
            task_type="text-generation",
            dataset_type=m.key if m.group == "benchmarks" else "private",
            dataset_name=m.name if m.group == "benchmarks" else "Held-out rows of the same data",
            dataset_split="test",
            metric_type=m.unit if m.group == "benchmarks" else m.key,
            metric_name=m.name,
            metric_value=round(m.difference.tuned, 6),
        )
        for m in measures(report_of(workspace, newest))
        if m.main
    ]
