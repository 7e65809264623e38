"""The model side of lm-evaluation-harness, over our scorer: what its own HF backend computes, with shared prefixes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.evaluation.scorer import Progress, ShouldStop, score
from core.models.loading import virtual_tokens
from core.packing import Row

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def packed_lm(
    model,
    tokenizer: PreTrainedTokenizerBase,
    packed: bool | None = None,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
):
    """An lm-eval `LM` that encodes as lm-eval 0.4.13's `HFLM` does (models/huggingface.py) and scores packs.

    Its attribute `truncated` counts the requests that were longer than the model's context and lost their beginning.
    """
    from lm_eval.api.model import TemplateLM
    from lm_eval.models.utils import has_bos_prefix, resolve_max_length

    class PackedLM(TemplateLM):
        truncated = 0
        max_length = resolve_max_length(model.config, tokenizer) - virtual_tokens(model)

        @property
        def eot_token_id(self) -> int:
            return tokenizer.eos_token_id

        @property
        def prefix_token_id(self) -> int:
            return tokenizer.eos_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id

        def tok_encode(self, string: str, add_special_tokens: bool | None = None, **kwargs) -> list[int]:
            """As the tokenizer does by itself, but without a second BOS where the text brings one."""
            if add_special_tokens is None and has_bos_prefix(string, tokenizer.decode(self.prefix_token_id)):
                add_special_tokens = False
            flag = {} if add_special_tokens is None else {"add_special_tokens": add_special_tokens}
            return tokenizer.encode(string, **flag)

        def loglikelihood(self, requests, disable_tqdm: bool = True) -> list[tuple[float, bool]]:
            return super().loglikelihood(requests, disable_tqdm=True)

        def _loglikelihood_tokens(self, requests, **kwargs) -> list[tuple[float, bool]]:
            rows = [_row(context, continuation, self.max_length) for _, context, continuation in requests]
            self.truncated += sum(len(c) + len(d) > self.max_length + 1 for _, c, d in requests)
            scores = score(model, rows, packed=packed, progress=progress, should_stop=should_stop)
            return [(s.logprob_sum, s.all_greedy) for s in scores]

        def loglikelihood_rolling(self, requests, disable_tqdm: bool = False) -> list[float]:
            raise NotImplementedError("none of the benchmarks asks for it")

        def generate_until(self, requests, disable_tqdm: bool = False) -> list[str]:
            raise NotImplementedError("none of the benchmarks asks for it")

    return PackedLM()


def _row(context: list[int], continuation: list[int], max_length: int) -> Row:
    """Context and continuation, cut at the left to what the model takes: its last token is never fed."""
    ids = (context + continuation)[-(max_length + 1) :]
    trained = [False] * len(context) + [True] * len(continuation)
    return ids, trained[-(max_length + 1) :]
