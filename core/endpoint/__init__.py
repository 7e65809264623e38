"""Asking a model behind an OpenAI-compatible endpoint: which addresses may be asked, and where the key goes."""
