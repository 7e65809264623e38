"""More rows from a model: synthetic rows, asked for, filtered, read by a person, and never part of what measures."""
