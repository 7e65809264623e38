"""What is kept: the database, the workspace over it, and the rows of dataset versions."""
