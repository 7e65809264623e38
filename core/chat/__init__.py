"""Talking to base and tuned side by side: a kind of job that waits in no queue."""
