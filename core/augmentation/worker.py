"""The process that asks a model for rows: `python -m core.augmentation.worker <job folder> <models folder>`.

Each reply is on disk, with the filters' word on its drafts, before the next ones are asked for: whoever kills it loses
at most what was on its way. Started again it asks for what has no reply yet.
"""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from core.augmentation import result
from core.augmentation.asking import Broken, Request, messages, prompt_name, rows_of
from core.augmentation.filters import Filters, refusal, source_of
from core.augmentation.known import POOL, Known, requests
from core.augmentation.local import LocalModel
from core.augmentation.result import LONGEST, Draft, Filter, Replied, Summary
from core.augmentation.spec import AugmentSpec, goal_in, material_in, spec_in
from core.endpoint.client import Endpoint, Reply, checked_key
from core.errors import UserError
from core.jobs import events
from core.jobs.events import EventLog
from core.jobs.outcome import Outcome
from core.jobs.process import run_job, until_told
from core.types import Message
from core.wording import count

KEY = "TUNEWRIGHT_AUGMENT_KEY"
"""The environment variable that holds the endpoint's key."""
AT_ONCE = 4
"""Requests at a time."""
TIMEOUT = 180.0
"""Seconds for one reply: large models write a page in a minute."""
GIVE_UP = 12
"""So many replies without any row in the form that was asked for, and the model is asked, and paid, no further."""

Asked = list[tuple[Request, Reply | Broken, float]]
"""Requests with their replies, and the seconds that each took."""
Ask = Callable[[Sequence[tuple[Request, list[Message]]]], tuple[Asked, UserError | None]]
"""Asks for several at a time; what failed is told beside what came."""


@dataclass
class _Work:
    folder: Path
    spec: AugmentSpec
    filters: Filters
    replies: list[Replied]
    should_stop: Callable[[], bool]
    tell: Callable[[Summary, int], None]

    def ask_all(self, to_ask: Sequence[Request], ask: Ask, rows: int) -> None:
        """Ask for what is left and write down what comes. Raises UserError when the model fails or is of no use."""
        for at in range(0, len(to_ask), AT_ONCE):
            if self.should_stop():
                return
            group = [(request, messages(self.spec, request)) for request in to_ask[at : at + AT_ONCE]]
            asked, failure = ask(group)
            self._keep(asked, rows)
            if failure:
                raise failure
            self._require_use()

    def _keep(self, asked: Asked, rows: int) -> None:
        if not asked:
            return
        made = [(draft, request) for request, reply, _ in asked for draft in self._drafts(request, reply)]
        judged = self.filters.judged(made)
        by_request: dict[int, list[Draft]] = {}
        for draft, (_, request) in zip(judged, made, strict=True):
            by_request.setdefault(request.number, []).append(draft)
        replies = [_replied(request, reply, s, by_request.get(request.number, [])) for request, reply, s in asked]
        result.append(self.folder, replies)
        self.replies += replies
        self.tell(self.write_summary(), rows)

    def write_summary(self) -> Summary:
        path = self.folder / result.FILE
        summary = result.summed(self.spec, self.replies, path.stat().st_size if path.exists() else 0)
        result.write_summary(self.folder, summary)
        return summary

    def _drafts(self, request: Request, reply: Reply | Broken) -> Iterator[Draft]:
        source = source_of(request)
        try:
            if isinstance(reply, Broken):
                raise reply
            cut = reply.finish == "length"
            if cut and self.spec.kind == "answer":
                raise Broken(f"The answer was cut at {self.spec.max_tokens:,} tokens.")
            made = rows_of(self.spec, request, reply.text, provenance(self.spec, request))
        except Broken as e:
            text = "" if isinstance(reply, Broken) else reply.text
            held, why = self._of_broken(reply, str(e))
            yield Draft(f"{request.number}.0", None, source, held, why, text[:LONGEST])
            return
        for i, row in enumerate(made):
            name = f"{request.number}.{i}"
            if isinstance(row, Broken):
                yield Draft(name, None, source, "format", str(row), reply.text[:LONGEST])
            else:
                yield Draft(name, row.to_dict(), source)

    def _of_broken(self, reply: Reply | Broken, why: str) -> tuple[Filter, str]:
        """Why a reply holds no row: it was cut, it refuses, or it has another form."""
        if isinstance(reply, Broken):
            return "format", why
        if reply.finish == "length":
            return "length", f"The reply was cut at {self.spec.max_tokens:,} tokens."
        refused = refusal(reply.text)
        return ("refusal", refused) if refused else ("format", why)

    def _require_use(self) -> None:
        held = Counter(draft.filter for reply in self.replies for draft in reply.drafts)
        if len(self.replies) >= GIVE_UP and held["format"] + held["refusal"] == held.total():
            last = self.replies[-1].drafts[-1]
            raise UserError(
                f"None of the first {len(self.replies)} replies of {self.spec.model} held a row to read; the last "
                f"began “{last.text[:80]}”. {last.why} Choose a model that follows instructions."
            )


