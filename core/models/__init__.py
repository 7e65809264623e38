"""Which models are offered, how they get here, and base and adapter on one copy of the weights."""
