"""A person's file → rows, in batches: one module a format. Every refusal names place and remedy."""
