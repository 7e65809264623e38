"""Base against tuned on lm-evaluation-harness's tasks, with its prompts and metrics."""
