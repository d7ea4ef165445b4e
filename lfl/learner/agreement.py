"""Whether the ranks that step together hold the same module, loss and batches."""

from typing import Any

from ..step import Ranks
from ..step.ranks import parts
from ..types import Batch

CHECK_EVERY = 1000
"""Calls between two comparisons of what the ranks hold."""


class Agreement:
    """Asks all ranks whether they agree: about all before the first step, and now and then about what they hold.

    Args:
        ranks: the processes that step together; None for one.
    """

    def __init__(self, ranks: Ranks | None) -> None:
        self._ranks, self.checked = ranks, False

    def check(self, call: int, batch: Batch, batch_val: Batch | None, **held: Any) -> None:
        """Raises `UserError` on all ranks where they differ.

        Args:
            call: number of the call of `step`.
            batch, batch_val: the batches that the rank was given.
            held: trees of tensors by name.
        """
        if self._ranks is None or (self.checked and call % CHECK_EVERY):
            return
        self._ranks.check_equal(**held)
        if not self.checked:
            parts(self._ranks, [batch], batch_val, check=True)
        self.checked = True
