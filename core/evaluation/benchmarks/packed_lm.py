"""The model side of lm-evaluation-harness, over our scorer: what its own HF backend computes, with shared prefixes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from core.engine.packing import Row
from core.engine.score_cache import Scores, score_once, text_key
from core.engine.scoring import Progress, ShouldStop, Stopped
from core.errors import UserError
from core.models.sides import virtual_tokens

if TYPE_CHECKING:
    from lm_eval.api.instance import Instance
    from lm_eval.api.model import TemplateLM
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

GENERATED_TOGETHER = 16
"""Rows of one batch of generation."""


def packed_lm(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    packed: bool | None = None,
    scores: Scores | None = None,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> TemplateLM:
    """An lm-eval `LM` that encodes as lm-eval 0.4.13's `HFLM` does (models/huggingface.py) and scores packs.

    `scores` holds what is known already, texts too, and takes what is computed. Its attribute `truncated` counts the
    requests that were longer than the model's context and lost their beginning. Raises UserError for a tokenizer
    without a token to begin with; its methods raise it where an answer cannot fit, or the model computes no numbers.
    """
    from lm_eval.models.utils import resolve_max_length

    if tokenizer.bos_token_id is None and tokenizer.eos_token_id is None:
        raise UserError(
            "The model's tokenizer has neither a token that begins a text (BOS) nor one that ends it (EOS), and one of "
            "them stands before what is asked. Choose a model whose tokenizer has one."
        )
    longest = resolve_max_length(model.config, tokenizer) - virtual_tokens(model)
    known = Scores() if scores is None else scores
    return _lm_class()(_Asked(model, tokenizer, longest, known, packed, progress, should_stop))


@dataclass
class _Asked:
    """The model that is asked, and how."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    max_length: int
    """Tokens that the model takes."""
    known: Scores
    packed: bool | None
    progress: Progress | None
    should_stop: ShouldStop | None
    truncated: int = 0
    """Requests that lost their beginning."""

    def score(self, requests: list[tuple[Any, list[int], list[int]]]) -> list[tuple[float, bool]]:
        """(log-likelihood, is it the most probable?) of each continuation. `requests`: (any, context, continuation)."""
        longest = max((len(continuation) for _, _, continuation in requests), default=0)
        if longest > self.max_length:
            raise UserError(
                f"One of the answers has {longest:,} tokens, and the model takes {self.max_length:,}. Choose "
                "another task, or a model with a longer context."
            )
        rows = [_row(context, continuation, self.max_length) for _, context, continuation in requests]
        self.truncated += sum(len(c) + len(d) > self.max_length + 1 for _, c, d in requests)
        scored = score_once(self.model, rows, self.known, self.packed, self.progress, self.should_stop)
        return [(s.logprob_sum, s.all_greedy) for s in scored]

    def write(self, prompts: list[list[int]], settings: list[dict[str, Any]]) -> list[str]:
        """The text after each prompt, as its request's settings ask for it."""
        written: dict[int, str] = {}
        for how, chosen in _alike(settings):
            self._write_alike({i: prompts[i] for i in chosen}, how, written, len(prompts))
        return [written[i] for i in range(len(prompts))]

    def _write_alike(
        self, prompts: dict[int, list[int]], settings: dict[str, Any], written: dict[int, str], total: int
    ) -> None:
        """Add the texts of requests with the same settings to `written`. Prompts that leave no room lose their
        beginning, as HFLM's."""
        stops, most, how = self._limits(settings)
        room = self.max_length - most
        if room <= 0:
            raise UserError(
                f"The task asks for texts of up to {most:,} tokens, and the model takes {self.max_length:,} "
                "together with the question. Choose another task, or a model with a longer context."
            )
        self.truncated += sum(len(ids) > room for ids in prompts.values())
        prompts = {i: ids[-room:] for i, ids in prompts.items()}
        texts, keys = self.known.texts, _text_keys(prompts, {**how, "until": stops, "max_gen_toks": most})
        written |= {i: text for i, key in keys.items() if (text := texts.get(key)) is not None}
        # Equal requests once; the longest first, so that a lack of memory shows at once.
        missing = list({key: i for i, key in keys.items() if i not in written}.values())
        missing.sort(key=lambda i: -len(prompts[i]))
        for begin in range(0, len(missing), GENERATED_TOGETHER):
            if self.should_stop and self.should_stop():
                raise Stopped
            batch = missing[begin : begin + GENERATED_TOGETHER]
            new = _generate(self.model, self.tokenizer, [prompts[i] for i in batch], stops, most, how)
            texts.add({keys[i]: text for i, text in zip(batch, new, strict=True)})
            self._tell(len(written) + begin + len(batch), total)
        written |= {i: text for i, key in keys.items() if (text := texts.get(key)) is not None}
        self._tell(len(written), total)

    def _limits(self, settings: dict[str, Any]) -> tuple[list[str], int, dict[str, Any]]:
        """(stop sequences, most new tokens, the other settings) of a request."""
        from lm_eval.models.utils import handle_stop_sequences, normalize_gen_kwargs

        id_ = self.tokenizer.eos_token_id
        how = normalize_gen_kwargs(settings, 256)
        stops = handle_stop_sequences(how.pop("until", None), eos=None if id_ is None else self.tokenizer.decode([id_]))
        most = how.pop("max_gen_toks")
        how.pop("max_length", None)
        return stops, most, how

    def _tell(self, done: int, total: int) -> None:
        if self.progress:
            self.progress(done, total)


