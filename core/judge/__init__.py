"""Letting a language model judge the answers of base and tuned: a kind of job that waits in no queue."""
