"""Tokens: what a row looks like to the model, and what of a whole dataset will be trained."""
