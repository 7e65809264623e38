"""What a model takes is asked before any of it is fetched; the Hub is ours (tests/hub.py), its client the real one."""

from __future__ import annotations

import json
import shutil

from tests.hub import ask, running

SCRIPT = """
import json, sys
from pathlib import Path
from core.errors import UserError
from core.models import downloads
from core.settings import Limits, Settings
said = []
for model, megabytes, weights, fetch in json.loads(sys.argv[2]):
    settings = Settings(home=Path(sys.argv[1]), mode="space", limits=Limits(models_mb=megabytes))
    try:
        downloads.require_room(settings, model, weights=weights)
        said.append("")
    except UserError as e:
        said.append(str(e))
    if fetch:
        from huggingface_hub import hf_hub_download
        for name in ("config.json", "tokenizer_config.json", "tokenizer.json", "model.safetensors"):
            hf_hub_download(model, name)
downloads.require_room(Settings(home=Path(sys.argv[1])), "nobody/nothing", weights=True)  # at home nobody asks
print(json.dumps([said, downloads.cache_size()]))
"""


def test_a_model_is_fetched_only_where_there_is_room(tiny_model_folder, tmp_path):
    published = tmp_path / "published"
    shutil.copytree(tiny_model_folder, published)
    with open(published / "model.safetensors", "ab") as weights:
        weights.write(bytes(2_000_000))
    (published / "onnx").mkdir()
    (published / "onnx" / "model.safetensors").write_bytes(bytes(3_000_000))  # nobody loads it
    home = tmp_path / "home"
    home.mkdir()
    asked = [
        ("somebody/tiny", 1, False, False),  # its small files alone
        ("somebody/tiny", 1, True, False),
        ("somebody/tiny", 4, True, True),
        ("somebody/tiny", 1, True, False),  # it is here by now
        ("somebody/other", 4, True, False),  # and leaves too little for another
        ("nobody/nothing", 1000, False, False),
    ]
    with running() as hub:
        for name in ("somebody/tiny", "somebody/other"):
            hub.commit("models", name, published)
        done = ask(hub, home, SCRIPT, str(home), json.dumps(asked))
    assert done.returncode == 0, done.stderr
    said, kept = json.loads(done.stdout)
    assert [bool(sentence) for sentence in said] == [False, True, False, False, True, True]
    assert "The models on this Space have 0.0 of 0.0 GB" in said[1]
    assert "is not on this machine, and the Hub does not answer for it" in said[5]
    assert 2_000_000 < kept < 4_000_000
