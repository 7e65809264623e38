"""Tiny random models that also see or hear, of transformers' own classes, and as folders with the tests' tokenizer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForImageTextToText, AutoModelForMultimodalLM

LANGUAGE = {
    **{"hidden_size": 32, "intermediate_size": 64, "intermediate_size_mlp": 64, "num_hidden_layers": 2},
    **{"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 512},
    **{"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "sliding_window": 8, "attention_chunk_size": 8},
    **{"num_experts": 4, "num_local_experts": 4, "n_routed_experts": 4, "num_experts_per_tok": 2},
    **{"moe_intermediate_size": 32, "shared_expert_intermediate_size": 32},
    **{"linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 8, "linear_value_head_dim": 8},
}
SENSES = {
    **{"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "head_dim": 8},
    **{"num_key_value_heads": 4, "depth": 2, "embed_dim": 32, "num_heads": 4, "out_hidden_size": 32, "image_size": 28},
    **{"patch_size": 14, "projection_dim": 32, "vision_output_dim": 32, "num_position_embeddings": 16},
    **{"deepstack_visual_indexes": [0], "fullatt_block_indexes": [0], "num_global_layers": 1, "d_model": 32},
    **{"projector_input_dim": 32, "projector_output_dim": 32, "output_dim": 32, "hidden_dim": 32},
    **{"encoder_layers": 2, "encoder_attention_heads": 4, "encoder_ffn_dim": 64, "num_blocks": 2},
}
WHOLE = {
    **{"hidden_size": 32, "projection_dim": 32, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2},
    **{"mm_tokens_per_image": 4},
}
PLACES = ("image_token", "video_token", "audio_token", "vision_start_token", "vision_end_token", "boi_token")
PLACES += ("eoi_token", "boa_token", "eoa_token", "image_start_token", "image_end_token", "video_start_token")
PLACES += ("video_end_token",)
HALF_ROTATED = ("glm4v", "glm46v", "glm4v_moe")
FAMILIES = (
    *("gemma3", "gemma4", "mistral3", "llama4", "qwen2_vl", "qwen2_5_vl", "qwen3_vl", "qwen3_vl_moe", "qwen3_5"),
    *("qwen3_5_moe", "idefics2", "idefics3", "smolvlm", "llava", "llava_next", "llava_onevision", "glm4v", "glm46v"),
    *("glm4v_moe", "internvl", "lfm2_vl", "aya_vision", "mllama", "ovis2", "minicpmv4_6", "exaone4_5", "voxtral"),
    *("qwen2_audio", "phi4_multimodal"),
)


def built(family: str, vocabulary: int = 96) -> Any:
    """A random model of the family, in float32, whose every part has a say in the logits."""
    torch.manual_seed(0)
    config = _gemma4(vocabulary) if family == "gemma4" else _small(AutoConfig.for_model(family), vocabulary)
    if family in ("qwen2_vl", "qwen2_5_vl"):
        config.get_text_config().rope_parameters = {**_ROPE, "mrope_section": [2, 1, 1]}
    elif family in HALF_ROTATED:
        config.get_text_config().rope_parameters = {**_ROPE, "mrope_section": [1, 1, 0], "partial_rotary_factor": 0.5}
    elif family == "internvl":
        config.vision_config.image_size, config.vision_config.patch_size = (28, 28), (14, 14)
    seeing = type(config) in AutoModelForImageTextToText._model_mapping
    auto = AutoModelForImageTextToText if seeing else AutoModelForMultimodalLM
    model = auto.from_config(config, dtype=torch.float32).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0, 0.15)
    return model


_ROPE = {"rope_type": "default", "rope_theta": 1e4}


def _small(config: Any, vocabulary: int, language: Any = None) -> Any:
    """The configuration and all within it, at sizes that take no time."""
    inner, language = language is not None, language or config.get_text_config()
    sizes = {**LANGUAGE, "vocab_size": vocabulary} if config is language else SENSES if inner else dict(WHOLE)
    if not inner:
        sizes |= {f"{name}_{end}": vocabulary - 1 - i for i, name in enumerate(PLACES) for end in ("id", "index")}
    for name, value in sizes.items():
        known = name in vars(config) and name not in config.sub_configs
        if known and (vars(config)[name] is not None or name == "pad_token_id"):
            setattr(config, name, value)
    if vars(config).get("layer_types"):
        kinds = list(dict.fromkeys(config.layer_types))
        config.layer_types = (kinds * config.num_hidden_layers)[: config.num_hidden_layers]
    if (vars(config).get("rope_parameters") or {}).get("mrope_section"):
        config.rope_parameters["mrope_section"] = [2, 1, 1]
    for name in config.sub_configs:
        if getattr(config, name, None) is not None:
            _small(getattr(config, name), vocabulary, language)
    return config


def _gemma4(vocabulary: int) -> Any:
    language = {
        **{"vocab_size": vocabulary, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 4},
        **{"sliding_window": 8, "num_attention_heads": 4, "num_key_value_heads": 2, "pad_token_id": 0},
        **{"vocab_size_per_layer_input": vocabulary, "hidden_size_per_layer_input": 8},
    }
    sight = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    sight |= {"num_key_value_heads": 4, "head_dim": 8, "position_embedding_size": 64}
    places = {f"{name}_id": vocabulary - 1 - i for i, name in enumerate(PLACES)}
    return AutoConfig.for_model("gemma4", text_config=language, vision_config=sight, **places)


def folder(family: str, where: Path, tokenizer: Any) -> Path:
    """A checkpoint as the Hub holds it, with a tokenizer beside it."""
    built(family, len(tokenizer) + len(PLACES)).save_pretrained(where)
    tokenizer.save_pretrained(where)
    return where
