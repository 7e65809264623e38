"""What marks an answer as misspelt, repeating or too long: suggestions, never verdicts."""
