"""A job is a folder and a detached process that writes into it. Training runs and evaluations are jobs.

    spec.json      what to do; written before the job is queued, never changed
    process.json   pid and start of the process (together they name it: pids are reused)
    heartbeat.json when it last did and said anything
    events.jsonl   numbered, append-only: what happened so far
    worker.log     what the process printed
    stop           present once somebody asked it to stop; since when
    reserve        a little of the disk, given back for the outcome
    outcome.json   how it ended; its presence means that it ended

The folder is the truth; pages and commands only read it.
"""
