"""A model behind an OpenAI-compatible endpoint: which addresses may be asked, where the key goes."""
