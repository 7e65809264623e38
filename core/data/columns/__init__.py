"""Which columns of a file are what, and how its rows become examples."""
