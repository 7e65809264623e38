"""Start Tunewright: settings → page → launch. On a Space and on a laptop alike."""

import logging

from core.jobs import queue
from core.settings import from_environment
from core.store.workspace import open_workspace
from ui.launch import launch


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    store = open_workspace(from_environment())
    queue.watch(store)
    launch(store)


if __name__ == "__main__":
    main()
