"""Models that also see or hear, taken as models of text: which class loads them, and which part of them writes.

A checkpoint of Gemma 3, Qwen 3.5 or Mistral 3 holds a language model beside the towers that read images and sound. It
is loaded as what it is, so that its weights have the names that the Hub's have and an adapter trained here fits it
anywhere. Fed text alone, only its language model computes; nothing else of it is ever trained.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core.errors import UserError

if TYPE_CHECKING:
    from torch.nn import Module


def is_composite(config: Any) -> bool:
    """Is the language model one part of several, with a configuration of its own?"""
    return config.get_text_config(decoder=True) is not config


def auto_class(config: Any, model: str) -> Any:
    """The class of transformers that loads a model of this configuration. Raises UserError where none writes text."""
    import transformers
    from transformers import AutoModelForCausalLM, AutoModelForImageTextToText, AutoModelForMultimodalLM

    if getattr(config, "is_encoder_decoder", False):
        raise UserError(
            f"The model “{model}” ({config.model_type}) reads with one half and writes with another, as T5 and BART "
            "do. What is trained here reads and writes in one: take such a model, for instance the starter model."
        )
    several = (AutoModelForImageTextToText, AutoModelForMultimodalLM) if is_composite(config) else ()
    for auto in (*several, AutoModelForCausalLM):
        if type(config) in auto._model_mapping:
            return auto
    raise UserError(
        f"The model “{model}” is of the kind {config.model_type}, which transformers {transformers.__version__} does "
        "not know as one that writes text. Take a model that writes text, for instance the starter model."
    )


def language_part(model: Module) -> Module:
    """The part that reads and writes text: all of a plain model; of another its language model, without the head."""
    from torch import nn

    config = model.config
    if is_composite(config):
        return model.get_decoder()
    senses = [name for name in config.sub_configs if name in ("vision_config", "audio_config")]
    if not any(getattr(config, name, None) is not None for name in senses):
        return model
    # Phi 4 multimodal: the towers stand within the embeddings of a model that is described as one of text.
    return next(m for m in model.modules() if isinstance(m, nn.ModuleList) and len(m) == config.num_hidden_layers)


def check_whole(model: str, info: dict[str, Any]) -> None:
    """Raise UserError where weights that the model needs are not in its files: transformers would draw them at random.

    `info` is what `from_pretrained` gives with `output_loading_info`.
    """
    odd = [
        ("are missing from", sorted(info["missing_keys"])),
        ("have another shape in", sorted(name for name, *_ in info["mismatched_keys"])),
    ]
    for what, names in odd:
        if names:
            raise UserError(
                f"{len(names):,} weights of the model “{model}” {what} its files, the first is {names[0]}: they would "
                "be random numbers. Fetch the model again, or give the folder of a whole model."
            )
