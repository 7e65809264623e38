"""outcome.json: what today's release and those before wrote comes back; a newer or a damaged one is refused."""

from __future__ import annotations

import json

import pytest

from core.errors import UserError
from core.jobs.outcome import Outcome, outcome_of

TRAINED = """{
  "schema": 1,
  "state": "finished",
  "message": "Finished. The checkpoint of step 123 had the lowest validation loss and was kept.",
  "time": 1795595011.533776,
  "step": 123,
  "steps": 123,
  "best_step": 123,
  "best_validation_loss": 0.3748534785155719,
  "seconds": 425.2,
  "adapter_sha256": "817f41fbf10818a0f1c1feb2db8d2c3b51ff62dcd7ddb72d71961098ce853d88",
  "resumable": false
}"""
NOT_VALIDATED = """{"schema": 1, "state": "stopped", "message": "Stopped at step 4 of 9.", "time": 1.5, "step": 4,
 "steps": 9, "best_step": null, "best_validation_loss": null, "resumable": true}"""
EVALUATED = '{"schema": 1, "state": "finished", "message": "Finished in 9 seconds.", "time": 2.5, "seconds": 9.1}'


def test_outcomes_of_the_release_before_are_read(tmp_path):
    (tmp_path / "outcome.json").write_text(TRAINED, encoding="utf-8")
    outcome = outcome_of(tmp_path)
    assert outcome.to_dict() == json.loads(TRAINED)
    assert (outcome.best_step, outcome.best_validation_loss, outcome.resumable) == (123, 0.3748534785155719, False)

    stopped = Outcome.from_dict(json.loads(NOT_VALIDATED))
    assert (stopped.step, stopped.best_step, stopped.resumable, stopped.adapter_sha256) == (4, None, True, None)
    assert Outcome.from_dict(json.loads(EVALUATED)).seconds == 9.1


def test_an_outcome_comes_back(tmp_path):
    outcome = Outcome("stopped", "Stopped.", resumable=True, step=3, steps=4)
    assert outcome_of(tmp_path) is None
    outcome.write(tmp_path)
    assert outcome_of(tmp_path) == outcome


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        ({"state": "finished", "message": "", "schema": 7}, "outcome has the schema 7"),
        ({"state": "finished"}, "outcome cannot be read: at message"),
        ({"state": "vanished", "message": "", "time": 1.0}, "outcome cannot be read: at state"),
    ],
)
def test_anything_else_is_refused(raw, sentence):
    with pytest.raises(UserError, match=sentence):
        Outcome.from_dict(raw)
