"""What tiny models of many families compute: as transformers does, packed as alone, and never from later tokens.

One row a family. Windows and chunks have eight positions here, rows have forty. docs/architectures.md has the table.
"""

from __future__ import annotations

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from core.engine import kernels, trial
from core.engine.packing import forward, takes_packs
from core.models import batching
from core.models.room import Room
from core.types import Decoding

pytestmark = pytest.mark.slow

SHAPE = {
    **{"vocab_size": 96, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 4},
    **{"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 256},
    **{"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2},
    **{"num_experts": 4, "num_local_experts": 4, "n_routed_experts": 4, "num_experts_per_tok": 2},
    **{"moe_intermediate_size": 32, "shared_expert_intermediate_size": 32, "n_group": 1, "topk_group": 1},
    **{"linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 8, "linear_value_head_dim": 8},
    **{"mamba_d_ssm": 64, "mamba_n_heads": 4, "mamba_d_head": 16, "mamba_d_state": 16, "mamba_chunk_size": 16},
}
"""What the defaults of linear attention and of state spaces would make of 32 values takes most of a test's time."""
OWN_SHAPE = {
    "falcon": {"vocab_size": 96, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4},
    "gpt_neo": {
        **{"vocab_size": 96, "hidden_size": 32, "num_layers": 2, "num_heads": 4, "window_size": 8},
        **{"attention_types": [[["global", "local"], 1]], "max_position_embeddings": 256},
    },
    "gptj": {"vocab_size": 96, "n_embd": 32, "n_layer": 2, "n_head": 4, "rotary_dim": 4, "n_positions": 256},
    "bamba": {
        **{"vocab_size": 96, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2},
        **{"num_attention_heads": 4, "num_key_value_heads": 2, "mamba_n_heads": 4, "mamba_d_head": 16},
        "attn_layer_indices": [1],
    },
    "granitemoehybrid": {
        **{"vocab_size": 96, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2},
        **{"num_attention_heads": 4, "num_key_value_heads": 2, "mamba_n_heads": 4, "mamba_d_head": 16},
        "layer_types": ["mamba", "attention"],
    },
    "mamba2": {
        **{"vocab_size": 96, "hidden_size": 32, "num_hidden_layers": 2, "num_heads": 4, "head_dim": 16},
        **{"expand": 2, "state_size": 16, "n_groups": 1},
    },
    "gemma3n_text": {
        **{"vocab_size": 96, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 4, "sliding_window": 8},
        **{"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "num_kv_shared_layers": 0},
        **{"vocab_size_per_layer_input": 96, "hidden_size_per_layer_input": 8, "altup_num_inputs": 2},
        **{"laurel_rank": 4, "layer_types": ["sliding_attention"] * 3 + ["full_attention"]},
    },
    "gemma4_text": {
        **{"vocab_size": 96, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 4, "sliding_window": 8},
        **{"num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size_per_layer_input": 96},
        "hidden_size_per_layer_input": 8,
    },
    "lfm2_moe": {
        **{"vocab_size": 96, "hidden_size": 32, "intermediate_size": 64, "moe_intermediate_size": 32},
        **{"num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2, "num_experts": 4},
        **{"num_experts_per_tok": 2, "num_dense_layers": 1, "layer_types": ["conv", "full_attention", "conv"]},
    },
    "deepseek_v3": {
        **{"vocab_size": 96, "hidden_size": 32, "intermediate_size": 64, "moe_intermediate_size": 32},
        **{"num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 4, "q_lora_rank": 16},
        **{"kv_lora_rank": 16, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 8, "n_routed_experts": 4},
        **{"num_experts_per_tok": 2, "n_group": 1, "topk_group": 1, "first_k_dense_replace": 1},
    },
    "codegen": {"vocab_size": 96, "n_embd": 32, "n_layer": 2, "n_head": 4, "rotary_dim": 4, "n_positions": 256},
}
PACKED = (
    *("llama", "qwen2", "qwen3", "smollm3", "mistral", "ministral", "gemma", "gemma2", "gemma3_text", "gemma3n_text"),
    *("gemma4_text", "phi", "phi3", "granite", "olmo", "olmo2", "olmo3", "cohere", "cohere2", "starcoder2", "opt"),
    *("gpt2", "gpt_neox", "glm", "glm4", "exaone4", "hunyuan_v1_dense", "ernie4_5", "seed_oss", "apertus", "arcee"),
    *("helium", "persimmon", "biogpt", "granitemoe", "qwen2_moe", "qwen3_moe", "mixtral", "olmoe", "phimoe"),
    *("llama4_text", "falcon", "lfm2", "ministral3", "granitemoeshared", "ernie4_5_moe", "glm4_moe", "hunyuan_v1_moe"),
    *(
        "exaone_moe",
        "flex_olmo",
        "nanochat",
        "vaultgemma",
        "cwm",
        "doge",
        "gpt_bigcode",
        "minimax_m2",
        "afmoe",
        "jetmoe",
    ),
    *("diffllama", "solar_open", "internlm3", "hyperclovax", "jais2", "mellum"),
)
PADDED = (
    *("gpt_oss", "qwen3_5_text", "qwen3_5_moe_text", "granitemoehybrid", "bamba", "jamba", "bloom", "stablelm"),
    *("nemotron", "mpt", "gpt_neo", "gptj", "xglm", "qwen3_next", "mamba", "mamba2", "falcon_h1", "nemotron_h"),
    *("minimax", "lfm2_moe", "deepseek_v3", "codegen", "granite_swa", "granitemoe_swa", "mimo_v2_flash", "olmo_hybrid"),
    *("lfm3", "recurrent_gemma", "rwkv", "xlstm"),
)
ROW = [3 + (7 * i) % 60 for i in range(40)]


def built(family: str):
    """A random model of the family, in float32, whose every part has a say in the logits."""
    torch.manual_seed(0)
    if family in OWN_SHAPE:
        config = AutoConfig.for_model(family, **OWN_SHAPE[family])
    else:
        default = AutoConfig.for_model(family)
        config = AutoConfig.for_model(family, **{k: v for k, v in SHAPE.items() if hasattr(default, k)})
        for name in ("sliding_window", "attention_chunk_size"):
            if getattr(config, name, None):
                setattr(config, name, 8)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0, 0.15)
    return model


def alone(model, rows) -> torch.Tensor:
    """Logits before each trained token, each row by itself."""
    parts = []
    for ids, trained in rows:
        logits = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0]
        parts.append(logits[[i - 1 for i, t in enumerate(trained) if t]])
    return torch.cat(parts)


def close(one: torch.Tensor, other: torch.Tensor) -> bool:
    return (one - other).abs().max().item() < 1e-4 * other.abs().max().item()


@pytest.mark.parametrize("family", [*PACKED, *PADDED])
@torch.no_grad()
def test_a_family_computes_what_transformers_does(family):
    """Beyond every window and chunk; packed or padded as it was found to be right; and later tokens move nothing."""
    rows = [(ROW[:30] + tail, [False] * 25 + [True] * (5 + len(tail))) for tail in ([5, 9, 4], [5, 9], [8, 6, 5], [])]
    model = built(family)
    own = model(input_ids=torch.tensor([ROW]), use_cache=False).logits
    expected = alone(model, rows)
    kernels.install(model)
    assert close(model(input_ids=torch.tensor([ROW]), use_cache=False).logits, own)

    later = [*ROW[:30], *[7] * 10]
    moved = model(input_ids=torch.tensor([later]), use_cache=False).logits
    assert close(moved[:, :30], own[:, :30])
    assert not close(moved, own)
    assert not trial.sees_the_future(model)

    packed = takes_packs(model)
    assert packed is (family in PACKED)
    assert close(forward(model, rows, packed)[0], expected)
    if batching.suits(model):
        prompts = [tuple(ROW[:n]) for n in (20, 3, 11)]
        assert answered(model, prompts) == [answered_alone(model, prompt) for prompt in prompts]


STOPS = (2, *range(10, 96, 11))


def answered(model, prompts) -> list[list[int]]:
    """Two at once: the third joins when the first has left."""
    rows = [batching.Row(prompt, Room(None, prompt, Decoding(8)), 8, "") for prompt in prompts]
    for _ in batching.answer(model, rows, frozenset(STOPS), 0, 2):
        pass
    return [row.new for row in rows]


def answered_alone(model, prompt) -> list[int]:
    ids = torch.tensor([prompt])
    out = model.generate(ids, max_new_tokens=8, do_sample=False, eos_token_id=list(STOPS), pad_token_id=0)
    return out[0, len(prompt) :].tolist()


@torch.no_grad()
def test_a_model_that_sees_the_future_is_noticed():
    """BERT attends to both sides unless it is told to be a decoder."""
    config = AutoConfig.for_model(
        "bert", vocab_size=96, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4
    )
    assert trial.sees_the_future(AutoModelForCausalLM.from_config(config).eval())


@torch.no_grad()
def test_a_trial_leaves_windows_as_they_were():
    model = built("gemma3_text")
    kept = [(m, m.sliding_window) for m in model.modules() if "sliding_window" in vars(m)]
    with trial.short_reach(model):
        assert model.config.sliding_window == trial.REACH
        assert {m.sliding_window for m, _ in kept} <= {trial.REACH, None}
    assert model.config.sliding_window == 8
    assert [(m, m.sliding_window) for m, _ in kept] == kept


@torch.no_grad()
def test_attention_that_computes_something_else_is_taken_out_again(monkeypatch):
    """As Falcon's was: with our name for its attention it lost its causal mask."""
    model = built("falcon")
    own = model(input_ids=torch.tensor([ROW]), use_cache=False).logits
    kernels.install(model)
    kernels.install(model)  # as after an adapter was attached
    assert model.config._attn_implementation == "sdpa"
    assert close(model(input_ids=torch.tensor([ROW]), use_cache=False).logits, own)
