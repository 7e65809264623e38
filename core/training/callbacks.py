"""What the trainer tells the event log: losses, progress with the time that is left, checkpoints. And when to stop."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from transformers import (
    EarlyStoppingCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from core.jobs.events import Checkpoint, EventLog, Metric, Progress
from core.training import saving
from core.training.settings import TrainSettings


class Reporter(TrainerCallback):
    """Writes events; asks the trainer to stop, and to save first, once there is a file `stop` in the run's folder.

    Before a checkpoint is written it sees that there is room: half of one would be worth nothing.
    """

    def __init__(self, log: EventLog, folder: Path, tokens_per_step: float, settings: TrainSettings) -> None:
        self.log = log
        self.folder = folder
        self.stop_file = folder / "stop"
        self.tokens_per_step = tokens_per_step
        self.settings = settings
        self.durations: list[float] = []
        self.began = 0.0

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self.began = time.perf_counter()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        self.durations = [*self.durations[-49:], time.perf_counter() - self.began]
        typical = sorted(self.durations)[len(self.durations) // 2]
        progress = Progress(
            step=state.global_step,
            steps=state.max_steps,
            share=state.global_step / max(1, state.max_steps),
            epoch=round(state.epoch or 0, 2),
            seconds_left=round(typical * (state.max_steps - state.global_step), 1),
            tokens_per_second=round(self.tokens_per_step / typical, 1),
        )
        self.log.write(progress, state.global_step)
        if self._asked_to_stop(args) and state.global_step < state.max_steps:
            control.should_save = True
            control.should_training_stop = True
        if control.should_save:
            needed = saving.expected_bytes(self.folder, kwargs["model"], self.settings)
            saving.require_room(self.folder, needed, f"the checkpoint of step {state.global_step}")
        return control

    def _asked_to_stop(self, args: TrainingArguments) -> bool:
        """Of several processes all stop at the same step, or the others would wait for one that has left."""
        asked = self.stop_file.exists()
        if args.world_size > 1:
            import torch

            anybody = torch.tensor(int(asked), device=args.device)
            torch.distributed.all_reduce(anybody, torch.distributed.ReduceOp.MAX)
            asked = bool(anybody)
        return asked

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        names = {
            "loss": "loss",
            "eval_loss": "validation_loss",
            "grad_norm": "grad_norm",
            "learning_rate": "learning_rate",
            "rewards/accuracies": "preference_accuracy",
            "rewards/margins": "preference_margin",
            "eval_rewards/accuracies": "validation_preference_accuracy",
            "eval_rewards/margins": "validation_preference_margin",
        }
        metrics = {new: float(logs[old]) for old, new in names.items() if logs and old in logs}
        if metrics:
            self.log.write(Metric(**metrics), state.global_step)

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        self.log.write(Checkpoint(f"Checkpoint of step {state.global_step} saved."), state.global_step)


def keep_patience(trainer: Trainer, checkpoint: Path) -> None:
    """Early stopping goes on counting the validations without a lower loss where `checkpoint` left off.

    transformers would restore its callbacks only together with its control, which after a stop says stop.
    """
    state = json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
    for callback in trainer.callback_handler.callbacks:
        if isinstance(callback, EarlyStoppingCallback):
            counted = state["stateful_callbacks"]["EarlyStoppingCallback"]["attributes"]
            # Whoever resumes a run that had lost its patience wants it to go on: there it begins anew.
            if counted["early_stopping_patience_counter"] < callback.early_stopping_patience:
                callback.early_stopping_patience_counter = counted["early_stopping_patience_counter"]
