"""The Data tab: what rows are there, and importing others."""
