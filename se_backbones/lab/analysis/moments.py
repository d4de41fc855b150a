"""Running mean and standard deviation of batches of vectors."""

import numpy as np


class Moments:
    """Mean and variance over rows, batch by batch (Chan, Golub and LeVeque 1983): memory does not grow with the rows.

    Attributes:
        count: Rows so far.
        mean: ``(C,)``; NaN before the first row.
    """

    def __init__(self, size: int):
        self.count = 0
        self.mean = np.full(size, np.nan)
        self._squares = np.zeros(size)  # sum of squared distances from the mean

    def add(self, rows: np.ndarray) -> None:
        """Take ``(n, C)`` more values."""
        count = len(rows)
        if count == 0:
            return
        rows = rows.astype(np.float64)
        mean = rows.mean(0)
        before = self.mean if self.count else mean
        total = self.count + count
        self._squares += ((rows - mean)**2).sum(0) + (mean - before)**2 * self.count * count / total
        self.mean = before + (mean - before) * count / total
        self.count = total

    @property
    def std(self) -> np.ndarray:
        """``(C,)``, over the rows themselves (not an estimate for more of them)."""
        return np.sqrt(self._squares / max(self.count, 1))
