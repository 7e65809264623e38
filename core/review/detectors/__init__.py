"""What may be wrong with an answer, as far as a program can see it: suggestions, never verdicts."""
