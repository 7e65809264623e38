"""Rows as ids, packs of rows, log-likelihoods, and the kernels below. Knows ids and models, and no room above."""
