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
from pathlib import Path
from typing import Any

from core.errors import Problem, UserError
from core.files import write_atomically
from core.jobs import events
from core.jobs.events import EventLog
from core.jobs.outcome import Outcome
from core.jobs.process import run_job
from core.judge.endpoint import Endpoint, Reply, checked_key
from core.judge.pairs import ORDERS, Pair, comparison_key, pairs_of, parse, prompt
from core.judge.verdicts import Price, Verdicts, finished, money, summarise

KEY = "TUNEWRIGHT_JUDGE_KEY"
"""The environment variable that holds the endpoint's key."""
AT_ONCE = 4
"""Requests at a time."""
MAX_TOKENS = 200
"""Of a reply. A verdict takes about 10."""
VERDICT_TOKENS = 10
GIVE_UP = 6
"""So many replies without any verdict, and the judge is no judge: it is not asked, and paid, further."""


def estimate(pairs: Sequence[Pair], price: Price | None, verdicts: Verdicts | None = None) -> dict[str, Any]:
    """What judging these pairs will cost: comparisons and tokens still to come, and money at `price`.

    `price` is per million tokens of (prompts, replies); `verdicts` are those so far, as `verdicts.finished` reads
    them. A token is taken for four bytes of text, as English has them: the judge's own tokenizer is not known here.
    """
    to_ask = _to_ask(pairs, verdicts)
    prompts = sum(sum(len(m["content"].encode()) for m in prompt(p, o)) // 4 + 8 for p, o in to_ask)
    replies = VERDICT_TOKENS * len(to_ask)
    return {
        "pairs": len(pairs),
        "identical": sum(p.identical for p in pairs),
        "comparisons": len(to_ask),
        "again": sum(comparison_key(p, o) in (verdicts or {}) for p, o in to_ask),
        "prompt_tokens": prompts,
        "completion_tokens": replies,
        "money": money(prompts, replies, price),
    }


def _to_ask(pairs: Sequence[Pair], verdicts: Verdicts | None) -> list[tuple[Pair, str]]:
    """Comparisons without a verdict: never asked, or answered by what could not be read as one."""
    read = {k for k, line in (verdicts or {}).items() if line["verdict"] is not None}
    return [(p, o) for p in pairs if not p.identical for o in ORDERS if comparison_key(p, o) not in read]


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
    to_ask = _to_ask(pairs, finished(path, endpoint.host, endpoint.model))
    total = len(_to_ask(pairs, None))
    done, replies, verdicts = total - len(to_ask), 0, total - len(to_ask)
    tell(done, total)
    with ThreadPoolExecutor(AT_ONCE) as pool, open(path, "a", encoding="utf-8") as file:
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
                line = _line(endpoint, pair, order, reply, seconds)
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
                file.flush()
                done, replies, verdicts = done + 1, replies + 1, verdicts + (line["verdict"] is not None)
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


def _line(endpoint: Endpoint, pair: Pair, order: str, reply: Reply, seconds: float) -> dict[str, Any]:
    return {
        "schema": 1,
        "key": comparison_key(pair, order),
        "endpoint": endpoint.host,
        "model": endpoint.model,
        "example_id": pair.example_id,
        "order": order,
        "verdict": parse(reply.text),
        "reply": reply.text[:500],
        "prompt_tokens": reply.prompt_tokens,
        "completion_tokens": reply.completion_tokens,
        "seconds": round(seconds, 3),
        "time": time.time(),
    }


def work(folder: Path, log: EventLog, key: str) -> Outcome:
    """Judge as spec.json says; judge.json goes into the job's folder and the evaluation's, however it ends."""
    spec = json.loads((folder / "spec.json").read_text(encoding="utf-8"))
    evaluation, price = Path(spec["evaluation_folder"]), spec["price"] and tuple(spec["price"])
    its_spec = json.loads((evaluation / "spec.json").read_text(encoding="utf-8"))
    pairs = pairs_of(evaluation, its_spec, spec["max_pairs"])
    stop = folder / "stop"
    endpoint = Endpoint(spec["endpoint"], spec["model"], key, spec["public_only"], should_stop=stop.exists)
    log.write(events.Status(f"{endpoint.model} compares {len(pairs):,} pairs in both orders …"))

    def tell(done: int, total: int) -> None:
        log.write(events.Progress(done=done, total=total, share=done / max(total, 1)))

    problems: list[dict[str, Any]] = []
    path = evaluation / "verdicts.jsonl"
    try:
        judge(pairs, endpoint, path, tell, stop.exists)
    except UserError as e:
        problems.append(vars(Problem("error", str(e))))
        raise
    finally:
        endpoint.close()
        found = summarise(pairs, finished(path, endpoint.host, endpoint.model), endpoint.model, endpoint.host, price)
        text = json.dumps(found | {"problems": problems}, ensure_ascii=False, indent=2)
        for target in (folder, evaluation):
            write_atomically(target / "judge.json", text)
    if found["missing"]:
        return Outcome("stopped", f"Stopped; {found['pairs']:,} of {len(pairs):,} pairs are judged.")
    return Outcome("finished", f"{found['pairs']:,} of {len(pairs):,} pairs are judged.")


def main(folder: Path) -> int:
    import os

    # Taken out of the environment, so that nothing that is started from here has it.
    key = checked_key(os.environ.pop(KEY, ""))
    return run_job(folder, lambda log: work(folder, log, key), "The judgement")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
