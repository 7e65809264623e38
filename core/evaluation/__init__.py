"""The Evaluation room: base against tuned, measured on the same rows and the same questions, with intervals.

Owns the loss on held-out rows, generation, text metrics, benchmarks and their statistics. Knows models only through
`core.models.loading.Sides`, text only through `core.rendering`, and forward passes only through `core.packing`;
knows nothing of detectors, labels or pages.
"""
