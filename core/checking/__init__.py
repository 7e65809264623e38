"""What would spoil the model, found in the rows of a version, and mended as the next version."""