@lru_cache(maxsize=1)
def _lm_class() -> Any:
    """lm-eval's interface over `_Asked`: made here, because importing lm-eval takes seconds."""
    from lm_eval.api.model import TemplateLM
    from lm_eval.models.utils import has_bos_prefix
    from lm_eval.utils import get_rolling_token_windows, make_disjoint_window

    class PackedLM(TemplateLM):
        def __init__(self, asked: _Asked) -> None:
            super().__init__()
            self.asked, self.tokenizer, self.max_length = asked, asked.tokenizer, asked.max_length
            # The choices of a question bring the same context, one after another.
            self._encode = lru_cache(maxsize=16)(self._encode_once)

        @property
        def truncated(self) -> int:
            return self.asked.truncated

        @property
        def eot_token_id(self) -> int:
            return self.tokenizer.eos_token_id

        @property
        def prefix_token_id(self) -> int:
            bos = self.tokenizer.bos_token_id
            return self.tokenizer.eos_token_id if bos is None else bos

        @property
        def tokenizer_name(self) -> str:
            return self.tokenizer.name_or_path.replace("/", "__")

        def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
            how = {"add_generation_prompt": add_generation_prompt, "continue_final_message": not add_generation_prompt}
            return self.tokenizer.apply_chat_template(chat_history, tokenize=False, **how)

        def tok_encode(self, string: str, add_special_tokens: bool | None = None, **kwargs: Any) -> list[int]:
            """As the tokenizer does by itself, but without a second BOS where the text brings one."""
            if add_special_tokens is None and has_bos_prefix(string, self.tokenizer.decode(self.prefix_token_id)):
                add_special_tokens = False
            return self._encode(string, add_special_tokens)

        def _encode_once(self, string: str, add_special_tokens: bool | None) -> list[int]:
            flag = {} if add_special_tokens is None else {"add_special_tokens": add_special_tokens}
            return self.tokenizer.encode(string, **flag)

        def loglikelihood(self, requests: list[Instance], disable_tqdm: bool = True) -> list[tuple[float, bool]]:
            return super().loglikelihood(requests, disable_tqdm=True)

        def _loglikelihood_tokens(
            self, requests: list[tuple[Any, list[int], list[int]]], **kwargs: Any
        ) -> list[tuple[float, bool]]:
            return self.asked.score(requests)

        def loglikelihood_rolling(self, requests: list[Instance], disable_tqdm: bool = True) -> list[float]:
            """Of whole texts: in windows of the model's length, each token predicted once, as HFLM's."""
            windows = []
            for i, request in enumerate(requests):
                ids = self.tok_encode(request.args[0])
                cut = get_rolling_token_windows(ids, self.prefix_token_id, self.max_length, context_len=1)
                windows += [(i, *make_disjoint_window(window)) for window in cut]
            scored = self._loglikelihood_tokens([(None, context, rest) for _, context, rest in windows])
            totals = [0.0] * len(requests)
            for (i, *_), (logprob, _) in zip(windows, scored, strict=True):
                totals[i] += logprob
            return totals

        def generate_until(self, requests: list[Instance], disable_tqdm: bool = True) -> list[str]:
            """Texts up to a stop sequence."""
            prompts = [self.tok_encode(request.args[0]) for request in requests]
            return self.asked.write(prompts, [request.args[1] for request in requests])

    return PackedLM


