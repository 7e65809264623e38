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


OTHER_MODEL = "Take a model that writes one token after the other, for instance the starter model."
ENCODERS = frozenset(
    {
        *("bert", "bert-generation", "big_bird", "camembert", "data2vec-text", "electra", "ernie", "megatron-bert"),
        *("reformer", "rembert", "roberta", "roberta-prelayernorm", "roc_bert", "roformer", "xlm-roberta"),
        *("xlm-roberta-xl", "xmod"),
    }
)
"""Kinds that look at later tokens unless their configuration says `is_decoder`."""
LOOKS_AHEAD = frozenset({"cpmant", "xlm", "xlnet"})
DIFFUSION = frozenset({"diffusion_gemma", "diffusion_gemma_text"})
ONLY_OF_IMAGES = frozenset({"blip", "blip-2", "instructblip", "instructblipvideo"})


def is_composite(config: Any) -> bool:
    """Is the language model one part of several, with a configuration of its own?"""
    return config.get_text_config(decoder=True) is not config


def auto_class(config: Any, model: str) -> Any:
    """The class of transformers that loads a model of this configuration.

    Raises UserError where none writes text, and where what it writes is not learnt from rows as they are fed here.
    """
    import transformers
    from transformers import AutoModelForCausalLM, AutoModelForImageTextToText, AutoModelForMultimodalLM

    if why := _unsuited(config):
        raise UserError(f"The model “{model}” ({config.model_type}) {why} {OTHER_MODEL}")
    several = (AutoModelForImageTextToText, AutoModelForMultimodalLM) if is_composite(config) else ()
    for auto in (*several, AutoModelForCausalLM):
        if type(config) in auto._model_mapping:
            return auto
    raise UserError(
        f"The model “{model}” is of the kind {config.model_type}, which transformers {transformers.__version__} does "
        f"not know as one that writes text. {OTHER_MODEL}"
    )


def _unsuited(config: Any) -> str:
    """Why models of this configuration cannot be trained on rows of text, told before any weight is there; empty where
    nothing is known against them. A model that is loaded is tried besides: see core/engine/trial.py.
    """
    if getattr(config, "is_encoder_decoder", False):
        return "reads with one half and writes with another, as T5 and BART do."
    kind, language = config.model_type, config.get_text_config(decoder=True)
    ahead = kind in LOOKS_AHEAD or (kind in ENCODERS and not getattr(config, "is_decoder", False))
    if ahead or getattr(language, "use_bidirectional_attention", None) in (True, "all"):
        return "looks at later tokens when it predicts earlier ones, as BERT and PaliGemma do."
    if kind in DIFFUSION:
        return "writes many tokens at once, by diffusion."
    if kind in ONLY_OF_IMAGES:
        return "writes of images alone, and rows here are text."
    return ""


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
