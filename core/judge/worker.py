"""A language model as judge of base against tuned: what it is asked, and the process `python -m core.judge.worker`.

Each pair of answers is shown twice, the second time with the sides changed over; only a verdict that stays with the
same side counts, all others are ties. How often the verdict stays with the place instead is reported (Zheng et al.,
2023, arXiv 2306.05685, section 3.4). Finished verdicts go into verdicts.jsonl of the evaluation, which is only added
to: a judgement that was broken off goes on from there, and asks again where a reply was no verdict.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core.endpoint.client import Endpoint, Price, Reply, checked_key, money
from core.errors import Problem, UserError
from core.files import append_lines, write_atomically
from core.jobs import events
from core.jobs.events import EventLog
from core.jobs.outcome import Outcome
from core.jobs.process import run_job, until_told
from core.judge.pairs import ORDERS, Pair, comparison_key, pairs_of, parse, prompt
from core.judge.result import Comparisons, Verdict, comparisons_of
from core.judge.spec import JudgeSpec
from core.judge.verdicts import summarise
from core.records import parsed, plain, read
from core.training.answering import Answering

KEY = "TUNEWRIGHT_JUDGE_KEY"
"""The environment variable that holds the endpoint's key."""
AT_ONCE = 4
"""Requests at a time."""
MAX_TOKENS = 200
"""Of a reply. A verdict takes about 10."""
VERDICT_TOKENS = 10
GIVE_UP = 6
"""So many replies without any verdict, and the judge is no judge: it is not asked, and paid, further."""


@dataclass(frozen=True)
class Estimate:
    """What judging will cost: what is still to come."""

    pairs: int
    identical: int
    """Pairs of one answer twice, which are not asked about."""
    comparisons: int
    again: int
    """Of these comparisons, those whose reply was no verdict."""
    prompt_tokens: int
    completion_tokens: int
    money: float | None
    """None without a price."""

    def to_dict(self) -> dict[str, Any]:
        return plain(self)


def estimate(pairs: Sequence[Pair], price: Price | None, comparisons: Comparisons | None = None) -> Estimate:
    """What judging these pairs will cost.

    `comparisons` are those so far. A token is taken for four bytes of text, as English has them: the judge's own
    tokenizer is not known here.
    """
    to_ask = _to_ask(pairs, comparisons)
    prompt_tokens = sum(sum(len(m["content"].encode()) for m in prompt(p, o)) // 4 + 8 for p, o in to_ask)
    completion_tokens = VERDICT_TOKENS * len(to_ask)
    return Estimate(
        pairs=len(pairs),
        identical=sum(p.identical for p in pairs),
        comparisons=len(to_ask),
        again=sum(comparison_key(p, o) in (comparisons or {}) for p, o in to_ask),
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        money=money(prompt_tokens, completion_tokens, price),
    )


def _to_ask(pairs: Sequence[Pair], comparisons: Comparisons | None) -> list[tuple[Pair, str]]:
    """Comparisons without a verdict: never asked, or answered by what could not be read as one."""
    judged = {key for key, comparison in (comparisons or {}).items() if comparison.newest.verdict is not None}
    return [(p, o) for p in pairs if not p.identical for o in ORDERS if comparison_key(p, o) not in judged]


def judge(
    pairs: Sequence[Pair],
    endpoint: Endpoint,
    path: Path,
    tell: Callable[[int, int], None] = lambda done, total: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> None:
    """Ask about every pair in both orders and add each reply to the file `path`. A verdict in it is not asked again; a
    reply that could not be read as one is.

    Raises UserError when the endpoint fails or gives no verdicts; what came before is then in the file.
    """
    to_ask = _to_ask(pairs, comparisons_of(path, endpoint.host, endpoint.model))
    total = len(_to_ask(pairs, None))
    done, replies, verdicts = total - len(to_ask), 0, total - len(to_ask)
    tell(done, total)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for start in range(0, len(to_ask), AT_ONCE):
            if should_stop():
                return
            asked = [(p, o, pool.submit(_ask, endpoint, p, o)) for p, o in to_ask[start : start + AT_ONCE]]
            failure = None
            for pair, order, future in asked:
                try:
                    reply, seconds = future.result()
                except UserError as e:
                    failure = e
                    continue
                verdict = _verdict(endpoint, pair, order, reply, seconds)
                append_lines(path, [json.dumps(verdict.to_dict(), ensure_ascii=False)])
                done, replies, verdicts = done + 1, replies + 1, verdicts + (verdict.verdict is not None)
            tell(done, total)
            if failure:
                raise failure
            if replies >= GIVE_UP and not verdicts:
                raise UserError(
                    f"None of the first {replies} replies of {endpoint.model} was a verdict; the last began "
                    f"“{reply.text[:80]}”. Choose a model that follows instructions, and check the address."
                )


def _ask(endpoint: Endpoint, pair: Pair, order: str) -> tuple[Reply, float]:
    began = time.perf_counter()
    reply = endpoint.ask(prompt(pair, order), MAX_TOKENS)
    return reply, time.perf_counter() - began


def _verdict(endpoint: Endpoint, pair: Pair, order: str, reply: Reply, seconds: float) -> Verdict:
    return Verdict(
        key=comparison_key(pair, order),
        endpoint=endpoint.host,
        model=endpoint.model,
        example_id=pair.example_id,
        order=order,
        verdict=parse(reply.text),
        reply=reply.text[:500],
        prompt_tokens=reply.prompt_tokens,
        completion_tokens=reply.completion_tokens,
        seconds=round(seconds, 3),
        time=time.time(),
    )


def work(folder: Path, log: EventLog, key: str) -> Outcome:
    """Judge as spec.json says; judge.json goes into the job's folder and the evaluation's, however it ends."""
    spec = JudgeSpec.from_dict(parsed(folder / "spec.json", "The specification of the judgement"))
    evaluation = Path(spec.evaluation_folder)
    what = "The specification of the evaluation"
    answering = read(Answering, parsed(evaluation / "spec.json", what), what)
    pairs = pairs_of(evaluation, Path(answering.rows_file), answering.split, spec.max_pairs)
    should_stop = until_told(folder / "stop", spec.hours, "a judgement")
    endpoint = Endpoint(spec.endpoint, spec.model, key, spec.public_only, should_stop=should_stop)
    log.write(events.Status(f"{endpoint.model} compares {len(pairs):,} pairs in both orders …"))

    def tell(done: int, total: int) -> None:
        log.write(events.Progress(done=done, total=total, share=done / max(total, 1)))

    problems: tuple[Problem, ...] = ()
    path = evaluation / "verdicts.jsonl"
    try:
        judge(pairs, endpoint, path, tell, should_stop)
    except UserError as e:
        problems = (Problem("error", str(e)),)
        raise
    finally:
        endpoint.close()
        comparisons = comparisons_of(path, endpoint.host, endpoint.model)
        judgement = summarise(pairs, comparisons, endpoint.model, endpoint.host, spec.price)
        text = json.dumps(replace(judgement, problems=problems).to_dict(), ensure_ascii=False, indent=2)
        for target in (folder, evaluation):
            write_atomically(target / "judge.json", text)
    if judgement.missing:
        return Outcome("stopped", f"Stopped; {judgement.pairs:,} of {len(pairs):,} pairs are judged.")
    return Outcome("finished", f"{judgement.pairs:,} of {len(pairs):,} pairs are judged.")


def main(folder: Path) -> int:
    import os

    # Taken out of the environment, so that nothing that is started from here has it.
    key = checked_key(os.environ.pop(KEY, ""))
    return run_job(folder, lambda log: work(folder, log, key), "The judgement")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
