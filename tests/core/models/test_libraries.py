"""What a worker spares itself."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from core.models import libraries

BEGIN = """
import sys
from core.models import libraries
libraries.spare_bitsandbytes(sys.argv[1], None, sys.argv[2])
libraries.torch_and_peft()
from transformers import Trainer
loaded = sys.modules.get("bitsandbytes") is not None, "torch._inductor.compile_fx" in sys.modules
print(*loaded, "scipy.optimize" in sys.modules)
import scipy.optimize
"""


@pytest.fixture
def unloaded():
    """As in a process that begins: bitsandbytes is neither loaded nor kept out."""
    known = sys.modules.pop("bitsandbytes", None)
    yield
    sys.modules.pop("bitsandbytes", None)
    if known:
        sys.modules["bitsandbytes"] = known


@pytest.mark.parametrize(("quantization", "loaded"), [("none", "False False False"), ("4bit", "True True False")])
def test_a_worker_that_quantizes_nothing_begins_without_the_compiler(tiny_model_folder, quantization, loaded):
    command = [sys.executable, "-c", BEGIN, str(tiny_model_folder), quantization]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == loaded


@pytest.mark.parametrize(
    ("config", "quantization", "optimizer", "spared"),
    [
        ({}, "none", "adamw", True),
        ({}, "8bit", "adamw", False),
        ({}, "none", "adamw_8bit", False),
        ({"quantization_config": {"quant_method": "bitsandbytes"}}, "none", "adamw", False),
        (None, "none", "adamw", False),
    ],
)
def test_what_may_need_it_keeps_it(tmp_path, unloaded, config, quantization, optimizer, spared):
    if config is not None:
        (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    libraries.spare_bitsandbytes(str(tmp_path), None, quantization, optimizer)
    assert ("bitsandbytes" in sys.modules) == spared


def test_a_model_of_the_hub_that_is_not_here_may_need_it(unloaded):
    libraries.spare_bitsandbytes("somebody/never-fetched", None, "none")
    assert "bitsandbytes" not in sys.modules