def _row(context: list[int], continuation: list[int], max_length: int) -> Row:
    """Context and continuation, cut at the left to what the model takes: its last token is never fed."""
    ids = (context + continuation)[-(max_length + 1) :]
    trained = [False] * len(context) + [True] * len(continuation)
    return ids, trained[-(max_length + 1) :]


def _alike(settings: list[dict[str, Any]]) -> list[tuple[dict[str, Any], list[int]]]:
    """(settings, indices of the requests that have them)"""
    groups: dict[str, tuple[dict[str, Any], list[int]]] = {}
    for i, how in enumerate(settings):
        groups.setdefault(repr(how), (how, []))[1].append(i)
    return list(groups.values())


def _text_keys(prompts: dict[int, list[int]], how: dict[str, Any]) -> dict[int, str]:
    """Request → the key of its text. Where texts are sampled, each of several equal requests has its own."""
    keys: dict[int, str] = {}
    seen: Counter[str] = Counter()
    for i, ids in prompts.items():
        key = text_key(ids, how)
        seen[key] += 1
        keys[i] = text_key(ids, {**how, "number": seen[key]}) if how.get("do_sample") else key
    return keys


def _generate(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: list[list[int]],
    stops: list[str],
    most: int,
    how: dict[str, Any],
) -> list[str]:
    """The text of each prompt: greedy, or sampled where the task says so, until all have met a stop sequence."""
    import torch
    from lm_eval.models.utils import postprocess_generated_text
    from lm_eval.models.utils_hf import stop_sequences_criteria
    from transformers import GenerationConfig

    from core.models.generation import set_aside

    def check(ids: Tensor, logits: Tensor) -> Tensor:
        if not (logits < torch.inf).all():  # nor is NaN
            raise UserError(
                "For a text the model computes no number (NaN or infinity). Its weights or its adapter are damaged, as "
                "after training with too high a learning rate: lower the learning rate and train again."
            )
        return logits

    width = max(len(ids) for ids in prompts)
    pads = (tokenizer.pad_token_id, tokenizer.eos_token_id, tokenizer.bos_token_id)
    pad = next(id_ for id_ in pads if id_ is not None)
    ids = torch.tensor([[pad] * (width - len(p)) + list(p) for p in prompts], device=model.device)
    mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts], device=model.device)
    own = getattr(model, "generation_config", None)
    end = getattr(own, "eos_token_id", None) or tokenizer.eos_token_id
    sampled = {k: v for k, v in how.items() if k in ("temperature", "top_p", "top_k")} if how.get("do_sample") else {}
    settings = GenerationConfig(
        max_new_tokens=most, do_sample=bool(how.get("do_sample")), pad_token_id=pad, eos_token_id=end, **sampled
    )
    criteria = stop_sequences_criteria(tokenizer, stops, width, len(prompts))
    with set_aside(model):
        out = model.generate(
            input_ids=ids, attention_mask=mask, generation_config=settings, stopping_criteria=criteria,
            logits_processor=[check], use_cache=True,
        )  # fmt: skip
    texts = tokenizer.batch_decode(out[:, width:].tolist(), skip_special_tokens=True)
    return [postprocess_generated_text(text, stops, None) for text in texts]
