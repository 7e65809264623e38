"""Training: what can be set (spec), what it will take (preflight), and the worker, the only file that trains."""
