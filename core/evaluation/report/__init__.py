"""What an evaluation found, in words, tables and files."""
