"""Base against tuned, measured on the same rows and the same questions, with intervals.

Owns the loss on held-out rows, text metrics, benchmarks and the report. Knows models only through `core.models`, text
and forward passes only through `core.engine`; knows nothing of labels or pages.
"""
