"""What can be set, what it will take, and the worker, the only file that trains."""
