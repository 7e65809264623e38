"""Start Tunewright: settings → page → launch. On a Space and on a laptop alike."""

import logging
import sys

from core.errors import UserError
from core.files import sweep
from core.jobs import queue
from core.settings import from_environment
from core.store.workspace import open_workspace
from ui.launch import launch


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        store = open_workspace(from_environment())
        sweep(store.settings.home)
        queue.watch(store)
        launch(store)
    except UserError as e:
        sys.exit(f"tunewright: {e}")


if __name__ == "__main__":
    main()