def provenance(spec: AugmentSpec, request: Request) -> dict[str, str]:
    """What a row says of where it comes from."""
    of = f"row {request.seeds[0].row}" if request.seeds and not request.text else "a text" if request.text else ""
    about = {"synthetic": spec.kind, "synthetic_model": spec.by, "synthetic_prompt": prompt_name(spec.kind)}
    return about | ({"synthetic_from": of} if of else {})


def _replied(request: Request, reply: Reply | Broken, seconds: float, drafts: Sequence[Draft]) -> Replied:
    # What had no room was never asked.
    tokens = (0, 0) if isinstance(reply, Broken) else (reply.prompt_tokens, reply.completion_tokens)
    return Replied(request.number, request.rows, tuple(drafts), *tokens, round(seconds, 3), time.time())


@contextmanager
def _asking(spec: AugmentSpec, models: Path, log: EventLog, key: str, should_stop: Callable[[], bool]) -> Iterator[Ask]:
    """Whoever is asked: the endpoint, several requests at a time, or a model of this machine."""
    if not spec.endpoint:
        log.write(events.Status(f"Loading {spec.by} …"))
        model = LocalModel(
            spec, models, lambda share, what: log.write(events.Progress(share=share, text=what)), should_stop
        )
        log.write(events.Status(f"{spec.by} writes …"))

        def ask_model(group: Sequence[tuple[Request, list[Message]]]) -> tuple[Asked, UserError | None]:
            replies = model.ask([sent for _, sent in group])
            return [(r, reply, s) for (r, _), (reply, s) in zip(group, replies, strict=False)], None

        yield ask_model
        return
    endpoint = Endpoint(spec.endpoint, spec.model, key, spec.public_only, timeout=TIMEOUT, should_stop=should_stop)
    with ThreadPoolExecutor(AT_ONCE) as pool:

        def one(sent: list[Message]) -> tuple[Reply, float]:
            began = time.perf_counter()
            return endpoint.ask(sent, spec.max_tokens, spec.temperature), time.perf_counter() - began

        def ask_endpoint(group: Sequence[tuple[Request, list[Message]]]) -> tuple[Asked, UserError | None]:
            futures = [(request, pool.submit(one, sent)) for request, sent in group]
            came: Asked = []
            failure = None
            for request, future in futures:
                try:
                    reply, seconds = future.result()
                except UserError as e:
                    failure = e
                    continue
                came.append((request, reply, seconds))
            return came, failure

        try:
            yield ask_endpoint
        finally:
            endpoint.close()


def work(folder: Path, models: Path, log: EventLog, key: str) -> Outcome:
    """Ask as spec.json and goal.json say; what came is in drafts.jsonl, however it ends."""
    spec = spec_in(folder)
    should_stop = until_told(folder / "stop", spec.hours if spec.endpoint else None, "an augmentation")
    log.write(events.Status("Reading the rows …"))
    texts = spec.kind == "document" and not material_in(folder)
    known = Known(Path(spec.rows_file), spec.seed, texts, judged=spec.kind == "paraphrase")
    planned = requests(spec, known.pool, material_in(folder))
    goal, replies = goal_in(folder, spec), result.replies_in(folder)
    filters = Filters(spec, known)
    filters.take(replies)
    done = {reply.request for reply in replies}
    wanted, rows = [], 0
    for request in planned:
        if rows >= goal:
            break
        rows += request.rows
        wanted.append(request)
    total = sum(request.rows for request in planned)

    def tell(summary: Summary, rows: int) -> None:
        share = summary.asked / max(1, rows)
        log.write(events.Progress(done=summary.asked, total=rows, share=min(1.0, share)))

    at_work = _Work(folder, spec, filters, replies, should_stop, tell)
    left = [request for request in wanted if request.number not in done]
    log.write(events.Status(f"{spec.by} is asked for {count(rows, 'row')} …"))
    if len(known.pool) == POOL:
        log.write(events.Log(f"Drafts are compared word by word with {POOL:,} training rows, drawn from all."))
    try:
        if left and not should_stop():
            with _asking(spec, models, log, key, should_stop) as ask:
                at_work.ask_all(left, ask, rows)
    finally:
        summary = at_work.write_summary()
    passed = f"{summary.passed:,} of {count(summary.came, 'draft')} passed the filters"
    if should_stop():
        return Outcome("stopped", f"Stopped; {summary.asked:,} of {count(total, 'row')} were asked for, {passed}.")
    if rows < total:
        return Outcome("stopped", f"The sample is here: {passed}. Look at it, then ask for the others.")
    return Outcome("finished", f"{count(summary.asked, 'row')} were asked for; {passed}.")


def main(folder: Path, models: Path) -> int:
    # Taken out of the environment, so that nothing that is started from here has it.
    key = checked_key(os.environ.pop(KEY, ""))
    return run_job(folder, lambda log: work(folder, models, log, key), "The augmentation")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
