"""What came of a review: how often each error happens, what was fixed and what broke, how far people agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from core.jobs import answers
from core.jobs.answers import Answers
from core.review import finding, rates
from core.review.agreement import VERDICT, agreement
from core.review.detectors import fitting
from core.review.rates import ErrorRate, ErrorRates
from core.review.suggested import anchoring, score_pairs
from core.statistics.agreement import Measure
from core.statistics.bounds import NONE, Bounds
from core.statistics.intervals import Estimate
from core.store.workspace import Job, Workspace
from core.types import SIDES
from core.wording import count
from ui import html, text
from ui.html.review import both_texts

MANY = 50
"""Rows that are looked at for the thresholds of their detectors."""
TEXTS = 10
"""Rows that are shown of those that were fixed or broke, of each kind."""
Titles = Mapping[str, str]
"""label → what people call it"""


def all_of(workspace: Workspace, job: Job, titles: Titles) -> str:
    """The whole of it, as HTML."""
    found = rates.error_rates(workspace, job)
    return "".join(
        (
            _how_far(workspace, job),
            _errors(found, titles, answers.flag_counts(workspace, job)),
            _changed(workspace, job, found.rates, titles, ("Base", "Tuned")),
            _agreement(workspace, job, titles),
            _detectors(workspace, job, titles),
            _anchoring(workspace, job, titles),
        )
    )


def against(workspace: Workspace, job: Job, other: Job, titles: Titles) -> str:
    """The tuned sides of two reviews, on the rows that were labelled in both."""
    found = rates.compare_runs(workspace, other, job)
    names = (other.title, job.title)
    if not found.rates:
        return html.empty(
            "No row was labelled in both.", "Label the same rows in both reviews: the random sample first."
        )
    return _errors(found, titles, None, names) + _changed(workspace, job, found.rates, titles, names, other)


def _how_far(workspace: Workspace, job: Job) -> str:
    far = finding.progress(workspace, job)
    people = ", ".join(f"{text.annotator(name)} {n:,}" for name, n in far.people.items())
    first = f"{far.anybody:,} of {count(far.items, 'row')} are labelled" + (f": {people}." if people else ".")
    sample = f" Of the random sample, {far.drawn_done:,} of {far.drawn:,}."
    kinds = f" {count(far.kinds, 'kind')} of errors found; none is new since {count(far.since_new, 'row')}."
    return html.sentences(
        [first + sample + (kinds if far.kinds else "")] + ([text.enough(far.since_new)] if far.enough else [])
    )


def _errors(
    found: ErrorRates,
    titles: Titles,
    flagged: Mapping[str, Mapping[str, int]] | None,
    names: tuple[str, str] = ("Base", "Tuned"),
) -> str:
    head = ["Error", *names, "Difference", "p", "Fixed", "Broke"]
    head += ["Hints, base", "Hints, tuned"] if flagged else []
    by_label = {rate.label: rate for rate in found.rates}
    lines = []
    for label, title in titles.items():
        rate = by_label.get(label)
        hints = [str(flagged[side].get(label, "–")) for side in SIDES] if flagged else []
        if rate is None:
            lines.append([title, *"––––––", *hints])
        else:
            p = "–" if rate.p is None else "< 0.001" if rate.p < 0.001 else f"{rate.p:.3f}"
            changed = [f"{len(rate.fixed):,}", f"{len(rate.broke):,}"]
            lines.append([title, share(rate.first), share(rate.second), _difference(rate), p, *changed, *hints])
    told = f"Shares are of the {found.judged:,} labelled rows of the random sample alone, with 95 % intervals; p is "
    told += "McNemar's, of each error by itself. Fixed and broke count all labelled rows."
    if found.skipped:
        told += f" Left out of the sample before them: {count(found.skipped, 'row')}."
    return html.table(head, lines) + html.detail(told)


def share(estimate: Estimate | None) -> str:
    """A share in percent with its interval."""
    if estimate is None:
        return "–"
    low, high = estimate.low, estimate.high
    around = f" ({100 * low:.0f}–{100 * high:.0f})" if low is not None and high is not None else ""
    return f"{100 * estimate.mean:.0f} %{around}"


def _difference(rate: ErrorRate) -> str:
    if rate.difference is None:
        return "–"
    low, high = rate.difference.low, rate.difference.high
    around = f" ({100 * low:+.0f} to {100 * high:+.0f})" if low is not None and high is not None else ""
    return f"{100 * rate.difference.difference:+.0f}{around}".replace("-", "−")


def _changed(
    workspace: Workspace,
    job: Job,
    found: Sequence[ErrorRate],
    titles: Titles,
    names: tuple[str, str],
    other: Job | None = None,
) -> str:
    """What was fixed and what broke, with the texts. `other`: whose tuned side comes first; else the base does."""
    folds = []
    known, before = Answers(workspace, job), Answers(workspace, other or job)
    for rate in found:
        if not rate.fixed and not rate.broke:
            continue
        shown = []
        for word, ids in (("Fixed", rate.fixed), ("Broke", rate.broke)):
            for example in known.examples(list(ids[:TEXTS])):
                texts = (before.of(example.id)["tuned" if other else "base"].text, known.of(example.id)["tuned"].text)
                shown.append(both_texts(f"{word}, row {example.row}", example.prompt, *texts, names))
        title = f"{titles.get(rate.label, rate.label)}: fixed {len(rate.fixed):,}, broke {len(rate.broke):,}"
        most = max(len(rate.fixed), len(rate.broke))
        folds.append(html.fold(title, "".join(shown), f"The first {TEXTS} of each." if most > TEXTS else ""))
    return "".join(folds)


def _agreement(workspace: Workspace, job: Job, titles: Titles) -> str:
    found = agreement(workspace, job)
    if not found:
        return ""
    lines = []
    for name, of in found.items():
        title = "Which is better" if name == VERDICT else titles.get(name, name)
        percent = of.percent.value
        first = "–" if percent is None else f"{100 * percent:.0f} %"
        lines.append([title, f"{of.items:,}", first, *(_measure(m) for m in (of.kappa, of.alpha, of.ac1))])
    head = ["How far people agree", "Rows", "Same", "Cohen's κ", "Krippendorff's α", "Gwet's AC1"]
    told = "0 is what chance gives, 1 always the same. κ and α fall where an error is rare; AC1 does not."
    return html.table(head, lines) + html.detail(told)


def _measure(measure: Measure) -> str:
    if measure.value is None:
        return "–"
    around = f" ({measure.low:.2f}–{measure.high:.2f})" if measure.low is not None and measure.high is not None else ""
    return f"{measure.value:.2f}{around}".replace("-", "−")


def _detectors(workspace: Workspace, job: Job, titles: Titles) -> str:
    """What detectors are worth by people's labels, and the threshold that fits them."""
    known = Answers(workspace, job)
    thresholds = {
        suggestion.label: suggestion.threshold
        for id_ in known.ids()[:MANY]
        for generation in known.of(id_).values()
        for suggestion in known.suggestions(generation)
    }
    lines = []
    for label, pairs in score_pairs(workspace, job).items():
        if not pairs or label not in thresholds:
            continue
        found = fitting.fit(pairs, thresholds[label])
        now = found.before
        precision = _of(now.precision, now.precision_interval)
        recall = _of(now.recall, now.recall_interval)
        better = found.why or f"{found.after.threshold:.2f}: {_of(found.after.precision)}, {_of(found.after.recall)}"
        lines.append([titles.get(label, label), f"{now.labels:,}", precision, recall, f"{now.threshold:.2f}", better])
    if not lines:
        return ""
    head = ["Detectors by your labels", "Answers", "Precision", "Recall", "Threshold", "What would fit"]
    told = (
        "Precision: how many of its hints are right. Recall: how many of the errors it hints at. Of everything "
        "labelled; what detectors point at is read first, so recall is of a choice. What would fit looks better than "
        "it is."
    )
    return html.fold("What detectors are worth", html.table(head, lines) + html.detail(told))


def _of(value: float | None, around: Bounds = NONE) -> str:
    if value is None:
        return "–"
    low, high = around
    interval = f" ({100 * low:.0f}–{100 * high:.0f})" if low is not None and high is not None else ""
    return f"{100 * value:.0f} %{interval}"


def _anchoring(workspace: Workspace, job: Job, titles: Titles) -> str:
    found = anchoring(workspace, job)
    lines = [
        [
            titles.get(label, label),
            *(share(e) for e in (a.flagged_seen, a.flagged_hidden, a.quiet_seen, a.quiet_hidden)),
        ]
        for label, a in found.items()
    ]
    if not lines:
        return ""
    head = ["Do people follow hints?", "Hint seen", "Hint hidden", "No hint", "No hint, hidden"]
    told = "How often people mark the error. More with a hint in sight than with one that was hidden: they follow it."
    return html.fold("Hints seen and hidden", html.table(head, lines) + html.detail(told))
