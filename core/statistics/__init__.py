"""Numbers in, numbers out: intervals, tests, clusters, and looks before the end. Every formula names its source."""
