"""How many at a time: what one visitor of a Space, and all together, do beside each other in the page's process."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from core.errors import UserError


class Places:
    """`each` places for one owner, `most` in all; who finds none free within `patience` seconds is told."""

    def __init__(self, each: int, most: int, patience: float, sentence: str) -> None:
        self.each, self.most, self.patience, self.sentence = each, most, patience, sentence
        self._taken: Counter[str] = Counter()
        self._changed = threading.Condition()

    @contextmanager
    def one(self, owner: str) -> Iterator[None]:
        """A place while the block lasts. Raises UserError with `sentence` where there is none."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._free(owner), self.patience):
                raise UserError(self.sentence)
            self._taken[owner] += 1
        try:
            yield
        finally:
            with self._changed:
                self._taken[owner] -= 1
                self._taken += Counter()  # those without a place are forgotten
                self._changed.notify_all()

    def _free(self, owner: str) -> bool:
        return self._taken[owner] < self.each and self._taken.total() < self.most
