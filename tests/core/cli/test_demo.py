"""The demo, as a person runs it: the starter model, the sample, the whole loop, one JSON report."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.starter
@pytest.mark.timeout(1800)
def test_the_demo_shows_a_gain_with_intervals_and_proves_the_base(tmp_path, starter_models):
    home = tmp_path / "home"
    home.mkdir()
    (home / "models").symlink_to(starter_models)
    environment = {**os.environ, "TUNEWRIGHT_HOME": str(home), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-m", "core", "demo", "--json", "--epochs", "1", "--rows", "40"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=1700)
    assert done.returncode == 0, done.stderr[-3000:]
    report = json.loads(done.stdout)
    heldout = report["heldout"]
    assert heldout["rows"] == 40  # as many as were asked for
    assert heldout["tuned"]["loss"] < heldout["base"]["loss"]
    assert heldout["difference"]["high"] < 0  # the whole interval: lower
    f1 = heldout["token_f1"]
    assert f1["tuned"]["mean"] > f1["base"]["mean"]
    assert f1["difference"]["low"] > 0  # the whole interval: higher
    proof = report["proof"]
    assert proof["largest_logit_difference_base_to_plain"] == 0.0
    assert proof["largest_logit_difference_tuned_to_base"] > 0
    assert len(proof["base_weights_sha256"]) == 64
    assert report["training"]["state"] == "finished"
    assert set(report["suggestions"]) == {"base", "tuned"}
    assert report["sentences"]
