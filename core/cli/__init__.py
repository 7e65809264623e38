"""The command line: one file a verb. It prints for people, or one JSON document with --json."""
