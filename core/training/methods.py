"""From the settings to a trainable model. Each method here leaves the base's weights untouched, so base and tuned can
share one copy in memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core.training.spec import TrainSettings

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def attach(model: PreTrainedModel, settings: TrainSettings) -> Any:
    """The model with a fresh adapter on every linear layer but the head (Dettmers et al., 2023, arXiv 2305.14314)."""
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
        use_rslora=settings.method == "rslora",
        use_dora=settings.method == "dora",
    )
    return get_peft_model(model, config)
