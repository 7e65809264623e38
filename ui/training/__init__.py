"""The Training tab and its form."""
