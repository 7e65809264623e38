"""Rows that ask nearly the same in other words: found among all rows of a file, kept in one part, shown."""
