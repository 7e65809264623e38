"""Models: which are offered, how they get here, how they are loaded (base and adapter, one copy of the weights)."""
