"""From a person's file to a frozen dataset version: reading, columns, checks, splitting.

Nothing is imported by halves: either every step succeeds and a version is written, or nothing is.
"""
