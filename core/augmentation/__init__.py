"""More rows from a model: asked for, filtered, read by a person, and never part of what measures."""
